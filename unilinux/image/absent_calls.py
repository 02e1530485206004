# SPDX-License-Identifier: GPL-2.0-only
"""System calls that programs make and the configured kernel doesn't have: it answers them with ENOSYS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from unilinux.kconfig.resolved import Resolved
from unilinux.redirect.scan import Scan

# Which symbol brings which calls: the kernel's kernel/sys_ni.c lists them, the Makefiles say what brings them.
_BROUGHT: Mapping[str, str] = MappingProxyType(
    {
        "AIO": "io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents",
        "ADVISE_SYSCALLS": "madvise process_madvise fadvise64",
        "BLOCK": "ioprio_set ioprio_get",
        "BPF_SYSCALL": "bpf",
        "BSD_PROCESS_ACCT": "acct",
        "CROSS_MEMORY_ATTACH": "process_vm_readv process_vm_writev",
        "EPOLL": "epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2",
        "EVENTFD": "eventfd eventfd2",
        "FANOTIFY": "fanotify_init fanotify_mark",
        "FHANDLE": "name_to_handle_at open_by_handle_at",
        "FILE_LOCKING": "flock",
        "FUTEX": "futex set_robust_list get_robust_list futex_waitv futex_wake futex_wait futex_requeue",
        "INOTIFY_USER": "inotify_init inotify_init1 inotify_add_watch inotify_rm_watch",
        "IO_URING": "io_uring_setup io_uring_enter io_uring_register",
        "KCMP": "kcmp",
        "KEYS": "add_key request_key keyctl",
        "MEMBARRIER": "membarrier",
        "MEMFD_CREATE": "memfd_create",
        "MODIFY_LDT_SYSCALL": "modify_ldt",
        "MODULES": "init_module finit_module delete_module",
        "MULTIUSER": "setregid setgid setreuid setuid setresuid getresuid setresgid getresgid setfsuid setfsgid "
        "setgroups getgroups capget capset",
        "NET": "socket socketpair bind listen accept accept4 connect getsockname getpeername setsockopt getsockopt "
        "sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg shutdown",
        "NUMA": "mbind get_mempolicy set_mempolicy set_mempolicy_home_node migrate_pages move_pages",
        "PERF_EVENTS": "perf_event_open",
        "POSIX_MQUEUE": "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
        "POSIX_TIMERS": "timer_create timer_gettime timer_getoverrun timer_settime timer_delete clock_adjtime "
        "getitimer setitimer alarm",
        "PRINTK": "syslog",
        "QUOTACTL": "quotactl quotactl_fd",
        "RSEQ": "rseq",
        "SECCOMP": "seccomp",
        "SECURITY_LANDLOCK": "landlock_create_ruleset landlock_add_rule landlock_restrict_self",
        "SIGNALFD": "signalfd signalfd4",
        "SWAP": "swapon swapoff",
        "SYSVIPC": "msgget msgctl msgrcv msgsnd semget semctl semtimedop semop shmget shmctl shmat shmdt",
        "TIMERFD": "timerfd_create timerfd_settime timerfd_gettime",
        "USERFAULTFD": "userfaultfd",
    }
)
SYMBOLS: Mapping[str, str] = MappingProxyType(
    {call: symbol for symbol, calls in _BROUGHT.items() for call in calls.split()}
)
"""The Kconfig symbol, without ``CONFIG_``, that a system call needs."""

# Functions whose names begin so are the C library's own business: musl's locks make no call if there is one thread.
_INTERNAL = ("__", "locking_getc", "locking_putc", "pthread_rwlock_unlock", "sem_post")


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentCall:
    """A call that a program can make; ``place`` is where, ``symbol`` what would bring it."""

    program: str
    call: str
    place: str
    symbol: str

    @property
    def text(self) -> str:
        """For a list."""
        return f"{self.call} ({self.symbol})"


def absent_calls(scans: Sequence[Scan], config: Resolved, names: Mapping[int, str]) -> tuple[AbsentCall, ...]:
    """What the programs can ask of this kernel in vain, sorted.

    :param names: those of system calls by their numbers.
    """
    return tuple(sorted(_absent(scans, config, names), key=lambda one: (one.program, one.symbol, one.call)))


def _absent(scans: Sequence[Scan], config: Resolved, names: Mapping[int, str]) -> Iterator[AbsentCall]:
    for scan in scans:
        for number, places in scan.numbers.items():
            call = names.get(number, "")
            symbol = SYMBOLS.get(call)
            place = next((place for place in places if not place.startswith(_INTERNAL)), None)
            if symbol is not None and place is not None and config.value(symbol) not in ("y", "m"):
                yield AbsentCall(program=scan.program, call=call, place=place, symbol=symbol)


def notes_on(absent: Sequence[AbsentCall]) -> tuple[str, ...]:
    """One line for each program."""
    programs = dict.fromkeys(one.program for one in absent)
    return tuple(
        f"{program} can make system calls that this kernel doesn't have (by the symbol that brings them): "
        + ", ".join(one.text for one in absent if one.program == program)
        for program in programs
    )
