# SPDX-License-Identifier: GPL-2.0-only
"""System calls as the kernel sees them: their names, and the arguments that say what they need of the kernel."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from unilinux.arch.architecture import X86_64
from unilinux.core.errors import BuildError
from unilinux.observe.constants import Constants

_ROW = re.compile(r"^(?P<number>\d+)\s+(?P<abi>common|64)\s+(?P<name>\w+)(?:\s+(?P<entry>\w+))?", re.MULTILINE)
# Files that the kernel makes; what lies elsewhere is the image's own.
_KERNEL_FILES = re.compile(rb"/(proc|sys|dev)(/|$)")
_SOCKET_TYPE = 0xF  # include/linux/net.h: SOCK_TYPE_MASK
# include/uapi/asm-generic/fcntl.h: SOCK_CLOEXEC and SOCK_NONBLOCK are these.
_SOCKET_FLAGS = MappingProxyType({0o2000000: "SOCK_CLOEXEC", 0o4000: "SOCK_NONBLOCK"})
_FUTEX_COMMAND = 0x7F
_CLONE_SIGNAL = 0xFF
_SMALLEST_ERROR = -4095

ReadString = Callable[[int], bytes]
"""Reads the string at an address of the program; empty if there is none."""


@dataclass(frozen=True, slots=True)
class SystemCall:
    """A row of the kernel's table: ``entry`` is the function behind it, such as ``sys_newstat``."""

    number: int
    name: str
    entry: str


def read_table(tree: Path) -> Mapping[int, SystemCall]:
    """The system calls of 64-bit programs, by number.

    :raise BuildError: the tree has no such table.
    """
    try:
        text = (tree / X86_64.system_call_table).read_text(encoding="ascii")
    except OSError as error:
        raise BuildError(f"cannot read the table of system calls: {error.filename}: {error.strerror}") from error
    rows = (SystemCall(int(row["number"]), row["name"], row["entry"] or "") for row in _ROW.finditer(text))
    return MappingProxyType({row.number: row for row in rows})


@dataclass(frozen=True, slots=True)
class Arguments:
    """The six arguments of a system call, and the means to say what they stand for."""

    values: tuple[int, ...]
    constants: Constants
    read_string: ReadString

    def __getitem__(self, index: int) -> int:
        return self.values[index]

    def signed(self, index: int) -> int:
        """An argument that is an int in C."""
        value: int
        (value,) = struct.unpack("<i", struct.pack("<I", self.values[index] & 0xFFFFFFFF))
        return value

    def name(self, kind: str, index: int) -> str:
        """The name of the constant that an argument of type int is."""
        return self.constants.name(kind, self.values[index] & 0xFFFFFFFF)

    def text(self, index: int) -> str:
        """The string that an argument points to."""
        return self.read_string(self.values[index]).decode(errors="backslashreplace")

    def kernel_file(self, index: int) -> str:
        """The path that an argument points to, if it is one that the kernel makes."""
        path = self.read_string(self.values[index])
        return path.decode(errors="backslashreplace") if _KERNEL_FILES.match(path) else ""


def detail(name: str, arguments: Arguments) -> str:
    """The arguments that matter, by their names in the kernel's headers; empty if none does."""
    decode = _DECODERS.get(name)
    return decode(arguments) if decode else ""


def error_name(result: int, constants: Constants) -> str:
    """``ENOSYS`` for the result of a call that failed so; empty for one that didn't fail."""
    return constants.name("error", -result) if _SMALLEST_ERROR <= result < 0 else ""


def _socket(arguments: Arguments) -> str:
    kind = arguments[1]
    flags = [name for bit, name in _SOCKET_FLAGS.items() if kind & bit]
    words = "|".join((arguments.constants.name("socket", kind & _SOCKET_TYPE), *flags))
    protocol = "" if arguments[2] == 0 else f", {arguments.name('protocol', 2)}"
    return f"{arguments.name('family', 0)}, {words}{protocol}"


def _option(arguments: Arguments) -> str:
    level = arguments.name("level", 1)
    return f"{level}, {arguments.name(level, 2)}"


