# SPDX-License-Identifier: GPL-2.0-only
"""How a command ends: its document, its errors, signals, and readers that have gone."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from unilinux.cli.session import end_with, session, write_answer
from unilinux.core.errors import HostError, UsageError, VerifyError

PROJECT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("UNILINUX_PROGRESS", raising=False)
    monkeypatch.setenv("UNILINUX_CACHE", str(tmp_path))


def test_an_error_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, session(PROJECT, as_json=True):
        raise HostError("no such tool", details=["it is gone"], hint="apt-get install it")
    said = capsys.readouterr()
    assert ended.value.code == 4
    assert json.loads(said.out) == {
        "error": {
            "code": 4,
            "kind": "host",
            "message": "no such tool",
            "details": ["it is gone"],
            "hint": "apt-get install it",
        }
    }
    assert "error: no such tool" in said.err


def test_what_fails_after_the_answer_is_in_the_same_document(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, session(PROJECT, as_json=True) as here:
        here.answer_with({"ok": False, "checks": [1]}, str)
        raise VerifyError("a check failed")
    found = json.loads(capsys.readouterr().out)
    assert ended.value.code == found["error"]["code"] == 11
    assert found["error"]["kind"] == "verify"
    assert (found["ok"], found["checks"]) == (False, [1])


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [(KeyboardInterrupt(), 130, "interrupted"), (ZeroDivisionError("division by zero"), 70, "internal")],
)
def test_what_is_no_error_of_ours_has_a_document_too(
    error: BaseException, code: int, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end_with(error, as_json=True) == code
    found = json.loads(capsys.readouterr().out)["error"]
    assert (found["code"], found["kind"]) == (code, kind)


def test_a_program_that_reads_progress_reads_no_prose(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNILINUX_PROGRESS", "json")
    with pytest.raises(SystemExit), session(PROJECT):
        raise UsageError("no such name", hint="another one")
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["kind"], found["message"]) == ("failed", "usage", "no such name")


def test_a_command_without_an_answer_is_an_empty_document(capsys: pytest.CaptureFixture[str]) -> None:
    with session(PROJECT, as_json=True):
        pass
    assert json.loads(capsys.readouterr().out) == {}


def test_what_a_terminal_cannot_show_becomes_a_question_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1"))
    write_answer("ä → b")
    assert raw.getvalue() == "ä ? b\n".encode("latin-1")


def test_a_reader_that_has_gone_is_no_error() -> None:
    program = "from unilinux.cli.session import session\nwith session(ROOT) as here:\n"
    program += "    for _ in range(100000): here.answer_with({}, lambda: 'x' * 1000)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", program.replace("ROOT", f"__import__('pathlib').Path({str(PROJECT)!r})")],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


WAITING = """
import pathlib, signal, sys, time
from unilinux.cli.session import session
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # whoever started the tests may ignore them, as nohup does
with session(pathlib.Path(sys.argv[1]), as_json=True):
    try:
        print("ready", file=sys.stderr, flush=True)
        time.sleep(60)
    finally:
        pathlib.Path(sys.argv[2]).touch()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_request_to_end_unwinds_what_runs(number: signal.Signals, tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(PROJECT), str(clean)],
        cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    process.send_signal(number)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert clean.exists()
    assert json.loads(output)["error"]["kind"] == "interrupted"


def test_a_signal_that_was_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with session(PROJECT):
            os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_the_callers_again_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with session(PROJECT):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_another_thread_signals_are_left_alone() -> None:
    ended = []

    def run() -> None:
        with session(PROJECT):
            ended.append(signal.getsignal(signal.SIGTERM))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert ended == [before]


def test_a_test_run_that_is_asked_to_end_takes_pytest_with_it(tmp_path: Path) -> None:
    """``./x test`` under a service manager: its pytest isn't orphaned."""
    (tmp_path / "tests" / "unit").mkdir(parents=True)
    (tmp_path / "tests" / "unit" / "test_slow.py").write_text(
        "import pathlib, os, time\n"
        "def test_slow():\n"
        f"    pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "    time.sleep(60)\n"
    )
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    program = (
        "import pathlib, sys; sys.path.insert(0, sys.argv[2])\n"
        "from unilinux.cli.commands import project\n"
        "project.test(pathlib.Path(sys.argv[1]), fast=True, everything=False, as_json=True, verbose=False)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), str(PROJECT)],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + 45
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    process.terminate()
    assert process.wait(45) == 143
    worker = int((tmp_path / "pid").read_text())
    while time.monotonic() < end:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the worker of pytest runs on")
