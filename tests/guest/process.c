// SPDX-License-Identifier: GPL-2.0-only
/*
 * # long: one table of cases, each a few lines
 * Processes, signals, faults and memory: what must work at CPL 0 as at CPL 3.
 */
#include "guest.h"

/* Keep a pattern in the red zone for some rounds of a loop. */
int red_zone(uint64_t rounds);
asm(".globl red_zone\n"
    "red_zone:\n"
    "	movabs	$0x1111111111111111, %rax\n"
    "	mov	%rax, -8(%rsp)\n"
    "	mov	%rax, -16(%rsp)\n"
    "	mov	%rax, -40(%rsp)\n"
    "	mov	%rax, -64(%rsp)\n"
    "	mov	%rax, -120(%rsp)\n"
    "	mov	%rax, -128(%rsp)\n"
    "1:	cmp	%rax, -8(%rsp)\n"
    "	jne	2f\n"
    "	cmp	%rax, -16(%rsp)\n"
    "	jne	2f\n"
    "	cmp	%rax, -40(%rsp)\n"
    "	jne	2f\n"
    "	cmp	%rax, -64(%rsp)\n"
    "	jne	2f\n"
    "	cmp	%rax, -120(%rsp)\n"
    "	jne	2f\n"
    "	cmp	%rax, -128(%rsp)\n"
    "	jne	2f\n"
    "	dec	%rdi\n"
    "	jnz	1b\n"
    "	xor	%eax, %eax\n"
    "	ret\n"
    "2:	mov	$1, %eax\n"
    "	ret\n");

static volatile sig_atomic_t signals;

static void count_signal(int signr, siginfo_t *info, void *context)
{
	signals++;
}

static int exit_42(void)
{
	return 42;
}

static int fork_and_wait(void)
{
	EXPECT(exited_with(in_child(exit_42, 10), 42));
	return PASS;
}

static int exec_self(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setenv("only", "exec_target", 1);
		execl("/proc/self/exe", "process", NULL);
		_exit(9);
	}
	status = wait_for(pid, 20);
	EXPECT(exited_with(status, 0));
	return PASS;
}

static int vfork_and_exec(void)
{
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/proc/self/exe", "process", "exec_target", NULL);
		_exit(9);
	}
	status = wait_for(pid, 20);
	EXPECT(exited_with(status, 7));
	return PASS;
}

static int signal_handler(void)
{
	handle(SIGUSR1, count_signal, 0);
	raise(SIGUSR1);
	EXPECT(signals == 1);
	return PASS;
}

static sigjmp_buf recovery;
static volatile uintptr_t fault_address;
static char alternate[65536];
static volatile int on_alternate;

static void recover(int signr, siginfo_t *info, void *context)
{
	char here;

	fault_address = (uintptr_t)info->si_addr;
	on_alternate = &here >= alternate && &here < alternate + sizeof(alternate);
	siglongjmp(recovery, signr);
}

static void recover_on_alternate(void)
{
	stack_t stack = { .ss_sp = alternate, .ss_size = sizeof(alternate) };

	sigaltstack(&stack, NULL);
	handle(SIGSEGV, recover, SA_ONSTACK);
	handle(SIGBUS, recover, SA_ONSTACK);
}

static int thousand_recoveries(void)
{
	int i;

	recover_on_alternate();
	for (i = 0; i < 1000; i++) {
		uintptr_t address = 0x10000 + i * 8;

		if (!sigsetjmp(recovery, 1)) {
			*(volatile int *)address = 1;
			return because(FAIL, "no signal");
		}
		EXPECT(fault_address == address && on_alternate);
	}
	return PASS;
}

static int recurse(int depth)
{
	volatile char block[1024];

	block[0] = depth;
	block[1023] = depth;
	if (!depth)
		return 0;
	return recurse(depth - 1) + (block[0] == (char)depth);
}

static int stack_overflow_handled(void)
{
	recover_on_alternate();
	if (!sigsetjmp(recovery, 1)) {
		recurse(INT_MAX);
		return because(FAIL, "no signal");
	}
	EXPECT(on_alternate);
	return PASS;
}

static int stack_overflow(void)
{
	return recurse(INT_MAX) ? PASS : FAIL;
}

