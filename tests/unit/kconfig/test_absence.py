# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.errors import UsageError
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Store
from unilinux.kconfig.absence import Absence, absence
from unilinux.kconfig.wish import Layer

Ask = Callable[..., Absence]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))


@pytest.fixture
def ask(mini_tree: Path, store: Store, layer: Callable[..., Layer]) -> Ask:
    def asked(symbol: str, **wishes: str) -> Absence:
        return absence(mini_tree, "digest", (layer("p.toml", **wishes),), symbol, store)

    return asked


def test_a_switch_that_can_go_takes_with_it_what_needs_it(ask: Ask) -> None:
    found = ask("CONFIG_NET", NET="y", INET="y")
    assert found.refusal is None
    assert found.without is not None
    assert found.without.lost == ("INET",)
    assert {change.symbol for change in found.without.changes} == {"NET", "INET", "BPF", "DIAG"}
    assert found.explanation.needed_by == ("DIAG", "INET")


def test_what_is_selected_cannot_go_and_it_is_said_who_keeps_it(ask: Ask) -> None:
    assert ask("BPF", NET="y").refusal == "it is y: it is selected by NET (asked for at p.toml:1)"


def test_numbers_are_no_switches(ask: Ask) -> None:
    assert ask("HOSTNAME", HOSTNAME="x").refusal == "it is no switch: its kind is string"


def test_what_a_choice_falls_back_to_cannot_go(ask: Ask) -> None:
    found = ask("KERNEL_GZIP", KERNEL_GZIP="y")
    assert (
        found.refusal
        == "it is y: it is what its choice falls back to; ask for another member with y: KERNEL_XZ, KERNEL_LZ4"
    )
    assert ask("KERNEL_LZ4", KERNEL_LZ4="y").refusal is None


def test_what_is_off_needs_no_absence(ask: Ask) -> None:
    found = ask("INET")
    assert (found.without, found.refusal) == (None, None)
    assert found.explanation.ask_for == ("NET",)


def test_an_unknown_symbol_has_a_suggestion(ask: Ask) -> None:
    with pytest.raises(UsageError, match="did you mean 'FUTEX'"):
        ask("FUTX")


def test_the_answer_is_kept(ask: Ask, store: Store) -> None:
    assert ask("FUTEX", FUTEX="y") == ask("FUTEX", FUTEX="y")
    assert [output.cached for output in store.outputs] == [False, True]
