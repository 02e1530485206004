# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Self

import pytest

from tests.unit.vm.fake import FakeEngine, FakeGuest
from unilinux.core.layout import Layout
from unilinux.image.request import Request, make_plan
from unilinux.minimise import boot_test
from unilinux.minimise.boot_test import plain_lines
from unilinux.vm.probe import probe_guest
from unilinux.vm.vm import Vm

PROJECT = Path(__file__).parents[3]


def test_lines_are_compared_without_what_differs_from_run_to_run() -> None:
    one = plain_lines(["1:M 20 Nov 2026 13:07:27.123 * Ready", "at 0xffffffff81000000", "", "  "])
    assert one == plain_lines(["1:M 21 Dec 2027 01:00:00.999 * Ready".replace("Dec", "Nov"), "at 0xffffffff8123abcd"])
    assert one == {"#:M # Nov # #:#:#.# * Ready", "at #"}


def test_the_echo_of_the_stop_key_may_come_anywhere() -> None:
    assert plain_lines(["^\\signal received", "^C", "bye^C"]) == {"signal received", "bye"}


def test_words_are_not_taken_for_numbers() -> None:
    assert plain_lines(["eventfd() failed: bad deed"]) == {"eventfd() failed: bad deed"}


class Machine:
    """A virtual machine on which all goes well."""

    elapsed_s = 1.5
    console = SimpleNamespace(lines=lambda: ())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def kill(self) -> None: ...


def test_the_workload_is_a_part_of_the_proof(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[object] = []
    monkeypatch.setattr(Vm, "start", lambda boot, engine: Machine())
    monkeypatch.setattr(boot_test, "check_machine", lambda vm, checks, stop, **_: asked.extend(checks))
    plan = make_plan(Request(app="nginx"), Layout(project=PROJECT, cache=tmp_path, build=tmp_path))
    tested = boot_test.ImageBootTest(plan=plan, engine=FakeEngine(lambda _: None), evidence=tmp_path, tick=None)
    assert tested.run(tmp_path / "vmlinux", timeout_s=1).ok
    manifest = plan.app.manifest
    assert manifest.workload
    assert asked == [*manifest.verify, *manifest.workload]


def test_the_clock_is_proved_by_another_initramfs_in_the_same_kernel(tmp_path: Path) -> None:
    def guest(machine: FakeGuest) -> None:
        machine.say("10 ms have passed\n")
        machine.exit(1, "exit 0\n")

    engine = FakeEngine(guest)
    kernel, tick = tmp_path / "vmlinux", tmp_path / "hello.cpio"
    kernel.write_bytes(probe_guest())
    tick.write_bytes(b"")
    plan = make_plan(Request(app="nginx"), Layout(project=PROJECT, cache=tmp_path, build=tmp_path))
    tested = boot_test.ImageBootTest(plan=plan, engine=engine, evidence=tmp_path / "runs", tick=tick)
    assert tested._clock(kernel, tick, 10) == ""
    assert [boot.initrd for boot in engine.boots] == [tick]