static int stack_growth_40_mb(void)
{
	struct rlimit limit = { 64 << 20, 64 << 20 };
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_STACK, &limit);
		_exit(recurse(38000) != 38000);
	}
	status = wait_for(pid, 60);
	EXPECT(exited_with(status, 0));
	return PASS;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long shared;
static __thread long own = 5;

static void *count_to_20000(void *arg)
{
	int i;

	own = (long)arg;
	for (i = 0; i < 20000; i++) {
		pthread_mutex_lock(&mutex);
		shared++;
		pthread_mutex_unlock(&mutex);
		if (i % 1000 == 0)
			sched_yield();
	}
	return (void *)(uintptr_t)(own == (long)arg);
}

static int threads_futex_tls(void)
{
	pthread_t threads[8];
	long i;

	for (i = 0; i < 8; i++)
		EXPECT(!pthread_create(&threads[i], NULL, count_to_20000, (void *)i));
	for (i = 0; i < 8; i++) {
		void *good;

		pthread_join(threads[i], &good);
		EXPECT(good);
	}
	EXPECT(shared == 8 * 20000 && own == 5);
	return PASS;
}

static int red_zone_interrupts(void)
{
	EXPECT(!red_zone(50000000));
	return PASS;
}

static int red_zone_signals(void)
{
	handle(SIGALRM, count_signal, SA_RESTART);
	tick_every_us(2000);
	EXPECT(!red_zone(50000000));
	EXPECT(signals > 5);
	return because(PASS, "%d signals", (int)signals);
}

static int copy_on_write(void)
{
	const size_t size = 4 << 20, page = 4096;
	size_t i;
	int round;

	for (round = 0; round < 10; round++) {
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		pid_t pid;

		for (i = 0; i < size; i += page)
			*(uint64_t *)(p + i) = i + round;
		pid = fork();
		if (pid == 0) {
			for (i = 0; i < size; i += page) {
				if (*(uint64_t *)(p + i) != i + round)
					_exit(1);
				*(uint64_t *)(p + i) = ~i;
			}
			_exit(0);
		}
		for (i = 0; i < size; i += 2 * page)
			*(uint64_t *)(p + i) += 1;
		EXPECT(exited_with(wait_for(pid, 60), 0));
		for (i = 0; i < size; i += page)
			EXPECT(*(uint64_t *)(p + i) == i + round + (i % (2 * page) == 0));
		munmap(p, size);
	}
	return PASS;
}

static int spin(void)
{
	for (;;)
		;
	return FAIL;
}

static int busy_loop_killed(void)
{
	uint64_t start = nanoseconds();
	unsigned int progress = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(spin());
	while (nanoseconds() - start < 300000000)
		progress++;
	kill(pid, SIGTERM);
	EXPECT(killed_by(wait_for(pid, 20), SIGTERM) && progress > 10);
	return PASS;
}

static int alarm_kills_spin(void)
{
	alarm(1);
	return spin();
}

static int null_write(void)
{
	volatile int *p = (volatile int *)8;

	asm volatile("" : "+r" (p));
	*p = 1;
	return PASS;
}

static int null_call(void)
{
	((void (*)(void))0)();
	return PASS;
}

static int noncanonical_data(void)
{
	*(volatile int *)0x8000000000000000 = 1;
	return PASS;
}

static int noncanonical_jump(void)
{
	((void (*)(void))0x0000900000000000)();
	return PASS;
}

static int kernel_half_unmapped(void)
{
	*(volatile int *)0xffffc00000000000 = 1;
	return PASS;
}

static int undefined_opcode(void)
{
	asm volatile("ud2");
	return PASS;
}

static int breakpoint(void)
{
	asm volatile("int3");
	return PASS;
}

static int divide_by_zero(void)
{
	volatile int zero = 0, one = 1;

	return one / zero;
}

static int rsp_garbage_push(void)
{
	asm volatile("mov $0x123456, %rsp\n1: push %rax\n\tjmp 1b");
	return PASS;
}

static int rsp_garbage_spin(void)
{
	alarm(1);
	asm volatile("mov $7, %rsp\n1: jmp 1b");
	return PASS;
}

