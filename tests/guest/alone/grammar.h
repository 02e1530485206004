/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system calls of fuzz.c, and what their arguments are.
 *
 * Left out, and why:
 *   reboot, kexec_*, init_module & co, swapon, swapoff	end or change the machine
 *   mount & co, pivot_root, chroot, unshare, setns	take /tmp and /proc from what follows
 *   settimeofday, clock_settime, adjtimex & co		bend the clock of the harness
 *   syslog, vhangup					silence the console
 *   pause, rt_sigsuspend, rt_sigtimedwait		sleep until a signal: for ever
 *   signalfd						is read with process numbers
 *   alarm, setitimer, timer_*, timerfd_*, rseq, io_*	have effects at a time of their own
 *   ptrace, process_vm_*, pidfd_*, tkill to others, kill of -1, migrate_pages, kcmp
 *							reach the harness
 *   execve of a program, clone with shared memory	leave the fuzzer
 *   mlockall						populates what is only reserved
 *   fcntl(F_SETOWN)					workers of the kernel come and go
 *   iopl, ioperm, modify_ldt				kernels for ring 0 don't have them
 *   arch_prctl(ARCH_SET_GS)				refused at CPL 0, a documented difference
 */
#ifndef GRAMMAR_H
#define GRAMMAR_H

#include "guest.h"
#include <asm/prctl.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define PAGE		4096ul
/* Four pages: two to write, one to read, one that is no access */
#define MEMORY		0x600000000ul

enum {
	EXACT = 1,	/* the result is no address, process number or time */
	HASH = 2,	/* what it writes isn't either */
	FORKS = 4,
};

/*
 * Kinds of arguments: a address of a page, c clone flags, d descriptor, e epoll_event, f
 * futex operation, i small number, k fcntl command, l length, m mode, n signal, o open
 * flags, p memory, q ARCH_ code, r mmap flags, s path, t time, u process, v iovec, w wait
 * options, x protection, z zero, A socket address, P prctl option, T milliseconds; g
 * garbage
 */
struct call {
	long nr;	/* or -1: no system call */
	const char *name;
	char args[7];
	uint8_t flags;
};

uint64_t random64(void);

#define C(name, args, flags)	{ SYS_##name, #name, args, flags }