def _mount(arguments: Arguments) -> str:
    flags = f", {arguments.constants.flags('mount', arguments[3])}" if arguments[3] else ""
    return f"{arguments.text(2)} on {arguments.text(1)}{flags}"


def _clock_id(arguments: Arguments) -> str:
    # Negative ones are clocks of a process or a file.
    return "CPU or file clock" if arguments.signed(0) < 0 else arguments.name("clock", 0)


def _futex(arguments: Arguments) -> str:
    return arguments.constants.name("futex", arguments[1] & _FUTEX_COMMAND)


def _map(arguments: Arguments) -> str:
    return f"{arguments.constants.flags('protection', arguments[2])}, {arguments.constants.flags('map', arguments[3])}"


def _clone(arguments: Arguments) -> str:
    signal = arguments[0] & _CLONE_SIGNAL
    flags = arguments[0] & 0xFFFFFFFF & ~_CLONE_SIGNAL
    words = [arguments.constants.flags("clone", flags)] if flags else []
    return "|".join((*words, *([arguments.constants.name("signal", signal)] if signal else [])))


def _of(kind: str, index: int) -> Callable[[Arguments], str]:
    return lambda arguments: arguments.name(kind, index)


def _flags_of(kind: str, index: int) -> Callable[[Arguments], str]:
    return lambda arguments: arguments.constants.flags(kind, arguments[index] & 0xFFFFFFFF)


def _file(index: int) -> Callable[[Arguments], str]:
    return lambda arguments: arguments.kernel_file(index)


def _string(index: int) -> Callable[[Arguments], str]:
    return lambda arguments: arguments.text(index)


_PATH_FIRST = (
    *("open", "creat", "stat", "lstat", "access", "readlink", "statfs", "chdir", "truncate", "unlink", "mkdir"),
    *("chmod", "chown", "lchown", "getxattr", "lgetxattr", "utimes", "inotify_add_watch"),
)
_PATH_SECOND = (
    *("openat", "openat2", "newfstatat", "statx", "faccessat", "faccessat2", "readlinkat", "unlinkat", "mkdirat"),
    *("fchmodat", "fchownat", "utimensat", "name_to_handle_at"),
)
_CLOCK_FIRST = (
    *("clock_gettime", "clock_settime", "clock_getres", "clock_nanosleep", "clock_adjtime"),
    *("timer_create", "timerfd_create"),
)

_DECODERS: Mapping[str, Callable[[Arguments], str]] = MappingProxyType(
    {
        **dict.fromkeys(("socket", "socketpair"), _socket),
        **dict.fromkeys(("setsockopt", "getsockopt"), _option),
        **dict.fromkeys(_PATH_FIRST, _file(0)),
        **dict.fromkeys(_PATH_SECOND, _file(1)),
        **dict.fromkeys(_CLOCK_FIRST, _clock_id),
        **dict.fromkeys(("rt_sigaction",), _of("signal", 0)),
        **dict.fromkeys(("kill", "tkill", "rt_sigqueueinfo"), _of("signal", 1)),
        **dict.fromkeys(("tgkill",), _of("signal", 2)),
        **dict.fromkeys(("unshare",), _flags_of("clone", 0)),
        **dict.fromkeys(("clone",), _clone),
        **dict.fromkeys(("getrlimit", "setrlimit"), _of("limit", 0)),
        "prlimit64": _of("limit", 1),
        "execve": _string(0),
        "ioctl": _of("ioctl", 1),
        "fcntl": _of("fcntl", 1),
        "mount": _mount,
        "umount2": _string(0),
        "sched_setscheduler": _of("policy", 1),
        "prctl": _of("prctl", 0),
        "arch_prctl": _of("arch_prctl", 0),
        "mmap": _map,
        "mprotect": _flags_of("protection", 2),
        "madvise": _of("advice", 2),
        "futex": _futex,
        "epoll_ctl": _of("epoll", 1),
        "membarrier": _of("membarrier", 0),
        "flock": _flags_of("flock", 1),
    }
)
