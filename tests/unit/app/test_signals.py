# SPDX-License-Identifier: GPL-2.0-only
"""Signals by name, and what the kernel is told of the one that stops."""

from __future__ import annotations

import signal

import pytest

from unilinux.app.run import Run
from unilinux.app.signals import signal_number


@pytest.mark.parametrize("known", [one for one in signal.Signals if one < signal.SIGRTMIN], ids=lambda one: one.name)
def test_numbers_are_those_of_linux(known: signal.Signals) -> None:
    assert signal_number(known.name) == known


@pytest.mark.parametrize(
    ("name", "number"),
    [("SIGRTMIN", 34), ("SIGRTMIN+3", 37), ("SIGRTMIN+30", 64), ("SIGRTMAX", 64), ("SIGRTMAX-30", 34)],
)
def test_real_time_signals(name: str, number: int) -> None:
    assert signal_number(name) == number


@pytest.mark.parametrize("name", ["", "TERM", "15", "sigterm", "SIGRTMIN-1", "SIGRTMAX+1", "SIGRTMIN+", "SIGRTMIN+3 "])
def test_what_is_no_signal(name: str) -> None:
    with pytest.raises(ValueError, match=r"no signal"):
        signal_number(name)


@pytest.mark.parametrize(
    ("stop", "words"),
    [
        (None, ()),
        ("SIGTERM", ()),
        ("SIGQUIT", ("unilinux_stop=3",)),
        ("SIGRTMIN+3", ("unilinux_stop=37",)),
    ],
)
def test_the_kernel_is_told_what_is_not_usual(stop: str | None, words: tuple[str, ...]) -> None:
    assert Run(argv=("/a",), memory_mib=64, stop=stop).kernel_words == words
