# SPDX-License-Identifier: GPL-2.0-only
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from unilinux.core import command
from unilinux.core.command import TAIL_LINES, require_tool, run
from unilinux.core.errors import CommandError, HostError
from unilinux.core.locks import locked


def _is_alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter while it ends
        return False
    return state != "Z"


def _wait_until_gone(process_id: int, deadline_s: float = 10) -> None:
    end = time.monotonic() + deadline_s
    while _is_alive(process_id):
        assert time.monotonic() < end, f"process {process_id} is still there"
        time.sleep(0.01)


def test_output_of_both_kinds_comes_back_line_by_line(tmp_path: Path) -> None:
    lines: list[str] = []
    done = run(["sh", "-c", "echo one; echo two >&2; printf three"], on_line=lines.append)
    assert done.output == "one\ntwo\nthree"
    assert lines == ["one", "two", "three"]
    assert done.argv[0] == "sh"
    assert done.seconds < 10


def test_a_log_gets_the_command_line_and_the_output_and_grows(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "step.log"
    run(["echo", "one"], log=log)
    run(["echo", "two"], log=log)
    assert log.read_text() == "$ echo one\none\n$ echo two\ntwo\n"


def test_the_environment_is_just_what_is_given(tmp_path: Path) -> None:
    output = run(["/usr/bin/env"], env={"ONE": "1"}, cwd=tmp_path).output.splitlines()
    assert [line for line in output if not line.startswith(("PWD=", "SHLVL=", "_="))] == ["ONE=1"]
    assert run(["pwd"], cwd=tmp_path).output == str(tmp_path)


def test_a_command_gets_its_input_or_none() -> None:
    assert run(["cat"], input=b"x" * 200_000).output == "x" * 200_000
    assert run(["cat"]).output == ""
    run(["true"], input=b"x" * 200_000)  # which nobody reads


def test_output_that_is_no_utf_8_does_no_harm() -> None:
    assert run(["printf", r"\377 ok"]).output == "\N{REPLACEMENT CHARACTER} ok"


def test_a_missing_tool_is_answered_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="'qemu-system-x86_64' is not installed") as raised:
        require_tool("qemu-system-x86_64")
    assert raised.value.hint is not None
    assert raised.value.hint.startswith("apt-get install qemu-system-x86 ")
    with pytest.raises(HostError, match="'frobnicate' is not installed"):
        run(["frobnicate"])


def test_the_packages_of_tools_are_those_that_set_up_installs() -> None:
    listed = Path(__file__).parents[3] / "configs" / "debian-packages.txt"
    names = {line.split()[0] for line in listed.read_text().splitlines() if line and not line.startswith("#")}
    brought_along = {"dpkg", "apt"}  # what makes a Debian
    assert set(command._PACKAGES.values()) - names <= brought_along


def test_a_failure_shows_the_last_lines_and_names_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(CommandError) as raised:
        run(["sh", "-c", "seq 100; echo; exit 3"], log=log)
    error = raised.value
    assert error.returncode == 3
    assert error.details == tuple(str(number) for number in range(101 - TAIL_LINES, 101))
    assert error.hint == f"the whole output is in {log}"
    assert "exited with status 3" in error.message


def test_a_command_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = tmp_path / "child"
    with pytest.raises(CommandError, match=r"sh did not end within 0\.3 s"):
        run(["sh", "-c", f"sleep 100 & echo $! > {child}; echo begun; wait"], timeout_s=0.3)
    _wait_until_gone(int(child.read_text()))


def test_a_command_that_has_closed_its_output_is_waited_for_and_ended_too() -> None:
    assert run(["sh", "-c", "exec >&- 2>&-; sleep 0.2"]).seconds >= 0.2
    with pytest.raises(CommandError, match=r"sh did not end within 0\.2 s"):
        run(["sh", "-c", "exec >&- 2>&-; exec sleep 100"], timeout_s=0.2)


def test_what_a_command_leaves_in_the_background_ends_with_it(tmp_path: Path) -> None:
    child = tmp_path / "child"
    run(["sh", "-c", f"sleep 100 </dev/null >/dev/null 2>&1 & echo $! > {child}"])
    _wait_until_gone(int(child.read_text()))


def test_an_interruption_kills_the_whole_group(tmp_path: Path) -> None:
    numbers: list[int] = []

    def interrupt(line: str) -> None:
        numbers.append(int(line))
        if len(numbers) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", "echo $$; sleep 100 & echo $!; wait"], on_line=interrupt)
    for number in numbers:
        _wait_until_gone(number)


