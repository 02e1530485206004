// SPDX-License-Identifier: GPL-2.0-only
/*
 * What programs ask of a C library whose system calls were rewritten: results, threads, signals,
 * cancellation with unwinding, new processes, and crashes.  Compile with -fexceptions.
 */
#include "guest.h"
#include <execinfo.h>
#include <netinet/in.h>
#include <poll.h>
#include <semaphore.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define THREADS	8

static int results(void)
{
	char text[64], byte = 0;
	struct stat status;
	int fds[2], i;

	for (i = 0; i < 300; i++) {
		EXPECT(getpid() == syscall(SYS_getpid));
		EXPECT(!pipe(fds));
		EXPECT(write(fds[1], "abc", 3) == 3);
		EXPECT(read(fds[0], &byte, 1) == 1 && byte == 'a');
		EXPECT(!fstat(fds[0], &status) && S_ISFIFO(status.st_mode));
		EXPECT(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
		EXPECT(read(fds[0], text, sizeof(text)) == 2);
		EXPECT(read(fds[0], text, sizeof(text)) == -1 && errno == EAGAIN);
		EXPECT(!close(fds[0]) && !close(fds[1]) && close(fds[1]) == -1 && errno == EBADF);
	}
	EXPECT(syscall(600) == -1 && errno == ENOSYS);
	EXPECT(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED && errno == EBADF);
	return PASS;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int turn, counted;

static void *take_turns(void *number)
{
	int i;

	for (i = 0; i < 500; i++) {
		pthread_mutex_lock(&lock);
		while (turn != (long)number)
			pthread_cond_wait(&changed, &lock);
		counted++;
		turn = (turn + 1) % THREADS;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&lock);
	}
	return number;
}

static int threads(void)
{
	pthread_t ids[THREADS];
	void *result;
	long i;

	for (i = 0; i < THREADS; i++)
		EXPECT(!pthread_create(&ids[i], NULL, take_turns, (void *)i));
	for (i = 0; i < THREADS; i++)
		EXPECT(!pthread_join(ids[i], &result) && result == (void *)i);
	EXPECT(counted == THREADS * 500);
	return PASS;
}

static sem_t started;

static void *post(void *unused)
{
	sem_post(&started);
	return NULL;
}

/* Each frees the stack that it runs on. */
static int detached_threads(void)
{
	pthread_attr_t attributes;
	pthread_t id;
	int i;

	sem_init(&started, 0, 0);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 48 << 20); /* too large to be kept for the next one */
	for (i = 0; i < 100; i++) {
		EXPECT(!pthread_create(&id, &attributes, post, NULL));
		EXPECT(!sem_wait(&started));
	}
	return PASS;
}

/* What C++ would do by destructors */
static volatile int unwound, cleaned;

static void end_scope(int *scope)
{
	__atomic_add_fetch(&unwound, *scope, __ATOMIC_SEQ_CST);
}

static void clean(void *unused)
{
	cleaned++;
}

static void *in_scope(void *wait)
{
	__attribute__((cleanup(end_scope))) int scope = 1;

	pthread_cleanup_push(clean, NULL);
	sem_post(&started);
	for (;;)
		((void (*)(void))wait)();
	pthread_cleanup_pop(0);
	return NULL;
}

static int ends[2], listener;

static void wait_read(void) { char c; read(ends[0], &c, 1); }
static void wait_poll(void) { struct pollfd p = { ends[0], POLLIN }; poll(&p, 1, -1); }
static void wait_select(void) { fd_set s; FD_ZERO(&s); FD_SET(ends[0], &s); select(ends[0] + 1, &s, 0, 0, 0); }
static void wait_sleep(void) { sleep(1000); }
static void wait_pause(void) { pause(); }
static void wait_semaphore(void) { sem_t s; sem_init(&s, 0, 0); sem_wait(&s); }
static void wait_accept(void) { accept(listener, NULL, NULL); }
static void wait_receive(void) { char c; recv(listener, &c, 1, 0); sleep(1000); }
static void wait_epoll(void) { struct epoll_event e; epoll_wait(epoll_create1(0), &e, 1, -1); }
static void wait_signal(void) { sigset_t s; int n; sigemptyset(&s); sigaddset(&s, SIGUSR2); sigwait(&s, &n); }
static void wait_condition(void)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;

	pthread_mutex_lock(&m);
	pthread_cond_wait(&c, &m);
}

/* Cancelled while it sleeps in the kernel: all scopes end, all handlers run. */
static int cancel_waiting(void)
{
	void (*const waits[])(void) = {
		wait_read, wait_poll, wait_select, wait_sleep, wait_pause, wait_semaphore,
		wait_accept, wait_receive, wait_epoll, wait_signal, wait_condition,
	};
	unsigned int i;

	sem_init(&started, 0, 0);
	EXPECT(!pipe(ends));
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	EXPECT(listener >= 0 && !bind(listener, &(struct sockaddr){ AF_UNIX }, sizeof(sa_family_t)) &&
	       !listen(listener, 1));
	for (i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		pthread_t id;
		void *result;

		unwound = cleaned = 0;
		EXPECT(!pthread_create(&id, NULL, in_scope, waits[i]));
		EXPECT(!sem_wait(&started));
		sleep_ms(20);
		EXPECT(!pthread_cancel(id) && !pthread_join(id, &result));
		if (result != PTHREAD_CANCELED || unwound != 1 || cleaned != 1)
			return because(FAIL, "wait %u: %d scopes, %d handlers", i, unwound, cleaned);
	}
	return PASS;
}

