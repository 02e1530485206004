# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.vm.test_footprint import bzimage
from unilinux.core.errors import BootError, VmError
from unilinux.core.tree import Directory, File
from unilinux.measure.boot.kernel import Kernel
from unilinux.measure.boot.stages import Application, plan
from unilinux.measure.stock.kernel import application_of, header_of, require_end_of_pid1
from unilinux.vm.outcome import Exited, Outcome, Panic, Timeout


def program(entry: int, *, kind: int = 2) -> bytes:
    return struct.pack("<16sHHIQ", b"\x7fELF\x02\x01\x01", kind, 62, 1, entry) + bytes(32)


def test_programs_at_fixed_addresses_are_known_by_their_entries(tmp_path: Path) -> None:
    (tmp_path / "hello").write_bytes(program(0x40108F))
    files = (Directory("/bin"), File("/init", program(0x400412)), File("/bin/hello", tmp_path / "hello"))
    assert application_of(files, ("/bin/hello", "-v")) == Application(pid1=0x400412, main=0x40108F)


@pytest.mark.parametrize("content", [program(0x1000, kind=3), b"#!/bin/sh\n", b""], ids=["pie", "script", "empty"])
def test_what_is_not_at_a_fixed_address_is_not_watched(content: bytes) -> None:
    found = application_of((File("/init", program(0x400412)), File("/bin/app", content)), ("/bin/app",))
    assert found.main is None
    watches = {watch.name: watch for watch in plan(Kernel(), found).watches}
    assert (watches["main"].addresses, watches["main"].ranges) == ((), ())
    assert watches["pid1"].addresses == (0x400412,)


def test_a_bzimage_says_where_its_kernel_lies(tmp_path: Path) -> None:
    assert header_of(bzimage(tmp_path / "bzImage")).address == 16 << 20
    (tmp_path / "vmlinux").write_bytes(b"\x7fELF" + bytes(2000))
    with pytest.raises(VmError, match="is no bzImage"):
        header_of(tmp_path / "vmlinux")


class Machine:
    def failure(self, outcome: Outcome) -> BootError:
        return BootError(outcome.explain())


def test_a_panic_after_the_end_of_pid1_is_an_end_as_good_as_any() -> None:
    require_end_of_pid1(cast(Any, Machine()), Panic("Attempted to kill init! exitcode=0x00000000"))


@pytest.mark.parametrize("outcome", [Panic("VFS: no root"), Exited(0), Timeout(5, "the end")])
def test_any_other_end_is_told(outcome: Any) -> None:
    with pytest.raises(BootError, match=re.escape(outcome.explain())):
        require_end_of_pid1(cast(Any, Machine()), outcome)
