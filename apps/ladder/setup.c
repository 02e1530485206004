// SPDX-License-Identifier: GPL-2.0-only
/* Files, sockets and memory for the measured calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ladder.h"

struct setup setup;

void must(int ok, const char *what)
{
	if (ok)
		return;
	printf("ladder: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void connect_loopback(int ends[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	int one = 1;

	must(listener >= 0, "socket");
	must(!bind(listener, (struct sockaddr *)&address, sizeof(address)), "bind");
	must(!listen(listener, 1), "listen");
	must(!getsockname(listener, (struct sockaddr *)&address, &length), "getsockname");
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	must(!connect(ends[0], (struct sockaddr *)&address, sizeof(address)), "connect over loopback");
	ends[1] = accept(listener, NULL, NULL);
	must(ends[1] >= 0, "accept");
	for (int end = 0; end < 2; end++)
		must(!setsockopt(ends[end], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), "TCP_NODELAY");
	close(listener);
}

static void watch_idle_pipe(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int idle[2];

	must(!pipe(idle), "pipe");
	setup.epoll = epoll_create1(0);
	must(setup.epoll >= 0, "epoll_create1");
	must(!epoll_ctl(setup.epoll, EPOLL_CTL_ADD, idle[0], &event), "epoll_ctl");
}

/* It ends when this process does: there is nobody else to write to its pipe. */
static void start_echo(void (*echo)(int from, int to))
{
	int there[2], back[2];
	pid_t child;

	must(!pipe(there) && !pipe(back), "pipe");
	child = fork();
	must(child >= 0, "fork");
	if (!child) {
		close(there[1]);
		echo(there[0], back[1]);
		_exit(0);
	}
	close(there[0]);
	close(back[1]);
	setup.to_echo = there[1];
	setup.from_echo = back[0];
}

void set_up(void (*echo)(int from, int to))
{
	setup.zero = open("/dev/zero", O_RDONLY);
	must(setup.zero >= 0, "/dev/zero");
	setup.null = open("/dev/null", O_WRONLY);
	must(setup.null >= 0, "/dev/null");
	must(!socketpair(AF_UNIX, SOCK_STREAM, 0, setup.pair), "socketpair");
	connect_loopback(setup.tcp);
	watch_idle_pipe();
	start_echo(echo);
}

void map_pages(long count)
{
	setup.pages = mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(setup.pages != MAP_FAILED, "mmap");
}

void unmap_pages(long count)
{
	must(!munmap(setup.pages, count * PAGE), "munmap");
}
