// SPDX-License-Identifier: GPL-2.0-only
/*
 * # long: one table of promises, and a case for each
 * What the CPU does for code at CPL 3 alone.  In ring 0 a call that asks for it
 * must fail; what no call asks for ends in the documented way (docs/ring0.md).
 * What passes in ring 3 as it does in ring 0 is here, too: ways to crash, and code
 * that isn't 64-bit code.
 */
#include "gate.h"
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <cpuid.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stddef.h>
#include <sys/io.h>

#ifndef ARCH_SHSTK_ENABLE
#define ARCH_SHSTK_ENABLE	0x5001
#endif

/* Is one of the words of /proc/cpuinfo's flags this? */
static int cpu_flag(const char *wanted)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	static char line[8192];
	int found = 0;
	char *word;

	while (file && !found && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "flags", 5))
			continue;
		for (word = strtok(line, " \t\n"); word; word = strtok(NULL, " \t\n"))
			found |= !strcmp(word, wanted);
		break;
	}
	if (file)
		fclose(file);
	return found;
}

static int read_tsc(void)
{
	unsigned int low, high;

	if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV))
		return FAIL;
	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	return PASS;
}

static int deny_tsc(void)
{
	int mode = 0;

	if (cpl()) {
		EXPECT(killed_by(in_child(read_tsc, 20), SIGSEGV));
		return PASS;
	}
	EXPECT(prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == -1 && errno == EINVAL);
	EXPECT(!prctl(PR_GET_TSC, &mode) && mode == PR_TSC_ENABLE);
	EXPECT(!prctl(PR_SET_TSC, PR_TSC_ENABLE));
	return PASS;
}

static int read_cpuid(void)
{
	unsigned int a, b, c, d;

	if (syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0))
		return errno == ENODEV ? SKIP : FAIL;
	__cpuid(0, a, b, c, d);
	return PASS;
}

static int deny_cpuid(void)
{
	int status = in_child(read_cpuid, 20);

	if (cpl() && killed_by(status, SIGSEGV))
		return PASS;
	EXPECT(exited_with(status, SKIP));
	EXPECT(syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0) == 1);
	return PASS;
}

static int deny_io_ports(void)
{
	if (cpl())
		return because(SKIP, "not at CPL 3");
	EXPECT(ioperm(0x80, 1, 0) == -1 && errno == ENOSYS);
	EXPECT(iopl(0) == -1 && errno == ENOSYS);
	return PASS;
}

static int no_flags_for_cpl_3(void)
{
	if (cpl())
		return because(SKIP, "not at CPL 3");
	EXPECT(cpu_flag("fpu"));
	EXPECT(!cpu_flag("smep") && !cpu_flag("smap"));
	EXPECT(!cpu_flag("umip") && !cpu_flag("cpuid_fault"));
	return PASS;
}

static long perf_open(struct perf_event_attr *attr)
{
	attr->size = sizeof(*attr);
	return syscall(SYS_perf_event_open, attr, 0, -1, -1, 0);
}

/* No emulator has counters: there it is "no such event", which is a refusal as well. */
static int count_user_code_alone(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_kernel = 1,
	};

	if (cpl())
		return because(SKIP, "not at CPL 3");
	EXPECT(perf_open(&attr) == -1);
	EXPECT(errno == EOPNOTSUPP || errno == ENOENT || errno == ENOSYS);
	return PASS;
}

static int breakpoint_in_kernel(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = 0xffff888000000000,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.exclude_kernel = 1,
	};
	int status;
	pid_t pid;

	EXPECT(perf_open(&attr) == -1 && (errno == EINVAL || errno == ENOSYS || errno == ENOENT));
	pid = fork();
	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(PASS);
	}
	EXPECT(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	EXPECT(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[0]), attr.bp_addr) == -1);
	EXPECT(!ptrace(PTRACE_CONT, pid, 0, 0));
	EXPECT(exited_with(wait_for(pid, 20), PASS));
	return PASS;
}

/* Selectors that would be without effect can't be set. */
static int ptrace_selectors(void)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(PASS);
	}
	EXPECT(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	errno = 0;
	EXPECT(ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.gs), 0x2b) == (cpl() ? 0 : -1));
	EXPECT(cpl() || errno == EIO);
	EXPECT(!ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.gs), 0));
	EXPECT(!ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.cs), 0x33));
	EXPECT(!ptrace(PTRACE_CONT, pid, 0, 0));
	EXPECT(exited_with(wait_for(pid, 20), PASS));
	return PASS;
}

