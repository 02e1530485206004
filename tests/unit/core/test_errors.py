# SPDX-License-Identifier: GPL-2.0-only
from pathlib import Path

from unilinux.core import errors
from unilinux.core.errors import CommandError, UniLinuxError


def _kinds(kind: type[UniLinuxError] = UniLinuxError) -> list[type[UniLinuxError]]:
    return [kind, *(inner for direct in kind.__subclasses__() for inner in _kinds(direct))]


def test_each_kind_of_error_has_an_exit_code_of_its_own() -> None:
    own = [kind for kind in _kinds() if kind.__module__ == errors.__name__ and kind is not CommandError]
    codes = [kind.exit_code for kind in own]
    assert len(set(codes)) == len(codes) >= 12
    assert all(0 < code < 64 for code in codes)


def test_a_failed_command_counts_as_a_failed_build() -> None:
    assert CommandError.exit_code == errors.BuildError.exit_code


def test_a_failed_command_tells_its_status_and_its_log() -> None:
    error = CommandError(["cc", "a b.c"], 1, log=Path("/logs/cc.log"), tail=["a b.c:1: error"])
    assert error.message == "cc 'a b.c' exited with status 1"
    assert error.hint == "the whole output is in /logs/cc.log"
    assert error.details == ("a b.c:1: error",)


def test_a_long_command_line_is_cut_and_a_signal_named() -> None:
    error = CommandError([f"w{number}" for number in range(9)], -9, log=None, tail=[])
    assert error.message == "w0 w1 w2 w3 w4 w5 w6 w7 … was killed by signal 9"
    assert error.hint is None
