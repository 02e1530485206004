// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stacks that are on the swap disk when they are needed: /dev/vda is made the swap
 * device.  Each case sees in /proc/self/pagemap that the pages have really gone.
 *
 * With "how=drop" on the kernel's command line, for kernels without swap, stacks are
 * shared memory, and the kernel forgets that they are mapped.
 */
#include "gate.h"
#include "word.h"
#include <sys/swap.h>

#define PAGE		4096ul
#define STACK_PAGES	16
#define STACK_SIZE	(STACK_PAGES * PAGE)
#define PAGEMAP_SWAPPED	(1ull << 62)
#define SIGNATURE	"SWAPSPACE2"

/* Pages of a range that are on the swap disk, -1 if nobody knows */
static int swapped_pages(const char *start, unsigned int pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY), found = 0;
	uint64_t entries[STACK_PAGES];
	unsigned int i;
	ssize_t n;

	n = pread(fd, entries, pages * 8, (uintptr_t)start / PAGE * 8);
	close(fd);
	if (n != pages * 8)
		return -1;
	for (i = 0; i < pages; i++)
		found += !!(entries[i] & PAGEMAP_SWAPPED);
	return found;
}

static int add_swap(void)
{
	static struct {
		char boot[1024];
		uint32_t version, last_page, bad_pages;
		char rest[PAGE - 1024 - 12 - 10];
		char magic[10];
	} header = { .version = 1 };
	int fd = open("/dev/vda", O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);

	header.last_page = size / PAGE - 1;
	memcpy(header.magic, SIGNATURE, 10);
	if (size <= 0 || pwrite(fd, &header, PAGE, 0) != PAGE || close(fd))
		return -1;
	return swapon("/dev/vda", 0);
}

static char *stack;
static int dropping;

#define NEED_SWAP()							\
	do {								\
		if (dropping)						\
			return because(SKIP, "no swap");		\
	} while (0)

/* A full stack: every page has content, so that it must be written to the disk. */
static int fresh_stack(void)
{
	const int kind = dropping ? MAP_SHARED : MAP_PRIVATE;

	stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
	EXPECT(stack != MAP_FAILED);
	memset(stack, 0x5a, STACK_SIZE);
	return PASS;
}

static int send_away(void)
{
	int i;

	if (dropping)
		return madvise(stack, STACK_SIZE, MADV_DONTNEED) ? FAIL : PASS;
	/* Pages that were just touched may stay at first. */
	for (i = 0; i < 50 && swapped_pages(stack, STACK_PAGES) < STACK_PAGES; i++)
		EXPECT(!madvise(stack, STACK_SIZE, MADV_PAGEOUT));
	EXPECT(swapped_pages(stack, STACK_PAGES) == STACK_PAGES);
	return PASS;
}

/* Make a call with RSP at the top of a stack that is on the disk. */
#define CALL_THERE(name, enter)						\
static long name(long nr, long a, long b, long c)			\
{									\
	register char *top asm("r13") = stack + STACK_SIZE - 256;	\
	long ret;							\
									\
	asm volatile("mov %%rsp, %%r12\n\tmov %[top], %%rsp\n\t"	\
		     enter "\n\tmov %%r12, %%rsp"			\
		     : "=a" (ret)					\
		     : "a" (nr), "D" (a), "S" (b), "d" (c), [top] "r" (top) \
		     : "rcx", "r11", "r12", "cc", "memory");		\
	return ret;							\
}

CALL_THERE(there_trap, BY_SYSCALL)
CALL_THERE(there_call, BY_CALL)
CALL_THERE(there_nr, BY_NUMBER)
CALL_THERE(there_jmp, BY_JUMP)

static long (*const there[])(long nr, long a, long b, long c) = {
	there_trap, there_call, there_nr, there_jmp,
};

#define FORMS	(have_gate() ? 4 : 1)

/* RSP leads to the disk when the call begins. */
static int absent_before_call(void)
{
	int i, round;

	for (i = 0; i < FORMS; i++) {
		for (round = 0; round < 20; round++) {
			EXPECT(fresh_stack() == PASS && send_away() == PASS);
			EXPECT(there[i](SYS_getpid, 0, 0, 0) == getpid());
			munmap(stack, STACK_SIZE);
		}
	}
	return PASS;
}

/* The call itself sends the stack to the disk: it isn't there when it returns. */
static int absent_after_call(void)
{
	const int advice = dropping ? MADV_DONTNEED : MADV_PAGEOUT;
	int i, round, gone = 0;

	for (i = 0; i < FORMS; i++) {
		for (round = 0; round < 20; round++) {
			EXPECT(fresh_stack() == PASS && send_away() == PASS);
			EXPECT(!there[i](SYS_madvise, (long)stack, STACK_SIZE, advice));
			/* By the call forms one page was needed to return. */
			gone += dropping ? STACK_PAGES : swapped_pages(stack, STACK_PAGES);
			EXPECT(stack[100] == 0x5a);
			munmap(stack, STACK_SIZE);
		}
	}
	EXPECT(gone > FORMS * 20 * (STACK_PAGES - 4));
	return because(PASS, "%d pages were gone", gone);
}

