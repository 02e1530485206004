/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What init mounts of the host's: a layer above a root on a disk, disks whose
 * data stays, and folders. It is part of init.c, and nothing of it is there in
 * images that mount nothing of the kind.
 */
#ifndef MOUNTS_H
#define MOUNTS_H

#if PLAN_ON_DISK
/*
 * The root is a read-only disk: what is written lies in memory, in a layer above it. /dev is a folder of every
 * image, and nothing there is needed yet; below the new root there is nothing to be seen of all this.
 */
static void make_writable(void)
{
	if (!mount("tmpfs", "/dev", "tmpfs", 0, NULL) && !mkdir("/dev/upper", 0755) && !mkdir("/dev/work", 0700) &&
	    !mkdir("/dev/root", 0755) &&
	    !mount("overlay", "/dev/root", "overlay", 0, "lowerdir=/,upperdir=/dev/upper,workdir=/dev/work") &&
	    !chdir("/dev/root") && !mount(".", "/", NULL, MS_MOVE, NULL) && !chroot("."))
		return;
	complain("make", "the root writable", errno);
	exit(SETUP_FAILED);
}
#endif

#if PLAN_VOLUMES
/* Reads what a file of sysfs says, without the end of its line: at most size - 1 bytes. */
static int read_line(const char *path, char *line, int size)
{
	int fd = open(path, O_RDONLY), length;

	if (fd < 0)
		return -1;
	length = read(fd, line, size - 1);
	close(fd);
	if (length < 0)
		return -1;
	line[length] = 0;
	for (; *line; line++)
		if (*line == '\n')
			*line = 0;
	return 0;
}

/* Makes the node of a disk whose numbers are told as MAJOR:MINOR; one that is there already is as good. */
static void make_disk_node(const char *path, const char *numbers)
{
	const char *minor = strchr(numbers, ':');
	int device;

	if (!minor)
		return;
	device = atoi(numbers) << 8 | atoi(minor + 1); /* not in the call: its arguments are in registers */
	my_syscall3(__NR_mknod, path, S_IFBLK | 0600, device);
}

/* Which letter each volume's disk has behind /dev/vd; 0: there is no such disk. The numbers of disks are below 256. */
static void find_disks(char *letters)
{
	char serial_file[] = "block/vdX/serial", numbers_file[] = "block/vdX/dev", node[] = "/dev/vdX";
	const char *sys = plan_volumes[0].path; /* a folder that is there, and will be hidden anyway */
	char letter, serial[32], numbers[32];
	int i;

	if (mount("sysfs", sys, "sysfs", 0, NULL) || chdir(sys)) {
		complain("mount", "sysfs", errno);
		exit(SETUP_FAILED);
	}
	for (letter = 'a'; letter <= 'z'; letter++) {
		serial_file[8] = numbers_file[8] = node[7] = letter;
		if (read_line(serial_file, serial, sizeof(serial)) || read_line(numbers_file, numbers, sizeof(numbers)))
			continue;
		for (i = 0; i < PLAN_VOLUMES; i++)
			if (!strcmp(serial, plan_volumes[i].name)) {
				letters[i] = letter;
				make_disk_node(node, numbers);
			}
	}
	chdir("/");
	my_syscall2(__NR_umount2, sys, 0);
}

/* The topmost folder of what is mounted gets the owner and the mode of the folder that it hides. */
static void mount_volume(const struct volume *volume, char letter)
{
	char node[] = "/dev/vdX";
	struct stat place;

	node[7] = letter;
	if (!letter) {
		complain("find the disk of the volume", volume->name, ENODEV);
	} else if (stat(volume->path, &place) || mount(node, volume->path, volume->type, 0, NULL)) {
		say("cannot mount the volume ", volume->name, " at ", volume->path, ": ",
		    error_text(errno) ?: itoa(errno));
	} else {
		chown(volume->path, place.st_uid, place.st_gid);
		chmod(volume->path, place.st_mode & 07777);
		return;
	}
	exit(SETUP_FAILED);
}

static void mount_volumes(void)
{
	char letters[PLAN_VOLUMES] = { 0 };
	int i;

	find_disks(letters);
	for (i = 0; i < PLAN_VOLUMES; i++)
		mount_volume(&plan_volumes[i], letters[i]);
}
#endif

#if PLAN_SHARES
/*
 * cache=mmap: what the host or the guest writes is seen by the other at once, and files can be mapped. The topmost
 * folder gets the owner of the folder that it hides, unless that is root: it is remembered by the host's server.
 */
static void mount_shares(void)
{
	const struct share *share;
	struct stat place;

	for (share = plan_shares; share < plan_shares + PLAN_SHARES; share++) {
		if (stat(share->path, &place) || mount(share->tag, share->path, "9p", share->read_only ? MS_RDONLY : 0,
						       "trans=virtio,version=9p2000.L,msize=262144,cache=mmap")) {
			say("cannot mount the share at ", share->path, ": ", error_text(errno) ?: itoa(errno));
			exit(SETUP_FAILED);
		}
		if (!share->read_only && (place.st_uid || place.st_gid))
			chown(share->path, place.st_uid, place.st_gid);
	}
}
#endif

#endif /* MOUNTS_H */