def test_ctrl_c_in_a_terminal_ends_the_command() -> None:
    program = "from unilinux.core.command import run\nrun(['sh', '-c', 'echo $$; exec sleep 100'], on_line=print)"
    process = subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        number = int(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
    _wait_until_gone(number)


def _said_before_it_is_killed(program: str) -> bytes:
    """The first line of a Python program, which is then killed."""
    with subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.kill()
    return line


def test_a_command_does_not_outlive_a_killed_caller() -> None:
    program = "from unilinux.core.command import run\nrun(['sh', '-c', 'echo $$; exec sleep 100'], on_line=print)"
    _wait_until_gone(int(_said_before_it_is_killed(program)))


def test_makes_below_a_make_end_with_a_killed_caller(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n\t@$(MAKE) deep\ndeep:\n\t@echo $$$$; exec sleep 100\n")
    program = f"from unilinux.core.command import run\nrun(['make', '-sC', {str(tmp_path)!r}], on_line=print)"
    _wait_until_gone(int(_said_before_it_is_killed(program)))


def test_a_lock_is_held_until_the_command_of_a_killed_caller_has_ended(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    script = 'trap "" TERM; echo at work; sleep 1; echo done > "$0.done"'
    lines = (
        "from pathlib import Path",
        "from unilinux.core.command import run",
        "from unilinux.core.locks import locked",
        f"with locked(Path({str(lock)!r}), lambda: None):",
        f"    run(['sh', '-c', {script!r}, {str(lock)!r}], on_line=print)",
    )
    assert _said_before_it_is_killed("\n".join(lines)) == b"at work\n"
    waited: list[bool] = []
    with locked(lock, lambda: waited.append(True)):
        assert waited == [True]
        assert lock.with_name("lock.done").read_text() == "done\n"


def test_no_file_stays_open(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    run(["true"], log=tmp_path / "log")
    with pytest.raises(CommandError):
        run(["false"], input=b"x")
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.daemon:
            thread.join(5)
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_full_disk_is_told_as_such() -> None:
    with pytest.raises(HostError, match="no space left on the file system of /dev/full"):
        run(["echo", "x"], log=Path("/dev/full"))


HOSTILE = {
    "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.abbrev",
    "GIT_CONFIG_VALUE_0": "4", "TAR_OPTIONS": "--exclude=*", "XZ_OPT": "-0", "GZIP": "-1", "LD_PRELOAD": "/no.so",
    "LD_LIBRARY_PATH": "/nowhere", "MAKEFLAGS": "-n", "CFLAGS": "-O0", "CC": "false", "CPATH": "/nowhere",
    "C_INCLUDE_PATH": "/nowhere", "GCC_EXEC_PREFIX": "/nowhere", "LANG": "de_DE.UTF-8", "POSIXLY_CORRECT": "1",
}  # fmt: skip


def test_nothing_of_the_callers_environment_reaches_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    # LD_PRELOAD would also reach the program that runs it, so what the program sees is asked of the kernel.
    names = {line.partition("=")[0] for line in run(["cat", "/proc/self/environ"]).output.split("\0") if line}
    assert names == {"PATH", "HOME", "LC_ALL"}


def test_what_is_kept_and_added_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy")
    made = command.clean_environment("https_proxy", "no_proxy", ONE="1")
    assert (made["https_proxy"], made["ONE"], made["LC_ALL"], "no_proxy" in made) == ("http://proxy", "1", "C", False)


def test_a_time_out_is_kept_whoever_holds_the_output() -> None:
    """A child in a session of its own isn't killed with the others, and keeps the pipe open."""
    began = time.monotonic()
    with pytest.raises(CommandError, match="did not end within 0.3 s"):
        run(["sh", "-c", "setsid sleep 20 & echo begun; exec sleep 20"], timeout_s=0.3)
    assert time.monotonic() - began < 10


def test_a_command_has_ended_when_its_program_has_whoever_holds_the_output() -> None:
    began = time.monotonic()
    done = run(["sh", "-c", "setsid sleep 20 & echo one; printf two"])
    assert done.output == "one\ntwo"
    assert time.monotonic() - began < 10


def test_a_command_that_writes_without_end_is_timed_out() -> None:
    with pytest.raises(CommandError, match="yes did not end within 0.3 s"):
        run(["yes"], timeout_s=0.3, on_line=lambda _: None)


def test_a_command_may_close_its_output_and_go_on(tmp_path: Path) -> None:
    run(["sh", "-c", "exec >&- 2>&-; sleep 0.2; echo x > $0", tmp_path / "file"])
    assert (tmp_path / "file").read_text() == "x\n"


def test_a_log_that_became_large_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_LARGE_LOG_BYTES", 10)
    log = tmp_path / "apt.log"
    for word in ("one", "two", "three"):
        run(["echo", word], log=log)
    assert log.read_text() == "$ echo three\nthree\n"
    assert (tmp_path / "apt.log.old").read_text() == "$ echo two\ntwo\n"


def test_a_full_disk_is_the_logs_only_if_the_log_is_on_it(tmp_path: Path) -> None:
    def full(_: str) -> None:
        raise OSError(28, "No space left on device", "/elsewhere/file")

    with pytest.raises(OSError, match="/elsewhere/file"):
        run(["echo", "one"], log=tmp_path / "log", on_line=full)


def test_a_full_disk_that_a_tool_meets_is_told_as_such(tmp_path: Path) -> None:
    tool = "echo 'ld: final link failed: No space left on device' >&2; exit 1"
    with pytest.raises(HostError, match="no space left on the file system of /"):
        run(["sh", "-c", tool], cwd=tmp_path)
