# SPDX-License-Identifier: GPL-2.0-only
"""The one gate to external programs: logged, bounded, and never left behind."""

from __future__ import annotations

import errno
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unilinux.core.errors import CommandError, HostError
from unilinux.core.files import explained_disk_errors, full_disk
from unilinux.core.sandbox import Sandbox

TAIL_LINES = 20
# Where only root looks, though anyone may make a file system in a file.
_ROOTS_PATH = "/usr/sbin:/sbin"
_NO_SPACE = os.strerror(errno.ENOSPC)
_CHUNK_BYTES = 1 << 16
_PIPE_BYTES = 1 << 20  # more than any pipe holds
_LARGE_LOG_BYTES = 32 << 20

# Which Debian package brings a tool that UniLinux calls.
_PACKAGES: Mapping[str, str] = {
    "gcc": "gcc",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "git": "git",
    "rsync": "rsync",
    "lz4": "lz4",
    "xz": "xz-utils",
    "perl": "perl",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "patch": "patch",
    "bwrap": "bubblewrap",
    **dict.fromkeys(("ld", "nm", "readelf", "size", "strip"), "binutils"),
    "shellcheck": "shellcheck",
    **dict.fromkeys(("mke2fs", "debugfs", "dumpe2fs"), "e2fsprogs"),
    "qemu-img": "qemu-utils",
    "mkfs.erofs": "erofs-utils",
}


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that exited with status 0. ``output`` is standard output and error together."""

    argv: tuple[str, ...]
    output: str
    seconds: float


def require_tool(name: str) -> Path:
    """The full path of an external program.

    :raise HostError: it isn't installed; the hint names the Debian package.
    """
    found = shutil.which(name) or shutil.which(name, path=_ROOTS_PATH)
    if found is None:
        package = _PACKAGES.get(name, name)
        raise HostError(
            f"the program {name!r} is not installed",
            hint=f"apt-get install {package}   (or ./x setup, which installs all that is missing)",
        )
    return Path(found)


def clean_environment(*kept: str, **more: str) -> dict[str, str]:
    """The environment that commands get: where programs are, the home folder, and no language but C's.

    The user's variables change what tools do (``TAR_OPTIONS``, ``GIT_DIR``, ``CFLAGS``, ``LD_PRELOAD``, …), and
    the cache would keep that. ``kept`` are names of variables to be handed on if they are set, ``more`` are others.
    """
    names = ("PATH", "HOME", *kept)
    return {
        "PATH": os.defpath,
        **{name: os.environ[name] for name in names if name in os.environ},
        "LC_ALL": "C",
        **more,
    }


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    input: bytes | None = None,
    on_line: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
    sandbox: Sandbox | None = None,
) -> Completed:
    """Run a program to its end, in a process group of its own that dies with us.

    The output is appended to ``log``, headed by the command line, and handed to
    ``on_line`` as it comes. ``env`` replaces the environment altogether; without it, it is
    :func:`clean_environment`. It ends when the program ends, whatever still holds its output.

    :raise HostError: the program isn't installed.
    :raise CommandError: it exited with another status than 0, or ran past ``timeout_s``.
    """
    words = [os.fspath(word) for word in argv]
    program = words[0] if os.sep in words[0] else str(require_tool(words[0]))
    inner = [program, *words[1:]]
    # The kernel ends the child when this process dies, however it dies. By SIGTERM, since
    # make hands that on to the makes and compilers that it started; SIGKILL would spare them.
    command = [str(require_tool("setpriv")), "--pdeathsig", "TERM", "--"]
    command += sandbox.wrap(inner, cwd) if sandbox is not None else inner
    began = time.monotonic()
    lines: list[str] = []
    environment = clean_environment() if env is None else dict(env)
    with (
        _opened_log(log, words) as write,
        _started(command, cwd=cwd, env=environment, is_fed=input is not None) as process,
    ):
        if input is not None:
            threading.Thread(target=_feed, args=(process, input), daemon=True).start()
        deadline = None if timeout_s is None else began + timeout_s
        for raw in _output(process, deadline):
            line = raw.decode(errors="replace").rstrip("\n")
            lines.append(line)
            write(raw)
            if on_line is not None:
                on_line(line)
        # Not reaped yet: until then its number can't become another group's.
        late = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None
    seconds = time.monotonic() - began
    if late or process.returncode != 0:
        tail = deque((line for line in lines if line.strip()), maxlen=TAIL_LINES)
        if any(_NO_SPACE in line for line in tail):
            raise full_disk(_fullest(cwd, log, sandbox))
        raise CommandError(words, process.returncode, log=log, tail=tuple(tail), overdue_s=timeout_s if late else None)
    return Completed(tuple(words), "\n".join(lines), seconds)


def _output(process: subprocess.Popen[bytes], deadline: float | None) -> Iterator[bytes]:
    """Its lines as they come, until it has ended or the deadline has passed."""
    assert process.stdout is not None
    output = process.stdout.fileno()
    os.set_blocking(output, False)
    ended = os.pidfd_open(process.pid)
    unfinished = b""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(ended, selectors.EVENT_READ)
            selector.register(output, selectors.EVENT_READ)
            while True:
                ready = selector.select(None if deadline is None else max(0.0, deadline - time.monotonic()))
                is_late = deadline is not None and time.monotonic() >= deadline
                is_over = is_late or any(key.fd == ended for key, _ in ready)
                # What is in the pipe when it ends is its own; what comes later is of others that hold the pipe.
                for chunk in _chunks(output, _PIPE_BYTES if is_over else _CHUNK_BYTES):
                    *lines, unfinished = (unfinished + chunk).split(b"\n")
                    yield from (line + b"\n" for line in lines)
                    if not chunk and not is_over:  # it closed its output, and goes on
                        selector.unregister(output)
                if is_over:
                    break
        if unfinished:
            yield unfinished
    finally:
        os.close(ended)


def _chunks(descriptor: int, most_bytes: int) -> Iterator[bytes]:
    """What can be read now; an empty piece stands for the end."""
    for _ in range(most_bytes // _CHUNK_BYTES):
        try:
            chunk = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            return
        yield chunk
        if not chunk:
            return


def _fullest(cwd: Path | None, log: Path | None, sandbox: Sandbox | None) -> Path:
    """Where a command that found no space most likely wrote: the place with the least of it."""
    places = [cwd or Path.cwd(), Path("/tmp"), *([log.parent] if log else []), *(sandbox.writable if sandbox else ())]
    return min((place for place in places if place.exists()), key=lambda place: shutil.disk_usage(place).free)


@contextmanager
def _started(
    command: Sequence[str], *, cwd: Path | None, env: Mapping[str, str], is_fed: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has ended when the ``with`` block has, with all that it started."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=env,
        stdin=subprocess.PIPE if is_fed else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        close_fds=False,  # a lock that is held meanwhile is held by the command, too (core.locks.locked)
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_group(process)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads its own session, and everything it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            pipe.write(data)
    except BrokenPipeError:
        pass


@contextmanager
def _opened_log(log: Path | None, words: Sequence[str]) -> Iterator[Callable[[bytes], None]]:
    """A function that writes to the log; one that grows from run to run begins anew when it has become large."""
    if log is None:
        yield lambda _: None
        return
    with explained_disk_errors(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > _LARGE_LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.old"))
        file = log.open("ab", buffering=0)

    def write(data: bytes) -> None:
        with explained_disk_errors(log):
            file.write(data)

    with file:
        write(f"$ {' '.join(words)}\n".encode(errors="surrogateescape"))
        yield write
