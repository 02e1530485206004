# SPDX-License-Identifier: GPL-2.0-only
"""The manifest for a program that has none: what can be found out about it, written as a person would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from unilinux.app.catalogue import MANIFEST_FILE, App, load_app, place_word
from unilinux.core.errors import UsageError
from unilinux.core.files import write_atomically
from unilinux.elf.file import Elf, is_elf, read_elf
from unilinux.sources.elf import closure

_NETWORK = ("socket", "bind", "listen", "accept", "connect", "getaddrinfo")
# What brings the functions of a C library that need more of the kernel than the smallest has.
_NEEDS = {
    "FUTEX": ("pthread_create", "thrd_create", "pthread_cond_wait", "sem_wait", "sem_init", "clone"),
    "EPOLL": ("epoll_create", "epoll_create1"),
    "EVENTFD": ("eventfd",),
    "SIGNALFD": ("signalfd",),
    "TIMERFD": ("timerfd_create",),
    "POSIX_TIMERS": ("timer_create", "setitimer", "alarm", "ualarm", "clock_nanosleep"),
    "FILE_LOCKING": ("flock", "lockf", "lockf64", "fcntl", "fcntl64"),
    "ADVISE_SYSCALLS": ("madvise", "posix_madvise", "posix_fadvise", "posix_fadvise64"),
    "MULTIUSER": ("setuid", "setgid", "seteuid", "setegid", "setresuid", "setresgid", "setgroups", "initgroups"),
    "INOTIFY_USER": ("inotify_init", "inotify_init1"),
    "MEMBARRIER": ("membarrier",),
}
_C_LIBRARY = re.compile(r"(libc|libm|libpthread|libdl|librt|libresolv|libgcc_s|ld-[a-z0-9_-]+)\b.*\.so")
_SERVING = '# ports = [8080] # if it serves any: then with stop = "SIGTERM", and a check of kind "tcp" or "http" below'
_LEAST_MEMORY_MIB, _SYSTEM_MIB = 64, 48


def propose_program(program: Path, name: str) -> str:
    """The text of a manifest for an ELF program, with its path in it.

    :raise BuildError: it is no program for this processor, or something that it needs is missing.
    """
    program = program.absolute()
    files = [one.origin for one in closure(program)]
    used, known = _functions(program, files)
    network = sorted(used.intersection(_NETWORK))
    server = bool(network) or not known
    why = f"it can call {network[0]}" if network else "what it calls isn't known" if server else "it opens no sockets"
    needs = {symbol: sorted(used.intersection(names)) for symbol, names in _NEEDS.items()}
    size_mib = sum(file.stat().st_size for file in files) >> 20
    memory_mib = max(_LEAST_MEMORY_MIB, _SYSTEM_MIB + 3 * size_mib)  # packed in the kernel, unpacked, and loaded
    lines = [
        "# What could be found out about the program.",
        "schema = 1",
        f'name = "{name}"',
        f"summary = {json.dumps(f'The program {program.name} of this host')}",
        'version = "0"',
        f'profile = "{"server" if server else "tiny"}" # {why}',
        "",
        "[source]",
        'kind = "elf"',
        f"path = {json.dumps(str(program))}",
        '# libraries = ["libnss_dns.so.2", "$ORIGIN/plugins/some.so"] # what it opens by itself while it runs (dlopen)',
        "",
        "[[files]]",
        'path = "/" # with its interpreter and libraries, each where it looks for it',
        'source = "."',
        "",
        "[run]",
        f"argv = {json.dumps([f'/bin/{program.name}'])}",
        'mounts = ["proc"] # its interpreter and libraries may look into /proc/self',
        f"memory_mib = {memory_mib}",
        *(["network = true", _SERVING] if server else []),
        "",
        "[kernel]",
        *(f'{symbol} = "y" # it can call {found[0]}' for symbol, found in needs.items() if found),
        "",
        "# It starts, and ends by itself.",
        "[[verify]]",
        'kind = "exit"',
        "status = 0",
    ]
    return "\n".join(lines) + "\n"


def program_app(program: Path, made: Path) -> App:
    """The application of a program that has no manifest.

    :param made: the folder below which the manifest is written that is made for it.
    :raise BuildError: as :func:`propose_program` does.
    """
    program = program.absolute()
    name = name_of(program)
    folder = made / place_word(program) / name
    folder.mkdir(parents=True, exist_ok=True)
    text, path = propose_program(program, name), folder / MANIFEST_FILE
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)
    return replace(load_app(folder), given=program)


def is_program(word: str) -> bool:
    """Whether a word of the command line is the path of an ELF file.

    :raise UsageError: it can't be read.
    """
    try:
        return "/" in word and Path(word).is_file() and is_elf(Path(word))
    except OSError as error:
        raise UsageError(f"cannot read {word}: {error.strerror}") from error


def name_of(program: Path) -> str:
    """A name for an application, from its program's.

    >>> name_of(Path("/srv/My_Server.bin"))
    'my-server-bin'
    """
    name = re.sub(r"[^a-z0-9]+", "-", program.name.lower()).strip("-")
    return name if name[:1].isalpha() else f"app-{name}".rstrip("-")


def _functions(program: Path, files: Iterable[Path]) -> tuple[set[str], bool]:
    """The functions that may be called, and whether that is known: a static program without symbols tells nothing."""
    first = read_elf(program)
    if first.interpreter is None:
        return {symbol.name.lstrip("_") for symbol in first.symbols}, bool(first.symbols)
    used = _imported(first)
    for file in files:
        if file != program and is_elf(file) and not _C_LIBRARY.match(file.name):
            used |= _imported(read_elf(file))
    return used, True


def _imported(elf: Elf) -> set[str]:
    return {symbol.name.partition("@")[0] for symbol in elf.dynamic_symbols if symbol.section is None}
