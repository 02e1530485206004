"""The one gate to external programs: logged, bounded, and never left behind."""

from __future__ import annotations

import os
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
from typing import IO

from unilinux.core.errors import CommandError, HostError
from unilinux.core.files import explained_disk_errors

TAIL_LINES = 20

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
    **dict.fromkeys(("ld", "nm", "readelf", "size", "strip"), "binutils"),
    "shellcheck": "shellcheck",
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
    found = shutil.which(name)
    if found is None:
        package = _PACKAGES.get(name, name)
        raise HostError(
            f"the program {name!r} is not installed",
            hint=f"apt-get install {package}   (or ./x setup, which installs all that is missing)",
        )
    return Path(found)


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    input: bytes | None = None,
    on_line: Callable[[str], None] | None = None,
    timeout_s: float | None = None,
) -> Completed:
    """Run a program to its end, in a process group of its own that dies with us.

    The output is appended to ``log``, headed by the command line, and handed to
    ``on_line`` as it comes. ``env`` replaces the environment altogether.

    :raise HostError: the program isn't installed.
    :raise CommandError: it exited with another status than 0, or ran past ``timeout_s``.
    """
    words = [os.fspath(word) for word in argv]
    program = words[0] if os.sep in words[0] else str(require_tool(words[0]))
    # The kernel ends the child when this process dies, however it dies. By SIGTERM, since
    # make hands that on to the makes and compilers that it started; SIGKILL would spare them.
    command = [str(require_tool("setpriv")), "--pdeathsig", "TERM", "--", program, *words[1:]]
    began = time.monotonic()
    lines: list[str] = []
    with (
        explained_disk_errors(log or Path.cwd()),
        _opened_log(log, words) as sink,
        _started(command, cwd=cwd, env=env, is_fed=input is not None) as process,
        _ended_after(timeout_s, process),
    ):
        if input is not None:
            threading.Thread(target=_feed, args=(process, input), daemon=True).start()
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            lines.append(line)
            sink.write(raw)
            if on_line is not None:
                on_line(line)
        # It may go on without output. Not reaped yet: until then its number can't become another group's.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    seconds = time.monotonic() - began
    if process.returncode != 0:
        tail = deque((line for line in lines if line.strip()), maxlen=TAIL_LINES)
        late = timeout_s is not None and seconds >= timeout_s
        message = f"{words[0]} did not end within {timeout_s:g} s" if late else None
        raise CommandError(words, process.returncode, log=log, tail=tuple(tail), message=message)
    return Completed(tuple(words), "\n".join(lines), seconds)


@contextmanager
def _started(
    command: Sequence[str], *, cwd: Path | None, env: Mapping[str, str] | None, is_fed: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has ended when the ``with`` block has, with all that it started."""
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env=None if env is None else dict(env),
        stdin=subprocess.PIPE if is_fed else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        close_fds=False,  # a lock that is held meanwhile is held by the command, too (core.files.locked)
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_group(process)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def _ended_after(timeout_s: float | None, process: subprocess.Popen[bytes]) -> Iterator[None]:
    if timeout_s is None:
        yield
        return
    timer = threading.Timer(timeout_s, kill_group, (process,))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
def _opened_log(log: Path | None, words: Sequence[str]) -> Iterator[IO[bytes]]:
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    with open(log or os.devnull, "ab", buffering=0) as file:
        file.write(f"$ {' '.join(words)}\n".encode())
        yield file
