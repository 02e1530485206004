# SPDX-License-Identifier: GPL-2.0-only
"""Names of the numbers that programs pass to the kernel, read from the headers of its source tree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from unilinux.arch.architecture import X86_64
from unilinux.core.errors import BuildError

_UAPI = "include/uapi"

_NUMBER = r"0[xX][0-9a-fA-F]+|\d+"
_DEFINED = re.compile(r"^\s*#\s*define\s+(?P<name>[A-Z]\w*)\s+(?P<value>\S.*?)\s*(?:/\*.*)?$", re.MULTILINE)
_ENUMERATED = re.compile(rf"^\s*(?P<name>[A-Z]\w*)\s*=\s*(?P<value>{_NUMBER}|\(1 << \d+\))\s*,?", re.MULTILINE)
_SUM = re.compile(rf"\(?\s*(?P<base>[A-Z]\w*)\s*\+\s*(?P<offset>{_NUMBER})\s*\)?")
_SHIFT = re.compile(rf"\(\s*(?P<one>{_NUMBER})U?L?\s*<<\s*(?P<bits>\d+)\s*\)")
# include/uapi/asm-generic/ioctl.h: number, type, size of the argument, direction.
_IOCTL = re.compile(r"_IO(?P<way>R|W|WR)?\('(?P<kind>.)'\s*,\s*(?P<number>\w+)\s*(?:,\s*(?P<type>[\w ]+))?\)")
_DIRECTION = {None: 0, "W": 1, "R": 2, "WR": 3}
_SIZES = {"int": 4, "unsigned int": 4, "__u32": 4, "__s32": 4, "unsigned long": 8, "long": 8, "__u64": 8}


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where the names of one kind of number are. ``but`` are names that only look as if they belonged to it."""

    files: tuple[str, ...]
    names: str
    but: str = r"(?!)"


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "family": _Kind(("include/linux/socket.h",), "AF_", "AF_MAX"),
        "socket": _Kind(("include/linux/net.h",), "SOCK_", ".*_MASK|SOCK_MAX|SOCK_(ASYNC|NOSPACE|PASS|SUPPORT|CUSTOM)"),
        "protocol": _Kind((f"{_UAPI}/linux/in.h",), "IPPROTO_"),
        "level": _Kind(("include/linux/socket.h", f"{_UAPI}/asm-generic/socket.h"), "SOL_"),
        "SOL_SOCKET": _Kind((f"{_UAPI}/asm-generic/socket.h",), "SO_"),
        "SOL_TCP": _Kind((f"{_UAPI}/linux/tcp.h",), "TCP_(?!FLAG|MSS|S_)"),
        "SOL_IP": _Kind((f"{_UAPI}/linux/in.h",), "(IP|MCAST)_", "IP_(PMTUDISC|DEFAULT|MAX)"),
        "SOL_IPV6": _Kind((f"{_UAPI}/linux/in6.h",), "IPV6_", "IPV6_(PMTUDISC|FL|PRIORITY|TLV|PREFER|SRCRT)"),
        "SOL_UDP": _Kind((f"{_UAPI}/linux/udp.h",), "UDP_(?!ENCAP_)"),
        "ioctl": _Kind(
            (f"{_UAPI}/asm-generic/ioctls.h", f"{_UAPI}/asm-generic/sockios.h", f"{_UAPI}/linux/sockios.h"),
            "T[CI][A-Z]|FIO|SIO",
            "TIOCPKT_|TIOCSER_|TIOCM_|SIOCDEVPRIVATE",
        ),
        "fcntl": _Kind(
            (f"{_UAPI}/asm-generic/fcntl.h", f"{_UAPI}/linux/fcntl.h"),
            "F_(DUP|[GS]ET|OFD|NOTIFY|ADD|CREATED|LINUX)",
            "F_SEAL|F_LINUX",
        ),
        "clock": _Kind((f"{_UAPI}/linux/time.h",), "CLOCK_", "CLOCKS"),
        "signal": _Kind((f"{X86_64.user_headers}/signal.h",), "SIG(?!RT|_|IO$)", "SIGUNUSED|SIGSTKSZ"),
        "policy": _Kind((f"{_UAPI}/linux/sched.h",), "SCHED_(?!FLAG|RESET)"),
        "prctl": _Kind(
            (f"{_UAPI}/linux/prctl.h",),
            "PR_[GSMCTR]",
            "PR_(TIMING|TSC|MCE_KILL_|SET_MM_|CAP_AMBIENT_|TAGGED|MTE|SCHED_CORE_|SPEC_|RISCV_V_|SVE_VL|SME_VL|MDWE)",
        ),
        "arch_prctl": _Kind((f"{X86_64.user_headers}/prctl.h",), "ARCH_"),
        "map": _Kind(
            (
                f"{_UAPI}/asm-generic/mman-common.h",
                f"{_UAPI}/asm-generic/mman.h",
                f"{_UAPI}/linux/mman.h",
                f"{X86_64.user_headers}/mman.h",
            ),
            "MAP_",
            "MAP_(TYPE|FILE|HUGE_|SHARED_VALIDATE)",
        ),
        "protection": _Kind((f"{_UAPI}/asm-generic/mman-common.h",), "PROT_"),
        "advice": _Kind((f"{_UAPI}/asm-generic/mman-common.h",), "MADV_"),
        "clone": _Kind((f"{_UAPI}/linux/sched.h",), "CLONE_(?!ARGS)"),
        "futex": _Kind(
            (f"{_UAPI}/linux/futex.h",), "FUTEX_[WRCLUTF]", ".*_PRIVATE|FUTEX_(WAITERS|TID|OP|BITSET|CLOCK)"
        ),
        "limit": _Kind((f"{_UAPI}/asm-generic/resource.h",), "RLIMIT_"),
        "epoll": _Kind((f"{_UAPI}/linux/eventpoll.h",), "EPOLL_CTL_"),
        "mount": _Kind((f"{_UAPI}/linux/mount.h",), "MS_", "MS_(MGC|RMT|KERNMOUNT|SUBMOUNT)"),
        "membarrier": _Kind((f"{_UAPI}/linux/membarrier.h",), "MEMBARRIER_CMD_"),
        "flock": _Kind((f"{_UAPI}/asm-generic/fcntl.h",), "LOCK_"),
        "error": _Kind((f"{_UAPI}/asm-generic/errno-base.h", f"{_UAPI}/asm-generic/errno.h"), "E"),
    }
)


