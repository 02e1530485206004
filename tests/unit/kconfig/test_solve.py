# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections.abc import Callable

import pytest

from unilinux.core.errors import ConfigError
from unilinux.kconfig.resolved import Resolved, Source
from unilinux.kconfig.wish import Layer, Origin

Solver = Callable[..., Resolved]
LayerMaker = Callable[..., Layer]


def refusal(solver: Solver, *layers: Layer) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        solver(*layers)
    return caught.value


def test_nothing_asked_for_is_tinyconfig(solver: Solver) -> None:
    resolved = solver()
    assert resolved.value("EXPERT") == "y"
    assert resolved.value("KERNEL_XZ") == "y"
    assert resolved.value("KERNEL_GZIP") == "n"
    assert resolved.value("HOSTNAME") == "tiny"
    assert resolved.value("NET") == "n"
    assert resolved.symbols["EXPERT"].reason == "tinyconfig, kernel/configs/tiny-base.config:1"
    assert resolved.config.startswith(
        "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.12.7 Kernel Configuration\n#\n"
    )


def test_macros_see_the_tool_chain(solver: Solver) -> None:
    assert solver().value("GREETING") == "hello from gcc"


def test_what_nobody_asks_for_is_off_even_if_its_default_is_on(solver: Solver, layer: LayerMaker) -> None:
    resolved = solver(layer("a", FUTEX="y", NET="y"))
    assert resolved.value("EPOLL") == "n"
    assert "# CONFIG_EPOLL is not set" in resolved.config


def test_each_symbol_knows_where_it_comes_from(solver: Solver, layer: LayerMaker) -> None:
    symbols = solver(layer("a.toml", NET="y", INET="y", SMP="y"), layer("b.py", NET="y")).symbols
    assert symbols["NET"].origins == (Origin("a.toml", 1), Origin("b.py", 1))
    assert symbols["NET"].reason == "asked for at a.toml:1, b.py:1"
    assert symbols["BPF"].reason == "selected by NET"
    assert symbols["DIAG"].reason == "implied by INET"
    assert symbols["CPUS"].reason == "default at Kconfig:40"
    assert symbols["X86"].source is Source.DEFAULT


def test_count_is_that_of_the_lines_that_set_something(solver: Solver) -> None:
    resolved = solver()
    assert resolved.count == len([line for line in resolved.config.splitlines() if line.startswith("CONFIG_")])
    assert resolved.count == len(resolved.symbols)


def test_choice_takes_the_member_asked_for(solver: Solver, layer: LayerMaker) -> None:
    resolved = solver(layer("a.toml", KERNEL_LZ4="y"))
    assert [resolved.value(f"KERNEL_{name}") for name in ("GZIP", "XZ", "LZ4")] == ["n", "n", "y"]


def test_numbers_and_texts(solver: Solver, layer: LayerMaker) -> None:
    resolved = solver(layer("a.toml", SMP="y", CPUS="16", START="0x200000", HOSTNAME="box 1"))
    assert "CONFIG_CPUS=16\n" in resolved.config
    assert "CONFIG_START=0x200000\n" in resolved.config
    assert 'CONFIG_HOSTNAME="box 1"\n' in resolved.config


def test_n_takes_away_what_tinyconfig_sets(solver: Solver, layer: LayerMaker) -> None:
    resolved = solver(layer("a.toml", EXPERT="n"))
    assert resolved.value("EXPERT") == "n"
    assert resolved.symbols["EXPERT"].source is Source.ASKED


def test_child_overrules_parent(solver: Solver, layer: LayerMaker) -> None:
    parent = layer("parent.toml", NET="y", FUTEX="y", KERNEL_LZ4="y")
    resolved = solver(layer("child.toml", parent, NET="n", KERNEL_GZIP="y"))
    assert (resolved.value("NET"), resolved.value("FUTEX")) == ("n", "y")
    assert resolved.symbols["KERNEL_GZIP"].origins == (Origin("child.toml", 2),)
    assert "KERNEL_LZ4" not in resolved.symbols


def test_contradiction_names_both_places(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("profile.toml", NET="y"), layer("app.toml", NET="n"))
    assert error.message == "NET=y is asked for at profile.toml:1 but NET=n is asked for at app.toml:1"


def test_two_members_of_a_choice_contradict(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("p.toml", KERNEL_LZ4="y"), layer("app.toml", KERNEL_GZIP="y"))
    assert error.message == (
        "KERNEL_LZ4=y is asked for at p.toml:1 but KERNEL_GZIP=y is asked for at app.toml:1: only one of them can be y"
    )


def test_same_number_written_differently_is_no_contradiction(solver: Solver, layer: LayerMaker) -> None:
    assert solver(layer("a", START="0x0A0000"), layer("b", START="0xa0000")).value("START") == "0xa0000"


