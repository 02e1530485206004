# SPDX-License-Identifier: GPL-2.0-only
"""Trees as EROFS: the same bytes everywhere, with owners, modes and devices that the host's files don't have."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from unilinux.core.errors import BuildError, HostError, ManifestError
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.tree import Device, Directory, File, Symlink, Tree
from unilinux.link.carrier import Carrier
from unilinux.link.erofs import IMAGE, Erofs, pack_erofs

TREE = Tree.of(
    [
        File("/bin/app", b"abc" * 5000, 0o4755, uid=70, gid=70000),
        File("/etc/hosts", b"127.0.0.1 localhost\n"),
        File("/etc/copy", b"127.0.0.1 localhost\n"),
        Symlink("/etc/name", "hosts", uid=3),
        Directory("/tmp", 0o1777),
        Device("/dev/console", "c", 5, 1, 0o622),
        Device("/dev/vda", "b", 254, 0),
        File("/odd/caf\udce9\n", b""),
    ]
)


def store_in(folder: Path) -> LocalStore:
    return LocalStore(folder / "store", logs=folder / "logs", progress=Progress(NullSink()))


@pytest.fixture(autouse=True)
def with_tools() -> None:
    """Skip where the tools aren't installed."""
    for tool in ("mkfs.erofs", "fakeroot"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return pack_erofs(TREE, store_in(tmp_path)).path / IMAGE


def about(image: Path, path: str) -> str:
    done = subprocess.run(["dump.erofs", f"--path={path}", image], check=True, capture_output=True, text=True)
    owner = re.search(r"Uid: (\d+)\s+Gid: (\d+)\s+Access: (\d+)", done.stdout)
    kind = re.search(r"On-disk size: \d+\s+(.+)", done.stdout)
    assert owner is not None
    assert kind is not None
    return f"{kind[1]} {owner[3]} {owner[1]}:{owner[2]}"


def test_entries_are_as_the_tree_has_them(image: Path) -> None:
    # dump.erofs leaves out set-id and sticky bits; the kernel doesn't.
    assert about(image, "/bin/app") == "regular file 0755 70:70000"
    assert about(image, "/etc/hosts") == "regular file 0644 0:0"
    assert about(image, "/etc/name") == "symlink file 0777 3:0"
    assert about(image, "/tmp") == "directory 0777 0:0"
    assert about(image, "/dev/console") == "char dev 0622 0:0"
    assert about(image, "/dev/vda") == "block dev 0600 0:0"
    subprocess.run(["fsck.erofs", image], check=True, capture_output=True)


def test_contents_come_out_again(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    subprocess.run(
        ["fakeroot", "fsck.erofs", f"--extract={out}", "--no-preserve", image], check=True, capture_output=True
    )
    assert (out / "bin/app").read_bytes() == b"abc" * 5000
    assert (out / "etc/copy").read_bytes() == b"127.0.0.1 localhost\n"
    assert (out / "odd/caf\udce9\n").is_file()


def test_bytes_are_the_same_in_another_folder_and_on_another_file_system(
    image: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = pack_erofs(TREE, store_in(tmp_path_factory.mktemp("another"))).path / IMAGE
    assert again != image
    assert again.read_bytes() == image.read_bytes()
    shm = Path("/dev/shm/unilinux-test-erofs")
    try:
        shutil.rmtree(shm, ignore_errors=True)
        shm.mkdir()
        assert (pack_erofs(TREE, store_in(shm)).path / IMAGE).read_bytes() == image.read_bytes()
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", shm], check=False)
        shutil.rmtree(shm, ignore_errors=True)


def test_the_carrier_links_nothing_into_the_kernel(tmp_path: Path) -> None:
    carrier: Carrier = Erofs()
    cargo = carrier.pack(TREE, store_in(tmp_path))
    assert not cargo.files
    assert not carrier.placeholders
    assert carrier.is_disk
    assert cargo.disk is not None
    assert cargo.size_bytes == cargo.disk.stat().st_size
    assert cargo.initrd is None
    assert cargo.digest


def test_what_linux_does_not_take_is_named(tmp_path: Path) -> None:
    tree = Tree.of([File(f"/{'a' * 256}", b""), Symlink("/empty", ""), File("/owned", b"", uid=1 << 32)])
    with pytest.raises(ManifestError) as caught:
        pack_erofs(tree, store_in(tmp_path))
    assert len(caught.value.details) == 3
    assert not (tmp_path / "store" / "erofs").exists()


def test_a_file_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"before")
    copy = shutil.copyfile

    def late(source: Path, target: Path) -> None:
        file.write_bytes(b"after!")
        copy(source, target)

    monkeypatch.setattr("unilinux.link.erofs.shutil.copyfile", late)
    with pytest.raises(BuildError, match="the file for /file was changed while it was packed"):
        pack_erofs(Tree.of([File("/file", file)]), store_in(tmp_path))


def test_a_missing_tool_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unilinux.core.command.shutil.which", lambda *_, **__: None)
    with pytest.raises(HostError, match=r"'mkfs.erofs' is not installed") as caught:
        pack_erofs(TREE, store_in(tmp_path))
    assert "apt-get install erofs-utils" in (caught.value.hint or "")
