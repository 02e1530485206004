# SPDX-License-Identifier: GPL-2.0-only
"""Which files of an image are rewritten, and what is said of them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from unilinux.app.catalogue import load_app
from unilinux.core.events import Event, Note, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Output
from unilinux.core.tree import File, Tree
from unilinux.elf.file import parse_elf
from unilinux.image.entry import Entry
from unilinux.image.inspection import inspect
from unilinux.image.rewriting import Rewriting, rewrite_files
from unilinux.redirect.rewrite.rewriter import is_rewritten

LEAN, TRAP = Entry(ring=0, syscall="lean"), Entry(ring=0, syscall="trap")
MANIFEST = """\
schema = 1
name = "toy"
summary = "A toy"
version = "1"
profile = "tiny"

[source]
kind = "local"
files = ["server"]

[[files]]
path = "/bin/server"
local = "server"
mode = "0755"

[[files]]
path = "/bin/stubborn"
local = "server"
mode = "0755"
syscall = "trap"

[run]
argv = ["/bin/server"]
memory_mib = 32

[[verify]]
kind = "exit"
status = 0
"""


class Image:
    """A small application of binaries, with all that is needed to rewrite them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "toy"
        self.built = folder / "built"
        self.notes: list[str] = []
        self.progress = Progress(self)
        self.store = LocalStore(folder / "store", logs=folder / "logs", progress=self.progress)
        for place in (self.folder, self.built / ".source"):
            place.mkdir(parents=True)
        (self.folder / "app.toml").write_text(MANIFEST)
        self.server = self.compile(self.folder / "server")
        self.output = Output("app", "key", self.built, "digest", cached=True, seconds=0.0)

    def emit(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)

    @staticmethod
    def compile(target: Path) -> Path:
        source = target.with_suffix(".S")
        source.write_text(".globl _start\n_start: mov $60, %eax\n xor %edi, %edi\n syscall\n hlt\n")
        subprocess.run(["gcc", "-nostdlib", "-static", "-o", target, source], check=True, capture_output=True)
        return target

    def rewritten(self, *files: File, entry: Entry = LEAN) -> Rewriting:
        app = load_app(self.folder)
        return rewrite_files(Tree.of(files), app, built=self.output, entry=entry, store=self.store)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


def went_through(rewriting: Rewriting) -> list[bool]:
    files = [entry for entry in rewriting.files.entries if isinstance(entry, File)]
    contents = [file.content if isinstance(file.content, bytes) else file.content.read_bytes() for file in files]
    return [is_rewritten(parse_elf(content, "file")) for content in contents]


def test_a_binary_of_the_user_s_is_rewritten_and_keeps_all_but_its_content(image: Image) -> None:
    rewriting = image.rewritten(File("/bin/server", image.server, 0o4755, 5, 6))
    (entry,) = (entry for entry in rewriting.files.entries if isinstance(entry, File))
    assert (entry.path, entry.mode, entry.uid, entry.gid) == ("/bin/server", 0o4755, 5, 6)
    assert went_through(rewriting) == [True]
    (report,) = rewriting.to_json()
    assert (report["file"], report["found"], report["rewritten"], report["left"]) == ("/bin/server", 1, 1, 0)
    assert json.loads(json.dumps(rewriting.to_json())) == rewriting.to_json()


def test_nothing_is_rewritten_where_there_is_no_gate(image: Image) -> None:
    rewriting = image.rewritten(File("/bin/server", image.server), entry=TRAP)
    assert (went_through(rewriting), rewriting.reports) == ([False], ())


def test_what_asks_for_the_trap_or_comes_from_our_tool_chain_stays(image: Image) -> None:
    (image.built / ".gate").mkdir()
    linked = image.compile(image.built / ".gate/linked")
    rewriting = image.rewritten(File("/bin/stubborn", image.server), File("/bin/linked", linked))
    assert went_through(rewriting) == [False, False]


@pytest.mark.parametrize("place", [".source/brought", "linked-by-hand"])
def test_what_the_source_brings_along_or_the_build_links_by_hand_is_rewritten(image: Image, place: str) -> None:
    brought = image.compile(image.built / place)
    assert went_through(image.rewritten(File("/bin/brought", brought))) == [True]


def test_other_files_stay_and_a_note_names_damaged_ones(image: Image) -> None:
    small, damaged = image.folder / "small", image.folder / "damaged"
    small.write_bytes(b"\x7fELF\x01\x01" + bytes(100))
    damaged.write_bytes(image.server.read_bytes()[:200])
    script = File("/bin/script", b"#!/bin/sh\n")
    rewriting = image.rewritten(File("/bin/damaged", damaged), script, File("/bin/small", small))
    assert [entry.content for entry in rewriting.files.entries if isinstance(entry, File)] == [
        damaged, script.content, small,
    ]  # fmt: skip
    assert [note.split(" makes ")[0] for note in image.notes] == ["warning: /bin/damaged", "warning: /bin/small"]


def test_a_hlt_that_is_replaced_is_no_privileged_instruction(image: Image) -> None:
    files = Tree.of([File("/bin/server", image.server)])
    rewriting = image.rewritten(*[file for file in files.entries if isinstance(file, File)])

    def seen(replaced: dict[str, frozenset[int]]) -> int:
        found = inspect(
            files, image.output, LEAN, refuse=False, replaced=replaced, store=image.store, progress=image.progress
        )
        return sum(len(scan.privileged) for scan in found.scans)

    assert (seen({}), seen(dict(rewriting.replaced))) == (1, 0)
