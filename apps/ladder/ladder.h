/* SPDX-License-Identifier: GPL-2.0-only */
/* What is measured, and what that takes: see ladder.c. */
#ifndef LADDER_H
#define LADDER_H

#define PAGE	4096

/* Two ends, or file descriptors to read from and to write to. */
struct setup {
	int zero;		/* /dev/zero */
	int null;		/* /dev/null */
	int epoll;		/* watches one idle pipe */
	int pair[2];		/* Unix stream sockets */
	int tcp[2];		/* a TCP connection over loopback */
	int to_echo;		/* pipes to and from a process that sends */
	int from_echo;		/* back each byte that it gets */
	char *pages;		/* not touched yet */
};

extern struct setup setup;

/* Ends the program when ok is 0. */
void must(int ok, const char *what);

void set_up(void (*echo)(int from, int to));
void map_pages(long count);
void unmap_pages(long count);

#endif
