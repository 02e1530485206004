# SPDX-License-Identifier: GPL-2.0-only
"""An image whose files are on a disk: it behaves like one whose files lie in memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.image.record import Image
from unilinux.ops.image_under_test import ImageUnderTest
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

# A kernel of its own: with EROFS and overlayfs.
pytestmark = [pytest.mark.boot, pytest.mark.slow, pytest.mark.timeout(1800)]

# Uses the root file system as programs do that take it for granted.
ROOT = r"""
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed;

static void check(const char *what, int ok)
{
	if (!ok) {
		failed = 1;
		printf("failed: %s: %s\n", what, strerror(errno));
	}
}

static void holds(const char *path, const char *text)
{
	char found[64] = "";
	int fd = open(path, O_RDONLY);

	check(path, fd >= 0 && read(fd, found, sizeof(found) - 1) >= 0 && !strcmp(found, text));
	close(fd);
}

static void writes(const char *path, int flags, const char *text)
{
	int fd = open(path, O_WRONLY | flags, 0600);

	check(path, fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

int main(void)
{
	struct stat status;

	holds("/data/one", "1");
	holds("/link", "1");
	check("mode", !stat("/data/one", &status) && (status.st_mode & 07777) == 0640);
	check("root", !stat("/", &status) && (status.st_mode & 07777) == 0755);
	writes("/data/one", O_APPEND, "2");
	holds("/data/one", "12");
	writes("/new", O_CREAT, "new");
	holds("/new", "new");
	check("unlink", !unlink("/data/one") && access("/data/one", F_OK) && !rmdir("/data"));
	/* A folder that was removed and made anew is empty. */
	check("mkdir", !mkdir("/data", 0700) && access("/data/one", F_OK));
	check("rename", !rename("/new", "/data/new"));
	holds("/data/new", "new");
	writes("/dev/null", 0, "x");
	writes("/dev/stdout", 0, "standard output\n");
	check("/dev/upper", access("/dev/upper", F_OK) && access("/dev/root", F_OK));
	check("/dev/tty", open("/dev/tty", O_RDWR) >= 0);
	writes("/tmp/file", O_CREAT, "x");
	puts(failed ? "not all is well" : "all is well");
	return failed;
}
"""

FILES = """
[[files]]
path = "/data/one"
local = "one"
mode = "0640"

[[files]]
path = "/link"
symlink = "data/one"

[run]"""


@pytest.fixture(scope="module")
def on_disk(workshop: Workshop) -> Image:
    folder = workshop.layout.apps / workshop.add("root", ROOT)
    (folder / "one").write_text("1")
    manifest = folder / "app.toml"
    manifest.write_text(manifest.read_text().replace("\n[run]", FILES, 1))
    return workshop.build("root", pack="erofs")


def test_the_root_can_be_written_to_and_is_as_it_was_at_the_next_boot(
    on_disk: Image, boot_of: Callable[[Image], Boot]
) -> None:
    disk = on_disk.folder / "root.erofs"
    before = disk.read_bytes()
    for _ in range(2):
        with Vm.start(boot_of(on_disk), ENGINE) as vm:
            outcome = vm.wait(timeout_s=60)
            said = [line.text for line in vm.console.lines()]
        assert "all is well" in said, said
        assert "standard output" in said
        assert outcome == Exited(0)
    assert disk.read_bytes() == before


def test_a_copy_is_verified_by_its_record_alone(on_disk: Image, tmp_path: Path) -> None:
    folder = tmp_path / "far, away"
    shutil.copytree(on_disk.folder, folder, ignore=shutil.ignore_patterns("runs"))
    found = ImageUnderTest.found(folder)
    assert found.machine.spec.root is not None
    assert found.machine.spec.root.file == folder / "root.erofs"
    with Vm.start(found.boot("run"), ENGINE) as vm:
        assert vm.wait(timeout_s=60) == Exited(0)
