# SPDX-License-Identifier: GPL-2.0-only
"""Data that stays: written by one boot, found by the next, whatever became of the first."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.core.errors import BootError, HostError
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited, InitFailed, Ready
from unilinux.vm.vm import Vm
from unilinux.vm.volumes import make_volume

# A kernel of their own: with block devices and ext4.
pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(1800)]

KILLS = 10

# Keeps a note without any care for it, and says which one it found.
NOTER = r"""
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void)
{
	char found[32] = "";
	struct dirent *entry;
	struct stat status;
	int fd, entries = 0;
	DIR *folder = opendir("/data");

	while (folder && (entry = readdir(folder)))
		entries += entry->d_name[0] != '.';
	fd = open("/data/note", O_RDWR | O_CREAT, 0600);
	if (fd < 0 || stat("/data", &status))
		return 1;
	read(fd, found, sizeof(found) - 1);
	printf("%d entries, note '%s'\n", entries, found);
	printf("folder %o of %u:%u\n", status.st_mode & 07777, status.st_uid, status.st_gid);
	return write(fd, "kept.", 5) != 5;
}
"""

# Writes numbers, each of which it acknowledges once it is on the disk.
KEEPER = r"""
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define MOST 100000

int main(void)
{
	int fd = open("/data/log", O_RDWR | O_CREAT, 0600), read_back;
	int number, found = 0;

	while (fd >= 0 && read(fd, &read_back, sizeof(read_back)) == sizeof(read_back))
		if (read_back != found++)
			return 2;
	printf("found %d\n", found);
	fflush(stdout);
	lseek(fd, (off_t)found * sizeof(number), SEEK_SET);
	for (number = found; number < MOST; number++) {
		if (write(fd, &number, sizeof(number)) != sizeof(number) || fsync(fd))
			return 3;
		printf("kept %d\n", number);
		fflush(stdout);
	}
	return 0;
}
"""

VOLUME = """
[[volume]]
name = "data"
path = "/data"
size_mib = 16
owner = "70:71"
mode = "0750"

[kernel]
MULTIUSER = "y" # owners
NET = "y" # what follows is for shares: one kernel does for the tests of both
NET_9P = "y"
NET_9P_VIRTIO = "y"
NETWORK_FILESYSTEMS = "y"
9P_FS = "y"