static const struct call calls[] = {
	{ -1, "number", "gggggg", EXACT },
	/* Files */
	C(read, "dplzzz", EXACT | HASH), C(write, "dplzzz", EXACT),
	C(pread64, "dpllzz", EXACT | HASH),
	C(pwrite64, "dpllzz", EXACT), C(readv, "dvizzz", EXACT | HASH), C(writev, "dvizzz", EXACT),
	C(preadv2, "dvilzi", EXACT | HASH), C(pwritev2, "dvilzi", EXACT), C(open, "somzzz", EXACT),
	C(openat, "dsomzz", EXACT), C(creat, "smzzzz", EXACT), C(close, "dzzzzz", EXACT),
	C(stat, "spzzzz", EXACT), C(fstat, "dpzzzz", EXACT), C(lstat, "spzzzz", EXACT),
	C(newfstatat, "dspizz", EXACT), C(statx, "dsiipz", EXACT), C(lseek, "dlizzz", EXACT),
	C(access, "sizzzz", EXACT), C(faccessat, "dsizzz", EXACT), C(dup, "dzzzzz", EXACT),
	C(dup2, "ddzzzz", EXACT), C(dup3, "ddozzz", EXACT), C(pipe2, "pozzzz", EXACT | HASH),
	C(fcntl, "dkizzz", EXACT), C(fcntl, "dkpzzz", EXACT), C(flock, "dizzzz", EXACT),
	C(fsync, "dzzzzz", EXACT), C(ftruncate, "dlzzzz", EXACT), C(truncate, "slzzzz", EXACT),
	C(fallocate, "dillzz", EXACT), C(getdents64, "dplzzz", 0),
	C(getcwd, "plzzzz", EXACT | HASH),
	C(chdir, "szzzzz", EXACT), C(fchdir, "dzzzzz", EXACT), C(rename, "sszzzz", EXACT),
	C(renameat2, "dsdsiz", EXACT), C(mkdir, "smzzzz", EXACT), C(rmdir, "szzzzz", EXACT),
	C(link, "sszzzz", EXACT), C(unlink, "szzzzz", EXACT), C(unlinkat, "dsizzz", EXACT),
	C(symlink, "sszzzz", EXACT), C(readlink, "splzzz", EXACT | HASH), C(chmod, "smzzzz", EXACT),
	C(fchmod, "dmzzzz", EXACT), C(chown, "siizzz", EXACT), C(umask, "mzzzzz", EXACT),
	C(mknod, "smzzzz", EXACT), C(statfs, "spzzzz", EXACT), C(fstatfs, "dpzzzz", EXACT),
	C(utimensat, "dstizz", EXACT), C(ioctl, "dipzzz", EXACT), C(ioctl, "dggzzz", EXACT),
	C(sendfile, "ddpizz", EXACT), C(copy_file_range, "dpdpiz", EXACT),
	C(splice, "dzdzii", EXACT),
	C(tee, "ddiizz", EXACT), C(vmsplice, "dviizz", EXACT), C(getxattr, "ssplzz", EXACT),
	C(setxattr, "ssplzz", EXACT), C(close_range, "ddizzz", EXACT),
	C(fadvise64, "dllizz", EXACT),
	C(memfd_create, "sizzzz", EXACT), C(sync_file_range, "dllizz", EXACT),
	/* Waiting */
	C(poll, "piTzzz", EXACT | HASH), C(select, "ippptz", EXACT),
	C(pselect6, "ippptp", EXACT), C(ppoll, "pitpiz", EXACT), C(epoll_create1, "ozzzzz", EXACT),
	C(epoll_ctl, "didezz", EXACT), C(epoll_wait, "dpiTzz", EXACT), C(eventfd2, "iozzzz", EXACT),
	C(inotify_init1, "ozzzzz", EXACT),
	C(nanosleep, "tpzzzz", EXACT), C(clock_nanosleep, "iztpzz", EXACT),
	C(futex, "pfitpi", EXACT), C(wait4, "upwpzz", EXACT), C(waitid, "iupwpz", EXACT),
	C(sched_yield, "zzzzzz", EXACT),
	/* Memory */
	C(mmap, "alxrdz", 0), C(mprotect, "alxzzz", EXACT), C(munmap, "alzzzz", EXACT),
	C(mremap, "allraz", 0), C(brk, "pzzzzz", 0), C(madvise, "alizzz", EXACT),
	C(mincore, "alpzzz", EXACT), C(msync, "alizzz", EXACT), C(mlock, "alzzzz", EXACT),
	C(munlock, "alzzzz", EXACT), C(membarrier, "iizzzz", EXACT),
	/* Signals */
	C(rt_sigaction, "nppizz", EXACT), C(rt_sigprocmask, "ippizz", EXACT),
	C(rt_sigpending, "pizzzz", EXACT | HASH), C(rt_sigreturn, "zzzzzz", 0),
	C(rt_sigqueueinfo, "unpzzz", EXACT), C(sigaltstack, "ppzzzz", EXACT),
	C(kill, "unzzzz", EXACT), C(tgkill, "uunzzz", EXACT),
	/* Processes */
	C(fork, "zzzzzz", FORKS), C(clone, "czzzzz", FORKS), C(clone3, "plzzzz", EXACT),
	C(execve, "sppzzz", EXACT), C(execveat, "dsppiz", EXACT), C(exit, "izzzzz", 0),
	C(exit_group, "izzzzz", 0), C(getpid, "zzzzzz", 0), C(getppid, "zzzzzz", 0),
	C(gettid, "zzzzzz", 0), C(getpgid, "uzzzzz", 0), C(setpgid, "uuzzzz", EXACT),
	C(setsid, "zzzzzz", 0), C(getsid, "uzzzzz", 0), C(set_tid_address, "pzzzzz", 0),
	C(set_robust_list, "plzzzz", EXACT), C(get_robust_list, "zppzzz", EXACT),
	C(arch_prctl, "qpzzzz", EXACT), C(prctl, "Pggzzz", EXACT), C(prctl, "Ppppzz", EXACT),
	C(seccomp, "iipzzz", EXACT), C(personality, "izzzzz", EXACT),
	C(sched_getaffinity, "ulpzzz", EXACT), C(sched_setaffinity, "zlpzzz", EXACT),
	C(sched_getparam, "zpzzzz", EXACT), C(sched_setscheduler, "zipzzz", EXACT),
	C(getpriority, "iuzzzz", EXACT), C(setpriority, "iuizzz", EXACT),
	C(getrlimit, "ipzzzz", EXACT), C(prlimit64, "zippzz", EXACT), C(getrusage, "ipzzzz", EXACT),
	C(times, "pzzzzz", 0), C(getcpu, "ppzzzz", EXACT), C(capget, "ppzzzz", EXACT),
	C(capset, "ppzzzz", EXACT), C(getuid, "zzzzzz", EXACT), C(geteuid, "zzzzzz", EXACT),
	C(setuid, "izzzzz", EXACT), C(setgid, "izzzzz", EXACT), C(setresuid, "iiizzz", EXACT),
	C(setreuid, "iizzzz", EXACT), C(getresuid, "pppzzz", EXACT), C(setgroups, "ipzzzz", EXACT),
	C(getgroups, "ipzzzz", EXACT),
	/* Time, random numbers and names: only the result is compared */
	C(clock_gettime, "ipzzzz", EXACT), C(clock_getres, "ipzzzz", EXACT), C(time, "pzzzzz", 0),
	C(gettimeofday, "ppzzzz", EXACT), C(getrandom, "plizzz", EXACT), C(uname, "pzzzzz", EXACT),
	C(sysinfo, "pzzzzz", EXACT), C(sethostname, "plzzzz", EXACT),
	/* Sockets, that don't block */
	C(socket, "iiizzz", EXACT), C(socketpair, "iiipzz", EXACT), C(bind, "dAizzz", EXACT),
	C(listen, "dizzzz", EXACT), C(connect, "dAizzz", EXACT), C(getsockname, "dppzzz", EXACT),
	C(getpeername, "dppzzz", EXACT), C(getsockopt, "diippz", EXACT),
	C(setsockopt, "diipiz", EXACT),
	C(sendto, "dpliAi", EXACT), C(recvfrom, "dpl1pp", EXACT), C(sendmsg, "dpizzz", EXACT),
	C(recvmsg, "dp1zzz", EXACT), C(shutdown, "dizzzz", EXACT),
};

