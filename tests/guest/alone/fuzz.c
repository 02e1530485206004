// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random system calls whose outcomes can be compared between kernels.
 *
 *	fuzz SEED COUNT
 *
 * or, for PID 1, "seed=" and "count=" on the kernel's command line.  The same seed
 * makes the same calls.  They are made by child processes, BATCH calls each, every
 * other child as nobody.  A call enters the kernel by a form of the gate that the
 * seed chooses, or by SYSCALL where there is no gate.  Output, a line for each call:
 *
 *	fuzz BATCH.CALL NAME(kinds of arguments) = OUTCOME # FORM
 *
 * OUTCOME is "ok", an exact value, "-ERRNO", with the hash of the memory that the
 * call may have written, or how the child ended: "signal N", "exit N", "stops",
 * "blocks".  There are no addresses, process numbers or times in it.
 */
#include "gate.h"
#include "grammar.h"
#include "word.h"
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define BATCH		40
#define FOLDER		"/tmp/fuzz"
#define BLOCKED_MS	1500

struct outcome {
	const struct call *call;
	long nr;
	char kinds[7];
	uint8_t form, done;
	long result;
	uint64_t hash;
};

/* Shared by the child and its parent */
static struct {
	volatile unsigned int begun;
	struct outcome calls[BATCH];
} *record;

static uint64_t state;

