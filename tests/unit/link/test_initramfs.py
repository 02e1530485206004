"""The archive: the same bytes for the same tree, and what cpio and the kernel expect."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from unilinux.core.events import NullSink, Progress
from unilinux.core.store import Store
from unilinux.core.tree import Device, Directory, Entry, File, Symlink, Tree
from unilinux.link.initramfs import archive_records, listing, pack_initramfs

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
        store = Store(folder / "store", logs=folder / "logs", progress=Progress(NullSink()))
        digests.add(pack_initramfs(tree, store).digest)
    assert len(digests) == 1


def test_changed_content_is_packed_anew(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
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