/* A system call with EFLAGS.AC set is one like any other. */
static int alignment_check_attack(void)
{
	static char bytes[16];
	int value = 0;

	asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torl $0x40000, (%%rsp)\n\tpopfq\n\t"
		     "movl %1, %0\n\tmov $39, %%eax\n\tsyscall\n\t"
		     "pushfq\n\tandl $~0x40000, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
		     : "=&r" (value) : "m" (bytes[1]) : "rax", "rcx", "r11", "cc", "memory");
	return PASS;
}

static int alignment_check(void)
{
	int status = in_child(alignment_check_attack, 20);

	/* No emulator does it at CPL 3. */
	if (cpl() && killed_by(status, SIGBUS))
		return PASS;
	EXPECT(exited_with(status, PASS));
	return PASS;
}

/* QEMU has no counters to read. */
static int read_counter_attack(void)
{
	unsigned int low, high;

	asm volatile("rdpmc" : "=a" (low), "=d" (high) : "c" (0));
	return PASS;
}

static int read_counter(void)
{
	int status = in_child(read_counter_attack, 20);

	EXPECT(killed_by(status, SIGSEGV) || killed_by(status, SIGILL) ||
	       (!cpl() && exited_with(status, PASS)));
	return PASS;
}

static int load_stack_segment_attack(void)
{
	asm volatile("mov %0, %%ss" : : "r" (0x2b));
	return PASS;
}

static int load_stack_segment(void)
{
	int status = in_child(load_stack_segment_attack, 20);

	EXPECT(cpl() ? exited_with(status, PASS) : killed_by(status, SIGSEGV));
	return PASS;
}

static int swap_gs_attack(void)
{
	asm volatile("swapgs");
	getppid();
	return PASS;
}

/* Where the kernel doesn't use GS, nothing happens. */
static int swap_gs(void)
{
	int status = in_child(swap_gs_attack, 20);

	EXPECT(killed_by(status, SIGSEGV) || (!cpl() && exited_with(status, PASS)));
	return PASS;
}

static int read_gate_page_attack(void)
{
	return *(volatile unsigned long *)0xffffffffff600000 & 0;
}

static int write_gate_page_attack(void)
{
	*(volatile unsigned long *)0xffffffffff600000 = 0;
	return PASS;
}

/* The pointers of the gate are there for programs to use, and thus to read. */
static int gate_page(void)
{
	int status = in_child(read_gate_page_attack, 20);

	EXPECT(have_gate() ? exited_with(status, PASS) : killed_by(status, SIGSEGV));
	EXPECT(killed_by(in_child(write_gate_page_attack, 20), SIGSEGV));
	return PASS;
}

static int call_vsyscall(void)
{
	return ((int (*)(void *, void *))0xffffffffff600000)(NULL, NULL) & 0;
}

static int no_ldt(void)
{
	struct user_desc desc = { .entry_number = 0, .limit = 0xfffff, .seg_32bit = 1 };

	if (cpl())
		return because(SKIP, "not at CPL 3");
	EXPECT(syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)) == -1 && errno == ENOSYS);
	return PASS;
}

static int no_x32(void)
{
	EXPECT(syscall(0x40000000 | SYS_getpid) == -1 && errno == ENOSYS);
	return PASS;
}

static int no_ia32_programs(void)
{
	/* ELFCLASS32, EM_386 */
	static const char header[64] = "\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1";
	char *const argv[] = { "program", NULL };
	int fd = open("/program", O_WRONLY | O_CREAT | O_TRUNC, 0755);

	EXPECT(fd >= 0 && write(fd, header, sizeof(header)) == sizeof(header) && !close(fd));
	EXPECT(execve("/program", argv, argv + 1) == -1 && errno == ENOEXEC);
	return PASS;
}

static int no_shadow_stack(void)
{
	if (cpl())
		return because(SKIP, "not at CPL 3");
	EXPECT(syscall(SYS_arch_prctl, ARCH_SHSTK_ENABLE, 1) == -1);
	return PASS;
}

/*
 * 32-bit code: decrement and increment EAX (as 64-bit code, increment RAX), many
 * times, so that interrupts come in between, then INT3.
 */
static const unsigned char code_32[] = {
	0xb9, 0x00, 0x2d, 0x31, 0x01,	/* mov $20000000, %ecx */
	0x48, 0xff, 0xc0,		/* dec %eax; inc %eax */
	0x49, 0x75, 0xfa,		/* dec %ecx; jnz */
	0xcc,
};

static sigjmp_buf after_32;
static volatile greg_t rax_32, cs_32;
static volatile unsigned short selector;