#undef C

#define PICK(array)	((array)[random64() % (sizeof(array) / sizeof(*(array)))])

static inline const struct call *choose_call(void)
{
	return &PICK(calls);
}

static inline long bad_number(void)
{
	static const long numbers[] = {
		335, 400, 423, 500, 511, 512, 1000, 0x7fffffff, 0x80000000, -1, -2, INT64_MIN,
		0x40000000, 0x40000000 | SYS_getpid, 0x40000000 | 512,
		0xffffffff00000000 | 500, 0x100000000 | 511,
	};

	return PICK(numbers);
}

/* What the pointers of some kinds lead to, in the first page */
#define PATHS		(MEMORY + 0x000)
#define TIMES		(MEMORY + 0x400)
#define VECTORS		(MEMORY + 0x500)
#define ADDRESSES	(MEMORY + 0x600)
#define EVENTS		(MEMORY + 0x700)

static inline void lay_out_memory(void)
{
	static const char paths[][64] = {
		"/tmp/fuzz/a", "/tmp/fuzz/b", "/tmp/fuzz/c", "/tmp/fuzz/d", "/tmp/fuzz/d/e",
		"/tmp/fuzz", "/none/at/all", "", "a", "b", "../fuzz/a", "user.name",
	};
	static const struct timespec times[] = {
		{ 0, 0 }, { 0, 1000 }, { 0, 1000000 }, { 0, -1 }, { -1, 0 }, { 0, 1000000000 },
	};
	static const struct iovec vectors[] = {
		{ (void *)(MEMORY + 0x900), 16 }, { (void *)(MEMORY + 0xa00), 0 },
		{ (void *)(MEMORY + 2 * PAGE - 8), 100 }, { NULL, 4 }, { (void *)-1, 1 },
		{ (void *)(MEMORY + PAGE), PAGE },
	};
	static const struct sockaddr addresses[] = {
		{ AF_UNIX, "/tmp/fuzz/b" }, { AF_UNIX, "" }, { AF_INET, "\0\0\177\0\0\1" },
		{ 99, "" },
	};
	static const struct epoll_event events[] = {
		{ EPOLLIN, { .u64 = 1 } }, { EPOLLOUT | EPOLLET, { .u64 = 2 } },
		{ -1, { .u64 = 3 } },
	};

	memcpy((void *)PATHS, paths, sizeof(paths));
	memcpy((void *)TIMES, times, sizeof(times));
	memcpy((void *)VECTORS, vectors, sizeof(vectors));
	memcpy((void *)ADDRESSES, addresses, sizeof(addresses));
	memcpy((void *)EVENTS, events, sizeof(events));
}