static int rsp_kernel_push(void)
{
	asm volatile("movabs $0xffff800000000800, %rsp\n\tpush %rax");
	return PASS;
}

static int rsp_kernel_spin(void)
{
	alarm(1);
	asm volatile("movabs $0xffff800000000800, %rsp\n1: jmp 1b");
	return PASS;
}

static int rsp_noncanonical_spin(void)
{
	alarm(1);
	asm volatile("movabs $0x0000900000000000, %rsp\n1: jmp 1b");
	return PASS;
}

static int write_read_only(void)
{
	char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*(volatile char *)p = 1;
	return PASS;
}

static int execute_no_exec(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*p = (char)0xc3;
	((void (*)(void))p)();
	return PASS;
}

static int aborted(void)
{
	abort();
}

static int sigreturn_junk(void)
{
	asm volatile("syscall" : : "a" (SYS_rt_sigreturn) : "rcx", "r11", "memory");
	return PASS;
}

static void set_bad_rip(int signr, siginfo_t *info, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = 0x800000000000;
}

static int sigreturn_noncanonical(void)
{
	handle(SIGUSR1, set_bad_rip, 0);
	raise(SIGUSR1);
	return PASS;
}

static int restart_and_interrupt(void)
{
	struct itimerval once = { { 0, 0 }, { 0, 100000 } };
	char byte = 0;
	pid_t pid;
	int fds[2];

	EXPECT(!pipe(fds));
	pid = fork();
	if (pid == 0) {
		sleep_ms(300);
		_exit(write(fds[1], "z", 1) != 1);
	}
	handle(SIGALRM, count_signal, SA_RESTART);
	setitimer(ITIMER_REAL, &once, NULL);
	EXPECT(read(fds[0], &byte, 1) == 1 && byte == 'z' && signals == 1);
	handle(SIGALRM, count_signal, 0);
	setitimer(ITIMER_REAL, &once, NULL);
	EXPECT(read(fds[0], &byte, 1) == -1 && errno == EINTR);
	wait_for(pid, 5);
	return PASS;
}

static int single_step(void)
{
	struct user_regs_struct regs;
	int status, steps = 0;
	pid_t pid = fork();

	if (pid == 0) {
		volatile int sum = 0;
		int i;

		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		for (i = 0; i < 100; i++)
			sum += i;
		getppid();
		_exit(sum == 4950 ? 3 : 4);
	}
	waitpid(pid, &status, 0);
	EXPECT(!ptrace(PTRACE_GETREGS, pid, 0, &regs));
	EXPECT(regs.cs == 0x33 && regs.ss == 0x2b);
	while (steps < 100000 && !ptrace(PTRACE_SINGLESTEP, pid, 0, 0)) {
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status))
			break;
		steps++;
	}
	EXPECT(exited_with(status, 3) && steps > 400);
	return because(PASS, "%d steps", steps);
}

static int trace_syscalls(void)
{
	int status, stops = 0;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		getppid();
		_exit(write(1, "", 0) ? 4 : 3);
	}
	waitpid(pid, &status, 0);
	while (stops < 1000) {
		ptrace(PTRACE_SYSCALL, pid, 0, 0);
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status))
			break;
		stops++;
	}
	EXPECT(exited_with(status, 3) && stops >= 5);
	return PASS;
}

static int fpu_across_preemption(void)
{
	int i, status;

	for (i = 0; i < 4; i++) {
		if (!fork()) {
			double y = i + 1, z = i + 1;
			int k;

			for (k = 0; k < 3000000; k++)
				y = y * 1.0000001 + 1e-9;
			for (k = 0; k < 3000000; k++)
				z = z * 1.0000001 + 1e-9;
			_exit(y != z);
		}
	}
	for (i = 0; i < 4; i++) {
		EXPECT(wait(&status) > 0);
		EXPECT(exited_with(status, 0));
	}
	return PASS;
}