static void end_32(int signr, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	rax_32 = regs[REG_RAX];
	cs_32 = regs[REG_CSGSFS] & 0xffff;
	siglongjmp(after_32, signr);
}

static void go_32(int signr, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	regs[REG_RIP] = 0x10000000;
	regs[REG_RAX] = 5;
	regs[REG_RSP] = 0x10000800;
	regs[REG_CSGSFS] = (regs[REG_CSGSFS] & ~0xffffll) | selector;
}

static int prepare_32(void)
{
	static char stack[65536];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	void *place = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	EXPECT(place != MAP_FAILED && !sigaltstack(&alternate, NULL));
	memcpy(place, code_32, sizeof(code_32));
	handle(SIGTRAP, end_32, SA_ONSTACK);
	handle(SIGSEGV, end_32, SA_ONSTACK);
	handle(SIGUSR1, go_32, SA_ONSTACK);
	return PASS;
}

static int selector_by_sigreturn(unsigned short code, int expected)
{
	int signr;

	EXPECT(!prepare_32());
	selector = code;
	signr = sigsetjmp(after_32, 1);
	if (!signr)
		raise(SIGUSR1);
	EXPECT(signr == expected);
	return PASS;
}

static int code_32_by_sigreturn(void)
{
	EXPECT(!selector_by_sigreturn(0x23, SIGTRAP));
	EXPECT(rax_32 == 5 && cs_32 == 0x23);
	return PASS;
}

/* At CPL 0 a far return to CPL 3 takes SS:RSP from the stack; at CPL 3 they stay there. */
static int code_32_by_far_return(void)
{
	int signr;

	EXPECT(!prepare_32());
	signr = sigsetjmp(after_32, 1);
	if (!signr)
		asm volatile("mov %0, %%rsp\n\tpush $0x2b\n\tpush %0\n\tpush $0x23\n\tpush $0x10000000\n\t"
			     "mov $5, %%eax\n\tlretq" : : "r" (0x10000800l) : "rax", "memory");
	EXPECT(signr == SIGTRAP);
	EXPECT(rax_32 == 5 && cs_32 == 0x23);
	return PASS;
}

/* A selector that isn't one of code is refused by IRET. */
static int bad_selector_by_sigreturn(void)
{
	return selector_by_sigreturn(0x2b, SIGSEGV);
}

static int null_selector_by_sigreturn(void)
{
	return selector_by_sigreturn(0, SIGSEGV);
}

/* What the C library finds broken, it ends by the same signal in every ring. */
static int free_twice(void)
{
	char *volatile p = malloc(16);

	free(p);
	free(p);
	return PASS;
}

static int overrun(void)
{
	volatile char *p = malloc(16);
	int i;

	for (i = 0; i < 64; i++)
		p[i] = 0x55;
	free((void *)p);
	return PASS;
}

static void *idle(void *unused)
{
	sleep(1);
	return unused;
}

static int join_detached(void)
{
	pthread_t thread;

	EXPECT(!pthread_create(&thread, NULL, idle, NULL));
	pthread_detach(thread);
	pthread_join(thread, NULL);
	return PASS;
}

/* HLT would be SIGSEGV with SI_KERNEL and no address: so is what musl does in its place. */
static void note_crash(int signr, siginfo_t *info, void *context)
{
	_exit(info->si_code == SI_KERNEL && !info->si_addr ? PASS : FAIL);
}

static int crash_is_general_protection(void)
{
	handle(SIGSEGV, note_crash, 0);
	overrun();
	return FAIL;
}

static const struct guest_case cases[] = {
	CASE(deny_tsc),
	CASE(deny_cpuid),
	CASE(deny_io_ports),
	CASE(no_flags_for_cpl_3),
	CASE(count_user_code_alone),
	CASE(breakpoint_in_kernel),
	CASE(ptrace_selectors),
	CASE(alignment_check),
	CASE(read_counter),
	CASE(load_stack_segment),
	CASE(swap_gs),
	CASE(gate_page),
	CASE_SIGNAL(call_vsyscall, SIGSEGV),
	CASE(no_ldt),
	CASE(no_x32),
	CASE(no_ia32_programs),
	CASE(no_shadow_stack),
	CASE(code_32_by_sigreturn),
	CASE(code_32_by_far_return),
	CASE(bad_selector_by_sigreturn),
	CASE(null_selector_by_sigreturn),
	CASE_SIGNAL(free_twice, SIGSEGV),
	CASE_SIGNAL(overrun, SIGSEGV),
	CASE_SIGNAL(join_detached, SIGSEGV),
	CASE(crash_is_general_protection),
};

GUEST_MAIN(cases)