static inline long bad_pointer(void)
{
	static const unsigned long pointers[] = {
		0, 1, 8, MEMORY + 2 * PAGE, MEMORY + 3 * PAGE, MEMORY + 3 * PAGE - 4,
		MEMORY + 4 * PAGE,
		0x00007ffffffff000, 0x0000800000000000, 0x0000900000000000, 0x8000000000000000,
		0xffff800000000000, 0xffffffff81000000, 0xffffffff81800000, 0xffffffffff600000,
		0xfffffffffffffff8, -1ul,
	};

	return PICK(pointers);
}

static inline long garbage(void)
{
	static const long numbers[] = {
		0, 1, -1, INT32_MIN, INT32_MAX, INT64_MIN, INT64_MAX,
		4096,
	};
	uint64_t how = random64() % 4;

	if (how == 0)
		return PICK(numbers);
	if (how == 1)
		return bad_pointer();
	/* Numbers of any magnitude */
	return random64() >> random64() % 64;
}

static inline long memory_pointer(void)
{
	uint64_t how = random64() % 8;

	if (how == 0)
		return bad_pointer();
	if (how == 1) /* across the border to what can't be written */
		return MEMORY + 2 * PAGE - random64() % 64;
	return MEMORY + 0x800 + (random64() % 0x1000 & ~7ul);
}

