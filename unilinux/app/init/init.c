// SPDX-License-Identifier: GPL-2.0
/*
 * The first process: prepares what the manifest asks for and becomes the
 * application by execve(). It is built with the kernel's nolibc; plan.h is
 * generated from the manifest.
 *
 * It exits with 127 when the application isn't there, with 126 when it cannot
 * be executed, with 125 when something before that failed.
 */
#include <asm/resource.h>
#include <linux/auxvec.h>
#include <linux/sockios.h>
#include <linux/uio.h>
#include <linux/version.h>

#define SETUP_FAILED	125
#define EXEC_FAILED	126
#define EXEC_NOT_FOUND	127

#define MOST_WORDS	8	/* of a line */

/* A word of the kernel's command line, see unilinux/vm/qemu/accelerator.py: when the host launched this machine. */
#define LAUNCHED_US	"unilinux_launched_us="

#define NS_PER_S	1000000000LL
#define MOST_BEHIND_NS	(2 * NS_PER_S)

/* Words of the kernel's command line, see unilinux/app/startup.py: what this boot gives the application. */
#define ARGUMENTS	"unilinux_arguments="
#define ENVIRONMENT	"unilinux_environment="

/* From the kernel's interface; <linux/if.h> itself wants a C library's <sys/socket.h>. */
#define AF_INET		2
#define SOCK_DGRAM	2
#define IFF_UP		1

struct interface_request {
	char name[16];
	short flags;
	char unused[22];
};

/* <linux/resource.h> doesn't go with the nolibc of Linux 6.1, which has a struct rusage of its own. */
struct file_limit {
	unsigned long long current;
	unsigned long long maximum;
};

/* Mounts a file system of a type; or makes a link to a target; or sets the mode of what is there, or of a new folder. */
struct action {
	const char *path;
	const char *type;
	const char *target;
	int mode;
};

/* A disk, which is known by its serial number, with a file system of a type. */
struct volume {
	const char *name;
	const char *path;
	const char *type;
};

/* A folder of the host, which is known by its tag. */
struct share {
	const char *tag;
	const char *path;
	int read_only;
};

#include "plan.h"
#include "list.h"

static const char *error_text(int error)
{
	static const struct {
		int error;
		const char *text;
	} texts[] = {
		{ EPERM,	"Operation not permitted" },
		{ ENOENT,	"No such file or directory" },
		{ ENXIO,	"No such device or address" },
		{ E2BIG,	"Argument list too long" },
		{ ENOEXEC,	"Exec format error (not a program this kernel can run)" },
		{ ENOMEM,	"Cannot allocate memory" },
		{ EACCES,	"Permission denied" },
		{ EBUSY,	"Device or resource busy" },
		{ ENODEV,	"No such device (the kernel was built without it)" },
		{ ENOTDIR,	"Not a directory" },
		{ EINVAL,	"Invalid argument" },
		{ ENOSYS,	"Function not implemented (the kernel was built without it)" },
#if PLAN_VOLUMES || PLAN_SHARES
		{ EOPNOTSUPP,	"Operation not supported" },
		{ EIO,		"Input/output error" },
		{ EBADMSG,	"Bad message (the file system is damaged)" },
		{ EUCLEAN,	"Structure needs cleaning (the file system is damaged)" },
#endif
		{ EAFNOSUPPORT,	"Address family not supported (the kernel was built without it)" },
	};
	unsigned int i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].error == error)
			return texts[i].text;
	return NULL;
}

/* Writes a line to the console by one call, since each call is several exits of the machine. */
static void write_line(const char *const *words)
{
	struct iovec parts[MOST_WORDS];
	int count;

	for (count = 0; count < MOST_WORDS && words[count]; count++) {
		parts[count].iov_base = (void *)words[count];
		parts[count].iov_len = strlen(words[count]);
	}
	my_syscall3(__NR_writev, 1, parts, count); /* standard output */
}

