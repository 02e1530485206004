/* SPDX-License-Identifier: GPL-2.0-only */
/* What a test tells its program: NAME=VALUE on the kernel's command line. */
#ifndef WORD_H
#define WORD_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The value of the word of that name, or what is usual.  Only one value is kept at a time. */
static inline const char *word(const char *name, const char *usual)
{
	static char text[4096];
	size_t length = strlen(name);
	char *each, *rest;
	ssize_t n;
	int fd;

	fd = open("/proc/cmdline", O_RDONLY);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	for (each = strtok_r(text, " \n", &rest); each; each = strtok_r(NULL, " \n", &rest)) {
		if (!strncmp(each, name, length) && each[length] == '=')
			return each + length + 1;
	}
	return usual;
}

#endif /* WORD_H */
