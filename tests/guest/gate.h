/* SPDX-License-Identifier: GPL-2.0-only */
/* The ways into the kernel: SYSCALL, and the forms of the gate */
#ifndef GATE_H
#define GATE_H

#include "guest.h"

#define HWCAP2_UNILINUX_GATE	(1ul << 30)

typedef long (*gate_fn)(long nr, long a, long b, long c, long d, long e, long f);

static inline int have_gate(void)
{
	return !!(getauxval(AT_HWCAP2) & HWCAP2_UNILINUX_GATE);
}

#define NEED_GATE()							\
	do {								\
		if (!have_gate())					\
			return because(SKIP, "no gate");		\
	} while (0)

#define GATE_FUNCTION(name, insns)					\
static inline long name(long nr, long a, long b, long c, long d, long e, long f) \
{									\
	register long r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f; \
	long ret;							\
									\
	asm volatile(insns						\
		     : "=a" (ret)					\
		     : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10),	\
		       "r" (r8), "r" (r9)				\
		     : "rcx", "r11", "cc", "memory");			\
	return ret;							\
}

GATE_FUNCTION(gate_trap, "syscall")
GATE_FUNCTION(gate_call, "lea -128(%%rsp), %%rsp\n\t"
	      "call *0xffffffffff600000\n\tlea 128(%%rsp), %%rsp")
GATE_FUNCTION(gate_call_reg, "lea -128(%%rsp), %%rsp\n\t"
	      "mov 0xffffffffff600000, %%rcx\n\tcall *%%rcx\n\t"
	      "lea 128(%%rsp), %%rsp")
GATE_FUNCTION(gate_call_nr, "lea -128(%%rsp), %%rsp\n\t"
	      "call *0xffffffffff601000(,%%rax,8)\n\tlea 128(%%rsp), %%rsp")
GATE_FUNCTION(gate_jmp, "lea 1f(%%rip), %%rcx\n\t"
	      "jmp *0xffffffffff600010\n\tud2\n1:")

struct gate_form {
	const char *name;
	gate_fn call;
};

static const struct gate_form gate_forms[] = {
	{ "trap", gate_trap },
	{ "call", gate_call },
	{ "call_reg", gate_call_reg },
	{ "call_nr", gate_call_nr },
	{ "jmp", gate_jmp },
};

/* All forms that this kernel has: without the gate only SYSCALL */
#define for_each_form(form)						\
	for (const struct gate_form *form = gate_forms;			\
	     form < gate_forms + (have_gate() ? 5 : 1); form++)

/* EXPECT() that names the form */
#define EXPECT_FORM(form, condition)					\
	do {								\
		if (!(condition))					\
			return because(FAIL, "%s, line %d: %s",		\
				       (form)->name, __LINE__, #condition); \
	} while (0)

#endif /* GATE_H */
