// SPDX-License-Identifier: GPL-2.0-only
/*
 * A signal at each instruction of a system call, from before it to after it.
 *
 * A child makes the same call again and again.  Its parent steps it, and sends a
 * signal at the first instruction of the first call, at the second one of the
 * second, and so on, until a call ends before its turn has come.  The handler
 * makes a call by the same form.  Each result must be right, and each call must
 * have happened just once.
 */
#include "gate.h"
#include <stddef.h>

#define MOST_ROUNDS	500

struct rounds {
	volatile int round, inside, finish, sent;
};

struct tally {
	int rounds, signals_in_gate;
};

static struct rounds *shared;
static const struct gate_form *tested;
static volatile sig_atomic_t handled, wrong;
static pid_t parent;

static void call_again(int signr, siginfo_t *info, void *context)
{
	handled++;
	if (tested->call(SYS_getppid, 0, 0, 0, 0, 0, 0) != parent)
		wrong++;
}

static long ask_parent(int round)
{
	return tested->call(SYS_getppid, 0, 0, 0, 0, 0, 0) == parent;
}

static int pipe_ends[2];

/* The pipe holds 0, 1, 2, ...: a call that happens twice, or not at all, shows in the next byte. */
static long read_next(int round)
{
	unsigned char byte = ~round;

	return tested->call(SYS_read, pipe_ends[0], (long)&byte, 1, 0, 0, 0) == 1 &&
	       byte == (unsigned char)round;
}

/* By the complete path of the lean gate too: it wants all of pt_regs. */
static long fork_once(int round)
{
	long pid = tested->call(SYS_fork, 0, 0, 0, 0, 0, 0);
	int status;

	if (!pid)
		tested->call(SYS_exit_group, round & 0x7f, 0, 0, 0, 0, 0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && exited_with(status, round & 0x7f);
}

static long invalid_number(int round)
{
	return tested->call(500, 0, 0, 0, 0, 0, 0) == -ENOSYS;
}

static void make_calls(long (*call)(int round))
{
	unsigned int i;

	if (pipe(pipe_ends))
		_exit(5);
	for (i = 0; i < MOST_ROUNDS; i++) {
		unsigned char byte = i;

		if (write(pipe_ends[1], &byte, 1) != 1)
			_exit(5);
	}
	parent = getppid();
	handle(SIGUSR1, call_again, 0);
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	while (!shared->finish && shared->round < MOST_ROUNDS) {
		long good;

		shared->inside = 1;
		good = call(shared->round);
		shared->inside = 0;
		if (!good || wrong || handled != shared->sent)
			_exit(4);
		shared->round++;
	}
	_exit(shared->finish ? 3 : 6);
}

static void step_over(pid_t pid, struct tally *tally, int *status)
{
	int round = -1, step = 0, sent = 1, signr = 0;

	while (!ptrace(PTRACE_SINGLESTEP, pid, 0, signr)) {
		signr = 0;
		waitpid(pid, status, 0);
		if (!WIFSTOPPED(*status))
			return;
		/* What else stops it, SIGCHLD for one, is its own. */
		if (WSTOPSIG(*status) != SIGTRAP)
			signr = WSTOPSIG(*status);
		if (!shared->inside)
			continue;
		if (shared->round != round) {
			shared->finish = !sent;
			round = shared->round;
			step = 0;
			sent = 0;
		}
		if (sent || signr || step++ < round)
			continue;
		if (ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), 0) < 0)
			tally->signals_in_gate++;
		signr = SIGUSR1;
		shared->sent++;
		sent = 1;
	}
}

static int signal_everywhere(long (*call)(int round))
{
	static struct tally tally[5];
	char text[200] = "";

	for_each_form(form) {
		struct tally *mine = &tally[form - gate_forms];
		int status = 0;
		pid_t pid;

		tested = form;
		shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		pid = fork();
		if (!pid)
			make_calls(call);
		waitpid(pid, &status, 0);
		step_over(pid, mine, &status);
		mine->rounds = shared->round;
		if (!exited_with(status, 3))
			return because(FAIL, "%s, round %d: status %#x", form->name,
				       mine->rounds, status);
		/* The function has a few instructions, and some of the gate are user code. */
		EXPECT_FORM(form, mine->rounds > 5);
		EXPECT_FORM(form, form->call == gate_trap || mine->signals_in_gate > 0);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s %d/%d ",
			 form->name, mine->rounds, mine->signals_in_gate);
	}
	return because(PASS, "signals/in the gate's text: %s", text);
}

static int signal_in_getppid(void)
{
	return signal_everywhere(ask_parent);
}

static int signal_in_read(void)
{
	return signal_everywhere(read_next);
}

static int signal_in_fork(void)
{
	return signal_everywhere(fork_once);
}

static int signal_in_invalid(void)
{
	return signal_everywhere(invalid_number);
}

static volatile sig_atomic_t traps, traps_in_gate;

static void count_trap(int signr, siginfo_t *info, void *context)
{
	traps++;
	if (((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] < 0)
		traps_in_gate++;
}

/* The program's own TF: SIGTRAP is delivered, and returned from, at each instruction. */
static int trap_at_each_step(void)
{
	handle(SIGTRAP, count_trap, 0);
	for_each_form(form) {
		unsigned char i, byte;

		EXPECT(!pipe(pipe_ends));
		traps = 0;
		for (i = 0; i < 50; i++) {
			long result;

			EXPECT(write(pipe_ends[1], &i, 1) == 1);
			asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torl $0x100, (%%rsp)\n\t"
				     "popfq\n\tlea 128(%%rsp), %%rsp" : : : "cc", "memory");
			result = form->call(SYS_read, pipe_ends[0], (long)&byte, 1, 0, 0, 0);
			asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandl $~0x100, (%%rsp)\n\t"
				     "popfq\n\tlea 128(%%rsp), %%rsp" : : : "cc", "memory");
			EXPECT_FORM(form, result == 1 && byte == i);
		}
		EXPECT_FORM(form, traps > 50 * 5);
		close(pipe_ends[0]);
		close(pipe_ends[1]);
	}
	return because(PASS, "%d traps in the gate's text", (int)traps_in_gate);
}

static const struct guest_case cases[] = {
	CASE(signal_in_getppid),
	CASE(signal_in_read),
	CASE(signal_in_fork),
	CASE(signal_in_invalid),
	CASE(trap_at_each_step),
};

GUEST_MAIN(cases)
