# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from unilinux.kconfig.resolved import Resolved, Source, SymbolState
from unilinux.kconfig.variation import Setting
from unilinux.kconfig.wish import Origin
from unilinux.minimise.candidates import KEEP, keep_list, kept_here, option_symbols, options, removals

PROFILE = "configs/profiles/server.toml"
FILES = {PROFILE}


def state(name: str, file: str = "", value: str = "y") -> SymbolState:
    if not file:
        return SymbolState(name=name, kind="bool", value=value, source=Source.DEFAULT)
    return SymbolState(name=name, kind="bool", value=value, source=Source.ASKED, origins=(Origin(file, 1),))


def resolved(*states: SymbolState) -> Resolved:
    return Resolved(config="", kernel_version="6.12", symbols={one.name: one for one in states})


def on(name: str) -> Setting:
    return Setting(name=name, kind="bool", value="y")


def test_only_what_the_profile_asks_for_can_go() -> None:
    original = resolved(state("FUTEX", PROFILE), state("EPOLL", "apps/nginx/app.toml"), state("TTY", "unilinux/x.py"))
    moves = removals([on("FUTEX"), on("EPOLL"), on("TTY")], original, removable_from=FILES, keep={})
    assert [(move.name, move.changes) for move in moves] == [("FUTEX", {"FUTEX": "n"})]


def test_the_keep_list_stays() -> None:
    original = resolved(state("SYN_COOKIES", PROFILE), state("FUTEX", PROFILE))
    settings = [on("SYN_COOKIES"), on("FUTEX")]
    assert [move.name for move in removals(settings, original, removable_from=FILES, keep=KEEP)] == ["FUTEX"]
    mine = keep_list({"FUTEX": "asked for by --keep"})
    assert removals(settings, original, removable_from=FILES, keep=mine) == ()
    assert kept_here(settings, original, mine) == {
        "SYN_COOKIES": KEEP["SYN_COOKIES"],
        "FUTEX": "asked for by --keep",
    }


def test_what_is_there_to_save_something_is_not_taken_away() -> None:
    original = resolved(state("SLUB_TINY", PROFILE))
    assert removals([on("SLUB_TINY")], original, removable_from=FILES, keep={}) == ()


def test_numbers_and_choices_are_no_removals() -> None:
    settings = [
        Setting(name="LOG_BUF_SHIFT", kind="int", value="14"),
        Setting(name="KERNEL_GZIP", kind="choice", value="KERNEL_LZ4", members=("KERNEL_GZIP", "KERNEL_LZ4")),
    ]
    assert removals(settings, resolved(state("LOG_BUF_SHIFT", PROFILE, "14")), removable_from=FILES, keep={}) == ()


def test_options_are_other_values_that_this_kernel_knows() -> None:
    original = resolved(state("LOG_BUF_SHIFT", PROFILE, "14"), state("CC_OPTIMIZE_FOR_PERFORMANCE", PROFILE))
    found = {one.name: one for one in options(original, {"LOG_BUF_SHIFT"}, removable_from=FILES, keep={})}
    assert list(found) == ["LOG_BUF_SHIFT"]
    assert [dict(move.changes) for move in found["LOG_BUF_SHIFT"].moves] == [{"LOG_BUF_SHIFT": "13"}]


def test_a_value_that_is_there_already_or_that_others_ask_for_is_no_option() -> None:
    there = resolved(state("LOG_BUF_SHIFT", PROFILE, "13"))
    assert options(there, {"LOG_BUF_SHIFT"}, removable_from=FILES, keep={}) == ()
    others = resolved(state("LOG_BUF_SHIFT", "apps/nginx/app.toml", "14"))
    assert options(others, {"LOG_BUF_SHIFT"}, removable_from=FILES, keep={}) == ()


def test_the_optimiser_is_decided_first_and_the_compressor_of_bzimage_not_at_all() -> None:
    known = {symbol for symbol, _ in option_symbols()}
    names = [one.name for one in options(resolved(), known, removable_from=FILES, keep={})]
    assert names[0] == "CC_OPTIMIZE_FOR_SIZE"
    assert not [symbol for symbol, _ in option_symbols() if symbol.startswith("KERNEL_")]
