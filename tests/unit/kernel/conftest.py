# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree in miniature: it builds in milliseconds what kbuild would, by the same names."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.unit.recorder import Recorder
from unilinux.core.events import Progress
from unilinux.core.layout import Layout
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Store
from unilinux.fetch.fetcher import Fetcher
from unilinux.kernel.source import KernelSpec, KernelTree, kernel_tree

MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 1
EXTRAVERSION =

export CC := gcc

vmlinux: vmlinux.a
\t@sh ../scripts/link-vmlinux.sh && echo 'savedcmd_$@ := sh ../scripts/link-vmlinux.sh' > .$@.cmd

vmlinux.a: init/main.o kernel/exit.o usr
\t@echo '  AR      $@'; rm -f $@; ar cDPrST $@ $(OBJECTS)
\t@echo 'savedcmd_$@ := rm -f $@; ar cDPrST $@ $(OBJECTS)' > .$@.cmd

OBJECTS := init/main.o kernel/exit.o usr/initramfs_data.o

prepare:
\t@echo "  PREPARED"; cat ../kconfig-says >> .config

init/main.o: ../init/main.c | prepare
\t@mkdir -p $(dir $@); echo '  CC      $@'; $(CC) -c -o $@ $<

kernel/exit.o: ../kernel/exit.c | prepare
\t@mkdir -p $(dir $@); echo '  CC      $@'; $(CC) -c -o $@ $<

usr: | prepare
\t@$(MAKE) -f ../scripts/Makefile.build obj=usr need-builtin=1

headers:
\t@mkdir -p usr/include/linux; cp ../include/linux/version.h usr/include/linux; touch usr/include/linux/.x.cmd

.PHONY: prepare headers usr
"""

# What is made of one folder alone: that which takes the application's files, and the boot code.
BUILD = """\
__build: usr/initramfs_data.o

usr/initramfs_data.o: ../usr/initramfs_data.S usr/unilinux.cpio
\t@echo '  AS      $@'; $(CC) -c -o $@ $<
\t@echo 'savedcmd_$@ := $(CC) -c -o $@ $< # usr/unilinux.cpio' > usr/.initramfs_data.o.cmd

arch/x86/boot/bzImage: vmlinux
\t@mkdir -p arch/x86/boot; echo '  BUILD   $@'; cp vmlinux $@
"""

LINK = """\
set -e
echo "  KEPT    $(tr '\\n' ' ' < usr/unilinux.syscalls)"
echo "  LD      vmlinux"
ld --build-id=none -o vmlinux --whole-archive vmlinux.a
nm -n vmlinux > System.map
"""

MAIN = """\
/* The note by which a PVH loader finds the entry: XEN_ELFNOTE_PHYS32_ENTRY. */
asm(".pushsection .note.Xen, \\"a\\", @note\\n.long 4, 4, 18\\n.asciz \\"Xen\\"\\n.long 0\\n.popsection");

int kernel_exit(int status);

void _start(void)
{
\tfor (;;)
\t\tkernel_exit(1);
}
"""

EXIT = """\
int kernel_exit(int status)
{
\tint first = status;
\tint second = first;
\tint third = second;

\treturn third;
}
"""

FILES = {
    "Makefile": MAKEFILE,
    "init/main.c": MAIN,
    "kernel/exit.c": EXIT,
    "scripts/Makefile.build": BUILD,
    "scripts/link-vmlinux.sh": LINK,
    "kconfig-says": "",
    "include/linux/version.h": "#define LINUX 6\n",
    "usr/initramfs_data.S": '.section .init.ramfs,"a"\n.incbin "usr/unilinux.cpio"\n',
    "scripts/checkpatch.pl": "exit 0;\n",
}

CONFIG = """\
#
# A configuration
#
CONFIG_BLK_DEV_INITRD=y
CONFIG_INITRAMFS_SOURCE="usr/unilinux.cpio"
CONFIG_INITRAMFS_COMPRESSION_NONE=y
CONFIG_PVH=y
# CONFIG_SMP is not set
"""

BASE = 'package = "linux-source-6.12"\nversion = "6.12.1-1"\n'


@dataclass
class Workshop:
    """A project with one patch series, and what is needed to build its kernel."""

    root: Path
    layout: Layout
    store: Store
    recorder: Recorder

    @property
    def series(self) -> Path:
        return self.layout.project / "patches/linux-6.12"

    @property
    def archive(self) -> Path:
        return self.root / "linux-6.12.1.tar.gz"

    def write_source(self, **changed: str) -> Path:
        """The source, as a folder and an archive; ``init_main_c="…"`` gives another content."""
        folder = self.root / "linux-6.12.1"
        shutil.rmtree(folder, ignore_errors=True)
        for name, content in FILES.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(changed.get(name.translate(str.maketrans("/.-", "___")), content))
        with tarfile.open(self.archive, "w:gz") as tar:
            tar.add(folder, "linux-6.12.1")
        return folder

    def write_patches(self, **edits: tuple[str, str, str]) -> None:
        """The series: for each edit a commit, in which ``(file, old, new)`` is replaced."""
        repository = self.root / "author"
        shutil.rmtree(repository, ignore_errors=True)
        shutil.copytree(self.root / "linux-6.12.1", repository)
        git(repository, "init", "-q", "-b", "main")
        git(repository, "add", "-A")
        git(repository, "commit", "-q", "-m", "base")
        for subject, (file, old, new) in edits.items():
            path = repository / file
            before = path.read_text() if path.exists() else ""
            assert old in before
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(before.replace(old, new, 1) if old else new)
            git(repository, "add", "-A")
            git(repository, "commit", "-q", "-s", "-m", f"test: {subject}\n\nThat is why.")
        shutil.rmtree(self.series, ignore_errors=True)
        self.series.mkdir(parents=True)
        options = ["-q", "--no-numbered", "--zero-commit", "--no-signature", "--abbrev=12"]
        git(repository, "format-patch", *options, "-o", str(self.series), f"HEAD~{len(edits)}")
        names = sorted(path.name for path in self.series.iterdir())
        (self.series / "series").write_text("".join(f"{name}\n" for name in names))
        (self.series / "BASE").write_text(BASE)

    def tree(self, path: Path | None = None) -> KernelTree:
        spec = KernelSpec(name="6.12", series=self.series, path=path or self.archive)
        fetcher = Fetcher(self.layout, Progress(self.recorder))
        return kernel_tree(spec, fetcher=fetcher, store=self.store)


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=A Author", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def make_workshop(root: Path, cache: Path) -> Workshop:
    workshop = _empty_workshop(root, cache)
    workshop.write_source()
    workshop.series.mkdir(parents=True)
    for name, content in _default_series().items():
        (workshop.series / name).write_bytes(content)
    return workshop


def _empty_workshop(root: Path, cache: Path) -> Workshop:
    recorder = Recorder()
    layout = Layout(root / "project", cache, root / "build")
    return Workshop(root, layout, LocalStore(layout.store, logs=layout.logs, progress=Progress(recorder)), recorder)


@functools.cache
def _default_series() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        workshop = _empty_workshop(Path(name), Path(name, "cache"))
        workshop.write_source()
        workshop.write_patches(
            one=("kernel/exit.c", "return third;", "return third + 1;"),
            two=("include/linux/unilinux.h", "", "#define UNILINUX 1\n"),
        )
        return {path.name: path.read_bytes() for path in workshop.series.iterdir()}


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return make_workshop(tmp_path, tmp_path / "cache")
