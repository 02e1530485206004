// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs its arguments one after the other, each a command of words between spaces,
 * and says how each ended: "launch COMMAND: exit N" or "signal N".  With "only=" on
 * the kernel's command line it runs those that begin so.
 */
#include "guest.h"
#include "word.h"
#include <termios.h>

#define MOST_WORDS	8

static void launch(char *command)
{
	char name[64], *words[MOST_WORDS + 1] = { NULL }, *rest;
	unsigned int n = 0;
	int status;
	pid_t pid;

	snprintf(name, sizeof(name), "%s", command);
	for (words[0] = strtok_r(command, " ", &rest); words[n] && n < MOST_WORDS - 1; n++)
		words[n + 1] = strtok_r(NULL, " ", &rest);
	pid = fork();
	if (!pid) {
		execv(words[0], words);
		printf("cannot execute %s: errno %d\n", words[0], errno);
		_exit(126);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		printf("launch %s: signal %d\n", name, WTERMSIG(status));
	else
		printf("launch %s: exit %d\n", name, WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i < argc; i++) {
		const char *only = word("only", "");

		if (!strncmp(argv[i], only, strlen(only)))
			launch(argv[i]);
	}
	tcdrain(1); /* a real serial port takes its time */
	return 0;
}
