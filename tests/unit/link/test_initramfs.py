# SPDX-License-Identifier: GPL-2.0-only
"""The archive: the same bytes for the same tree, and what cpio and the kernel expect."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.errors import BuildError, ManifestError
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Output, Step, Workspace
from unilinux.core.tree import Device, Directory, Entry, File, Symlink, Tree
from unilinux.link.carrier import Carrier
from unilinux.link.initramfs import Initramfs, archive_records, pack_initramfs
from unilinux.link.listing import listing

TREE = Tree.of(
    [
        Symlink("/etc/name", "hostname"),
        File("/bin/app", b"abc", 0o755),
        Device("/dev/console", "c", 5, 1),
        File("/etc/hostname", b"toy\n"),
        Directory("/tmp", 0o777),
    ]
)


def parse(data: bytes) -> dict[str, tuple[dict[str, int], bytes]]:
    """An independent reader: name -> header fields and content; asserts that nothing is left over."""
    names = [
        "ino", "mode", "uid", "gid", "nlink", "mtime", "size",
        "devmajor", "devminor", "rdevmajor", "rdevminor", "namesize", "check",
    ]  # fmt: skip
    found: dict[str, tuple[dict[str, int], bytes]] = {}
    place = 0
    while place < len(data):
        assert data[place : place + 6] == b"070701"
        values = [int(data[place + 6 + 8 * i : place + 14 + 8 * i], 16) for i in range(13)]
        header = dict(zip(names, values, strict=True))
        start = place + 110
        name = data[start : start + header["namesize"] - 1].decode()
        body = start + header["namesize"] + -(start + header["namesize"]) % 4
        found[name] = (header, data[body : body + header["size"]])
        place = body + header["size"] + -(body + header["size"]) % 4
    return found


def test_entries_come_back_as_they_were() -> None:
    found = parse(b"".join(archive_records(TREE)))
    assert list(found) == [
        "bin", "bin/app", "dev", "dev/console", "etc", "etc/hostname", "etc/name", "tmp", "TRAILER!!!",
    ]  # fmt: skip
    assert found["bin/app"][0]["mode"] == 0o100755
    assert found["bin/app"][1] == b"abc"
    assert found["etc/name"][0]["mode"] == 0o120777
    assert found["etc/name"][1] == b"hostname"
    assert found["tmp"][0]["mode"] == 0o40777
    console = found["dev/console"][0]
    assert (console["mode"], console["rdevmajor"], console["rdevminor"]) == (0o20600, 5, 1)
    assert {header["mtime"] for header, _ in found.values()} == {0}
    assert {(header["uid"], header["gid"]) for header, _ in found.values()} == {(0, 0)}


@pytest.mark.skipif(shutil.which("cpio") is None, reason="cpio is not installed")
def test_cpio_reads_it() -> None:
    archive = b"".join(archive_records(TREE))
    done = subprocess.run(["cpio", "--list", "--quiet"], input=archive, capture_output=True, check=True)
    assert done.stdout.decode().split() == [entry.path.removeprefix("/") for entry in TREE.entries]


def test_bytes_do_not_depend_on_order_time_or_place(tmp_path: Path) -> None:
    digests = set()
    for name in ("one", "two two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "app").write_bytes(b"abc")
        entries: list[Entry] = [File("/bin/app", folder / "app", 0o755), Directory("/tmp")]
        tree = Tree.of(entries if name == "one" else reversed(entries))
        store = LocalStore(folder / "store", logs=folder / "logs", progress=Progress(NullSink()))
        digests.add(pack_initramfs(tree, store).digest)
    assert len(digests) == 1


def test_changed_content_is_packed_anew(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    first = pack_initramfs(Tree.of([File("/init", b"1")]), store)
    assert not pack_initramfs(Tree.of([File("/init", b"2")]), store).cached
    assert pack_initramfs(Tree.of([File("/init", b"1")]), store).path == first.path


def test_listing_has_a_line_per_entry() -> None:
    assert listing(TREE) == (
        "dir 0755 /bin",
        "file 0755 /bin/app",
        "dir 0755 /dev",
        "nod 0600 /dev/console c 5 1",
        "dir 0755 /etc",
        "file 0644 /etc/hostname",
        "slink 0777 /etc/name hostname",
        "dir 0777 /tmp",
    )


def test_owners_and_all_bits_of_modes_are_kept() -> None:
    tree = Tree.of(
        [
            Directory("/tmp", 0o1777),
            File("/bin/su", b"", 0o4755, uid=0, gid=7),
            Symlink("/l", "x", uid=1, gid=2),
            Device("/d", "c", 1, 3, uid=65534, gid=65534),
        ]
    )
    found = parse(b"".join(archive_records(tree)))
    assert found["tmp"][0]["mode"] == 0o41777
    assert found["bin/su"][0]["mode"] == 0o104755
    owners = {name: (found[name][0]["uid"], found[name][0]["gid"]) for name in ("tmp", "bin/su", "l", "d")}
    assert owners == {"tmp": (0, 0), "bin/su": (0, 7), "l": (1, 2), "d": (65534, 65534)}
    assert "file 4755 /bin/su 0:7" in listing(tree)


ODD = ["/a\nb", "/a b", "/ä", os.fsdecode(b"/a\xff"), "/\\n"]


@pytest.mark.parametrize("path", ODD, ids=[ascii(path) for path in ODD])
def test_odd_names_are_their_bytes(path: str, tmp_path: Path) -> None:
    tree = Tree.of([File(path, b"abc"), Symlink("/link", path)])
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    packed = pack_initramfs(tree, store).path
    archive = (packed / "initramfs.cpio").read_bytes()
    assert os.fsencode(path)[1:] + b"\0" in archive
    assert os.fsencode(path) in archive[archive.index(b"link\0") :]
    assert len((packed / "initramfs.list").read_text(encoding="utf-8").splitlines()) == 2


def test_different_odd_names_have_different_lines() -> None:
    assert len({listing(Tree.of([File(path, b"")])) for path in ODD}) == len(ODD)


LONG = "/" + "/".join(["x" * 200] * 21)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (File(LONG, b""), "the path has 4,220 bytes; Linux takes 4,095"),
        (File("/d/" + "ä" * 128, b""), "a name in it has 256 bytes; Linux takes 255"),
        (File("/TRAILER!!!", b""), "the format has no such name"),
        (File("/a", b"", uid=1 << 32), "the owner 4294967296:0 is no pair of numbers of 32 bits"),
        (Symlink("/a", ""), "the link's target has 0 bytes"),
        (Symlink("/a", "x" * 4096), "the link's target has 4,096 bytes"),
    ],
    ids=["path", "name", "trailer", "owner", "empty link", "long link"],
)
def test_what_the_kernel_would_leave_out_is_refused(entry: Entry, problem: str, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    with pytest.raises(ManifestError, match="an initramfs can't hold some of the image's files") as caught:
        pack_initramfs(Tree.of([entry]), store)
    assert any(problem in line for line in caught.value.details)


def test_a_file_of_4_gib_is_refused_and_one_below_is_not(tmp_path: Path) -> None:
    """A header with nine digits for the size would shift all that follows."""
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1 << 32)
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    with pytest.raises(ManifestError) as caught:
        pack_initramfs(Tree.of([File("/big", tmp_path / "big")]), store)
    assert caught.value.details == ("/big: it has 4,294,967,296 bytes; the format takes files of less than 4 GiB",)
    os.truncate(tmp_path / "big", (1 << 32) - 1)
    records = archive_records(Tree.of([File("/big", tmp_path / "big")]))
    assert next(records)[54:62] == b"FFFFFFFF"


def test_a_file_that_changes_while_it_is_packed_is_not_packed(tmp_path: Path) -> None:
    file = tmp_path / "app"
    file.write_bytes(b"one")

    class Changing(LocalStore):
        def run(self, step: Step, action: Callable[[Workspace], None]) -> Output:
            file.write_bytes(b"two")
            return super().run(step, action)

    store = Changing(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    with pytest.raises(BuildError, match="the file for /app was changed while it was packed"):
        pack_initramfs(Tree.of([File("/app", file)]), store)


def test_the_carrier_offers_what_the_kernels_build_takes(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    carrier: Carrier = Initramfs()
    cargo = carrier.pack(TREE, store)
    assert cargo.files.keys() == carrier.placeholders.keys() == {carrier.wishes["INITRAMFS_SOURCE"]}
    (placeholder,) = carrier.placeholders.values()
    assert list(parse(placeholder.rstrip(b"\0") + b"\0" * 4)) == ["TRAILER!!!"]
    assert len(placeholder) == 512
    assert cargo.initrd is not None
    assert cargo.size_bytes == cargo.initrd.stat().st_size
