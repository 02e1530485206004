# SPDX-License-Identifier: GPL-2.0-only
"""Arguments and variables that one boot gives the application."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.app.startup import startup_words
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot]

Boots = Callable[[Image], Boot]

TELLER = r"""
    #include <stdio.h>

    static void tell(const char *what, char **texts)
    {
        for (; *texts; texts++) {
            printf("%s ", what);
            for (char *c = *texts; *c; c++)
                printf("%02x", (unsigned char)*c);
            printf(".\n");
        }
    }

    int main(int argc, char **argv, char **envp)
    {
        (void)argc;
        tell("argument", argv + 1);
        tell("variable", envp);
        return 0;
    }
"""


def told(lines: list[str], what: str) -> list[str]:
    found = (re.fullmatch(f"{what} ([0-9a-f]*)\\.", line) for line in lines)
    return [os.fsdecode(bytes.fromhex(one[1])) for one in found if one]


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ([], [], ["A=1", "AB=2"]),
        (["--port", "81"], [], ["A=1", "AB=2"]),
        (["", " a  b", "\"'`$\\", ",%2c", "ü\n\t", os.fsdecode(b"\xff"), "--", "quiet", "x=y"], [], ["A=1", "AB=2"]),
        ([], ["A=it's \"quoted\", isn't it?", "C=", "D=a=b"], ["A=it's \"quoted\", isn't it?", "C=", "D=a=b", "AB=2"]),
        (["x" * 500], ["LONG=" + "y" * 500], ["LONG=" + "y" * 500, "A=1", "AB=2"]),
    ],
    ids=["none", "plain", "odd", "variables", "long"],
)
def test_they_arrive_as_they_were_said(
    workshop: Workshop, boot_of: Boots, arguments: list[str], variables: list[str], expected: list[str]
) -> None:
    if not (workshop.layout.apps / "teller").exists():
        manifest = workshop.layout.apps / workshop.add("teller", TELLER) / "app.toml"
        manifest.write_text(manifest.read_text().replace("[run]\n", '[run]\nenv = { A = "1", AB = "2" }\n'))
    boot = boot_of(workshop.build("teller"))
    words = startup_words(arguments, variables)
    with Vm.start(replace(boot, cmdline=(*boot.cmdline, *words)), ENGINE) as vm:
        assert vm.wait(timeout_s=60) == Exited(0)
        lines = [line.text for line in vm.console.lines()]
    assert told(lines, "argument") == arguments
    assert told(lines, "variable") == expected
