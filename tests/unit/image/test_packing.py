# SPDX-License-Identifier: GPL-2.0-only
"""How an image's files get into the guest: by their size, or as the user says."""

from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.core.tree import Directory, File, Tree
from unilinux.image.packing import LARGE_MIB, is_large
from unilinux.image.request import Request, make_plan
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec, RootDisk

PROJECT = Path(__file__).parents[3]
LAYOUT = Layout(project=PROJECT, cache=PROJECT / "none", build=PROJECT / "build")
MIB = 1 << 20


def test_large_files_and_those_that_the_memory_cannot_hold_twice_go_on_a_disk(tmp_path: Path) -> None:
    file = tmp_path / "file"
    with file.open("wb") as made:
        made.truncate(LARGE_MIB * MIB)
    exactly = Tree.of([Directory("/etc"), File("/file", file)])
    assert not is_large(exactly, memory_mib=2 * LARGE_MIB)
    assert is_large(exactly, memory_mib=2 * LARGE_MIB - 1)
    assert is_large(Tree.of([*exactly.entries, File("/more", b"x")]), memory_mib=4096)
    assert not is_large(Tree.of([File("/small", b"x")]), memory_mib=8)


def test_what_the_user_chose_is_in_the_name_and_the_command() -> None:
    plan = make_plan(Request(app="hello", pack="erofs"), LAYOUT)
    assert (plan.name, plan.carrier.name) == ("hello-tiny-erofs", "erofs")
    assert plan.command == "./x build --app hello --profile tiny --pack erofs"
    assert plan.machine.spec.root == RootDisk()
    wishes = {wish.symbol: wish.value for layer in plan.layers(LAYOUT) for wish in layer.all_wishes}
    assert (wishes["EROFS_FS"], wishes["BLK_DEV_INITRD"], wishes["VIRTIO_BLK"]) == ("y", "n", "y")
    assert {"root=/dev/vda", "init=/init"} <= set(plan.machine.cmdline)


def test_an_initramfs_is_what_it_was() -> None:
    plan = make_plan(Request(app="hello", pack="initramfs"), LAYOUT)
    usual = make_plan(Request(app="hello"), LAYOUT)
    assert plan.name == "hello-tiny-initramfs"
    assert plan.layers(LAYOUT) == usual.layers(LAYOUT)
    assert plan.machine == usual.machine
    assert not {"EROFS_FS", "BLOCK"} & {wish.symbol for wish in plan.machine.wishes}


def test_another_carrier_is_another_machine_and_back() -> None:
    usual = make_plan(Request(app="hello"), LAYOUT)
    on_disk = make_plan(Request(app="hello", pack="erofs"), LAYOUT)
    assert usual.packed(on_disk.carrier).machine == on_disk.machine
    assert on_disk.packed(usual.carrier).machine == usual.machine
    told = on_disk.with_root(Path("/a/root.erofs")).machine
    assert told.wishes == on_disk.machine.wishes
    assert compose(MachineSpec.from_json(told.describe())) == told


def test_an_unknown_way_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no way to pack the files 'erof'; did you mean 'erofs'"):
        make_plan(Request(app="hello", pack="erof"), LAYOUT)


def test_what_is_unpacked_over_the_files_takes_an_initramfs(tmp_path: Path) -> None:
    (tmp_path / "more.cpio").touch()
    with pytest.raises(UsageError, match=r"unpacks no .*more.cpio") as caught:
        make_plan(Request(app="hello", pack="erofs", initrd=tmp_path / "more.cpio"), LAYOUT)
    assert caught.value.hint == "--pack initramfs"