static volatile sig_atomic_t handled;

static void count_signal(int signr, siginfo_t *info, void *context)
{
	char here;

	handled++;
	if (&here < stack || &here >= stack + STACK_SIZE)
		_exit(9);
}

/* The kernel writes a signal frame to a stack that is on the disk, and reads it there. */
static int signal_there(void)
{
	int i, round;

	handle(SIGUSR1, count_signal, 0);
	for (i = 0; i < FORMS; i++) {
		for (round = 0; round < 20; round++) {
			handled = 0;
			EXPECT(fresh_stack() == PASS && send_away() == PASS);
			EXPECT(!there[i](SYS_kill, getpid(), SIGUSR1, 0));
			EXPECT(handled == 1);
			munmap(stack, STACK_SIZE);
		}
	}
	return PASS;
}

static int pipe_ends[2];
static volatile int asleep;

static void *sleep_in_call(void *form)
{
	char byte = 0;

	asleep = 1;
	if (((const struct gate_form *)form)->call(SYS_read, pipe_ends[0], (long)&byte, 1,
						   0, 0, 0) != 1)
		return "read() failed";
	return byte == 'z' ? NULL : "read() got something else";
}

static int start_sleeper(pthread_t *thread, const struct gate_form *form)
{
	pthread_attr_t attributes;

	asleep = 0;
	EXPECT(fresh_stack() == PASS && !pipe(pipe_ends));
	pthread_attr_init(&attributes);
	EXPECT(!pthread_attr_setstack(&attributes, stack, STACK_SIZE));
	EXPECT(!pthread_create(thread, &attributes, sleep_in_call, (void *)form));
	while (!asleep)
		sched_yield();
	sleep_ms(20);
	return PASS;
}

static int end_sleeper(pthread_t thread)
{
	void *problem;

	EXPECT(write(pipe_ends[1], "z", 1) == 1);
	pthread_join(thread, &problem);
	if (problem)
		return because(FAIL, "%s", (char *)problem);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
	munmap(stack, STACK_SIZE);
	return PASS;
}

/* A thread sleeps in a call while its stack goes, then a signal comes, or the result. */
static int asleep_in_call(void)
{
	int round;

	handle(SIGUSR1, count_signal, SA_RESTART);
	for_each_form(form) {
		for (round = 0; round < 6; round++) {
			pthread_t thread;

			EXPECT_FORM(form, start_sleeper(&thread, form) == PASS);
			EXPECT_FORM(form, send_away() == PASS);
			handled = 0;
			if (round & 1)
				pthread_kill(thread, SIGUSR1);
			EXPECT_FORM(form, end_sleeper(thread) == PASS);
			EXPECT_FORM(form, handled == (round & 1));
		}
	}
	return PASS;
}

/* Other memory presses it out: more is used than the machine has. */
static int by_pressure(void)
{
	const size_t size = 160ul << 20;

	NEED_SWAP();
	for_each_form(form) {
		pthread_t thread;
		size_t i;
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		EXPECT(p != MAP_FAILED && start_sleeper(&thread, form) == PASS);
		for (i = 0; i < size; i += PAGE)
			*(uint64_t *)(p + i) = i;
		EXPECT_FORM(form, swapped_pages(stack, STACK_PAGES) > STACK_PAGES / 2);
		EXPECT_FORM(form, end_sleeper(thread) == PASS);
		for (i = 0; i < size; i += PAGE)
			EXPECT_FORM(form, *(uint64_t *)(p + i) == i);
		munmap(p, size);
	}
	return PASS;
}

static int call_and_write(void)
{
	const size_t size = 70ul << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t self = getpid();
	size_t i;

	for (i = 0; i < 3 * size; i += PAGE) {
		*(uint64_t *)(p + i % size) += i % size;
		for_each_form(form)
			if (form->call(SYS_getpid, 0, 0, 0, 0, 0, 0) != self)
				return 1;
	}
	for (i = 0; i < size; i += PAGE)
		if (*(uint64_t *)(p + i) != 3 * i)
			return 2;
	return 0;
}

/* Two processes whose calls press each other's memory, stacks included, out and in */
static int thrashing(void)
{
	int i, status;

	NEED_SWAP();
	for (i = 0; i < 2; i++) {
		if (!fork())
			_exit(call_and_write());
	}
	for (i = 0; i < 2; i++) {
		EXPECT(wait(&status) > 0);
		EXPECT(exited_with(status, 0));
	}
	return PASS;
}

static const struct guest_case cases[] = {
	CASE(absent_before_call),
	CASE(absent_after_call),
	CASE(signal_there),
	CASE(asleep_in_call),
	CASE(by_pressure),
	CASE(thrashing),
};

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	dropping = !strcmp(word("how", "swap"), "drop");
	if (!dropping && add_swap()) {
		printf("no swap: errno %d\n", errno);
		return 1;
	}
	return guest_main(cases, sizeof(cases) / sizeof(*cases));
}
