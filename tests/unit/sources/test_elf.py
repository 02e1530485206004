# SPDX-License-Identifier: GPL-2.0-only
"""A program of this host as a source: what comes along, at which paths, and what is told when something is missing."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.sources.test_archive import NO_FETCHER, built, write_app
from unilinux.app.catalogue import load_app
from unilinux.core.errors import BuildError, ManifestError
from unilinux.core.files import digest_file
from unilinux.core.tree import File
from unilinux.elf.file import read_elf
from unilinux.elf.loader import Sysroot
from unilinux.sources.elf import ElfSource
from unilinux.sources.source import Materials

LOADER = "/lib64/ld-linux-x86-64.so.2"
MULTIARCH = "/lib/x86_64-linux-gnu"


def gcc(folder: Path, *flags: str) -> None:
    subprocess.run(["gcc", "-Wl,--no-as-needed", *flags], cwd=folder, check=True)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """``server`` needs libone.so.1, which needs libtwo.so; each is linked as the test says."""
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    (tmp_path / "l.c").write_text("int f(void) { return 0; }\n")
    gcc(tmp_path, "-o", "libtwo.so", "-shared", "-nostdlib", "l.c")
    return tmp_path


def linked(folder: Path, *flags: str, one: tuple[str, ...] = (), at: str = "lib", two_at: str = "lib") -> Path:
    """``bin/server``, with the libraries in these folders."""
    shared = ("-shared", "-nostdlib", "-Wl,-soname,libone.so.1")
    gcc(folder, "-o", "libone.so.1", *shared, "l.c", "libtwo.so", *one)
    gcc(folder, "-o", "server", "a.c", "libone.so.1", "-Wl,-rpath-link,.", *flags)
    for name, place in (("server", "bin"), ("libone.so.1", at), ("libtwo.so", two_at)):
        (folder / place).mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, folder / place)
    return folder / "bin/server"


def obtain(program: Path, **more: Any) -> Materials:
    return ElfSource(kind="elf", path=str(program), **more).obtain(program.parent, NO_FETCHER)


def taken(program: Path, **more: Any) -> set[str]:
    return {name.removeprefix("elf:") for name in obtain(program, **more).files}


def problems(program: Path, **more: Any) -> tuple[str, ...]:
    with pytest.raises(BuildError, match="can't be taken along with all that it needs") as caught:
        obtain(program, **more)
    return caught.value.details


def a_sysroot(folder: Path) -> Path:
    """A system with a merged /usr by absolute links, and this host's loader and C library."""
    root = folder / "root"
    lib = root / "usr/lib/x86_64-linux-gnu"
    lib.mkdir(parents=True)
    (root / "usr/lib64").mkdir()
    (root / "lib").symlink_to("/usr/lib")
    (root / "lib64").symlink_to("/usr/lib64")
    for path in (LOADER, f"{MULTIARCH}/libc.so.6"):
        shutil.copy(Path(path).resolve(), lib / Path(path).name)
    (root / "usr/lib64/ld-linux-x86-64.so.2").symlink_to("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    return root


def test_a_static_program_comes_alone(programs: Path) -> None:
    gcc(programs, "-static", "-o", "server", "a.c")
    assert taken(programs / "server") == {"/bin/server"}
    assert taken(programs / "server", at="/opt/s") == {"/opt/s"}


def test_interpreter_and_libraries_come_along_under_their_paths(programs: Path) -> None:
    gcc(programs, "-o", "server", "a.c")
    materials = obtain(programs / "server")
    assert {name.removeprefix("elf:") for name in materials.files} == {
        "/bin/server",
        LOADER,
        f"{MULTIARCH}/libc.so.6",
    }
    facts = {one["file"]: one["sha256"] for one in materials.facts["files"]}
    assert facts[LOADER] == digest_file(Path(LOADER).resolve())
    out = programs / "out"
    tree = materials.lay_out(out)
    assert File(LOADER, out / LOADER[1:], 0o755) in tree.entries
    assert (out / "bin/server").read_bytes() == (programs / "server").read_bytes()


RUNPATH, RPATH = "-Wl,--enable-new-dtags", "-Wl,--disable-new-dtags"


def test_runpath_holds_for_the_file_that_has_it_and_origin_is_its_folder(programs: Path) -> None:
    program = linked(programs, "-Wl,-rpath,$ORIGIN/../lib", RUNPATH)
    assert (read_elf(program).runpath, read_elf(program).rpath) == (("$ORIGIN/../lib",), ())
    assert problems(program) == ("libone.so.1 needs the library libtwo.so, which isn't found",)
    more = ("-Wl,-rpath,$ORIGIN/more", RUNPATH)
    program = linked(programs, "-Wl,-rpath,/none:${ORIGIN}/../lib", RUNPATH, one=more, two_at="lib/more")
    found = taken(program, at="/opt/s/bin/server")
    assert found >= {"/opt/s/bin/server", "/opt/s/lib/libone.so.1", "/opt/s/lib/more/libtwo.so"}


def test_rpath_holds_for_the_libraries_of_libraries_too(programs: Path) -> None:
    program = linked(programs, "-Wl,-rpath,$ORIGIN/../lib", RPATH)
    assert read_elf(program).rpath == ("$ORIGIN/../lib",)
    assert taken(program) >= {"/bin/server", "/lib/libone.so.1", "/lib/libtwo.so"}
    # Not for one that has a RUNPATH.
    program = linked(programs, "-Wl,-rpath,$ORIGIN/../lib", RPATH, one=("-Wl,-rpath,/none", RUNPATH))
    assert problems(program) == ("libone.so.1 needs the library libtwo.so, which isn't found",)


def test_a_link_to_the_program_is_followed_for_its_origin(programs: Path) -> None:
    program = linked(programs, "-Wl,-rpath,$ORIGIN/../lib", RPATH)
    link = programs / "start"
    link.symlink_to(program)
    assert taken(link) >= {"/bin/start", "/lib/libone.so.1"}


def test_folders_of_ld_so_conf_are_looked_into_and_what_is_there_is_put_where_the_loader_looks(programs: Path) -> None:
    program, root = linked(programs, two_at="root/opt/two", at="root/opt/one"), a_sysroot(programs)
    assert problems(program, sysroot=str(root)) == ("/bin/server needs the library libone.so.1, which isn't found",)
    (root / "etc/more.d").mkdir(parents=True)
    (root / "etc/ld.so.conf").write_text("# ours\ninclude\tmore.d/*.conf\n/opt/one  # one\ninclude /etc/ld.so.conf\n")
    (root / "etc/more.d/a.conf").write_text("/opt/two/\n")
    (root / "etc/more.d/b.txt").write_text("/opt/none\n")
    assert list(Sysroot(root).configured()) == ["/opt/two", "/opt/one"]
    materials = obtain(program, sysroot=str(root))
    assert materials.files == {
        "elf:/bin/server": program,
        f"elf:{MULTIARCH}/libc.so.6": root / "usr/lib/x86_64-linux-gnu/libc.so.6",
        f"elf:{MULTIARCH}/libone.so.1": root / "opt/one/libone.so.1",
        f"elf:{MULTIARCH}/libtwo.so": root / "opt/two/libtwo.so",
        f"elf:{LOADER}": root / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
    }


def test_links_of_a_sysroot_never_lead_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/x").write_text("x")
    (root / "up").symlink_to("../../../etc/x")
    (root / "round").symlink_to("round")
    (tmp_path / "outside").write_text("y")
    (root / "out").symlink_to("../outside")
    found = [Sysroot(root).find(path) for path in ("/up", "/../etc/x", "/round", "/out", "/none/x", "/")]
    assert found == [root / "etc/x", root / "etc/x", None, None, None, root]


def test_musl(programs: Path) -> None:
    root, loader = programs / "root", "/lib/ld-musl-x86_64.so.1"
    program = linked(programs, f"-Wl,--dynamic-linker={loader}", "-nostdlib", at="root/opt", two_at="root/opt")
    assert problems(program, sysroot=str(root)) == (f"/bin/server is started by {loader}, which does not exist",)
    (root / "lib").mkdir()
    shutil.copy(Path(LOADER), root / loader[1:])
    (root / "etc").mkdir()
    (root / "etc/ld-musl-x86_64.path").write_text("/lib:/opt\n")
    # Its own configuration isn't in the guest.
    expected = {"/bin/server", loader, "/lib/libone.so.1", "/lib/libtwo.so"}
    assert taken(program, sysroot=str(root)) == expected


def test_a_library_of_the_wrong_class_is_passed_over_and_told_if_there_is_no_other(programs: Path) -> None:
    program = linked(programs, "-Wl,-rpath,$ORIGIN/../32:$ORIGIN/../arm:$ORIGIN/../lib", RPATH)
    for folder, head in (("32", header(kind=1, machine=3)), ("arm", header(machine=183))):
        (programs / folder).mkdir()
        (programs / folder / "libone.so.1").write_bytes(head)
    assert "/lib/libone.so.1" in taken(program)
    (programs / "lib/libone.so.1").unlink()
    (told,) = problems(program)
    assert told.startswith("/bin/server needs the library libone.so.1, which isn't found (")
    assert "32/libone.so.1 is 32-bit; " in told
    assert "arm/libone.so.1 is for EM_AARCH64" in told


def test_what_a_program_opens_by_itself_is_declared(programs: Path) -> None:
    program = linked(programs, "-Wl,-rpath,$ORIGIN/../lib", RPATH)
    plugins = programs / "bin/plugins"
    plugins.mkdir()
    gcc(plugins, "-shared", "-nostdlib", "-o", "gzip.so", "../../l.c", "-Wl,--as-needed")
    (plugins / "list.txt").write_text("gzip")
    declared = ("libm.so.6", "$ORIGIN/plugins/gzip.so", f"{plugins}/list.txt")
    found = taken(program, libraries=declared)
    assert found >= {f"{MULTIARCH}/libm.so.6", "/bin/plugins/gzip.so", f"{plugins}/list.txt"}
    assert problems(program, libraries=("libgone.so", "/none/x")) == (
        "/bin/server needs the library libgone.so, which isn't found",
        "/bin/server needs the file /none/x, which isn't found",
    )
    for bad in ("", "plugins/gzip.so"):
        with pytest.raises(ValueError, match="must be a name without '/'"):
            ElfSource(kind="elf", path="x", libraries=(bad,))


def header(*, kind: int = 2, machine: int = 62, file: int = 3) -> bytes:
    ident = b"\x7fELF" + bytes((kind, 1, 1))
    return struct.pack("<16sHHIQQQIHHHHHH", ident, file, machine, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"#!/bin/sh\n", "is no ELF program"),
        (b"", "is no ELF program"),
        (b"\x7fELF\x02\x01", "is cut short"),
        (header()[:40], "is cut short"),
        (header(kind=1, machine=3), "is a program for another processor: it is 32-bit"),
        (header(machine=183), "is a program for another processor: it is for EM_AARCH64"),
        (header(file=1), "is no program: its kind is ET_REL"),
    ],
    ids=["script", "empty", "head", "cut", "32 bits", "arm", "object"],
)
def test_what_is_no_program(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BuildError, match=said):
        obtain(tmp_path / "x")