uint64_t random64(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static long raw(long nr, long a, long b, long c, long d, long e, long f)
{
	return gate_trap(nr, a, b, c, d, e, f);
}

/* The memory that arguments point to is the same for each call, whatever the last one did to it. */
static void renew_memory(void)
{
	const long flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	uint64_t *word = (uint64_t *)MEMORY;

	raw(SYS_mmap, MEMORY, 4 * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	while ((uintptr_t)word < MEMORY + 3 * PAGE)
		*word++ = random64();
	lay_out_memory();
	raw(SYS_mprotect, MEMORY + 2 * PAGE, PAGE, PROT_READ, 0, 0, 0);
	raw(SYS_mprotect, MEMORY + 3 * PAGE, PAGE, PROT_NONE, 0, 0, 0);
}

static uint64_t hash_memory(void)
{
	const unsigned char *byte = (const unsigned char *)MEMORY;
	uint64_t hash = 0xcbf29ce484222325;
	unsigned int i;

	for (i = 0; i < 2 * PAGE; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3;
	return hash;
}

/* In a process that a call made: end.  In its parent: wait, so that no later call sees the race. */
static void after_fork(long result, long self)
{
	if (raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != self)
		raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
	if (result > 0)
		raw(SYS_wait4, result, 0, __WALL, 0, 0, 0);
}

static void make_call(struct outcome *o, long self)
{
	const struct gate_form *form;
	unsigned int i;
	long args[6];

	renew_memory();
	o->call = choose_call();
	o->nr = o->call->nr < 0 ? bad_number() : o->call->nr;
	for (i = 0; i < 6; i++)
		args[i] = make_argument(o->call->args[i], &o->kinds[i], self);
	o->form = random64() % 5;
	if (gate_forms[o->form].call == gate_call_nr && (unsigned long)o->nr >= 512)
		o->form = 1;
	if (!have_gate())
		o->form = 0;
	form = &gate_forms[o->form];
	record->begun++;
	o->result = form->call(o->nr, args[0], args[1], args[2], args[3], args[4], args[5]);
	if (o->call->flags & FORKS)
		after_fork(o->result, self);
	if (o->call->flags & HASH)
		o->hash = hash_memory();
	o->done = 1;
}

static void move_fd(int from, int to)
{
	if (from == to)
		return;
	dup2(from, to);
	close(from);
}

/* Descriptors 0 to 10, of one kind each; nothing that blocks */
static void open_files(void)
{
	int pair[2];

	move_fd(open("/dev/null", O_RDWR), 0);
	move_fd(open("/dev/zero", O_RDWR), 1);
	dup2(0, 2);
	move_fd(open(FOLDER "/a", O_RDWR | O_CREAT, 0666), 3);
	if (write(3, "some text in a file", 19) != 19 || pipe2(pair, O_NONBLOCK))
		_exit(99);
	move_fd(pair[0], 4);
	move_fd(pair[1], 5);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
	move_fd(pair[0], 6);
	move_fd(pair[1], 7);
	move_fd(eventfd(3, EFD_NONBLOCK), 8);
	move_fd(epoll_create1(0), 9);
	move_fd(open(FOLDER, O_RDONLY | O_DIRECTORY), 10);
}

static void child(unsigned int batch)
{
	struct rlimit limit = { 256 << 20, 256 << 20 };
	unsigned int i;
	long self;

	setsid();
	for (i = 3; i < 20; i++)
		close(i);
	if (chdir(FOLDER))
		_exit(99);
	open_files();
	setrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = 0;
	limit.rlim_max = 0;
	setrlimit(RLIMIT_CORE, &limit);
	if (batch & 1 && (setgid(65534) || setuid(65534)))
		_exit(99);
	self = getpid();
	for (i = 0; i < BATCH; i++)
		make_call(&record->calls[i], self);
	raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

static void empty_folder(void)
{
	static const char *const names[] = { "a", "b", "c", "d/e", "d" };
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[64];

		snprintf(path, sizeof(path), FOLDER "/%s", names[i]);
		if (unlink(path) && errno != ENOENT)
			rmdir(path);
	}
	rmdir(FOLDER);
	mkdir(FOLDER, 0777);
	chmod(FOLDER, 0777);
}

static char process_state(pid_t pid)
{
	char path[32], text[128] = "", *end;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	end = strrchr(text, ')');
	return end ? end[2] : '?';
}

/* Wait for a child; one that sleeps and gets no further is killed. */
static const char *end_of(pid_t pid)
{
	static char text[32];
	unsigned int begun = 0, asleep_ms = 0;
	int status;

	while (waitpid(pid, &status, WNOHANG | WUNTRACED) == 0) {
		char now = process_state(pid);

		sleep_ms(1);
		asleep_ms = record->begun == begun && now == 'S' ? asleep_ms + 1 : 0;
		begun = record->begun;
		if (asleep_ms > BLOCKED_MS)
			break;
	}
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	if (asleep_ms > BLOCKED_MS) {
		waitpid(pid, NULL, 0);
		return "blocks";
	}
	if (WIFSTOPPED(status)) {
		waitpid(pid, NULL, 0);
		return "stops";
	}
	snprintf(text, sizeof(text), WIFSIGNALED(status) ? "signal %d" : "exit %d",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return text;
}

static void print_outcome(unsigned int batch, unsigned int i, const char *end)
{
	const struct outcome *o = &record->calls[i];

	printf("fuzz %u.%u %s", batch, i, o->call->name);
	if (o->call->nr < 0)
		printf(" %#lx", o->nr);
	printf("(%s) = ", o->kinds);
	if (!o->done)
		printf("%s", end);
	else if (o->result >= 0 && !(o->call->flags & EXACT))
		printf("ok");
	else
		printf("%ld", o->result);
	if (o->done && o->call->flags & HASH)
		printf(" %016lx", o->hash);
	printf(" # %s\n", gate_forms[o->form].name);
}

int main(int argc, char **argv)
{
	uint64_t seed = strtoull(argc > 1 ? argv[1] : word("seed", "1"), NULL, 0);
	unsigned long count = strtoul(argc > 2 ? argv[2] : word("count", "1000"), NULL, 0);
	unsigned int batch, i;
	unsigned long total = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	record = mmap(NULL, sizeof(*record), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	printf("ring %d hwcap2 %#lx\n", cpl(), getauxval(AT_HWCAP2));
	for (batch = 0; total < count; batch++) {
		const char *end;
		pid_t pid;

		memset(record, 0, sizeof(*record));
		empty_folder();
		state = seed * 0x100000001 + batch;
		pid = fork();
		if (!pid)
			child(batch);
		end = end_of(pid);
		for (i = 0; i < record->begun; i++)
			print_outcome(batch, i, end);
		if (!record->begun)
			printf("fuzz %u: nothing: %s\n", batch, end);
		total += record->begun ?: 1;
	}
	printf("fuzzed: %lu calls in %u processes, seed %lu\n", total, batch, seed);
	return 0;
}
