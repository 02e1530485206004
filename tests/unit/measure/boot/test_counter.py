# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core import command
from unilinux.core.errors import VmError
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.measure.boot import counter
from unilinux.measure.boot.counter import CounterPlan, Watch, counting, plugin_interface, read_counts
from unilinux.vm.qemu.arguments import plugin_arguments

PLAN = CounterPlan(
    watches=(
        Watch(name="kernel", addresses=(0x1000000, 0xFFFFFFFF81000000)),
        Watch(name="user", ranges=((0x1000, 0x2000),), after=("kernel", 3), keep=2, snapshot=True),
    ),
    regions=(0x1000000, 0xFFFFFFFF81000000),
)
OUTPUT = """\
total 60
vcpu 0 60
watch 0 7 5
watch 1 9 40 50
snapshot 1 0 10
snapshot 1 2 30
region 0 25
region 2 35
"""


def test_the_plan_is_written_as_the_plugin_reads_it() -> None:
    assert PLAN.text() == (
        "watch 0 1 0 -1 0\n"
        "watch 1 2 1 0 3\n"
        "at 0 1000000\n"
        "at 0 ffffffff81000000\n"
        "in 1 1000 2000\n"
        "region 1000000\n"
        "region ffffffff81000000\n"
    )


def test_counts_are_read_by_name() -> None:
    counts = read_counts(OUTPUT, PLAN)
    assert (counts.total, counts.vcpus) == (60, (60,))
    assert counts.hits == {"kernel": 7, "user": 9}
    assert counts.stamps["user"] == (40, 50)
    assert counts.snapshots == {"user": {0: 10, 2: 30}}
    assert counts.regions == {0: 25, 2: 35}
    assert counts.first("kernel") == 5


def test_a_watch_that_was_never_hit_has_no_first() -> None:
    counts = read_counts(OUTPUT.replace("watch 0 7 5", "watch 0 0"), PLAN)
    assert counts.first("kernel") is None


@pytest.mark.parametrize("text", ["", OUTPUT[: OUTPUT.index("watch 1")], OUTPUT[: OUTPUT.index("region 2")]])
def test_output_that_is_cut_short_is_said_to_be(text: str) -> None:
    with pytest.raises(VmError, match="cut short"):
        read_counts(text, PLAN)


def test_malformed_output_shows_the_line() -> None:
    with pytest.raises(VmError, match="malformed: 'watch 0 nine'"):
        read_counts("watch 0 nine\n", PLAN)


def test_exits_are_told_in_the_log() -> None:
    assert replace(PLAN, exits=True).text() == f"{PLAN.text()}exits\n"
    arguments = plugin_arguments(counting(Path("/c.so"), Path("/p"), Path("/o"), log=Path("/100%/log")))
    logged = "plugin,trace:memory_region_ops_read,trace:memory_region_ops_write"
    assert arguments[2:] == ("-d", logged, "-D", "/100%%/log")


def test_commas_in_paths_are_doubled_for_qemu() -> None:
    option, value = plugin_arguments(counting(Path("/a,b/counter.so"), Path("/p"), Path("/o")))
    assert (option, value) == ("-plugin", "/a,,b/counter.so,plan=/p,out=/o")


@pytest.mark.parametrize(("qemu", "interface"), [((7, 2), 1), ((8, 2), 1), ((9, 0), 2), ((9, 1), 3), ((10, 1), 3)])
def test_the_interface_follows_qemu(qemu: tuple[int, int], interface: int) -> None:
    assert plugin_interface(qemu) == interface


@pytest.mark.parametrize("version", [(7, 2), (9, 0), (9, 2)])
def test_the_plugin_compiles_for_old_and_new_qemu(
    version: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter, "qemu_version", lambda: version)
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    plugin = counter.build_plugin(store)
    symbols = command.run(["nm", "-D", plugin]).output
    inline = "insn_exec_inline_per_vcpu" if version >= (9, 0) else "insn_exec_inline\n"
    assert "T qemu_plugin_install" in symbols
    assert f"U qemu_plugin_register_vcpu_{inline}" in symbols
