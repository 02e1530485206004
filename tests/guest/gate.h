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

/* The call whose number is in RAX, for asm(). BY_JUMP takes RCX. */
#define BY_SYSCALL	"syscall"
#define BY_CALL		"call *0xffffffffff600000"
#define BY_NUMBER	"call *0xffffffffff601000(,%%rax,8)"
#define BY_JUMP		"lea 1f(%%rip), %%rcx\n\tjmp *0xffffffffff600010\n1:"

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

GATE_FUNCTION(gate_trap, BY_SYSCALL)
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

/*
 * What a call is made with, and its result.  All registers but RAX, RCX and R11
 * must survive, also those of SSE: then it returns 1.
 */
struct registers {
	uint64_t rdi, rsi, rdx, r8, r9, r10, rbx, rbp, r12, r13, r14, r15;
	long result;
};

#define REGISTERS_TEST(name, enter)					\
static inline int name(uint64_t nr, struct registers *r)		\
{									\
	uint64_t rax = nr, rsi = (uint64_t)r, ok;			\
									\
	asm volatile("push %%rbp\n\tlea -128(%%rsp), %%rsp\n\t"		\
		     "mov %%rsi, %%r15\n\t"				\
		     "mov 0(%%r15), %%rdi\n\tmov 8(%%r15), %%rsi\n\t"	\
		     "mov 16(%%r15), %%rdx\n\tmov 24(%%r15), %%r8\n\t"	\
		     "mov 32(%%r15), %%r9\n\tmov 40(%%r15), %%r10\n\t"	\
		     "mov 48(%%r15), %%rbx\n\tmov 56(%%r15), %%rbp\n\t"	\
		     "mov 64(%%r15), %%r12\n\tmov 72(%%r15), %%r13\n\t"	\
		     "mov 80(%%r15), %%r14\n\t"				\
		     "movq %%rbx, %%xmm15\n\t"				\
		     enter "\n\t"					\
		     "xor %%ecx, %%ecx\n\t"				\
		     "cmp 0(%%r15), %%rdi\n\tjne 9f\n\t"		\
		     "cmp 8(%%r15), %%rsi\n\tjne 9f\n\t"		\
		     "cmp 16(%%r15), %%rdx\n\tjne 9f\n\t"		\
		     "cmp 24(%%r15), %%r8\n\tjne 9f\n\t"		\
		     "cmp 32(%%r15), %%r9\n\tjne 9f\n\t"		\
		     "cmp 40(%%r15), %%r10\n\tjne 9f\n\t"		\
		     "cmp 48(%%r15), %%rbx\n\tjne 9f\n\t"		\
		     "cmp 56(%%r15), %%rbp\n\tjne 9f\n\t"		\
		     "cmp 64(%%r15), %%r12\n\tjne 9f\n\t"		\
		     "cmp 72(%%r15), %%r13\n\tjne 9f\n\t"		\
		     "cmp 80(%%r15), %%r14\n\tjne 9f\n\t"		\
		     "movq %%xmm15, %%r11\n\tcmp %%r11, %%rbx\n\tjne 9f\n\t" \
		     "inc %%ecx\n"					\
		     "9:	lea 128(%%rsp), %%rsp\n\tpop %%rbp\n\t"	\
		     "mov %%rcx, %%r8"					\
		     : "+a" (rax), "=c" (ok), "+S" (rsi) :		\
		     : "rdx", "rdi", "r8", "r9", "r10", "r11", "rbx", "r12", \
		       "r13", "r14", "r15", "xmm15", "cc", "memory");	\
	r->result = rax;						\
	return ok;							\
}

REGISTERS_TEST(registers_trap, BY_SYSCALL)
REGISTERS_TEST(registers_call, BY_CALL)
REGISTERS_TEST(registers_nr, BY_NUMBER)
REGISTERS_TEST(registers_jmp, BY_JUMP)

#endif /* GATE_H */
