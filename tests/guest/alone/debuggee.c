// SPDX-License-Identifier: GPL-2.0-only
/*
 * What gdb looks at from outside: main() calls work() calls read_zeros(), again and
 * again, which makes a system call by a form of the gate that leaves RSP alone.  It
 * ends when gdb writes to "finished".
 */
#include "gate.h"

char secret[] = "only gdb reads this";
volatile int finished;
volatile long rounds;

__attribute__((noinline)) long read_zeros(int fd, char *byte)
{
	if (have_gate())
		return gate_jmp(SYS_read, fd, (long)byte, 1, 0, 0, 0) + finished;
	return gate_trap(SYS_read, fd, (long)byte, 1, 0, 0, 0) + finished;
}

__attribute__((noinline)) long work(int fd)
{
	char byte = 'x';
	long result = read_zeros(fd, &byte);

	rounds += result;
	return byte;
}

int main(void)
{
	int fd = open("/dev/zero", O_RDONLY);

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ring %d, waiting for gdb\n", cpl());
	while (!finished)
		if (work(fd) || rounds < 0)
			return 1;
	printf("finished after rounds\n");
	return 0;
}
