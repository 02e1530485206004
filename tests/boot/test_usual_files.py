# SPDX-License-Identifier: GPL-2.0-only
"""What every Unix program takes for granted of its file system, seen by one that runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, PROJECT, Workshop
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited, Ready
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]

PROGRAM = r"""
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int failed;

static void check(const char *what, int ok)
{
	if (!ok) {
		failed = 1;
		printf("missing: %s: %s\n", what, strerror(errno));
	}
}

static void writes(const char *path)
{
	FILE *file = fopen(path, "a");

	check(path, file && fprintf(file, "said by %s\n", path) > 0 && !fclose(file));
}

int main(void)
{
	char name[] = "/tmp/workXXXXXX", byte;
	struct stat status;

	if (setgid(65534) || setuid(65534))
		check("another user", errno == ENOSYS);
	writes("/dev/stdout");
	writes("/dev/stderr");
	writes("/dev/null");
	check("/dev/zero", open("/dev/zero", O_RDONLY) >= 0);
	check("/dev/full", write(open("/dev/full", O_WRONLY), "x", 1) < 0 && errno == ENOSPC);
	check("/dev/urandom", read(open("/dev/urandom", O_RDONLY), &byte, 1) == 1);
	check("/dev/shm", shm_open("/a", O_CREAT | O_RDWR, 0600) >= 0);
	check("mkstemp", mkstemp(name) >= 0);
	check("the mode of /tmp", !stat("/tmp", &status) && (status.st_mode & 07777) == 01777);
	check("/run", !stat("/run", &status) && S_ISDIR(status.st_mode));
	check("/var/run", !stat("/var/run", &status) && S_ISDIR(status.st_mode));
	if (!access("/proc/self", F_OK)) {
		check("/dev/fd", open("/dev/fd/1", O_WRONLY) >= 0);
		check("/tmp/inner", !stat("/tmp/inner", &status) && S_ISDIR(status.st_mode));
	}
	puts(failed ? "not all is there" : "all is there");
	return failed;
}
"""


@pytest.mark.parametrize(
    "mounts", ["", '\nmounts = ["devtmpfs", "proc", "tmpfs:/tmp", "tmpfs:/tmp/inner"]'], ids=["bare", "mounted"]
)
def test_usual_files_are_there(mounts: str, workshop: Workshop, boot_of: Callable[[Image], Boot]) -> None:
    name = workshop.add("usual" if not mounts else "usual-mounted", PROGRAM)
    manifest = workshop.layout.apps / name / "app.toml"
    text = manifest.read_text().replace("memory_mib = 32", f"memory_mib = 64{mounts}")
    # What is mounted is configured in the servers' kernel.
    manifest.write_text(text.replace('profile = "tiny"', 'profile = "server"') if mounts else text)
    with Vm.start(boot_of(workshop.build(name)), ENGINE) as vm:
        outcome = vm.wait(timeout_s=60)
        said = [line.text for line in vm.console.lines()]
    assert "all is there" in said, said
    assert {"said by /dev/stdout", "said by /dev/stderr"} <= set(said)
    assert outcome == Exited(0)


def test_a_log_to_standard_output_is_on_the_console(workshop: Workshop, tmp_path: Path) -> None:
    """nginx's access log, which was a file that grew in memory."""
    folder = workshop.layout.apps / "nginx-log"
    folder.mkdir()
    for file in (PROJECT / "apps/nginx").iterdir():
        text = file.read_text()
        text = text.replace('name = "nginx"', 'name = "nginx-log"').replace(
            "access_log off;", "access_log /dev/stdout;"
        )
        (folder / file.name).write_text(text)
    image = workshop.build("nginx-log")
    boot = Boot(
        machine=image.plan.forwarding((80,)).machine,
        kernel=image.vmlinux,
        evidence=tmp_path / "evidence",
        cmdline=image.plan.cmdline,
    )
    with Vm.start(boot, ENGINE) as vm:
        answer = b""
        while not answer:
            assert vm.elapsed_s < 60
            with suppress(OSError), vm.connect(80, timeout_s=5) as connection:
                connection.sendall(b"GET /asked-for HTTP/1.0\r\n\r\n")
                answer = connection.recv(100)
        assert isinstance(vm.watch('"GET /asked-for HTTP/1.0" 404 ', timeout_s=20), Ready)
        vm.kill()
