// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls that the host interrupts at each of their instructions.
 *
 * It knows them by MARK in R9, and by R8 which case they belong to.  It follows the
 * first call of a case, and in the rounds after that it injects an NMI before the
 * kernel's first instruction, before the second one, and so on.  There are few
 * other calls, as each one that enters by the same way stops the machine.
 */
#include "gate.h"

#define MARK	0x4e4d49ul
/* More than a call has instructions in the kernel, and in the gate */
#define ROUNDS		300
#define GATE_ROUNDS	150

static int survive(int (*call)(uint64_t, struct registers *), uint64_t number)
{
	pid_t parent = getppid();
	struct registers r;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		memset(&r, 0x5a + round, sizeof(r));
		r.r8 = number;
		r.r9 = MARK;
		if (!call(SYS_getppid, &r))
			return because(FAIL, "round %d: a register has changed", round);
		if (r.result != parent)
			return because(FAIL, "round %d: result %ld", round, r.result);
	}
	return PASS;
}

static int by_trap(void)
{
	return survive(registers_trap, 0);
}

static int by_call(void)
{
	NEED_GATE();
	return survive(registers_call, 1);
}

static int by_nr(void)
{
	NEED_GATE();
	return survive(registers_nr, 2);
}

static int by_jmp(void)
{
	NEED_GATE();
	return survive(registers_jmp, 3);
}

/* The stack with the return address goes away: the gate must not return. */
static int unmap_stack(void)
{
	char *stack = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	register unsigned long r8 asm("r8") = 4, r9 asm("r9") = MARK;

	asm volatile("lea 4096(%%rdi), %%rsp\n\tcall *0xffffffffff600000\n\t"
		     "mov %%eax, %%edi\n\tor $0x40, %%edi\n\tmov $60, %%eax\n\tsyscall"
		     : : "a" (SYS_munmap), "D" (stack), "S" (8192), "r" (r8), "r" (r9)
		     : "memory");
	return PASS;
}

static int unmapped(void)
{
	int round, status;

	NEED_GATE();
	for (round = 0; round < GATE_ROUNDS; round++) {
		pid_t pid = fork();

		if (!pid)
			_exit(unmap_stack());
		EXPECT(waitpid(pid, &status, 0) == pid);
		if (!killed_by(status, SIGSEGV))
			return because(FAIL, "round %d: wait status %#x", round, status);
	}
	return PASS;
}

static const struct guest_case cases[] = {
	CASE(by_trap),
	CASE(by_call),
	CASE(by_nr),
	CASE(by_jmp),
	CASE(unmapped),
};

GUEST_MAIN(cases)