static void do_write(void)
{
	write(ends[1], "", 0);
}

/* Cancelled at any instruction of calls that don't sleep */
static int cancel_running(void)
{
	int i;

	sem_init(&started, 0, 0);
	EXPECT((ends[1] = open("/dev/null", O_WRONLY)) >= 0);
	unwound = cleaned = 0;
	for (i = 0; i < 300; i++) {
		pthread_t id;
		void *result;
		struct timespec t = { 0, 1000 * (i % 97) };

		EXPECT(!pthread_create(&id, NULL, in_scope, do_write));
		EXPECT(!sem_wait(&started));
		nanosleep(&t, NULL);
		EXPECT(!pthread_cancel(id) && !pthread_join(id, &result) && result == PTHREAD_CANCELED);
	}
	return because(cleaned == 300 ? PASS : FAIL, "%d scopes and %d handlers of 300", unwound, cleaned);
}

static volatile sig_atomic_t signals, strange, traced;
static void *volatile caller;

static void look(int signr, siginfo_t *info, void *context)
{
	void *frames[64];
	int i, found = 0, n = backtrace(frames, 64);

	signals++;
	/* Not in the kernel, but where the program made its call */
	strange += ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] < 0;
	for (i = 0; i < n; i++)
		found |= frames[i] >= caller && frames[i] < caller + 200;
	traced += found;
}

static __attribute__((noinline)) long read_byte(int fd, char *byte)
{
	long n = read(fd, byte, 1);

	asm volatile("" : "+r" (n));
	return n;
}

static int restarted_calls(void)
{
	void *warm_up[1];
	char byte = 0;
	int fds[2], i;

	backtrace(warm_up, 1); /* loads libgcc_s, which a handler may not */
	EXPECT(!pipe(fds));
	caller = (void *)read_byte;
	handle(SIGALRM, look, SA_RESTART);
	for (i = 0; i < 20; i++) {
		struct itimerval once = { { 0, 0 }, { 0, 10000 } };
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (!pid) {
			sleep_ms(40);
			_exit(write(fds[1], "z", 1) != 1);
		}
		setitimer(ITIMER_REAL, &once, NULL);
		EXPECT(read_byte(fds[0], &byte) == 1 && byte == 'z');
		EXPECT(exited_with(wait_for(pid, 20), 0));
	}
	EXPECT(signals == 20 && strange == 0 && traced == 20);
	return PASS;
}

static int interrupted_calls(void)
{
	struct itimerval once = { { 0, 0 }, { 0, 20000 } };
	char byte;
	int fds[2];

	EXPECT(!pipe(fds));
	handle(SIGALRM, look, 0);
	setitimer(ITIMER_REAL, &once, NULL);
	EXPECT(read(fds[0], &byte, 1) == -1 && errno == EINTR);
	return PASS;
}

static int processes(void)
{
	char *const argv[] = { "foreign", "exit", NULL };
	char line[64] = "";
	pid_t pid;
	FILE *pipe_end;
	int i;

	for (i = 0; i < 20; i++) {
		pid = vfork();
		EXPECT(pid >= 0);
		if (!pid) {
			execv("/proc/self/exe", argv);
			_exit(1);
		}
		EXPECT(exited_with(wait_for(pid, 20), 42));
		EXPECT(!posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ));
		EXPECT(exited_with(wait_for(pid, 20), 42));
	}
	pipe_end = popen("echo $((6 * 7))", "r");
	EXPECT(pipe_end && fgets(line, sizeof(line), pipe_end) && !strcmp(line, "42\n"));
	EXPECT(!pclose(pipe_end));
	EXPECT(WEXITSTATUS(system("exit 7")) == 7);
	return PASS;
}

static int contexts(void)
{
	static char stack[65536];
	static ucontext_t here, there;
	static volatile int been;
	int i;

	EXPECT(!getcontext(&there));
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = sizeof(stack);
	there.uc_link = &here;
	for (i = 0; i < 100; i++) {
		makecontext(&there, (void (*)(void))clean, 1, NULL);
		EXPECT(!swapcontext(&here, &there));
	}
	been = cleaned;
	EXPECT(been == 100);
	return PASS;
}

static int aborts(void)
{
	abort();
}

static int halts(void)
{
	asm volatile("hlt\n\tnop\n\tnop\n\tnop");
	return PASS;
}

/* Nothing may follow: then there is room for one byte only. */
asm(".type halt_alone, @function\nhalt_alone:\n\thlt\n.size halt_alone, 1\n"
    ".type behind, @function\nbehind:\n\tret\n.size behind, 1");
void halt_alone(void);

static int halts_without_room(void)
{
	halt_alone();
	return PASS;
}

static int fails_to_halt(void)
{
	int status = in_child(halts_without_room, 20);

	/* Ring 3 says SIGSEGV. */
	EXPECT(killed_by(status, SIGILL) || killed_by(status, SIGSEGV));
	return PASS;
}

static const struct guest_case cases[] = {
	CASE(results),
	CASE(threads),
	CASE(detached_threads),
	CASE(cancel_waiting),
	CASE(cancel_running),
	CASE(restarted_calls),
	CASE(interrupted_calls),
	CASE(processes),
	CASE(contexts),
	CASE_SIGNAL(aborts, SIGABRT),
	CASE_SIGNAL(halts, SIGSEGV),
	CASE(fails_to_halt),
};

int main(int argc, char **argv)
{
	if (argc > 1)
		return 42;
	return guest_main(cases, sizeof(cases) / sizeof(*cases));
}
