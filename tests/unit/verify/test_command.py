# SPDX-License-Identifier: GPL-2.0-only
"""Scripts of the user's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.verify.conftest import StartVm
from tests.unit.verify.server import At, hang_up, reply, serving
from unilinux.app.checks.command import CommandCheck
from unilinux.verify.attempts import Patience, Verdict
from unilinux.verify.command import ask_command
from unilinux.verify.verify import check_machine

PATIENCE = Patience(10, 10)


def asked(script: str, *, timeout_s: float = 30) -> Verdict:
    check = CommandCheck(kind="command", port=80, script=script, timeout_s=timeout_s)
    with serving(hang_up) as port:
        return ask_command(check, At(port), PATIENCE)


def test_a_script_that_succeeds() -> None:
    assert asked("true") == Verdict(ok=True, detail="the script ended with status 0")


def test_the_script_is_told_where_the_ports_are(start_vm: StartVm) -> None:
    script = 'test "$GUEST_PORT" = "$GUEST_PORT_80"; echo "$GUEST_HOST $GUEST_PORT_80 $GUEST_PORT_443"; false'
    with serving(reply(b"x")) as port:
        check = CommandCheck(kind="command", port=80, script=script)
        done = check_machine(start_vm(lambda _: None, {80: port, 443: 4444}), [check], None, timeout_s=10)
    detail = f"the script ended with status 1; its last words: 127.0.0.1 {port} 4444"
    assert [(it.kind, it.ok, it.detail) for it in done.checks] == [("command", False, detail)]


def test_a_script_that_fails_is_told_with_its_last_lines() -> None:
    detail = asked("for n in 1 2 3 4 5 6; do echo line $n; done; exit 3").detail
    assert detail == "the script ended with status 3; its last words: line 2; line 3; line 4; line 5; line 6"
    assert asked("exit 1").detail == "the script ended with status 1; it said nothing"
    assert asked("kill -9 $$").detail == "the script was ended by signal 9; it said nothing"


def test_the_first_failing_command_and_an_unset_variable_end_it() -> None:
    assert asked("false; true").detail == "the script ended with status 1; it said nothing"
    assert "NO_SUCH: parameter not set" in asked('echo "$NO_SUCH"').detail


def test_a_script_that_takes_too_long_is_ended() -> None:
    assert asked("sleep 60", timeout_s=0.2).detail == "the script did not end within 0.2 s; it said nothing"


def test_it_runs_in_an_empty_folder_that_is_gone_afterwards() -> None:
    detail = asked('test -z "$(ls -A)"; touch left; pwd; false').detail
    folder = detail.rpartition(" ")[2]
    assert folder.startswith("/")
    assert not os.path.exists(folder)


def test_nothing_runs_before_the_guest_accepts_a_connection(tmp_path: Path) -> None:
    check = CommandCheck(kind="command", port=80, script=f"touch {tmp_path}/ran")
    with serving(hang_up) as port, pytest.raises((OSError, EOFError)):
        ask_command(check, At(port, accepts=False), Patience(0.1, 10))
    assert list(tmp_path.iterdir()) == []
