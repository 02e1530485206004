// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exceptions, system calls and interrupts at a high rate, with a check of every
 * register and of the red zone.  Meant to be run while the host injects NMIs.
 * The environment variable "seconds" says for how long each case runs (default: 10).
 */
#include "gate.h"

static uint64_t end_time(void)
{
	const char *seconds = getenv("seconds");

	return nanoseconds() + (uint64_t)((seconds ? atof(seconds) : 10) * 1e9);
}

static void skip_ud2(int signr, siginfo_t *info, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

static void count_signal(int signr, siginfo_t *info, void *context)
{
}

static int page_faults(char *p)
{
	const size_t size = 1 << 20;
	size_t i;

	madvise(p, size, MADV_DONTNEED);
	for (i = 0; i < size; i += 4096) {
		if (p[i])
			return 0;
		p[i] = 7;
	}
	return 1;
}

static int exceptions(void)
{
	uint64_t i;

	for (i = 0; i < 200; i++) {
		register uint64_t a asm("rbx") = 0x1234567 + i, b asm("r12") = ~i;

		asm volatile("ud2" : "+r" (a), "+r" (b) : : "memory");
		if (a != 0x1234567 + i || b != ~i)
			return 0;
	}
	return 1;
}

static int calls(void)
{
	pid_t self = getpid();
	int i;

	for_each_form(form) {
		for (i = 0; i < 500; i++) {
			if (form->call(SYS_getpid, 0, 0, 0, 0, 0, 0) != self)
				return 0;
		}
	}
	return 1;
}

static int everything(void)
{
	uint64_t end = end_time();
	unsigned long rounds = 0;
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	handle(SIGILL, skip_ud2, 0);
	while (nanoseconds() < end) {
		EXPECT(page_faults(p));
		EXPECT(exceptions());
		EXPECT(calls());
		rounds++;
	}
	return because(PASS, "%lu rounds", rounds);
}

static int everything_with_signals(void)
{
	handle(SIGALRM, count_signal, SA_RESTART);
	tick_every_us(1000);
	return everything();
}

/* Two processes that step each other's children, and one that forks */
static int everything_with_steps(void)
{
	uint64_t end = end_time();
	unsigned long steps = 0;
	pid_t busy = fork();

	if (!busy)
		_exit(everything_with_signals());
	while (nanoseconds() < end) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
			for_each_form(form)
				form->call(SYS_getppid, 0, 0, 0, 0, 0, 0);
			_exit(3);
		}
		waitpid(pid, &status, 0);
		while (!ptrace(PTRACE_SINGLESTEP, pid, 0, 0)) {
			waitpid(pid, &status, 0);
			if (!WIFSTOPPED(status))
				break;
			steps++;
		}
		EXPECT(exited_with(status, 3));
	}
	EXPECT(exited_with(wait_for(busy, 60), 0));
	return because(PASS, "%lu steps", steps);
}

static const struct guest_case cases[] = {
	CASE(everything),
	CASE(everything_with_signals),
	CASE(everything_with_steps),
};

GUEST_MAIN(cases)
