# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.errors import ConfigError
from unilinux.kconfig.base import tinyconfig_layer
from unilinux.kconfig.linux import Tree
from unilinux.kconfig.resolved import Source
from unilinux.kconfig.variation import Change, Setting, Variable, Variation
from unilinux.kconfig.wish import Layer

LayerMaker = Callable[..., Layer]
Maker = Callable[..., Variable]


@pytest.fixture
def variable(parsed: Tree, mini_tree: Path, tmp_path: Path, layer: LayerMaker) -> Maker:
    def made(**values: str) -> Variable:
        layers = (layer("p.toml", **values),)
        return Variable(parsed, layers, tinyconfig_layer(mini_tree), version="6.12.7", scratch=tmp_path)

    return made


def test_no_change_is_the_original(variable: Maker) -> None:
    one = variable(NET="y", INET="y", KERNEL_LZ4="y", SMP="y")
    same = one.vary({})
    assert same.resolved.config == one.original.config
    assert (same.changes, same.refused, same.lost) == ((), (), ())


def test_what_depends_on_a_symbol_goes_with_it_and_is_named(variable: Maker) -> None:
    varied = variable(NET="y", INET="y").vary({"NET": "n"})
    assert Change(symbol="NET", old="y", new="n") in varied.changes
    changed = {change.symbol: change for change in varied.changes}
    assert changed["INET"].because.startswith("it depends on NET, which is n")
    assert changed["BPF"].because == "it was selected by NET"
    assert varied.lost == ("INET",)
    assert varied.refused == ()


def test_what_becomes_possible_stays_off(variable: Maker) -> None:
    varied = variable(FUTEX="y").vary({"NET": "y"})
    assert varied.resolved.value("EPOLL") == "n"  # default y in its Kconfig file
    assert "# CONFIG_EPOLL is not set" in varied.resolved.config


def test_variations_count_from_the_original(variable: Maker) -> None:
    one = variable(NET="y", INET="y", FUTEX="y")
    one.vary({"NET": "n"})
    varied = one.vary({"FUTEX": "n"})
    assert [change.symbol for change in varied.changes] == ["FUTEX"]


def test_a_selected_symbol_is_refused_with_who_selects_it(variable: Maker) -> None:
    varied = variable(NET="y").vary({"BPF": "n"})
    assert varied.changes == ()
    assert "it is selected by NET (asked for at p.toml:1)" in varied.refused[0].reason


def test_another_member_of_a_choice(variable: Maker) -> None:
    varied = variable(KERNEL_LZ4="y").vary({"KERNEL_GZIP": "y"})
    assert {(change.symbol, change.new) for change in varied.changes} == {("KERNEL_LZ4", "n"), ("KERNEL_GZIP", "y")}


def test_n_for_what_a_choice_falls_back_to_is_refused(variable: Maker) -> None:
    varied = variable(KERNEL_GZIP="y").vary({"KERNEL_GZIP": "n"})
    assert "it is what its choice falls back to" in varied.refused[0].reason


def test_a_number_out_of_bounds_is_refused(variable: Maker) -> None:
    varied = variable(SMP="y").vary({"CPUS": "1"})
    assert "must lie between 2 and 64" in varied.refused[0].reason


def test_unknown_symbols_and_malformed_values(variable: Maker) -> None:
    with pytest.raises(ConfigError, match="did you mean 'FUTEX'"):
        variable().vary({"FUTEXX": "n"})
    with pytest.raises(ConfigError, match="it takes y or n"):
        variable().vary({"FUTEX": "maybe"})


def test_layers_that_cannot_be_granted(variable: Maker) -> None:
    with pytest.raises(ConfigError, match="it depends on NET"):
        variable(INET="y")


def test_a_lost_wish_is_no_origin_any_more(variable: Maker) -> None:
    varied = variable(NET="y", INET="y").vary({"NET": "n"})
    assert "INET" not in varied.resolved.symbols
    assert varied.resolved.symbols["NET"].source is Source.ASKED
    assert varied.resolved.symbols["NET"].reason == "asked for at this variation"


def test_settings_are_what_could_be_changed(variable: Maker) -> None:
    found = {setting.name: setting for setting in variable(NET="y", SMP="y").settings({})}
    assert found["NET"] == Setting(name="NET", kind="bool", value="y")
    assert found["CPUS"] == Setting(name="CPUS", kind="int", value="8", low="2", high="64")
    assert found["KERNEL_GZIP"].members == ("KERNEL_GZIP", "KERNEL_XZ", "KERNEL_LZ4")
    assert found["KERNEL_GZIP"].value == "KERNEL_XZ"
    assert "FUTEX" not in found  # it is off
    assert "GREETING" not in found  # it has no prompt


def test_settings_of_a_variation(variable: Maker) -> None:
    names = {setting.name for setting in variable(NET="y", INET="y").settings({"NET": "n"})}
    assert not names & {"NET", "INET", "BPF"}


def test_a_variation_survives_json(variable: Maker) -> None:
    varied = variable(NET="y", INET="y").vary({"NET": "n", "BPF": "y"})
    assert Variation.from_json(varied.to_json()) == varied
