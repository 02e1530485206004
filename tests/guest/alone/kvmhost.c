// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first process of an emulated host that has KVM: it loads the modules of /modules
 * in the order of their names, sees the real host's files by 9p without being able to
 * write there, and runs the shell script that the word "job=" of the kernel's command
 * line names. Linked with the host's C library.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES	"/files"

static void fail(const char *what, const char *which)
{
	printf("host: %s %s: %s\n", what, which, strerror(errno));
	reboot(RB_POWER_OFF);
}

static void load_modules(void)
{
	struct dirent **names;
	int count = scandir("/modules", &names, NULL, alphasort);
	int i;

	for (i = 0; i < count; i++) {
		char path[512];
		int fd;

		if (names[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/modules/%s", names[i]->d_name);
		fd = open(path, O_RDONLY);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			fail("cannot load", path);
		close(fd);
	}
}

int main(void)
{
	char *job = getenv("job");
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	load_modules();
	if (mount("host", FILES, "9p", MS_RDONLY, "trans=virtio,version=9p2000.L,msize=262144,cache=loose"))
		fail("cannot mount", FILES);
	if (mount("dev", FILES "/dev", "devtmpfs", 0, NULL))
		fail("cannot mount", FILES "/dev");
	if (access(FILES "/dev/kvm", R_OK | W_OK))
		fail("cannot use", "/dev/kvm");
	if (!fork()) {
		if (chroot(FILES) || chdir("/"))
			fail("cannot change to", FILES);
		execl("/bin/sh", "sh", job, NULL);
		fail("cannot run", job);
	}
	wait(&status);
	printf("host: the job ended with status %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	reboot(RB_POWER_OFF);
	return 1;
}
