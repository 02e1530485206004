# SPDX-License-Identifier: GPL-2.0-only
"""How a guest is waited for while its boot is counted."""

from __future__ import annotations

from typing import cast

import pytest

from tests.unit.ops.measured import LAYOUT
from unilinux.app.catalogue import Catalogue
from unilinux.core.errors import VmError
from unilinux.ops.counting import awaited_check, wait_until_idle
from unilinux.vm.outcome import Exited, Timeout
from unilinux.vm.vm import Vm


@pytest.mark.parametrize(("app", "kind"), [("nginx", "http"), ("redis", "resp"), ("hello", "console")])
def test_a_server_is_asked_by_its_first_check(app: str, kind: str) -> None:
    assert awaited_check(Catalogue(LAYOUT.apps).find(app).manifest.verify).kind == kind


class Restless:
    """A machine that is halted at some looks at it."""

    def __init__(self, looks: str, *, ends: bool = False) -> None:
        self.looks, self.ends, self.seen = looks, ends, 0

    def is_idle(self) -> bool:
        self.seen += 1
        return self.looks[(self.seen - 1) % len(self.looks)] == "1"

    def wait(self, *, timeout_s: float) -> Timeout | Exited:
        return Exited(0) if self.ends else Timeout(timeout_s, "rest")


@pytest.mark.parametrize(
    ("looks", "ends", "seen"), [("111", False, 3), ("1101110", False, 6), ("01", False, 200), ("0", True, 1)]
)
def test_a_guest_is_idle_when_it_rests_at_several_looks(looks: str, ends: bool, seen: int) -> None:
    machine = Restless(looks, ends=ends)
    wait_until_idle(cast(Vm, machine))
    assert machine.seen == seen


class Gone(Restless):
    """A machine that ends, or not, between two looks."""

    def is_idle(self) -> bool:
        raise VmError("QEMU hung up")


def test_a_guest_that_ends_while_it_is_looked_at_is_at_rest() -> None:
    wait_until_idle(cast(Vm, Gone("0", ends=True)))
    with pytest.raises(VmError, match="hung up"):
        wait_until_idle(cast(Vm, Gone("0")))
