/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The measured loops. Included once for each way into the kernel: ENTER is the
 * instruction, NAME(x) makes the functions' names.
 */
static inline long NAME(enter6)(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f;
	long ret;

	asm volatile(ENTER
		     : "=a" (ret)
		     : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8), "r" (r9)
		     : "rcx", "r11", "cc", "memory");
	return ret;
}

static inline long NAME(enter4)(long nr, long a, long b, long c, long d)
{
	register long r10 asm("r10") = d;
	long ret;

	asm volatile(ENTER
		     : "=a" (ret)
		     : "a" (nr), "D" (a), "S" (b), "d" (c), "r" (r10)
		     : "rcx", "r11", "cc", "memory");
	return ret;
}

static inline long NAME(enter3)(long nr, long a, long b, long c)
{
	long ret;

	asm volatile(ENTER
		     : "=a" (ret)
		     : "a" (nr), "D" (a), "S" (b), "d" (c)
		     : "rcx", "r11", "cc", "memory");
	return ret;
}

static inline long NAME(enter0)(long nr)
{
	long ret;

	asm volatile(ENTER : "=a" (ret) : "a" (nr) : "rcx", "r11", "cc", "memory");
	return ret;
}

static long NAME(getppid)(long count)
{
	long last = 0;

	while (count--)
		last = NAME(enter0)(SYS_getppid);
	return last >= 0;
}

static long NAME(read)(long count)
{
	char byte;
	long last = 0;

	while (count--)
		last = NAME(enter3)(SYS_read, setup.zero, (long)&byte, 1);
	return last == 1;
}

static long NAME(write)(long count)
{
	char byte = 0;
	long last = 0;

	while (count--)
		last = NAME(enter3)(SYS_write, setup.null, (long)&byte, 1);
	return last == 1;
}

static long NAME(clock_gettime)(long count)
{
	struct timespec now;
	long last = 0;

	while (count--)
		last = NAME(enter3)(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0);
	return last == 0;
}

static long NAME(futex_wake)(long count)
{
	int word = 0;
	long last = 0;

	while (count--)
		last = NAME(enter3)(SYS_futex, (long)&word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
	return last == 0;
}

static long NAME(epoll_wait)(long count)
{
	struct epoll_event event;
	long last = 0;

	while (count--)
		last = NAME(enter4)(SYS_epoll_wait, setup.epoll, (long)&event, 1, 0);
	return last == 0;
}

static inline long NAME(pass)(int from, int to)
{
	char byte = 0;

	NAME(enter6)(SYS_sendto, from, (long)&byte, 1, 0, 0, 0);
	return NAME(enter6)(SYS_recvfrom, to, (long)&byte, 1, 0, 0, 0);
}

static long NAME(socketpair)(long count)
{
	long last = 0;

	while (count--)
		last = NAME(pass)(setup.pair[0], setup.pair[1]);
	return last == 1;
}

/*
 * To and fro, so that data carry the acknowledgements: one way, the sender would
 * soon wait 40 ms for a delayed one.
 */
static long NAME(tcp)(long count)
{
	long last = 0;

	for (count /= 2; count; count--) {
		last = NAME(pass)(setup.tcp[0], setup.tcp[1]);
		last += NAME(pass)(setup.tcp[1], setup.tcp[0]);
	}
	return last == 2;
}

/* A byte to the other process and back: two switches. */
static long NAME(context_switch)(long count)
{
	char byte = 0;
	long last = 0;

	for (count /= 2; count; count--) {
		NAME(enter3)(SYS_write, setup.to_echo, (long)&byte, 1);
		last = NAME(enter3)(SYS_read, setup.from_echo, (long)&byte, 1);
	}
	return last == 1;
}

static void NAME(echo)(int from, int to)
{
	char byte;

	while (NAME(enter3)(SYS_read, from, (long)&byte, 1) == 1)
		NAME(enter3)(SYS_write, to, (long)&byte, 1);
}