#define say(...)	write_line((const char *const []){ "unilinux: ", __VA_ARGS__, "\n", NULL })

/* Says "unilinux: cannot VERB WHAT: why". */
static void complain(const char *verb, const char *what, int error)
{
	const char *text = error_text(error);

	say("cannot ", verb, " ", what, text ? ": " : ": error ", text ? text : itoa(error));
}

/*
 * The kernel has opened /dev/console, which can never be a controlling
 * terminal. The serial line behind it can, and then the host's control
 * characters become signals for the application.
 */
static void take_terminal(void)
{
	int fd, target;

	my_syscall0(__NR_setsid);
	fd = open(PLAN_TTY, O_RDWR);
	if (fd < 0 || ioctl(fd, TIOCSCTTY, 0)) {
		complain("take the terminal", PLAN_TTY, errno);
		return;
	}
	for (target = 0; target <= 2; target++)
		dup2(fd, target);
	if (fd > 2)
		close(fd);
}

/* A folder or link that is there already is as good. */
static void prepare_files(void)
{
	const struct action *action;

	for (action = plan_actions; action->path; action++) {
		if (action->type) {
			if (mount(action->type, action->path, action->type, 0, NULL)) {
				complain("mount", action->path, errno);
				exit(SETUP_FAILED);
			}
		} else if (action->target) {
			symlink(action->target, action->path);
		} else {
			mkdir(action->path, 0);
			chmod(action->path, action->mode); /* the umask has no say */
		}
	}
}

#include "mounts.h"

static long long clock_ns(int clock)
{
	struct timespec time = { 0 };

	my_syscall2(__NR_clock_gettime, clock, &time);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

/* The kernel hands on words of its command line that it doesn't know, as environment. Returns what such a word says. */
static char *find_word(char **envp, const char *name)
{
	size_t length = strlen(name);

	for (; *envp; envp++)
		if (!strncmp(*envp, name, length))
			return *envp + length;
	return NULL;
}

/*
 * The clock chip of an emulated machine tells whole seconds, so the clock that the kernel sets by it is
 * behind. The moment of the launch and what has gone by since the kernel began is a time that is past for
 * certain: a clock that is behind that gets better by being set to it. One that is behind by more than a
 * clock chip explains has another date on purpose.
 */
static void set_clock(char **envp)
{
	struct timespec time;
	long long past, behind;
	const char *launched = find_word(envp, LAUNCHED_US);
	long ret;

	if (!launched)
		return;
	past = atol(launched) * 1000 + clock_ns(CLOCK_MONOTONIC);
	behind = past - clock_ns(CLOCK_REALTIME);
	if (behind <= 0 || behind >= MOST_BEHIND_NS)
		return;
	time.tv_sec = past / NS_PER_S;
	time.tv_nsec = past % NS_PER_S;
	ret = my_syscall2(__NR_clock_settime, CLOCK_REALTIME, &time);
	if (ret < 0)
		complain("set", "the clock", -ret);
}

static void set_hostname(void)
{
	long ret = my_syscall2(__NR_sethostname, PLAN_HOSTNAME, sizeof(PLAN_HOSTNAME) - 1);

	if (ret < 0)
		complain("set the host name", PLAN_HOSTNAME, -ret);
}

static void limit_open_files(void)
{
	const struct file_limit limit = { PLAN_OPEN_FILES, PLAN_OPEN_FILES };
	long ret = my_syscall4(__NR_prlimit64, 0, RLIMIT_NOFILE, &limit, NULL);

	if (ret < 0)
		complain("set the limit", "of open files", -ret);
}

static void loopback_up(void)
{
	struct interface_request request = { .name = "lo", .flags = IFF_UP };
	long fd = my_syscall3(__NR_socket, AF_INET, SOCK_DGRAM, 0);

	if (fd < 0) {
		complain("bring up", "lo", -fd);
		exit(SETUP_FAILED);
	}
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		complain("bring up", "lo", errno);
	close(fd);
}

/* From the series' arch/x86/include/uapi/asm/hwcap2.h: what the kernel tells each program. */
#define HWCAP2_UNILINUX_GATE	(1UL << 30)

static unsigned long kernel_features(char **envp)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
	/* This nolibc has no getauxval(). The vector lies behind the environment. */
	const unsigned long *entry;

	while (*envp++)
		;
	for (entry = (const unsigned long *)envp; entry[0] != AT_NULL; entry += 2)
		if (entry[0] == AT_HWCAP2)
			return entry[1];
	return 0;
#else
	(void)envp;
	return getauxval(AT_HWCAP2);
#endif
}

