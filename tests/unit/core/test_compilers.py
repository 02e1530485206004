# SPDX-License-Identifier: GPL-2.0-only
"""The compiler with a cache before it: what it finds, and what it must not."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.compilers import wrap_compiler

SOURCE = "const char *where = __FILE__;\nint answer(void) { return 42; }\n"

needs_ccache = pytest.mark.skipif(shutil.which("ccache") is None, reason="ccache is not installed")

Compile = Callable[..., bytes]


@pytest.fixture
def compile_in(tmp_path: Path) -> Compile:
    """Compile in a folder of that name; the object's bytes."""

    def run(place: str, source: str = SOURCE, *flags: str, cache: Path | None = tmp_path / "ccache") -> bytes:
        folder = tmp_path / place
        folder.mkdir(exist_ok=True)
        (folder / "a.c").write_text(source)
        tools = wrap_compiler(tmp_path / f"{place}-tools", cache, '"-ffile-prefix-map=$PWD=."')
        env = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        subprocess.run(["gcc", "-c", "-g", *flags, "-o", "a.o", "a.c"], cwd=folder, env=env, check=True)
        return (folder / "a.o").read_bytes()

    return run


def hits(cache: Path) -> int:
    command = ["ccache", "--print-stats"]
    env = {"PATH": os.environ["PATH"], "CCACHE_DIR": str(cache), "CCACHE_CONFIGPATH": os.devnull}
    lines = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.splitlines()
    counts = dict(line.split("\t") for line in lines)
    return int(counts["direct_cache_hit"]) + int(counts["preprocessed_cache_hit"])


@needs_ccache
def test_the_same_source_in_another_folder_is_found_and_has_the_bytes_of_a_compile(
    compile_in: Compile, tmp_path: Path
) -> None:
    first = compile_in("one")
    assert hits(tmp_path / "ccache") == 0
    assert compile_in("another") == first
    assert hits(tmp_path / "ccache") == 1
    assert compile_in("third", cache=None) == first


@needs_ccache
def test_other_options_or_sources_are_not_found(compile_in: Compile, tmp_path: Path) -> None:
    compile_in("one")
    compile_in("one", SOURCE, "-O2")
    compile_in("one", SOURCE.replace("42", "43"))
    assert hits(tmp_path / "ccache") == 0


@needs_ccache
def test_a_file_that_the_assembler_reads_is_not_taken_from_another_time(compile_in: Compile, tmp_path: Path) -> None:
    """As an initramfs is in a kernel: the preprocessor doesn't see it, so no list of headers names it."""
    (tmp_path / "one").mkdir()
    source = 'asm(".incbin \\"data\\"");\n'
    objects = []
    for data in (b"hello\n", b"nginx\n"):
        (tmp_path / "one/data").write_bytes(data)
        objects.append(compile_in("one", source, "-MMD"))
        assert data in objects[-1]
    assert objects[0] != objects[1]


@needs_ccache
def test_another_assembler_finds_nothing(compile_in: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_in("one")
    other = tmp_path / "other/as"
    other.parent.mkdir()
    other.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && echo "GNU assembler 99" && exit\nexec {shutil.which("as")} "$@"\n'
    )
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    compile_in("another")
    assert hits(tmp_path / "ccache") == 0


def test_without_a_folder_there_is_no_cache(tmp_path: Path) -> None:
    assert "ccache" not in (wrap_compiler(tmp_path, None) / "gcc").read_text()


@needs_ccache
def test_the_users_configuration_has_no_say(compile_in: Compile, tmp_path: Path) -> None:
    settings = tmp_path / ".config/ccache/ccache.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text("disable = true\n")
    compile_in("one")
    compile_in("another")
    assert hits(tmp_path / "ccache") == 1
