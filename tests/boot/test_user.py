# SPDX-License-Identifier: GPL-2.0-only
"""An application that init starts as another user."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot]

Boots = Callable[[Image], Boot]

WHO = r"""
    #include <fcntl.h>
    #include <stdio.h>
    #include <unistd.h>

    int main(void)
    {
        gid_t groups[8];
        int count = getgroups(8, groups);

        printf("user %d %d %d %d groups", getuid(), geteuid(), getgid(), getegid());
        for (int i = 0; i < count; i++)
            printf(" %d", groups[i]);
        printf("\nroot again: %s\n", setuid(0) ? "no" : "yes");
        printf("terminal: %s, %s\n", isatty(0) ? "yes" : "no", open("/dev/ttyS0", O_RDWR) < 0 ? "closed" : "opened");
        printf("secret: %s\n", open("/etc/secret", O_RDONLY) < 0 ? "closed" : "opened");
        return 0;
    }
"""


def manifest_with(workshop: Workshop, name: str, lines: str) -> None:
    path = workshop.layout.apps / name / "app.toml"
    files = '[[files]]\npath = "/etc/secret"\nlocal = "main.c"\nmode = "0600"\n\n'
    for file in ("passwd", "group"):
        files += f'[[files]]\npath = "/etc/{file}"\nlocal = "{file}"\n\n'
    path.write_text(path.read_text().replace("[run]\n", f"{files}[run]\n{lines}\n"))
    (path.parent / "passwd").write_text("root:x:0:0:root:/:\nwho:x:101:102::/:\n")
    (path.parent / "group").write_text("root:x:0:\nwho:x:102:\nadm:x:4:who\nssl:x:105:who\n")


@pytest.mark.slow  # a kernel of its own: with MULTIUSER
def test_user_of_the_images_own_passwd(workshop: Workshop, boot_of: Boots) -> None:
    name = workshop.add("who", WHO)
    manifest_with(workshop, name, 'user = "who"')
    with Vm.start(boot_of(workshop.build(name)), ENGINE) as vm:
        vm.expect("^user 101 101 102 102 groups 4 105$", timeout_s=60)
        vm.expect("^root again: no$", timeout_s=60)
        vm.expect("^terminal: yes, opened$", timeout_s=60)
        vm.expect("^secret: closed$", timeout_s=60)
        assert vm.wait(timeout_s=60) == Exited(0)