[[verify]]"""


def manifest_with_volume(workshop: Workshop, name: str) -> None:
    """Give an application like hello a volume, and the kernel that serves for all that an image can mount."""
    manifest = workshop.layout.apps / name / "app.toml"
    text = manifest.read_text().replace("memory_mib = 32", "memory_mib = 64")
    manifest.write_text(text.replace("\n[[verify]]", VOLUME, 1))


def add(workshop: Workshop, name: str, source: str) -> Image:
    """hello with a volume, and another program in it."""
    manifest_with_volume(workshop, workshop.add(name, source))
    return workshop.build(name)


@pytest.fixture(scope="module")
def noter(workshop: Workshop) -> Image:
    return add(workshop, "noter", NOTER)


@pytest.fixture(scope="module")
def keeper(workshop: Workshop) -> Image:
    return add(workshop, "keeper", KEEPER)


@pytest.fixture
def boot_with(boot_of: Callable[[Image], Boot]) -> Callable[..., Boot]:
    """A boot of an image whose only volume is this file."""

    def boot(image: Image, file: Path | None, *words: str) -> Boot:
        usual = boot_of(image)
        (volume,) = image.plan.machine.spec.volumes
        machine = usual.machine.with_volumes((replace(volume, file=file),))
        return replace(usual, machine=machine, cmdline=(*usual.cmdline, *words))

    return boot


def said_by(boot: Boot) -> Sequence[str]:
    """What the guest says that ends by itself, with status 0."""
    with Vm.start(boot, ENGINE) as vm:
        outcome = vm.wait(timeout_s=120)
        said = [line.text for line in vm.console.lines()]
    assert outcome == Exited(0), said
    return said


@pytest.mark.parametrize("name", ["data.img", "data.qcow2"])
def test_what_nobody_flushed_is_there_after_an_end_in_order(
    name: str, noter: Image, boot_with: Callable[..., Boot], tmp_path: Path
) -> None:
    file = tmp_path / "disks" / name
    first = said_by(boot_with(noter, file))
    assert "0 entries, note ''" in first
    assert "folder 750 of 70:71" in first
    assert "1 entries, note 'kept.'" in said_by(boot_with(noter, file))
    assert [path.name for path in file.parent.iterdir()] == [name]
    if file.suffix == ".img":
        # 1: only the journal was replayed, which says that the file system wasn't unmounted.
        mended = subprocess.run(["/usr/sbin/e2fsck", "-fp", file], check=False, capture_output=True)
        assert mended.returncode in (0, 1), mended.stdout


def test_without_a_file_each_boot_gets_an_empty_volume(noter: Image, boot_with: Callable[..., Boot]) -> None:
    for _ in range(2):
        boot = boot_with(noter, None)
        assert "0 entries, note ''" in said_by(boot)
        assert not list(boot.evidence.glob("*.img"))


def test_what_was_acknowledged_survives_kills(keeper: Image, boot_with: Callable[..., Boot], tmp_path: Path) -> None:
    """QEMU is killed in the middle of a write load, again and again."""
    file, acknowledged = tmp_path / "data.img", -1
    for kill in range(KILLS):
        with Vm.start(boot_with(keeper, file), ENGINE) as vm:
            found = vm.expect(r"^found \d+$", timeout_s=60)
            assert int(found.line.split()[1]) > acknowledged
            # Not always at the same place.
            vm.expect(rf"^kept {acknowledged + 20 + 7 * kill}$", timeout_s=60)
            vm.kill()
            lines = [line.text for line in vm.console.lines() if line.ended]
        acknowledged = max(int(match[1]) for line in lines if (match := re.fullmatch(r"kept (\d+)", line)))
    with Vm.start(boot_with(keeper, file), ENGINE) as vm:
        found = vm.expect(r"^found \d+$", timeout_s=60)
        assert int(found.line.split()[1]) > acknowledged
        vm.kill()


def test_a_volume_in_use_is_refused(
    keeper: Image, boot_with: Callable[..., Boot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "data.img"
    with Vm.start(boot_with(keeper, file), ENGINE) as vm:
        vm.expect("^kept 1$", timeout_s=60)
        second = replace(boot_with(keeper, file), evidence=tmp_path / "second")
        with pytest.raises(HostError, match=rf"volume {file} is in use by process \d+ \(qemu-system"):
            Vm.start(second, ENGINE)
        # One that comes just as quickly is told by QEMU's own lock.
        monkeypatch.setattr("unilinux.vm.volumes.require_volume", lambda _: None)
        with pytest.raises(HostError, match=rf"volume {file} is in use by process \d+ \(qemu-system"):
            Vm.start(second, ENGINE)
        assert isinstance(vm.watch("^kept 30$", timeout_s=60), Ready)
        vm.kill()


def test_a_damaged_volume_is_told_by_the_guest(noter: Image, boot_with: Callable[..., Boot], tmp_path: Path) -> None:
    """What the host's look at it doesn't find: the superblock is right, the folder that it names is not."""
    file = tmp_path / "data.img"
    boot = boot_with(noter, file)
    make_volume(boot.machine.spec.volumes[0])
    subprocess.run(
        ["/usr/sbin/debugfs", "-w", "-R", "set_inode_field <2> mode 0100644", file], check=True, capture_output=True
    )
    with Vm.start(boot, ENGINE) as vm:
        outcome = vm.wait(timeout_s=60)
        error = vm.failure(outcome)
    assert isinstance(outcome, InitFailed)
    assert "cannot mount the volume data at /data: " in outcome.text
    assert isinstance(error, BootError)
    assert f"e2fsck -f {file}" in (error.hint or "")
