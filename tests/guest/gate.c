// SPDX-License-Identifier: GPL-2.0-only
/*
 * # long: the forms of the gate share their checks
 * The system call gate in all its forms, each against the same cases as SYSCALL.
 */
#include "gate.h"
#include <linux/futex.h>

static volatile sig_atomic_t signals, signals_in_gate;

static void count_signal(int signr, siginfo_t *info, void *context)
{
	signals++;
	if (((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] < 0)
		signals_in_gate++;
}

static int get_ids(void)
{
	for_each_form(form) {
		EXPECT_FORM(form, form->call(SYS_getpid, 0, 0, 0, 0, 0, 0) == getpid());
		EXPECT_FORM(form, form->call(SYS_getppid, 0, 0, 0, 0, 0, 0) == getppid());
	}
	return PASS;
}

static int bad_numbers(void)
{
	for_each_form(form) {
		EXPECT_FORM(form, form->call(500, 0, 0, 0, 0, 0, 0) == -ENOSYS);
		EXPECT_FORM(form, form->call(511, 0, 0, 0, 0, 0, 0) == -ENOSYS);
		EXPECT_FORM(form, form->call(400, 0, 0, 0, 0, 0, 0) == -ENOSYS);
		if (form->call == gate_call_nr)
			continue;
		EXPECT_FORM(form, form->call(1000, 0, 0, 0, 0, 0, 0) == -ENOSYS);
		EXPECT_FORM(form, form->call(-1, 0, 0, 0, 0, 0, 0) == -ENOSYS);
		EXPECT_FORM(form, form->call(0x7fffffff, 0, 0, 0, 0, 0, 0) == -ENOSYS);
		/* The number is the lower half of RAX. */
		EXPECT_FORM(form, form->call(SYS_getpid | 0x100000000, 0, 0, 0, 0, 0, 0) ==
				  getpid());
	}
	return PASS;
}

static int six_arguments(void)
{
	for_each_form(form) {
		long p = form->call(SYS_mmap, 0x7000000, 4096, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		EXPECT_FORM(form, p == 0x7000000);
		*(volatile char *)p = 1;
		EXPECT_FORM(form, !form->call(SYS_munmap, p, 4096, 0, 0, 0, 0));
	}
	return PASS;
}

static int registers_survive(void)
{
	static const int numbers[] = { SYS_getppid, SYS_sched_yield, SYS_fork, 400 };
	int (*const tests[])(uint64_t, struct registers *) = {
		registers_trap, registers_call, registers_nr, registers_jmp,
	};
	unsigned int i, k, round;
	pid_t self = getpid();

	for (round = 0; round < 200; round++) {
		for (i = 0; i < (have_gate() ? 4 : 1); i++) {
			for (k = 0; k < 4; k++) {
				struct registers r;
				int ok;

				memset(&r, 0x5a + round, sizeof(r));
				r.rdi = 0x123456789abcdef0 + round;
				if (numbers[k] == SYS_fork && round % 50)
					continue;
				ok = tests[i](numbers[k], &r);
				if (getpid() != self)
					_exit(!ok);
				if (!ok)
					return because(FAIL, "form %u, call %d", i, numbers[k]);
				if (numbers[k] == SYS_fork) {
					int status;

					EXPECT(wait(&status) > 0);
					EXPECT(exited_with(status, 0));
				}
			}
		}
	}
	return PASS;
}

/* Shared with a child, which waits for signals rather than for the clock of a busy host */
static volatile int *seen;

static void count_for_child(int signr, siginfo_t *info, void *context)
{
	++*seen;
}

static int restart_handled_signals(void)
{
	seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(seen != MAP_FAILED);
	handle(SIGALRM, count_for_child, SA_RESTART);
	for_each_form(form) {
		char byte = 0;
		pid_t pid;
		int fds[2];

		EXPECT(!pipe(fds));
		*seen = 0;
		pid = fork();
		if (!pid) {
			while (*seen < 10)
				sleep_ms(1);
			_exit(write(fds[1], "z", 1) != 1);
		}
		tick_every_us(20000);
		EXPECT_FORM(form, form->call(SYS_read, fds[0], (long)&byte, 1, 0, 0, 0) == 1);
		tick_every_us(0);
		EXPECT_FORM(form, byte == 'z');
		EXPECT_FORM(form, exited_with(wait_for(pid, 5), 0));
		close(fds[0]);
		close(fds[1]);
	}
	return PASS;
}

static int interrupted_by_signal(void)
{
	for_each_form(form) {
		struct itimerval once = { { 0, 0 }, { 0, 50000 } };
		char byte;
		int fds[2];

		EXPECT(!pipe(fds));
		handle(SIGALRM, count_signal, 0);
		setitimer(ITIMER_REAL, &once, NULL);
		EXPECT_FORM(form, form->call(SYS_read, fds[0], (long)&byte, 1, 0, 0, 0) == -EINTR);
		close(fds[0]);
		close(fds[1]);
	}
	return PASS;
}

/* -ERESTART_RESTARTBLOCK: nanosleep() interrupted by SIGSTOP and SIGCONT */
static int restart_block(void)
{
	for_each_form(form) {
		pid_t pid = fork();

		if (!pid) {
			struct timespec t = { 0, 400000000 };
			uint64_t start = nanoseconds();
			long ret = form->call(SYS_nanosleep, (long)&t, 0, 0, 0, 0, 0);

			_exit(ret == 0 && nanoseconds() - start >= 400000000 ? 5 : 6);
		}
		sleep_ms(100);
		kill(pid, SIGSTOP);
		sleep_ms(100);
		kill(pid, SIGCONT);
		EXPECT_FORM(form, exited_with(wait_for(pid, 20), 5));
	}
	return PASS;
}

static int fork_through_gate(void)
{
	for_each_form(form) {
		long pid = form->call(SYS_fork, 0, 0, 0, 0, 0, 0);

		if (!pid)
			form->call(SYS_exit_group, 11, 0, 0, 0, 0, 0);
		EXPECT_FORM(form, exited_with(wait_for(pid, 20), 11));
	}
	return PASS;
}

/* The child scribbles on the shared stack, below what is in use. */
/*
 * The child uses its parent's stack, also where the parent's return addresses are.
 * So it must not return to C code from there.
 */
#define VFORK_TEST(name, enter)						\
static long name(void)							\
{									\
	long ret;							\
									\
	asm volatile("lea -128(%%rsp), %%rsp\n\t"			\
		     enter "\n\t"					\
		     "test %%rax, %%rax\n\tjnz 3f\n\t"			\
		     ".rept 32\n\tpush $-1\n\t.endr\n\t"		\
		     "lea 256(%%rsp), %%rsp\n\t"			\
		     "mov $231, %%eax\n\tmov $12, %%edi\n\t"		\
		     enter "\n\tud2\n"					\
		     "3:	lea 128(%%rsp), %%rsp"			\
		     : "=a" (ret) : "a" (SYS_vfork)			\
		     : "rcx", "rdi", "r11", "cc", "memory");		\
	return ret;							\
}

VFORK_TEST(vfork_trap, BY_SYSCALL)
VFORK_TEST(vfork_call, BY_CALL)
VFORK_TEST(vfork_nr, BY_NUMBER)
VFORK_TEST(vfork_jmp, BY_JUMP)

static int vfork_through_gate(void)
{
	long (*const tests[])(void) = { vfork_trap, vfork_call, vfork_nr, vfork_jmp };
	unsigned int i;

	for (i = 0; i < (have_gate() ? 4 : 1); i++) {
		long pid = tests[i]();

		EXPECT(pid > 0);
		EXPECT(exited_with(wait_for(pid, 20), 12));
	}
	return PASS;
}

static char child_stack[65536] __attribute__((aligned(16)));
static volatile int child_ran;

#define CLONE_TEST(name, enter)						\
static long name(void)							\
{									\
	register long r10 asm("r10") = 0, r8 asm("r8") = 0;		\
	long ret;							\
									\
	asm volatile("lea -128(%%rsp), %%rsp\n\t"			\
		     enter "\n\t"					\
		     "test %%rax, %%rax\n\tjnz 3f\n\t"			\
		     "movl $1, %[ran]\n\t"				\
		     "mov $60, %%eax\n\tmov $13, %%edi\n\tsyscall\n\tud2\n" \
		     "3:	lea 128(%%rsp), %%rsp"			\
		     : "=a" (ret), [ran] "+m" (child_ran)		\
		     : "a" (SYS_clone), "D" (CLONE_VM | CLONE_VFORK | SIGCHLD), \
		       "S" (child_stack + sizeof(child_stack) - 64), "d" (0), \
		       "r" (r10), "r" (r8)				\
		     : "rcx", "r11", "cc", "memory");			\
	return ret;							\
}

CLONE_TEST(clone_trap, BY_SYSCALL)
CLONE_TEST(clone_call, BY_CALL)
CLONE_TEST(clone_nr, "call *(0xffffffffff601000 + 8 * 56)")
CLONE_TEST(clone_jmp, BY_JUMP)

static int clone_new_stack(void)
{
	long (*const tests[])(void) = { clone_trap, clone_call, clone_nr, clone_jmp };
	unsigned int i;

	for (i = 0; i < (have_gate() ? 4 : 1); i++) {
		long pid;

		child_ran = 0;
		pid = tests[i]();
		EXPECT(pid > 0);
		EXPECT(exited_with(wait_for(pid, 20), 13) && child_ran);
	}
	return PASS;
}

static int exec_through_gate(void)
{
	for_each_form(form) {
		char *argv[] = { "gate", "exit", NULL }, *envp[] = { NULL };
		pid_t pid = fork();

		if (!pid)
			_exit(form->call(SYS_execve, (long)"/proc/self/exe", (long)argv,
					 (long)envp, 0, 0, 0));
		EXPECT_FORM(form, exited_with(wait_for(pid, 20), 7));
	}
	return PASS;
}

static int signal_storm(void)
{
	handle(SIGALRM, count_signal, SA_RESTART);
	for_each_form(form) {
		uint64_t end = nanoseconds() + 1500000000;
		pid_t self = getpid();
		long calls = 0;

		signals = 0;
		tick_every_us(1000);
		while (nanoseconds() < end) {
			int i;

			for (i = 0; i < 1000; i++)
				EXPECT_FORM(form, form->call(SYS_getpid, 0, 0, 0, 0, 0, 0) == self);
			calls += i;
		}
		tick_every_us(0);
		EXPECT_FORM(form, signals > 10);
	}
	return because(PASS, "%d signals in the gate's text", (int)signals_in_gate);
}

/* A signal that another process sends must not wait for the next interrupt. */
static int no_lost_wakeup(void)
{
	for_each_form(form) {
		uint32_t *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		pid_t pid = fork();
		int i;

		if (!pid) {
			for (;;) {
				while (*(volatile uint32_t *)word % 2 == 0)
					form->call(SYS_getppid, 0, 0, 0, 0, 0, 0);
				__atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
				form->call(SYS_futex, (long)word, FUTEX_WAKE, 1, 0, 0, 0);
			}
		}
		for (i = 0; i < 300; i++) {
			uint32_t old = __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);

			form->call(SYS_futex, (long)word, FUTEX_WAIT, old, 0, 0, 0);
			while (*(volatile uint32_t *)word == old)
				form->call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
		}
		kill(pid, SIGKILL);
		EXPECT_FORM(form, killed_by(wait_for(pid, 10), SIGKILL));
	}
	return PASS;
}

/* Enter the gate with a flag set that C code of the kernel can't bear. */
#define WITH_FLAG(flag, enter)						\
	({								\
		long ret;						\
									\
		asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\t"	\
			     "orl %[f], (%%rsp)\n\tpopfq\n\t"		\
			     enter "\n\tpushfq\n\tandl %[m], (%%rsp)\n\tpopfq\n\t" \
			     "lea 128(%%rsp), %%rsp"			\
			     : "=a" (ret)				\
			     : "a" (SYS_getpid), [f] "i" (flag), [m] "i" (~(flag)) \
			     : "rcx", "r11", "cc", "memory");		\
		ret;							\
	})

#define FLAG_CASE(name, flag)						\
static int name(void)							\
{									\
	EXPECT(WITH_FLAG(flag, BY_SYSCALL) == getpid());		\
	NEED_GATE();							\
	EXPECT(WITH_FLAG(flag, BY_CALL) == getpid());			\
	EXPECT(WITH_FLAG(flag, BY_JUMP) == getpid());			\
	return PASS;							\
}

FLAG_CASE(direction_flag, 0x400)
FLAG_CASE(nested_task_flag, 0x4000)
FLAG_CASE(alignment_check_flag, 0x40000)

static int trap_flag(void)
{
	handle(SIGTRAP, count_signal, 0);
	EXPECT(WITH_FLAG(0x100, BY_SYSCALL) == getpid());
	NEED_GATE();
	EXPECT(WITH_FLAG(0x100, BY_CALL) == getpid());
	EXPECT(WITH_FLAG(0x100, BY_JUMP) == getpid());
	EXPECT(signals > 3);
	return because(PASS, "%d steps", (int)signals);
}

static int stray_cli(void)
{
	unsigned long flags;

	if (cpl())
		return because(SKIP, "CLI isn't allowed");
	asm volatile("cli");
	EXPECT(gate_trap(SYS_getpid, 0, 0, 0, 0, 0, 0) == getpid());
	asm volatile("pushfq\n\tpop %0" : "=r" (flags));
	EXPECT(flags & 0x200);
	for_each_form(form) {
		struct timespec t = { 0, 20000000 };

		asm volatile("cli");
		EXPECT_FORM(form, !form->call(SYS_nanosleep, (long)&t, 0, 0, 0, 0, 0));
		asm volatile("pushfq\n\tpop %0" : "=r" (flags));
		EXPECT_FORM(form, flags & 0x200);
	}
	return PASS;
}

static char *fresh_stack(void)
{
	return (char *)mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
}

static int stack_page_absent(void)
{
	long ret;

	NEED_GATE();
	asm volatile("mov %%rsp, %%r12\n\tmov %[top], %%rsp\n\tcall *0xffffffffff600000\n\t"
		     "mov %%r12, %%rsp"
		     : "=a" (ret)
		     : "a" (SYS_getpid), [top] "r" (fresh_stack())
		     : "rcx", "r11", "r12", "cc", "memory");
	EXPECT(ret == getpid());
	return PASS;
}

static int stack_unmapped_call(void)
{
	char *top = fresh_stack();

	NEED_GATE();
	asm volatile("mov %[top], %%rsp\n\tcall *0xffffffffff600000\n\t"
		     "mov $60, %%eax\n\tmov $14, %%edi\n\tsyscall"
		     : : "a" (SYS_munmap), "D" (top - 4096), "S" (8192), [top] "b" (top)
		     : "memory");
	return PASS;
}

static int unmap_by_jmp(void)
{
	char *top = fresh_stack();

	asm volatile("mov %[top], %%rsp\n\tlea 1f(%%rip), %%rcx\n\t"
		     "jmp *0xffffffffff600010\n"
		     "1:	mov $60, %%eax\n\tmov $14, %%edi\n\tsyscall"
		     : : "a" (SYS_munmap), "D" (top - 4096), "S" (8192), [top] "b" (top)
		     : "memory");
	return PASS;
}

static int stack_unmapped_jmp(void)
{
	NEED_GATE();
	EXPECT(exited_with(in_child(unmap_by_jmp, 20), 14));
	return PASS;
}

static int call_with_garbage_rsp(void)
{
	NEED_GATE();
	asm volatile("mov $0x123456, %%rsp\n\tcall *0xffffffffff600000" : : "a" (SYS_getpid));
	return PASS;
}

static int single_step(void)
{
	for_each_form(form) {
		int status, steps = 0, round;

		for (round = 0; round < 10; round++) {
			pid_t pid = fork();

			if (!pid) {
				long i, sum = 0;
				pid_t parent = getppid();

				ptrace(PTRACE_TRACEME, 0, 0, 0);
				raise(SIGSTOP);
				for (i = 0; i < 10; i++)
					sum += form->call(SYS_getppid, 0, 0, 0, 0, 0, 0);
				_exit(sum == 10 * parent ? 3 : 4);
			}
			waitpid(pid, &status, 0);
			while (steps < 100000 && !ptrace(PTRACE_SINGLESTEP, pid, 0, 0)) {
				waitpid(pid, &status, 0);
				if (!WIFSTOPPED(status))
					break;
				steps++;
			}
			EXPECT_FORM(form, exited_with(status, 3));
		}
	}
	return PASS;
}

/* A signal at each instruction of the gate: single-step, and inject it there. */
static int signal_at_each_step(void)
{
	for_each_form(form) {
		int status, steps = 0, inject = 0;
		pid_t pid = fork();

		if (!pid) {
			long i, sum = 0;
			pid_t parent = getppid();

			handle(SIGUSR1, count_signal, 0);
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
			for (i = 0; i < 20; i++)
				sum += form->call(SYS_getppid, 0, 0, 0, 0, 0, 0);
			_exit(sum == 20 * parent && signals > 3 ? 3 : 4);
		}
		waitpid(pid, &status, 0);
		/* The handler is stepped through as well: a signal now and then */
		while (steps < 200000 && !ptrace(PTRACE_SINGLESTEP, pid, 0, inject)) {
			waitpid(pid, &status, 0);
			if (!WIFSTOPPED(status))
				break;
			steps++;
			inject = steps % 23 == 0 ? SIGUSR1 : 0;
		}
		EXPECT_FORM(form, exited_with(status, 3));
	}
	return PASS;
}

static int trace_syscalls(void)
{
	for_each_form(form) {
		int status, stops = 0;
		pid_t pid = fork();

		if (!pid) {
			ptrace(PTRACE_TRACEME, 0, 0, 0);
			raise(SIGSTOP);
			form->call(SYS_getppid, 0, 0, 0, 0, 0, 0);
			_exit(form->call(SYS_getppid, 0, 0, 0, 0, 0, 0) == 4242 ? 3 : 4);
		}
		waitpid(pid, &status, 0);
		while (stops < 1000) {
			struct user_regs_struct regs;

			ptrace(PTRACE_SYSCALL, pid, 0, 0);
			waitpid(pid, &status, 0);
			if (!WIFSTOPPED(status))
				break;
			ptrace(PTRACE_GETREGS, pid, 0, &regs);
			/* All registers written back, and the result changed */
			if (regs.orig_rax == SYS_getppid && (long)regs.rax != -ENOSYS)
				regs.rax = 4242;
			ptrace(PTRACE_SETREGS, pid, 0, &regs);
			stops++;
		}
		EXPECT_FORM(form, exited_with(status, 3) && stops >= 4);
	}
	return PASS;
}

static int seccomp_strict(void)
{
	for_each_form(form) {
		pid_t pid = fork();

		if (!pid) {
			if (prctl(PR_SET_SECCOMP, 1))
				gate_trap(SYS_exit, 77, 0, 0, 0, 0, 0);
			form->call(SYS_getpid, 0, 0, 0, 0, 0, 0);
			gate_trap(SYS_exit, 4, 0, 0, 0, 0, 0);
		}
		int status = wait_for(pid, 20);

		if (exited_with(status, 77))
			return because(SKIP, "no seccomp");
		EXPECT_FORM(form, killed_by(status, SIGKILL));
	}
	return PASS;
}

static volatile int stop;
static volatile long progress[4];

static void *spin_and_call(void *arg)
{
	long i = (long)arg;

	while (!stop) {
		if (i & 1)
			gate_forms[have_gate()].call(SYS_getppid, 0, 0, 0, 0, 0, 0);
		progress[i]++;
	}
	return NULL;
}

static int spinning_threads(void)
{
	pthread_t threads[4];
	long i;

	for (i = 0; i < 4; i++)
		EXPECT(!pthread_create(&threads[i], NULL, spin_and_call, (void *)i));
	sleep_ms(1500);
	stop = 1;
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		EXPECT(progress[i] > 1000);
	}
	return PASS;
}

static int kill_blocked(void)
{
	for_each_form(form) {
		int fds[2];
		char byte;
		pid_t pid;

		EXPECT(!pipe(fds));
		pid = fork();
		if (!pid)
			_exit(form->call(SYS_read, fds[0], (long)&byte, 1, 0, 0, 0));
		sleep_ms(50);
		kill(pid, SIGTERM);
		EXPECT_FORM(form, killed_by(wait_for(pid, 10), SIGTERM));
		close(fds[0]);
		close(fds[1]);
	}
	return PASS;
}

static const struct guest_case cases[] = {
	CASE(get_ids),
	CASE(bad_numbers),
	CASE(six_arguments),
	CASE(registers_survive),
	CASE(restart_handled_signals),
	CASE(interrupted_by_signal),
	CASE(restart_block),
	CASE(fork_through_gate),
	CASE(vfork_through_gate),
	CASE(clone_new_stack),
	CASE(exec_through_gate),
	CASE(signal_storm),
	CASE(no_lost_wakeup),
	CASE(direction_flag),
	CASE(nested_task_flag),
	CASE(alignment_check_flag),
	CASE(trap_flag),
	CASE(stray_cli),
	CASE(stack_page_absent),
	CASE_SIGNAL(stack_unmapped_call, SIGSEGV),
	CASE(stack_unmapped_jmp),
	CASE_SIGNAL(call_with_garbage_rsp, SIGSEGV),
	CASE(single_step),
	CASE(signal_at_each_step),
	CASE(trace_syscalls),
	CASE(seccomp_strict),
	CASE(spinning_threads),
	CASE(kill_blocked),
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "exit"))
		return 7;
	return guest_main(cases, sizeof(cases) / sizeof(*cases));
}