@dataclass(frozen=True, slots=True)
class Constants:
    """Names by kind and number."""

    names: Mapping[str, Mapping[int, str]]

    def name(self, kind: str, number: int) -> str:
        """The constant's name, or the number as such."""
        return self.names.get(kind, {}).get(number) or (f"{number:#x}" if number > 1024 else f"{number}")

    def flags(self, kind: str, number: int) -> str:
        """The names of the bits that are set, joined by ``|``."""
        known = self.names.get(kind, {})
        found = []
        left = number
        for value in sorted(known):
            if value and value & (value - 1) == 0 and left & value:
                found.append(known[value])
                left &= ~value
        if left or not found:
            found.append(known.get(left) or f"{left:#x}")
        return "|".join(found)


def read_constants(tree: Path) -> Constants:
    """The constants of a kernel's source tree.

    :raise BuildError: a header is missing: it isn't a Linux tree, or a very different one.
    """
    texts: dict[str, str] = {}
    for file in {file for kind in _KINDS.values() for file in kind.files}:
        try:
            texts[file] = (tree / file).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise BuildError(f"cannot read the kernel's constants: {error.filename}: {error.strerror}") from error
    return Constants({name: _named(kind, (texts[file] for file in kind.files)) for name, kind in _KINDS.items()})


def _named(kind: _Kind, texts: Iterable[str]) -> dict[int, str]:
    wanted, unwanted = re.compile(kind.names), re.compile(kind.but)
    values: dict[str, int] = {}
    found: dict[int, str] = {}
    for text in texts:
        for match in (*_DEFINED.finditer(text), *_ENUMERATED.finditer(text)):
            name, value = match["name"], _evaluate(match["value"], values)
            if value is None:
                continue
            values.setdefault(name, value)
            if wanted.match(name) and not unwanted.match(name):
                found.setdefault(value, name)
    return found


def _evaluate(text: str, known: Mapping[str, int]) -> int | None:
    """The value of a literal, a sum with a name, a shifted bit, or an ioctl number; None for anything else."""
    if re.fullmatch(_NUMBER, text):
        # A leading zero makes an octal number in C.
        return int(text, 8) if re.fullmatch(r"0[0-7]+", text) else int(text, 0)
    if found := _SUM.fullmatch(text):
        base = known.get(found["base"])
        return None if base is None else base + int(found["offset"], 0)
    if found := _SHIFT.fullmatch(text):
        return int(found["one"], 0) << int(found["bits"])
    if (found := _IOCTL.fullmatch(text)) and re.fullmatch(_NUMBER, found["number"]):
        size = _SIZES.get((found["type"] or "").strip(), 0)
        if found["type"] and not size:
            return None
        return _DIRECTION[found["way"]] << 30 | size << 16 | ord(found["kind"]) << 8 | int(found["number"], 0)
    return known.get(text)
