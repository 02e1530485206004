// SPDX-License-Identifier: GPL-2.0-only
/* What servers ask of the kernel: files, sockets, many threads, sleeping and waking. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define THREADS	4
#define ROUNDS	300

static void *echo(void *socket)
{
	int fd = (long)socket;
	char text[256];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0) {
		if (send(fd, text, n, 0) != n)
			return "short";
	}
	return n ? "error" : NULL;
}

/* Each thread is asked by poll and epoll, and answers. */
static int echoes(void)
{
	int pairs[THREADS][2], epoll = epoll_create1(0), i, round;
	pthread_t ids[THREADS];
	void *result;

	for (i = 0; i < THREADS; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.fd = i };

		EXPECT(!socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
		EXPECT(!epoll_ctl(epoll, EPOLL_CTL_ADD, pairs[i][0], &event));
		EXPECT(!pthread_create(&ids[i], NULL, echo, (void *)(long)pairs[i][1]));
	}
	for (round = 0; round < ROUNDS; round++) {
		char text[16] = "", answer[16];
		struct epoll_event event;
		struct pollfd one;
		int fd;

		snprintf(text, sizeof(text), "round %d", round);
		for (i = 0; i < THREADS; i++)
			EXPECT(write(pairs[i][0], text, sizeof(text)) == sizeof(text));
		for (i = 0; i < THREADS; i++) {
			EXPECT(epoll_wait(epoll, &event, 1, 10000) == 1);
			fd = pairs[event.data.fd][0];
			one = (struct pollfd){ fd, POLLIN };
			EXPECT(poll(&one, 1, 10000) == 1);
			EXPECT(recv(fd, answer, sizeof(answer), MSG_WAITALL) == sizeof(answer));
			EXPECT(!strcmp(answer, text));
		}
	}
	for (i = 0; i < THREADS; i++) {
		EXPECT(!shutdown(pairs[i][0], SHUT_WR) && !pthread_join(ids[i], &result) && !result);
	}
	return PASS;
}

static int files(void)
{
	struct stat status;
	char text[64];
	FILE *file;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		snprintf(text, sizeof(text), "/tmp/file%d", i % 10);
		EXPECT((file = fopen(text, "w+")));
		EXPECT(fprintf(file, "%d\n", i) > 0 && !fflush(file) && !fsync(fileno(file)));
		EXPECT(!fseek(file, 0, SEEK_SET) && fgets(text, sizeof(text), file) && atoi(text) == i);
		EXPECT(!fstat(fileno(file), &status) && status.st_size == (off_t)strlen(text));
		EXPECT(!ftruncate(fileno(file), 0) && !fclose(file));
	}
	return PASS;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int held;

static void *hold(void *unused)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		held++;
		usleep(1);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

static int locks(void)
{
	pthread_t ids[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		EXPECT(!pthread_create(&ids[i], NULL, hold, NULL));
	for (i = 0; i < THREADS; i++)
		EXPECT(!pthread_join(ids[i], NULL));
	EXPECT(held == THREADS * ROUNDS);
	return PASS;
}

static int children(void)
{
	int i;

	for (i = 0; i < 30; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(i);
		EXPECT(exited_with(wait_for(pid, 20), i));
	}
	return PASS;
}

static const struct guest_case cases[] = {
	CASE(echoes),
	CASE(files),
	CASE(locks),
	CASE(children),
};

GUEST_MAIN(cases)
