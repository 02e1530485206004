# SPDX-License-Identifier: GPL-2.0-only
"""Files of volumes: made once, and refused with the reason and the next command where they won't do."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core.errors import HostError, UniLinuxError, UsageError
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec, Volume
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import InitFailed
from unilinux.vm.volumes import hint_about_volume, make_volume, require_volume, with_volumes

MIB = 1 << 20


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    """A volume with a file that isn't there yet."""
    return Volume(name="data", path="/data", size_mib=8, file=tmp_path / "a folder" / "data.img")


def file_of(volume: Volume) -> Path:
    assert volume.file is not None
    return volume.file


def refused(volume: Volume) -> UniLinuxError:
    with pytest.raises(UniLinuxError) as caught:
        require_volume(volume)
    assert caught.value.hint
    assert str(volume.file) in caught.value.message
    return caught.value


def boot_of(tmp_path: Path, *volumes: Volume) -> Boot:
    return Boot(
        machine=compose(MachineSpec(volumes=volumes)), kernel=tmp_path / "vmlinux", evidence=tmp_path / "evidence"
    )


@pytest.mark.parametrize("name", ["data.img", "data.qcow2"])
def test_one_that_is_made_holds_an_empty_file_system(name: str, volume: Volume) -> None:
    volume = replace(volume, file=file_of(volume).with_name(name))
    make_volume(volume)
    require_volume(volume)
    file = file_of(volume)
    assert [path.name for path in file.parent.iterdir()] == [name]
    assert file.stat().st_blocks * 512 < 2 * MIB  # what isn't used takes no space
    raw = file.with_suffix(".raw")
    subprocess.run(["qemu-img", "convert", "-f", volume.format, "-O", "raw", file, raw], check=True)
    assert raw.stat().st_size == 8 * MIB
    subprocess.run(["/usr/sbin/e2fsck", "-fn", raw], check=True, capture_output=True)
    listed = subprocess.run(["/usr/sbin/debugfs", "-R", "ls -p /", raw], check=True, capture_output=True, text=True)
    assert {line.split("/")[5] for line in listed.stdout.split()} == {".", ".."}


def test_one_that_is_there_is_taken_as_it_is(volume: Volume, tmp_path: Path) -> None:
    make_volume(volume)
    before = file_of(volume).read_bytes()
    with with_volumes(boot_of(tmp_path, volume)) as boot:
        assert boot.machine.spec.volumes == (volume,)
    make_volume(volume)  # another process was as quick
    assert file_of(volume).read_bytes() == before


def test_without_a_file_it_goes_with_the_boot(tmp_path: Path) -> None:
    bare = Volume(name="data", path="/data", size_mib=8)
    with pytest.raises(ValueError, match="a failing boot"), with_volumes(boot_of(tmp_path, bare)) as boot:
        (ready,) = boot.machine.spec.volumes
        require_volume(ready)
        raise ValueError("a failing boot")
    assert not list((tmp_path / "evidence").iterdir())


def test_one_that_is_too_small(volume: Volume) -> None:
    make_volume(volume)
    error = refused(replace(volume, size_mib=16))
    assert error.message.endswith("has 8 MiB; the application wants 16 at /data")
    assert f"qemu-img resize -f raw {volume.file} 16M" in (error.hint or "")
    file = file_of(volume).rename(file_of(volume).with_name("small.qcow2"))
    file.unlink()
    make_volume(replace(volume, file=file))
    assert "has 8 MiB" in refused(replace(volume, file=file, size_mib=16)).message


def test_one_that_is_cut_off(volume: Volume) -> None:
    make_volume(volume)
    os.truncate(file_of(volume), 7 * MIB)
    error = refused(replace(volume, size_mib=1))
    assert "is cut off: its file system has 8,388,608 bytes, the disk 7,340,032" in error.message
    assert isinstance(error, HostError)