def test_unmet_dependency_names_it_and_what_to_add(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", EPOLL="y", FUTEX="y"))
    assert error.message == ("EPOLL=y asked for at app.toml:1, but it depends on NET, which is n (nothing asks for it)")
    assert error.hint == 'add to [kernel] of the application or profile: NET = "y"'


def test_everything_missing_is_listed_down_to_the_root(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", NIC="y"))
    assert error.hint is not None
    assert error.hint.endswith('NET = "y"  DRIVERS = "y"  INET = "y"')
    granted = solver(layer("app.toml", NIC="y", NET="y", DRIVERS="y", INET="y"))
    assert granted.value("NIC") == "y"


def test_dependency_that_somebody_refuses_is_no_hint(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", INET="y"), layer("profile.toml", NET="n"))
    assert "it depends on NET, which is n (asked for at profile.toml:1)" in error.message
    assert error.hint is None


def test_unmet_alternative(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", NET="y", MMIO_OR_PCI="y"))
    assert error.message.endswith("but it depends on one of: MMIO (n), PCI (n)")


def test_unmet_negation_tells_who_set_the_other(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", NEEDS_BPF="y", NET="y"), layer("machine.py", SMP="y"))
    assert error.message.endswith("but it needs SMP to be n, which is y (asked for at machine.py:1)")


def test_dependency_that_can_only_be_selected(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", NEEDS_BPF="y"))
    assert error.message.endswith("it depends on BPF, which is n (it cannot be asked for; it is selected by NET)")


def test_dependency_that_the_tree_does_not_define(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", NOWHERE="y"))
    assert error.message.endswith("it depends on NO_SUCH_SYMBOL, which this kernel does not have")


def test_symbol_without_prompt(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", LOCKS="y"))
    assert error.message == ("LOCKS=y asked for at app.toml:1, but it cannot be asked for; it is selected by SMP")


def test_n_for_what_is_selected_names_who_selects_it(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", BPF="n"), layer("p.toml", NET="y"))
    assert error.message == (
        "BPF=n asked for at app.toml:1, but it is y: it is selected by NET (asked for at p.toml:1)"
    )


def test_n_for_the_last_member_of_a_choice(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", KERNEL_XZ="n", KERNEL_GZIP="n"))
    assert error.message == (
        "KERNEL_GZIP=n asked for at app.toml:2, but it is y: "
        "it is what its choice falls back to; ask for another member with y: KERNEL_XZ, KERNEL_LZ4"
    )


def test_n_for_what_is_always_on(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", X86="n"))
    assert error.message.endswith("it cannot be asked for and is on by default (arch/x86/Kconfig:1)")


def test_number_out_of_range(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", SMP="y", CPUS="128"))
    assert error.message == "CPUS=128 asked for at app.toml:2, but it must lie between 2 and 64"


@pytest.mark.parametrize(
    ("symbol", "value", "words"),
    [
        ("NET", "yes", "NET is a bool, it takes y or n"),
        ("NET", "m", "NET is a bool, it takes y or n"),
        ("TRACE", "on", "TRACE is a tristate, it takes y, m or n"),
        ("CPUS", "0x8", "CPUS is an int, it takes a decimal number"),
        ("START", "200000", "START is a hex, it takes a hexadecimal number with its 0x"),
    ],
)
def test_malformed_value(solver: Solver, layer: LayerMaker, symbol: str, value: str, words: str) -> None:
    assert refusal(solver, layer("app.toml", **{symbol: value})).message.endswith(words)


def test_module_in_a_kernel_without_modules(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", TRACE="m"))
    assert error.message.endswith("Kconfig makes it y (this kernel has no loadable modules)")


def test_module_in_a_kernel_with_modules(solver: Solver, layer: LayerMaker) -> None:
    assert solver(layer("app.toml", TRACE="m", MODULES="y")).value("TRACE") == "m"


def test_unknown_symbol_has_a_suggestion(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", EPOL="y"))
    assert error.message == "EPOL=y asked for at app.toml:1: this kernel has no such symbol; did you mean 'EPOLL'?"


def test_prefix_is_no_part_of_the_name(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(solver, layer("app.toml", CONFIG_NET="y"))
    assert error.message.endswith("symbols are written without CONFIG_: NET")


def test_all_problems_at_once(solver: Solver, layer: LayerMaker) -> None:
    error = refusal(
        solver, layer("a.toml", EPOL="y", INET="y", NET="maybe"), layer("b.toml", PCI="y"), layer("c", PCI="n")
    )
    assert error.message == "4 Kconfig wishes cannot be granted"
    assert len(error.details) == 4
    assert [word for word in ("EPOL", "INET", "NET=maybe", "PCI") if not any(word in d for d in error.details)] == []


def test_digest_does_not_depend_on_who_asks(solver: Solver, layer: LayerMaker) -> None:
    one = solver(layer("a.toml", NET="y"))
    other = solver(layer("elsewhere.toml", PCI="n", NET="y"))
    assert one.digest == other.digest
    assert one.digest != solver().digest
