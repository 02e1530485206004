# SPDX-License-Identifier: GPL-2.0-only
"""What an observation asks of an application, and which images it refuses, with nothing built and nothing booted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from unilinux.app.checks.tcp import TcpCheck
from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.image.record import Image
from unilinux.image.request import Request, make_plan
from unilinux.observe import observe
from unilinux.observe.observe import Observation
from unilinux.observe.traced_boot import GuestSymbols, traced_boot
from unilinux.verify.stop import Stop

PROJECT = Path(__file__).parents[3]
LAYOUT = Layout(project=PROJECT, cache=PROJECT / "no", build=PROJECT / "no")


def observation(ring: int, folder: Path) -> Observation:
    plan = make_plan(Request(app="nginx", profile="server", ring=ring), LAYOUT)
    image = cast(Image, SimpleNamespace(plan=plan, folder=folder, record={}, steps=()))
    return Observation(image=image, engine=cast(Any, None), evidence=folder, store=cast(Any, None))


def test_an_image_whose_calls_are_functions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nginx-server calls the kernel by functions") as caught:
        observation(0, tmp_path).run()
    assert caught.value.hint == "observe it with --ring 3"


def test_a_kernel_that_has_no_one_place_for_calls_is_refused() -> None:
    symbols = cast(GuestSymbols, SimpleNamespace(kernel=SimpleNamespace(symbols={}), functions=()))
    with pytest.raises(UsageError, match="this kernel has no do_syscall_64"):
        traced_boot(cast(Any, None), cast(Any, None), symbols, plugin=Path("x"), use=lambda vm: None)


def test_the_workload_comes_after_verification(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Any] = []

    def check_machine(vm: object, checks: object, stop: Stop, *, timeout_s: float) -> Any:
        asked.append((checks, stop))
        return SimpleNamespace(require=lambda: None)

    monkeypatch.setattr(observe, "check_machine", check_machine)
    watched = observation(3, tmp_path)
    plan = watched.image.plan
    more = TcpCheck(kind="tcp", port=80)
    manifest = plan.app.manifest.model_copy(update={"workload": (more,)})
    image = cast(Image, SimpleNamespace(plan=replace(plan, app=replace(plan.app, manifest=manifest))))
    replace(watched, image=image)._use(cast(Any, None))
    assert asked == [((*plan.app.manifest.verify, more), Stop("SIGQUIT", 0))]
