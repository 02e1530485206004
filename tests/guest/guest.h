/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cases for programs that attack the kernel from inside, as PID 1 or below it.
 *
 * Each case runs in a process of its own and fails alone.  Output:
 *	ring R hwcap2 H cpus C kernel ADDRESS
 *	case NAME: pass|fail|skip: why
 *	cases: P passed, F failed, S skipped
 *	nmis N
 * The exit status is 0 if none failed.  The environment variable "only" (for PID 1
 * a word on the kernel's command line does as well) names the one case to run, or
 * with "*" at the end how its name begins.
 */
#ifndef GUEST_H
#define GUEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { PASS, FAIL, SKIP = 77 };

/* Seconds after which a case has failed */
#define CASE_TIMEOUT	300

struct guest_case {
	const char *name;
	int (*run)(void);
	int signal;	/* that must end the process, or 0 */
};

#define CASE(fn)		{ #fn, fn, 0 }
#define CASE_SIGNAL(fn, sig)	{ #fn, fn, sig }

/* Shared by the process of a case and the harness */
static char *guest_why;

__attribute__((format(printf, 2, 3)))
static inline int because(int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(guest_why, 256, format, args);
	va_end(args);
	return result;
}

/* Fail, and say which condition did not hold. */
#define EXPECT(condition)						\
	do {								\
		if (!(condition))					\
			return because(FAIL, "line %d: %s, errno %d",	\
				       __LINE__, #condition, errno);	\
	} while (0)

static inline int cpl(void)
{
	unsigned short cs;

	asm volatile("mov %%cs, %0" : "=r" (cs));
	return cs & 3;
}

static inline uint64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static inline void handle(int signr, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

	sigaction(signr, &action, NULL);
}

static inline void tick_every_us(long us)
{
	struct itimerval timer = { { 0, us }, { 0, us } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Wait for a process, but not for ever: its wait status, or -1. */
static inline int wait_for(pid_t pid, int seconds)
{
	uint64_t end = nanoseconds() + seconds * 1000000000ull;
	int status;
	pid_t ended;

	while (!(ended = waitpid(pid, &status, WNOHANG))) {
		if (nanoseconds() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		sleep_ms(1);
	}
	return ended < 0 ? -1 : status;
}

static inline int exited_with(int status, int code)
{
	return status >= 0 && WIFEXITED(status) && WEXITSTATUS(status) == code;
}

static inline int killed_by(int status, int signr)
{
	return status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == signr;
}

/* Run a function in a child and return its wait status, -1 if it hangs or there is none. */
static inline int in_child(int (*run)(void), int seconds)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(run());
	return pid < 0 ? -1 : wait_for(pid, seconds);
}

static inline int guest_run(const struct guest_case *c)
{
	int status;

	guest_why[0] = 0;
	status = in_child(c->run, CASE_TIMEOUT);
	if (status == -1)
		return because(FAIL, "hangs, or there was no process for it");
	if (WIFSIGNALED(status) && WTERMSIG(status) == c->signal)
		return because(PASS, "signal %d", c->signal);
	if (WIFSIGNALED(status))
		return because(FAIL, "signal %d", WTERMSIG(status));
	if (c->signal && WEXITSTATUS(status) == PASS)
		return because(FAIL, "exit instead of signal %d", c->signal);
	if (WEXITSTATUS(status) > FAIL && WEXITSTATUS(status) != SKIP)
		return because(FAIL, "exit status %d", WEXITSTATUS(status));
	return WEXITSTATUS(status);
}

static inline int guest_wanted(const char *name)
{
	const char *only = getenv("only");
	size_t length = only ? strlen(only) : 0;

	if (!length)
		return 1;
	if (only[length - 1] == '*')
		return !strncmp(name, only, length - 1);
	return !strcmp(name, only);
}

/* A symbol of the kernel: not where it was linked to if KASLR is at work; 0 if unknown. */
static inline uint64_t kernel_symbol(const char *wanted)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	unsigned long long address;
	uint64_t found = 0;
	char name[128];

	while (symbols && !found && fscanf(symbols, "%llx %*s %127s%*[^\n]", &address, name) == 2) {
		if (!strcmp(name, wanted))
			found = address;
	}
	if (symbols)
		fclose(symbols);
	return found;
}

/* How many NMIs all CPUs got. */
static inline unsigned long nmis(void)
{
	FILE *interrupts = fopen("/proc/interrupts", "r");
	unsigned long count, sum = 0;
	char line[512];

	while (interrupts && fgets(line, sizeof(line), interrupts)) {
		char *p = line + strspn(line, " "), *end;

		if (strncmp(p, "NMI:", 4))
			continue;
		for (p += 4; count = strtoul(p, &end, 10), end != p; p = end)
			sum += count;
	}
	if (interrupts)
		fclose(interrupts);
	return sum;
}

/* Words NAME=VALUE of the kernel's command line go into the environment. */
static inline void take_command_line(void)
{
	static char line[4096];
	FILE *file = fopen("/proc/cmdline", "r");
	char *word;

	if (!file || !fgets(line, sizeof(line), file))
		return;
	fclose(file);
	for (word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
		if (strchr(word, '='))
			putenv(word);
	}
}

static inline int guest_main(const struct guest_case *cases, size_t count)
{
	unsigned int passed = 0, failed = 0, skipped = 0;
	size_t i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	guest_why = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (getpid() == 1) {
		mount("proc", "/proc", "proc", 0, NULL);
		mount("dev", "/dev", "devtmpfs", 0, NULL);
		take_command_line();
	}
	printf("ring %d hwcap2 %#lx cpus %ld kernel %#llx\n", cpl(), getauxval(AT_HWCAP2),
	       sysconf(_SC_NPROCESSORS_ONLN), (unsigned long long)kernel_symbol("_stext"));

	for (i = 0; i < count; i++) {
		int result;

		if (!guest_wanted(cases[i].name))
			continue;
		result = guest_run(&cases[i]);
		if (result == PASS)
			passed++;
		else if (result == SKIP)
			skipped++;
		else
			failed++;
		printf("case %s: %s%s%s\n", cases[i].name,
		       result == PASS ? "pass" : result == SKIP ? "skip" : "fail",
		       guest_why[0] ? ": " : "", guest_why);
	}
	printf("cases: %u passed, %u failed, %u skipped\n", passed, failed, skipped);
	printf("nmis %lu\n", nmis());
	/* The end of PID 1 hangs up its terminal, with all that the terminal still has to send. */
	tcdrain(1);
	return failed != 0;
}

#define GUEST_MAIN(cases)						\
	int main(void)							\
	{								\
		return guest_main(cases, sizeof(cases) / sizeof(*(cases)));	\
	}

#endif /* GUEST_H */
