# SPDX-License-Identifier: GPL-2.0-only
"""Folders of the host in the guest: what one writes the other reads, owners as each of them sees them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, Workshop
from tests.boot.test_volumes import manifest_with_volume, said_by
from unilinux.core.errors import UsageError
from unilinux.image.record import Image
from unilinux.machine.spec import SharedFolder
from unilinux.vm.engine import Boot
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(1800)]

SHARER = r"""
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void show(const char *path)
{
	char text[64] = "";
	struct stat status;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || fstat(fd, &status) || read(fd, text, sizeof(text) - 1) < 0)
		printf("%s: %s\n", path, strerror(errno));
	else
		printf("%s: '%s' %o of %u:%u\n", path, text, status.st_mode & 07777, status.st_uid, status.st_gid);
}

static void put(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *map;

	if (fd < 0 || write(fd, "guest", 5) != 5 || fsync(fd)) {
		printf("%s: %s\n", path, strerror(errno));
		return;
	}
	map = mmap(NULL, 5, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || (map[0] = 'G', msync(map, 5, MS_SYNC)))
		printf("%s: cannot be mapped: %s\n", path, strerror(errno));
	if (fchown(fd, 70, 71) || fchmod(fd, 0640))
		printf("%s: %s\n", path, strerror(errno));
	close(fd);
}

int main(void)
{
	char target[32] = "";

	show("/shared/from-host");
	show("/shared/from-guest");
	put("/shared/from-guest");
	symlink("from-guest", "/shared/link");
	readlink("/shared/link", target, sizeof(target) - 1);
	printf("link to '%s'\n", target);
	show("/pages/link-of-host");
	put("/pages/new");
	return 0;
}
"""


@pytest.fixture(scope="module")
def sharer(workshop: Workshop) -> Image:
    """An image that mounts two folders. Which ones, each boot says."""
    name = workshop.add("sharer", SHARER)
    manifest_with_volume(workshop, name)
    shares = (
        SharedFolder(folder=Path("/nowhere"), path="/shared"),
        SharedFolder(folder=Path("/nowhere"), path="/pages", read_only=True),
    )
    return workshop.build(name, shares=shares)


@pytest.fixture
def boot_with(boot_of: Callable[[Image], Boot], tmp_path: Path) -> Callable[[Image], Boot]:
    """A boot with two new folders, ``shared`` and ``pages``, with a comma in their path."""

    def boot(image: Image) -> Boot:
        usual = boot_of(image)
        folders = [tmp_path / "a, b" / share.path.lstrip("/") for share in usual.machine.spec.shares]
        shares = [
            replace(share, folder=folder) for share, folder in zip(usual.machine.spec.shares, folders, strict=True)
        ]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        return replace(usual, machine=usual.machine.with_shares(tuple(shares)))

    return boot


def about(path: str, said: Sequence[str]) -> str:
    return next(line.removeprefix(f"{path}: ") for line in said if line.startswith(f"{path}: "))


def test_both_sides_see_what_the_other_writes(
    sharer: Image, boot_with: Callable[[Image], Boot], tmp_path: Path
) -> None:
    boot = boot_with(sharer)
    shared, pages = (share.folder for share in boot.machine.spec.shares)
    assert shared is not None
    assert pages is not None
    (shared / "from-host").write_text("host")
    (shared / "from-host").chmod(0o604)
    (pages / "page").write_text("a page")
    (pages / "link-of-host").symlink_to("page")
    me = f"{os.getuid()}:{os.getgid()}"

    said = said_by(boot)
    assert about("/shared/from-host", said) == f"'host' 604 of {me}"
    assert about("/shared/from-guest", said) == "No such file or directory"
    assert "link to 'from-guest'" in said
    assert about("/pages/link-of-host", said).startswith("'a page' ")
    assert about("/pages/new", said) == "Read-only file system"

    made = shared / "from-guest"
    assert made.read_text() == "Guest"
    # The user's own on the host, whoever owns it in the guest.
    assert (made.stat().st_uid, made.stat().st_gid) == (os.getuid(), os.getgid())
    assert stat.S_IMODE(made.stat().st_mode) == 0o644
    assert sorted(path.name for path in pages.iterdir()) == ["link-of-host", "page"]

    made.write_text("host again")
    assert about("/shared/from-guest", said_by(boot)) == "'host again' 640 of 70:71"


def test_which_folders_has_to_be_said(sharer: Image, boot_of: Callable[[Image], Boot]) -> None:
    usual = boot_of(sharer)
    shares = tuple(replace(share, folder=None) for share in usual.machine.spec.shares)
    with pytest.raises(UsageError, match="the image mounts a folder of the host at /shared: which"):
        Vm.start(replace(usual, machine=usual.machine.with_shares(shares)), ENGINE)