/* An argument of a kind; what it has become in the end is noted: '?' is garbage. */
static inline long make_argument(char kind, char *became, long self)
{
	static const long lengths[] = { 0, 1, 8, 15, 64, 4096, 8192, 65536, 1 << 20, 1l << 47, -1 };
	static const long sizes[] = {
		0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 14, 16, 17, 21, 31, 64,
		128,
	};
	static const long descriptors[] = {
		0, 1, 3, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99, -1,
		-100,
	};
	static const long pages[] = {
		0, MEMORY, MEMORY + PAGE, MEMORY + 2 * PAGE, MEMORY + 3 * PAGE, MEMORY + 8 * PAGE,
		MEMORY + 1, 0x0000800000000000, 0xffffffff81000000,
	};
	static const long open_flags[] = {
		O_RDONLY, O_WRONLY, O_RDWR, O_RDWR | O_CREAT, O_CREAT | O_EXCL,
		O_RDONLY | O_DIRECTORY,
		O_RDWR | O_TRUNC, O_APPEND | O_WRONLY, O_NONBLOCK, O_CLOEXEC, O_PATH,
	};
	static const long map_flags[] = {
		MAP_PRIVATE | MAP_ANONYMOUS, MAP_SHARED | MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, MREMAP_MAYMOVE, 0,
	};
	static const long clone_flags[] = {
		SIGCHLD, CLONE_VFORK | SIGCHLD, CLONE_FILES | SIGCHLD, CLONE_FS | SIGCHLD, 0,
		CLONE_THREAD, CLONE_SIGHAND, CLONE_NEWNS | CLONE_FS, CLONE_PARENT_SETTID | SIGCHLD,
	};
	static const long futex_operations[] = {
		FUTEX_WAIT, FUTEX_WAKE, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, FUTEX_REQUEUE,
		FUTEX_CMP_REQUEUE,
		FUTEX_WAKE_OP, FUTEX_LOCK_PI, FUTEX_UNLOCK_PI, FUTEX_TRYLOCK_PI,
		FUTEX_WAIT_BITSET, 77,
	};
	static const long signals[] = {
		0, SIGHUP, SIGILL, SIGTRAP, SIGKILL, SIGUSR1, SIGSEGV, SIGPIPE, SIGTERM, SIGCHLD,
		SIGCONT,
		SIGSTOP, SIGTSTP, SIGURG, SIGWINCH, 34, 64, 65, -1,
	};
	static const long prctl_options[] = {
		PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS, PR_SET_KEEPCAPS, PR_GET_NAME,
		PR_SET_NAME, PR_GET_SECCOMP, PR_SET_SECCOMP, PR_CAPBSET_READ, PR_GET_TSC,
		PR_SET_TSC,
		PR_GET_TIMERSLACK, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_SET_THP_DISABLE,
		PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, 59 /* user dispatch */,
	};
	static const long arch_codes[] = {
		ARCH_GET_FS, ARCH_GET_FS, 0x1011 /* ARCH_GET_CPUID */,
		0x7777,
	};
	static const long milliseconds[] = { 0, 1, 2 };
	static const long wait_options[] = {
		WNOHANG, WNOHANG | WUNTRACED, WEXITED | WNOHANG,
		WNOHANG | 0x100,
	};
	const long processes[] = { 0, self, 99999 };
	long value;

	*became = kind;
	if (strchr("adegiklmnopsvxAP", kind) && random64() % 10 == 0) {
		*became = '?';
		return garbage();
	}
	switch (kind) {
	case 'a': return PICK(pages);
	case 'c': return PICK(clone_flags);
	case 'd': return PICK(descriptors);
	case 'e': return EVENTS + random64() % 3 * sizeof(struct epoll_event);
	case 'f': return PICK(futex_operations);
	case 'i': return PICK(sizes);
	case 'k':
		value = PICK(sizes);
		return value == F_SETOWN ? F_GETFL : value;
	case 'l': return PICK(lengths);
	case 'm': return random64() & 0777;
	case 'n': return PICK(signals);
	case 'o': return PICK(open_flags);
	case 'p': return memory_pointer();
	case 'q': return PICK(arch_codes);
	case 'r': return PICK(map_flags);
	case 's': return PATHS + random64() % 12 * 64;
	case 't': return TIMES + random64() % 6 * sizeof(struct timespec);
	case 'u': return PICK(processes);
	case 'v': return VECTORS + random64() % 6 * sizeof(struct iovec);
	case 'w': return PICK(wait_options);
	case 'x': return random64() % 8;
	case 'A': return ADDRESSES + random64() % 4 * sizeof(struct sockaddr);
	case 'P': return PICK(prctl_options);
	case 'T': return PICK(milliseconds);
	case '1': return MSG_DONTWAIT;
	case 'g': return garbage();
	default: return 0;
	}
}

#endif /* GRAMMAR_H */
