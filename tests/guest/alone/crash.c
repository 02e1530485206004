// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two core dumps, handed to the host on the console: each page of the file that isn't
 * empty as a line "core NAME OFFSET WORDS...", where WORDS are the page's 64-bit words,
 * "Nx0" standing for N words of 0.  Before them "core NAME size SIZE".
 *
 * "fault" is that of a write to 0x5eed0 in wild_write(), called by middle(), with RBX
 * and R12 as given below.  "call" is that of a process that was killed while it slept
 * in a system call of wait_in_kernel(), made by the gate if there is one.
 */
#include "gate.h"

#define WILD_ADDRESS	0x5eed0ul
#define IN_RBX		0x5eedb00bul
#define IN_R12		0x5eedf00dul

char message[] = "seen by gdb";
volatile long depth_reached;

__attribute__((noinline)) void wild_write(volatile int *address, int value)
{
	register unsigned long rbx asm("rbx") = IN_RBX, r12 asm("r12") = IN_R12;

	depth_reached++;
	asm volatile("movl %2, (%3)"
		     : "+r" (rbx), "+r" (r12) : "r" (value), "r" (address) : "memory");
}

__attribute__((noinline)) long middle(int value)
{
	long before = syscall(SYS_getppid);

	wild_write((volatile int *)WILD_ADDRESS, value);
	return before + depth_reached;
}

static int pipe_ends[2];

__attribute__((noinline)) long wait_in_kernel(void)
{
	long before = depth_reached;
	char byte;

	/* The form that leaves RSP alone, of which the compiler's unwind tables don't know */
	if (have_gate())
		return gate_jmp(SYS_read, pipe_ends[0], (long)&byte, 1, 0, 0, 0) + before;
	return gate_trap(SYS_read, pipe_ends[0], (long)&byte, 1, 0, 0, 0) + before;
}

static void print_page(const char *name, const uint64_t *page, unsigned int words, long offset)
{
	unsigned int i, zeros;

	for (i = 0; i < words && !page[i]; i++)
		;
	if (i == words)
		return;
	printf("core %s %#lx", name, offset);
	for (i = 0; i < words; i += zeros ?: 1) {
		for (zeros = 0; i + zeros < words && !page[i + zeros]; zeros++)
			;
		if (zeros)
			printf(" %ux0", zeros);
		else
			printf(" %lx", page[i]);
	}
	printf("\n");
}

static int hand_out(const char *name)
{
	static uint64_t page[512];
	FILE *core = fopen("/tmp/core", "r");
	struct stat about;
	long offset = 0;
	size_t n;

	EXPECT(core);
	EXPECT(!fstat(fileno(core), &about));
	printf("core %s size %ld\n", name, (long)about.st_size);
	while ((n = fread(page, 1, sizeof(page), core)) > 0) {
		memset((char *)page + n, 0, sizeof(page) - n);
		print_page(name, page, 512, offset);
		offset += n;
	}
	fclose(core);
	return unlink("/tmp/core");
}

static int allow_core(void)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	FILE *pattern = fopen("/proc/sys/kernel/core_pattern", "w");

	EXPECT(pattern && fputs("/tmp/core", pattern) >= 0 && !fclose(pattern));
	EXPECT(!setrlimit(RLIMIT_CORE, &unlimited));
	return PASS;
}

static int fault(void)
{
	int status;
	pid_t pid;

	EXPECT(allow_core() == PASS);
	pid = fork();
	if (!pid)
		_exit(middle(77));
	status = wait_for(pid, 60);
	EXPECT(killed_by(status, SIGSEGV));
	EXPECT(WCOREDUMP(status));
	EXPECT(!hand_out("fault"));
	return PASS;
}

static int call(void)
{
	int status;
	pid_t pid;

	EXPECT(allow_core() == PASS);
	EXPECT(!pipe(pipe_ends));
	pid = fork();
	if (!pid)
		_exit(wait_in_kernel());
	sleep_ms(200);
	kill(pid, SIGQUIT);
	status = wait_for(pid, 60);
	EXPECT(killed_by(status, SIGQUIT));
	EXPECT(WCOREDUMP(status));
	EXPECT(!hand_out("call"));
	return PASS;
}

static const struct guest_case cases[] = {
	CASE(fault),
	CASE(call),
};

GUEST_MAIN(cases)