def test_a_library_and_a_folder_are_no_programs(programs: Path) -> None:
    linked(programs)
    with pytest.raises(BuildError, match=r"libone\.so\.1 is a library \(libone\.so\.1\), no program"):
        obtain(programs / "lib/libone.so.1")
    with pytest.raises(BuildError, match="is no file"):
        obtain(programs / "lib")
    with pytest.raises(BuildError, match="the sysroot /none is no folder"):
        obtain(programs / "bin/server", sysroot="/none")


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        load_app(write_app(tmp_path, {"kind": "elf", "path": "../gone"}))
    assert any("../gone does not exist in" in line for line in caught.value.details)


CHANGED = ("-Wl,-rpath-link,lib", "-Wl,-rpath,$ORIGIN/../lib", RPATH)
CHANGES: dict[str, Callable[[Path], object]] = {
    "the program": lambda folder: gcc(folder, "-O2", "-g", "-o", "bin/server", "a.c", "lib/libone.so.1", *CHANGED),
    "a library": lambda folder: gcc(folder, "-g", "-shared", "-nostdlib", "-o", "lib/libtwo.so", "l.c"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_noticed(programs: Path, change: str) -> None:
    linked(programs, "-Wl,-rpath,$ORIGIN/../lib", RPATH)
    app = write_app(programs, {"kind": "elf", "path": "../bin/server"}, taken="bin/server")
    assert not built(programs, app).cached
    assert built(programs, app).cached
    CHANGES[change](programs)
    assert not built(programs, app).cached
