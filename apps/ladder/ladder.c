// SPDX-License-Identifier: GPL-2.0-only
/*
 * What system calls cost, by the way into the kernel that this machine has.
 *
 * Each call is made in batches, timed by the monotonic clock. The shortest batch
 * counts: it had no timer interrupt, and the host didn't pause the machine. Under
 * QEMU's -icount shift=0 a nanosecond is a guest instruction, and it is exact.
 *
 * The output, one line for each call, is nanoseconds for the shortest batch:
 *
 *	ladder: ring 0, entry lean
 *	ladder: getppid: 1000 calls, 85000 ns
 *	ladder: done
 *
 * Loops are included, the clock's own time is not. Names ending in _libc and
 * _vdso go through the C library's functions, as do fork_exit's; all others
 * enter the kernel directly.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ladder.h"

#define BATCHES		25
#define HWCAP2_GATE	(1ul << 30)
#define HWCAP2_LEAN	(1ul << 28)

#define NAME(name)	trap_##name
#define ENTER		"syscall"
#include "calls.h"
#undef NAME
#undef ENTER
#define NAME(name)	gate_##name
#define ENTER		"call *0xffffffffff600000"
#include "calls.h"

struct call {
	const char *name;
	long count;			/* calls in a batch */
	long (*by_trap)(long count);	/* these return 0 when the calls failed */
	long (*by_gate)(long count);
	void (*before)(long count);	/* before and after a batch, not timed */
	void (*after)(long count);
};

static long nothing(long count)
{
	return count >= 0;
}

static long getppid_libc(long count)
{
	long last = 0;

	while (count--)
		last = getppid();
	return last >= 0;
}

static long read_libc(long count)
{
	char byte;
	long last = 0;

	while (count--)
		last = read(setup.zero, &byte, 1);
	return last == 1;
}

static long write_libc(long count)
{
	char byte = 0;
	long last = 0;

	while (count--)
		last = write(setup.null, &byte, 1);
	return last == 1;
}

static long clock_gettime_vdso(long count)
{
	struct timespec now;
	long last = 0;

	while (count--)
		last = clock_gettime(CLOCK_MONOTONIC, &now);
	return last == 0;
}

static long page_fault(long count)
{
	for (long page = 0; page < count; page++)
		*(volatile char *)(setup.pages + page * PAGE) = 1;
	return 1;
}

static long fork_exit(long count)
{
	int status = 0;

	while (count-- && !status) {
		pid_t child = fork();

		if (!child)
			_exit(0);
		if (child < 0 || waitpid(child, &status, 0) != child)
			return 0;
	}
	return !status;
}

#define BOTH(name)	#name, .by_trap = trap_##name, .by_gate = gate_##name
#define LIBC(name)	#name, .by_trap = name, .by_gate = name

static const struct call calls[] = {
	{ BOTH(getppid), .count = 1000 },
	{ LIBC(getppid_libc), .count = 1000 },
	{ BOTH(read), .count = 1000 },
	{ LIBC(read_libc), .count = 1000 },
	{ BOTH(write), .count = 1000 },
	{ LIBC(write_libc), .count = 1000 },
	{ BOTH(clock_gettime), .count = 1000 },
	{ LIBC(clock_gettime_vdso), .count = 1000 },
	{ BOTH(futex_wake), .count = 1000 },
	{ BOTH(epoll_wait), .count = 1000 },
	{ BOTH(socketpair), .count = 500 },
	{ BOTH(tcp), .count = 200 },
	{ LIBC(page_fault), .count = 512, .before = map_pages, .after = unmap_pages },
	{ LIBC(fork_exit), .count = 10 },
	{ BOTH(context_switch), .count = 500 },
};

static long now(void)
{
	struct timespec time;

	must(!clock_gettime(CLOCK_MONOTONIC, &time), "clock_gettime");
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

static long batch(const struct call *call, long (*run)(long count))
{
	long begin, end, ok;

	if (call->before)
		call->before(call->count);
	begin = now();
	ok = run(call->count);
	end = now();
	must(ok, call->name);
	if (call->after)
		call->after(call->count);
	return end - begin;
}

/* The shortest batch, after one that warms up. */
static long measure(const struct call *call, long (*run)(long count))
{
	long least;

	batch(call, run);
	least = batch(call, run);
	for (int i = 1; i < BATCHES; i++) {
		long time = batch(call, run);

		if (time < least)
			least = time;
	}
	return least;
}

static int current_ring(void)
{
	unsigned int cs;

	asm("mov %%cs, %0" : "=r" (cs));
	return cs & 3;
}

int main(void)
{
	static const struct call clock_only = { .name = "clock" };
	unsigned long features = getauxval(AT_HWCAP2);
	int gate = !!(features & HWCAP2_GATE);
	long clock;

	printf("ladder: ring %d, entry %s\n", current_ring(),
	       !gate ? "trap" : features & HWCAP2_LEAN ? "lean" : "gate");
	fflush(stdout);
	set_up(gate ? gate_echo : trap_echo);
	clock = measure(&clock_only, nothing);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct call *call = &calls[i];
		long time = measure(call, gate ? call->by_gate : call->by_trap) - clock;

		printf("ladder: %s: %ld calls, %ld ns\n", call->name, call->count, time);
		fflush(stdout);
	}
	puts("ladder: done");
	return 0;
}