static int core_dump(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	static char data[65536];
	int fd, status, i, n;
	pid_t pid;

	if (chdir("/tmp") && mkdir("/tmp", 0777) && chdir("/tmp"))
		return because(SKIP, "no /tmp");
	unlink("core");
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &unlimited);
		asm volatile("mov $0x5eedf00d, %%ebx\n\tud2" : : : "rbx");
	}
	status = wait_for(pid, 20);
	EXPECT(killed_by(status, SIGILL));
	if (!WCOREDUMP(status))
		return because(SKIP, "no core dumps in this kernel");
	fd = open("core", O_RDONLY);
	EXPECT(fd >= 0);
	n = read(fd, data, sizeof(data));
	for (i = 0; i + 4 < n; i++) {
		if (*(uint32_t *)(data + i) == 0x5eedf00d)
			return PASS;
	}
	return because(FAIL, "RBX isn't in the core file");
}

static int user_and_system_time(void)
{
	struct rusage usage;
	uint64_t end = nanoseconds() + 500000000;

	while (nanoseconds() < end)
		red_zone(100000);
	getrusage(RUSAGE_SELF, &usage);
	EXPECT(usage.ru_utime.tv_usec + usage.ru_utime.tv_sec * 1000000 >
	       usage.ru_stime.tv_usec + usage.ru_stime.tv_sec * 1000000);
	return PASS;
}

static void *read_for_ever(void *fd)
{
	char byte;

	return (void *)(uintptr_t)read(*(int *)fd, &byte, 1);
}

static int cancel_50(void)
{
	int i, fds[2];

	EXPECT(!pipe(fds));
	for (i = 0; i < 50; i++) {
		struct timespec deadline;
		pthread_t thread;
		void *result;

		EXPECT(!pthread_create(&thread, NULL, read_for_ever, &fds[0]));
		if (i & 1)
			sleep_ms(2);
		pthread_cancel(thread);
		clock_gettime(CLOCK_REALTIME, &deadline);
		deadline.tv_sec += 10;
		EXPECT(!pthread_timedjoin_np(thread, &result, &deadline));
		EXPECT(result == PTHREAD_CANCELED);
	}
	return PASS;
}

static int exec_target(void)
{
	if (!getenv("only"))
		return because(SKIP, "only for exec_self");
	return PASS;
}

static const struct guest_case cases[] = {
	CASE(fork_and_wait),
	CASE(exec_self),
	CASE(vfork_and_exec),
	CASE(exec_target),
	CASE(signal_handler),
	CASE(thousand_recoveries),
	CASE(stack_overflow_handled),
	CASE_SIGNAL(stack_overflow, SIGSEGV),
	CASE(stack_growth_40_mb),
	CASE(threads_futex_tls),
	CASE(red_zone_interrupts),
	CASE(red_zone_signals),
	CASE(copy_on_write),
	CASE(busy_loop_killed),
	CASE_SIGNAL(alarm_kills_spin, SIGALRM),
	CASE_SIGNAL(null_write, SIGSEGV),
	CASE_SIGNAL(null_call, SIGSEGV),
	CASE_SIGNAL(noncanonical_data, SIGSEGV),
	CASE_SIGNAL(noncanonical_jump, SIGSEGV),
	CASE_SIGNAL(kernel_half_unmapped, SIGSEGV),
	CASE_SIGNAL(undefined_opcode, SIGILL),
	CASE_SIGNAL(breakpoint, SIGTRAP),
	CASE_SIGNAL(divide_by_zero, SIGFPE),
	CASE_SIGNAL(rsp_garbage_push, SIGSEGV),
	CASE_SIGNAL(rsp_garbage_spin, SIGALRM),
	CASE_SIGNAL(rsp_kernel_push, SIGSEGV),
	CASE_SIGNAL(rsp_kernel_spin, SIGALRM),
	CASE_SIGNAL(rsp_noncanonical_spin, SIGALRM),
	CASE_SIGNAL(write_read_only, SIGSEGV),
	CASE_SIGNAL(execute_no_exec, SIGSEGV),
	CASE_SIGNAL(aborted, SIGABRT),
	CASE_SIGNAL(sigreturn_junk, SIGSEGV),
	CASE_SIGNAL(sigreturn_noncanonical, SIGSEGV),
	CASE(restart_and_interrupt),
	CASE(single_step),
	CASE(trace_syscalls),
	CASE(fpu_across_preemption),
	CASE(core_dump),
	CASE(user_and_system_time),
	CASE(cancel_50),
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "exec_target"))
		return 7;
	return guest_main(cases, sizeof(cases) / sizeof(*cases));
}
