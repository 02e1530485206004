# SPDX-License-Identifier: GPL-2.0-only
"""What programs are started with: told when the image is built, not when it is booted."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from unilinux.app.linkage import require_startable
from unilinux.core.errors import BuildError
from unilinux.core.tree import Entry, File, Symlink, Tree

MANIFEST = Path("apps/toy/app.toml")
LOADER = "/lib64/ld-linux-x86-64.so.2"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    (folder / "a.c").write_text("int main(void) { return 0; }\n")
    (folder / "l.c").write_text("int f(void) { return 0; }\n")
    for flags in (
        ("-o", "static", "-static", "a.c"),
        ("-o", "dynamic", "a.c"),
        ("-o", "libone.so", "-shared", "-fPIC", "-Wl,-soname,libone.so.1", "l.c", "-nostdlib"),
        ("-o", "libtwo.so", "-shared", "-fPIC", "-Wl,--no-as-needed", "l.c", "libone.so", "-nostdlib"),
        ("-o", "with-two", "a.c", "-Wl,--no-as-needed", "libtwo.so"),
        ("-o", "musl", "a.c", "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"),
    ):
        subprocess.run(["gcc", *flags], cwd=folder, check=True)
    return folder


def problems(entries: Sequence[Entry], main: str = "/bin/app") -> tuple[str, ...]:
    with pytest.raises(BuildError, match="programs of the image can't be started") as caught:
        require_startable(Tree.of(entries), main, MANIFEST)
    assert str(MANIFEST) in (caught.value.hint or "")
    return caught.value.details


def test_a_static_program_needs_nothing(programs: Path) -> None:
    require_startable(Tree.of([File("/bin/app", programs / "static", 0o755)]), "/bin/app", MANIFEST)


def test_interpreter_and_libraries_of_a_dynamic_program_are_named(programs: Path) -> None:
    assert problems([File("/bin/app", programs / "dynamic", 0o755)]) == (
        f"/bin/app is started by {LOADER}, which isn't in the image",
        "/bin/app needs the library libc.so.6, which isn't in the image",
    )


def test_a_dynamic_program_with_all_it_needs_is_fine(programs: Path) -> None:
    entries: list[Entry] = [
        File("/bin/app", programs / "dynamic", 0o755),
        File("/usr/lib/x86_64-linux-gnu/ld.so", b"\x7fELF", 0o755),
        File("/usr/lib/x86_64-linux-gnu/libc-2.36.so", b"\x7fELF", 0o755),
        Symlink("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc-2.36.so"),
        Symlink("/lib64", "usr/lib/x86_64-linux-gnu/../lib64"),
        Symlink("/usr/lib/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/ld.so"),
    ]
    require_startable(Tree.of(entries), "/bin/app", MANIFEST)


def test_libraries_of_libraries_count(programs: Path) -> None:
    found = problems(
        [
            File("/bin/app", programs / "with-two", 0o755),
            File(LOADER, b"\x7fELF"),
            File("/lib/libc.so.6", b"\x7fELF"),
            File("/lib/libtwo.so", programs / "libtwo.so"),
        ]
    )
    assert found == ("/lib/libtwo.so needs the library libone.so.1, which isn't in the image",)


def test_a_program_that_is_not_the_first_counts_too(programs: Path) -> None:
    entries = [File("/bin/app", programs / "static"), File("/bin/other", programs / "dynamic")]
    assert problems(entries)[0].startswith("/bin/other is started by")


def test_musls_loader_is_its_c_library(programs: Path) -> None:
    assert problems([File("/bin/app", programs / "musl"), File("/lib/ld-musl-x86_64.so.1", b"\x7fELF")]) == (
        "/bin/app needs the library libc.so.6, which isn't in the image",
    )


def arm() -> bytes:
    return struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 183, 1, 0, 0, 0, 0, 64, 56, 0, 64, 0, 0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"hello\n", "/bin/app is neither an ELF program nor a script that begins with #!"),
        (b"#!/bin/sh\necho\n", "/bin/app is a script for /bin/sh, which isn't in the image"),
        (b"#!\n", "/bin/app is a script for nothing, which isn't in the image"),
        (b"\x7fELF\x01\x01" + bytes(60), "/bin/app is no ELF program of 64 bits"),
        (arm(), "/bin/app is a program for another processor (EM_AARCH64)"),
    ],
    ids=["text", "script", "empty script", "32 bits", "arm"],
)
def test_a_first_program_that_cannot_run(content: bytes, problem: str) -> None:
    assert problems([File("/bin/app", content, 0o755)]) == (problem,)


def test_links_to_the_first_program_are_followed(programs: Path) -> None:
    entries: list[Entry] = [
        File("/usr/bin/app", programs / "static"),
        Symlink("/bin", "usr/bin"),
        Symlink("/a", "b"),
        Symlink("/b", "a"),
    ]
    require_startable(Tree.of(entries), "/bin/app", MANIFEST)
    assert problems(entries, "/a") == ("/a, which run.argv starts, isn't in the image",)
