# SPDX-License-Identifier: GPL-2.0-only
"""The three steps of a kernel build, on a kernel in miniature."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.unit.kernel.conftest import CONFIG, EXIT, MAIN, Workshop, make_workshop
from unilinux.core.errors import BuildError, ConfigError, HostError
from unilinux.core.events import StepDetail
from unilinux.core.files import digest_bytes, digest_tree
from unilinux.core.store import Output
from unilinux.kernel.kbuild import compile_objects, install_headers, parse_config
from unilinux.kernel.link import BZIMAGE, KernelImage, link_image, make_bzimage
from unilinux.kernel.make import OBJECTS
from unilinux.kernel.saved import Notes, mirror
from unilinux.kernel.source import KernelTree
from unilinux.link.initramfs import Initramfs

CARRIER = Initramfs()


def compile_it(workshop: Workshop, config: str = CONFIG) -> Output:
    return compile_objects(
        workshop.tree(), config, required=CARRIER.wishes, placeholders=CARRIER.placeholders, store=workshop.store
    )


def link(
    workshop: Workshop, tree: KernelTree, objects: Output, content: bytes, syscalls: tuple[int, ...] = ()
) -> KernelImage:
    path = workshop.root / "initramfs.cpio"
    path.write_bytes(content)
    (name,) = CARRIER.placeholders
    return link_image(
        tree, objects, {name: path}, digest=digest_bytes(content), store=workshop.store, syscalls=syscalls
    )


def log_of(workshop: Workshop, step: str) -> str:
    return "".join(path.read_text() for path in sorted(workshop.layout.logs.glob(f"{step}-*.log")))


def test_headers(workshop: Workshop) -> None:
    output = install_headers(workshop.tree(), store=workshop.store)
    assert [path.name for path in output.path.rglob("*") if path.is_file()] == ["version.h"]
    assert (output.path / "include/linux/version.h").exists()


def test_linking_compiles_nothing_and_takes_the_initramfs(workshop: Workshop) -> None:
    objects = compile_it(workshop)
    image = link(workshop, workshop.tree(), objects, b"the application" * 9)
    assert b"the application" in image.vmlinux.read_bytes()
    assert "kernel_exit" in image.system_map.read_text()
    assert image.vmlinux.stat().st_size < image.debug.stat().st_size
    assert parse_config(image.config.read_text())["PVH"] == "y"
    log = log_of(workshop, "kernel-image")
    assert re.findall(r"^  (?:CC|AS|PREPARED).*", log, re.MULTILINE) == ["  AS      usr/initramfs_data.o"]


def test_another_initramfs_is_another_image_of_the_same_objects(workshop: Workshop) -> None:
    tree, objects = workshop.tree(), compile_it(workshop)
    first = link(workshop, tree, objects, b"1")
    second = link(workshop, tree, objects, b"2")
    again = link(workshop, tree, objects, b"1")
    assert first.output.digest != second.output.digest
    assert again.output.path == first.output.path
    assert again.output.cached


def test_the_system_calls_that_stay_are_the_links_affair(workshop: Workshop) -> None:
    tree, objects, archive = workshop.tree(), compile_it(workshop), b"1"
    all_of_them = link(workshop, tree, objects, archive)
    some = link(workshop, tree, objects, archive, syscalls=(60, 1))
    again = link(workshop, tree, objects, archive, syscalls=(1, 60))
    assert all_of_them.output.key != some.output.key
    assert again.output.cached
    assert "  KEPT    1 60" in log_of(workshop, "kernel-image")


def test_same_bytes_wherever_the_cache_lies(workshop: Workshop, tmp_path: Path) -> None:
    other = make_workshop(tmp_path / "other", tmp_path / "another-cache")
    digests = []
    for each in (workshop, other):
        image = link(each, each.tree(), compile_it(each), b"app")
        digests.append(image.output.digest)
        assert str(each.root).encode() not in image.debug.read_bytes()
    assert digests[0] == digests[1]


def test_compile_error_shows_the_compilers_lines(workshop: Workshop) -> None:
    workshop.write_source(init_main_c=MAIN + "\nint broken(void)\n{\n\treturn missing;\n}\n")
    with pytest.raises(BuildError) as caught:
        compile_it(workshop)
    assert caught.value.message == "compiling Linux 6.12.1 failed"
    text = "\n".join(caught.value.details)
    assert re.search(r"main\.c:\d+:\d+: error: .missing. undeclared", text)
    assert "In function" in text
    assert "return missing;" in text
    assert "make" not in text
    hint = caught.value.hint or ""
    assert Path(hint.rsplit(" ", 1)[-1]).exists()


def test_linker_error_shows_the_linkers_lines(workshop: Workshop) -> None:
    workshop.write_source(init_main_c=MAIN.replace("kernel_exit(1);", "kernel_exit(1), elsewhere();"))
    with pytest.raises(BuildError) as caught:
        compile_it(workshop)
    assert any("undefined reference to `elsewhere'" in line for line in caught.value.details)


def test_interrupted_compile_goes_on_where_it_was(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = tmp_path / "failing/gcc"
    failing.parent.mkdir()
    failing.write_text(f'#!/bin/sh\ncase "$*" in *kernel/exit.c*) exit 1;; esac\nexec {shutil.which("gcc")} "$@"\n')
    failing.chmod(0o755)
    with monkeypatch.context() as patch, pytest.raises(BuildError):
        patch.setenv("PATH", f"{failing.parent}:{os.environ['PATH']}")
        compile_it(workshop)
    assert "CC      init/main.o" in log_of(workshop, "kernel-objects")
    workshop.recorder.events.clear()
    compile_it(workshop)
    # What is left is what counts.
    assert max(one.total or 0 for one in workshop.recorder.events if isinstance(one, StepDetail)) < 3
    assert "CC      init/main.o" not in log_of(workshop, "kernel-objects")
    assert "CC      kernel/exit.o" in log_of(workshop, "kernel-objects")


def test_a_compile_that_fails_on_a_damaged_source_says_so_and_the_next_one_is_right(workshop: Workshop) -> None:
    workshop.write_source()
    damaged = workshop.tree().path / "kernel/exit.c"
    text = damaged.read_text()
    damaged.chmod(0o644)
    damaged.write_text("?" * len(text))
    with pytest.raises(HostError, match="kernel-tree: the output in the cache was damaged, and was removed"):
        compile_it(workshop)
    assert not compile_it(workshop).cached
    assert (workshop.tree().path / "kernel/exit.c").read_text() == text


def test_configuration_without_what_is_required(workshop: Workshop) -> None:
    with pytest.raises(ConfigError) as caught:
        compile_it(workshop, CONFIG.replace("CONFIG_PVH=y", "").replace("unilinux.cpio", "other.cpio"))
    assert caught.value.details == ("INITRAMFS_SOURCE: must be usr/unilinux.cpio", "PVH: must be y")


def test_configuration_that_kconfig_changes(workshop: Workshop) -> None:
    workshop.write_patches(one=("kconfig-says", "", "CONFIG_SMP=y\n"))
    with pytest.raises(ConfigError) as caught:
        compile_it(workshop)
    assert caught.value.details == ("SMP: asked for n, got y",)


def test_image_without_pvh_entry(workshop: Workshop) -> None:
    workshop.write_patches(one=("init/main.c", "4, 4, 18", "4, 4, 17"))
    objects = compile_it(workshop)
    with pytest.raises(BuildError, match="no PVH entry"):
        link(workshop, workshop.tree(), objects, b"app")


def test_patched_tree_and_configuration_count(workshop: Workshop) -> None:
    first = compile_it(workshop)
    assert compile_it(workshop).cached
    assert compile_it(workshop, CONFIG + "CONFIG_NET=y\n").key != first.key
    workshop.write_source(kernel_exit_c=EXIT + "\n")
    assert compile_it(workshop).key != first.key


def test_progress_names_objects_and_says_how_many_of_all(workshop: Workshop) -> None:
    compile_it(workshop)
    counted = [event for event in workshop.recorder.events if isinstance(event, StepDetail) and event.total]
    made = [event for event in counted if event.text.startswith(("CC ", "AS "))]
    # In which order make's jobs come is open; the count isn't.
    assert "init/main.o" in {event.text.split()[1] for event in made}
    assert [(event.done, event.total) for event in made] == [(1, 3), (2, 3), (3, 3)]


def test_bzimage_is_made_of_the_linked_kernel_when_asked_for(workshop: Workshop) -> None:
    tree, objects = workshop.tree(), compile_it(workshop)
    image = link(workshop, tree, objects, b"the application" * 9)
    assert "BUILD" not in log_of(workshop, "kernel-objects") + log_of(workshop, "kernel-image")
    output = make_bzimage(tree, objects, image, store=workshop.store)
    assert b"the application" in (output.path / BZIMAGE).read_bytes()
    assert make_bzimage(tree, objects, image, store=workshop.store).cached


def test_linking_leaves_the_objects_as_they_were(workshop: Workshop) -> None:
    tree, objects = workshop.tree(), compile_it(workshop)
    before = digest_tree(objects.path)
    image = link(workshop, tree, objects, b"1")
    make_bzimage(tree, objects, image, store=workshop.store)
    assert digest_tree(objects.path) == before


def test_a_link_knows_the_environment_of_the_compile_and_nothing_of_its_place(workshop: Workshop) -> None:
    notes = Notes.read(compile_it(workshop).path)
    assert notes.folders == ("usr",)
    assert notes.environment["CC"] == "gcc"
    assert str(workshop.root) not in str(notes.environment)


def test_objects_without_the_command_of_the_link_are_damaged(workshop: Workshop) -> None:
    tree, objects = workshop.tree(), compile_it(workshop)
    saved = objects.path / OBJECTS / ".vmlinux.a.cmd"
    saved.parent.chmod(0o755)
    saved.unlink()
    with pytest.raises(HostError, match="kernel-objects: the output in the cache was damaged"):
        link(workshop, tree, objects, b"1")


def test_a_mirror_copies_only_what_is_to_change(tmp_path: Path) -> None:
    for name in ("top", "fs/a.o", "arch/x86/lib/b.o", "arch/x86/entry/c.o", "arch/x86/entry/vdso/d.o", "arch/x86/e.o"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o444)
    target = tmp_path / "target"
    mirror(tmp_path / "source", target, own=("arch/x86/entry", "missing/folder"))
    links = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_symlink())
    assert links == ["arch/x86/lib", "fs"]
    assert (target / "fs/a.o").read_text() == "fs/a.o"
    (target / "arch/x86/entry/vdso/d.o").write_text("changed")
    assert (tmp_path / "source/arch/x86/entry/vdso/d.o").read_text() == "arch/x86/entry/vdso/d.o"
    assert (target / "top").stat().st_mtime == (tmp_path / "source/top").stat().st_mtime


def test_why_a_kernel_is_compiled_is_said_once(workshop: Workshop) -> None:
    def build() -> None:
        compile_objects(
            workshop.tree(),
            CONFIG,
            required=CARRIER.wishes,
            placeholders=CARRIER.placeholders,
            store=workshop.store,
            reason=lambda: "it is new",
        )

    build()
    build()
    assert workshop.recorder.notes.count("it is new") == 1