@pytest.mark.parametrize(
    ("at", "magic", "what"),
    [
        (0, b"", "nothing"),
        (0, b"hello", "no file system that is known"),
        (0, b"XFSB", "no ext4 but XFS"),
        (0x10040, b"_BHRfS_M", "no ext4 but Btrfs"),
        (0, b"hsqs", "no ext4 but SquashFS"),
        (3, b"NTFS    ", "no ext4 but NTFS"),
        (0x1FE, b"\x55\xaa", "no ext4 but partitions"),
    ],
)
def test_one_with_another_file_system(at: int, magic: bytes, what: str, volume: Volume) -> None:
    file = file_of(volume)
    file.parent.mkdir()
    content = bytearray(8 * MIB)
    content[at : at + len(magic)] = magic
    file.write_bytes(content)
    error = refused(volume)
    assert f"holds {what}" in error.message
    assert isinstance(error, UsageError)


def test_one_that_was_found_damaged(volume: Volume) -> None:
    make_volume(volume)
    subprocess.run(
        ["/usr/sbin/debugfs", "-w", "-R", "set_super_value state 3", file_of(volume)], check=True, capture_output=True
    )
    error = refused(volume)
    assert error.message.endswith("is damaged: a kernel has found errors in it")
    assert error.hint == f"e2fsck -f {volume.file}"


def test_one_with_a_damaged_superblock(volume: Volume) -> None:
    make_volume(volume)
    with file_of(volume).open("r+b") as file:
        file.seek(1024 + 0x78)
        file.write(b"another label")  # the checksum tells
    error = refused(volume)
    assert "is damaged: dumpe2fs: Superblock checksum does not match superblock" in error.message
    assert error.hint == f"e2fsck -f {volume.file}"


def test_one_in_another_form_than_its_name_says(volume: Volume) -> None:
    qcow2 = replace(volume, file=file_of(volume).with_suffix(".qcow2"))
    make_volume(qcow2)
    file_of(qcow2).rename(file_of(volume))
    assert "is a qcow2 image, and its name doesn't end in .qcow2" in refused(volume).message
    file_of(volume).unlink()
    make_volume(volume)
    file_of(volume).rename(file_of(qcow2))
    assert "is no qcow2 image, though its name says so" in refused(qcow2).message


def test_a_qcow2_image_that_is_empty_or_cut_off(volume: Volume) -> None:
    qcow2 = replace(volume, file=file_of(volume).with_suffix(".qcow2"))
    file = file_of(qcow2)
    file.parent.mkdir()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", file, "8M"], check=True)
    assert "holds nothing" in refused(qcow2).message
    os.truncate(file, 1024)
    assert "is cut off" in refused(qcow2).message


def test_one_that_is_no_file_or_may_not_be_used(volume: Volume, tmp_path: Path) -> None:
    assert "is no file" in refused(replace(volume, file=tmp_path)).message
    make_volume(volume)
    file_of(volume).chmod(0o400)
    if os.geteuid() != 0:
        assert "may not be used" in refused(volume).message


def test_one_that_another_process_writes_to(volume: Volume) -> None:
    make_volume(volume)
    with subprocess.Popen(["sh", "-c", 'exec 3<>"$1"; echo; read _', "sh", file_of(volume)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:  # fmt: skip
        assert other.stdout is not None
        other.stdout.readline()
        error = refused(volume)
        other.communicate(b"\n")
    assert error.message == f"the volume {volume.file} is in use by process {other.pid} (sh)"
    require_volume(volume)


def test_a_disk_that_is_full_leaves_nothing(volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(volume.file))

    monkeypatch.setattr("unilinux.vm.ext4.os.truncate", full)
    with pytest.raises(HostError, match="no space left"):
        make_volume(volume)
    assert not list(file_of(volume).parent.iterdir())


def test_what_init_says_of_a_volume_names_its_file(volume: Volume, tmp_path: Path) -> None:
    boot = boot_of(tmp_path, volume)
    told = InitFailed(125, "cannot mount the volume data at /data: Structure needs cleaning")
    assert f"e2fsck -f {volume.file}" in (hint_about_volume(boot, told) or "")
    assert hint_about_volume(boot, InitFailed(125, "cannot mount /proc: No such device")) is None


@pytest.fixture(autouse=True)
def with_tools() -> None:
    """Skip where the tools of e2fsprogs or QEMU aren't installed."""
    for tool in ("/usr/sbin/mke2fs", "/usr/sbin/debugfs", "/usr/bin/qemu-img"):
        if not Path(tool).exists():
            pytest.skip(f"{tool} is not installed")
