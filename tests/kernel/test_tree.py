# SPDX-License-Identifier: GPL-2.0-only
"""The real kernel: its series, its build, its relinking. Minutes when the cache is cold."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from unilinux.core.events import NullSink, Progress
from unilinux.core.files import digest_file
from unilinux.core.layout import Layout
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Output, Store
from unilinux.fetch.fetcher import Fetcher
from unilinux.image.pipeline import Pipeline
from unilinux.image.request import Request, make_plan
from unilinux.kernel.kbuild import SYSCALLS, compile_objects, install_headers, parse_config, system_call_list
from unilinux.kernel.link import KernelImage, link_image
from unilinux.kernel.make import OBJECTS, compiler_wrapper, copy_view, make, view
from unilinux.kernel.source import KernelTree
from unilinux.link.initramfs import Initramfs

CARRIER = Initramfs()

pytestmark = [pytest.mark.tree, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def config(layout: Layout, store: Store) -> str:
    """hello's configuration: its kernel is compiled for other tests, too."""
    fetcher = Fetcher(layout, Progress(NullSink()))
    pipeline = Pipeline(layout=layout, store=store, fetcher=fetcher, jobs=os.cpu_count() or 1)
    return pipeline.config(make_plan(Request(app="hello"), layout)).config


@pytest.fixture(scope="module")
def objects(tree: KernelTree, config: str, store: Store) -> Output:
    return compile_objects(tree, config, required=CARRIER.wishes, placeholders=CARRIER.placeholders, store=store)


def cpio(path: Path, size_bytes: int) -> Path:
    path.write_bytes((b"070701" + b"0" * 8 * 11 + b"0000000B" + b"0" * 8 + b"TRAILER!!!\0").ljust(size_bytes, b"\0"))
    return path


def link(layout: Layout, where: Path, tree: KernelTree, objects: Output, size_bytes: int) -> tuple[KernelImage, str]:
    """Link in a store of its own; the image, and the log."""
    where.mkdir()
    store = LocalStore(where / "store", logs=where / "logs", progress=Progress(NullSink()))
    (name,) = CARRIER.placeholders
    files = {name: cpio(where / "x.cpio", size_bytes)}
    image = link_image(tree, objects, files, digest=f"{size_bytes}", store=store)
    return image, "".join(path.read_text() for path in (where / "logs").iterdir())


def test_headers_for_programs(tree: KernelTree, store: Store) -> None:
    include = install_headers(tree, store=store).path / "include"
    assert (include / "linux/version.h").exists()
    assert (include / "asm/unistd_64.h").exists()
    assert not list(include.rglob(".*"))


def test_linking_compiles_no_kernel_code(layout: Layout, tree: KernelTree, objects: Output, tmp_path: Path) -> None:
    image, log = link(layout, tmp_path / "a", tree, objects, 100_000)
    compiled = {line.split()[1] for line in log.splitlines() if re.match(r"  (CC|AS|HOSTCC) ", line)}
    assert compiled - {"init/version-timestamp.o"} <= {
        "usr/initramfs_data.o",
        *(name for name in compiled if name.startswith(".tmp_vmlinux")),
    }
    assert "objtool" not in log
    assert image.vmlinux.stat().st_size < image.debug.stat().st_size


def test_same_image_wherever_it_is_linked(layout: Layout, tree: KernelTree, objects: Output, tmp_path: Path) -> None:
    one, _ = link(layout, tmp_path / "one", tree, objects, 5_000)
    other, _ = link(layout, tmp_path / "another-place", tree, objects, 5_000)
    assert one.output.digest == other.output.digest


@pytest.mark.parametrize("syscalls", [(), (0, 1, 60)])
def test_a_link_has_the_bytes_that_kbuild_makes(
    tree: KernelTree, objects: Output, tmp_path: Path, syscalls: tuple[int, ...]
) -> None:
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    (name,) = CARRIER.placeholders
    archive = cpio(tmp_path / "x.cpio", 5_000)
    image = link_image(tree, objects, {name: archive}, digest="x", store=store, syscalls=syscalls)
    copy_view(objects.path, tmp_path / "view")
    place = view(tree.path, tmp_path / "view")
    (place / OBJECTS / name).write_bytes(archive.read_bytes())
    (place / OBJECTS / SYSCALLS).write_bytes(system_call_list(syscalls))
    tools = compiler_wrapper(tmp_path / "tools")
    with Progress(NullSink()).step("make", "make") as step:
        options = ["--old-file=prepare"]
        make(place, ["vmlinux"], options=options, tools=tools, log=tmp_path / "log", step=step, label="make")
    assert digest_file(place / OBJECTS / "vmlinux") == digest_file(image.debug)
    assert digest_file(place / OBJECTS / "System.map") == digest_file(image.system_map)


def test_no_absolute_path_is_recorded(layout: Layout, objects: Output, tree: KernelTree, tmp_path: Path) -> None:
    """So objects can be moved, and two caches make the same."""
    place = str(layout.cache).encode()
    built = objects.path / OBJECTS
    recorded = [
        str(path.relative_to(built))
        for path in built.rglob("*")
        if path.is_file() and not path.is_symlink() and place in path.read_bytes()
    ]
    assert [name for name in recorded if not name.startswith("tools/objtool/")] == []
    image, _ = link(layout, tmp_path / "a", tree, objects, 512)
    assert place not in image.debug.read_bytes()
    assert str(tmp_path).encode() not in image.debug.read_bytes()


def test_configuration_is_what_was_asked(config: str) -> None:
    asked = parse_config(config)
    assert {symbol: asked[symbol] for symbol in CARRIER.wishes} == CARRIER.wishes
    assert "CONFIG_UNILINUX_EXIT=y" in config