/*
 * Returns the error if it fails. The call goes the way that the application's own calls will
 * go: the kernel tells the host which that was.
 */
static int become_application(char **envp, char *const *arguments, char *const *environment)
{
	long result;

	if (!PLAN_GATE || !(kernel_features(envp) & HWCAP2_UNILINUX_GATE)) {
		execve(arguments[0], arguments, environment);
		return errno;
	}
	asm volatile("lea 1f(%%rip), %%rcx\n\tjmp *0xffffffffff600010\n1:"
		     : "=a"(result)
		     : "a"(__NR_execve), "D"(arguments[0]), "S"(arguments), "d"(environment)
		     : "rcx", "r11", "memory", "cc");
	return -result;
}

/* With what this boot gives it: further arguments, and variables that take the place of those of the same name. */
static int become_application_with(char **envp, char *arguments, char *environment)
{
	char *argv[sizeof(plan_argv) / sizeof(plan_argv[0]) + count_items(arguments)];
	char *env[sizeof(plan_envp) / sizeof(plan_envp[0]) + count_items(environment)];
	char *const *word;
	char **end = argv, **given;

	for (word = plan_argv; *word; word++)
		*end++ = *word;
	*take_items(end, arguments) = NULL;

	end = given = take_items(env, environment);
	for (word = plan_envp; *word; word++)
		if (!is_among(env, given, *word))
			*end++ = *word;
	*end = NULL;
	return become_application(envp, argv, env);
}

#if PLAN_USER
/* Who this is shall be able to open the terminal once more, as after a login. */
static void become_user(void)
{
	long ret;

	chown(PLAN_TTY, PLAN_UID, PLAN_GID);
	chown("/dev/console", PLAN_UID, PLAN_GID);
	ret = my_syscall2(__NR_setgroups, PLAN_GROUPS, plan_groups);
	if (!ret)
		ret = my_syscall1(__NR_setgid, PLAN_GID);
	if (!ret)
		ret = my_syscall1(__NR_setuid, PLAN_UID);
	if (ret) {
		complain("become", "the user " PLAN_USER_NAME, -ret);
		exit(SETUP_FAILED);
	}
}
#endif

/* Returns the exit status if it fails. */
static int start_application(char **envp)
{
	char *arguments = find_word(envp, ARGUMENTS), *environment = find_word(envp, ENVIRONMENT);
	int error;

#if PLAN_USER
	become_user();
#endif
	if (chdir(PLAN_CWD)) {
		complain("enter", PLAN_CWD, errno);
		return SETUP_FAILED;
	}
	say("starting ", plan_argv[0]);
	if (arguments || environment)
		error = become_application_with(envp, arguments, environment);
	else
		error = become_application(envp, plan_argv, plan_envp);
	complain("execute", plan_argv[0], error);
	return error == ENOENT ? EXEC_NOT_FOUND : EXEC_FAILED;
}

int main(int argc, char **argv, char **envp)
{
	(void)argc;
	(void)argv;
#if PLAN_ON_DISK
	make_writable();
#endif
	prepare_files();
#if PLAN_VOLUMES
	mount_volumes();
#endif
#if PLAN_SHARES
	mount_shares();
#endif
	take_terminal();
	set_clock(envp);
	set_hostname();
	limit_open_files();
	if (PLAN_NETWORK)
		loopback_up();
	return start_application(envp);
}
