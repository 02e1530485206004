"""Boots of a real image, counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.events import NullSink, Progress
from unilinux.core.store import Store
from unilinux.image.record import Image
from unilinux.measure.boot import booted, counted_boot, disagreements, to_the_end
from unilinux.measure.counter import build_plugin
from unilinux.measure.kernel import read_kernel
from unilinux.measure.stages import Application, Stages
from unilinux.vm.runner import Boot

pytestmark = [pytest.mark.boot, pytest.mark.slow]

REPEATS = 10
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin")
    return build_plugin(Store(folder / "store", logs=folder / "logs", progress=Progress(NullSink())))


@pytest.fixture
def count(hello_image: Image, boot_of: Callable[[Image], Boot], plugin: Path, tmp_path: Path) -> Callable[[], Stages]:
    kernel = read_kernel(hello_image.vmlinux, hello_image.folder / "System.map")
    boot = booted(boot_of(hello_image), to_the_end(TIMEOUT_S))
    return lambda: counted_boot(kernel, Application(), plugin=plugin, folder=tmp_path, boot=boot)


def test_repeats_agree_to_the_instruction_up_to_main(count: Callable[[], Stages]) -> None:
    assert disagreements([count() for _ in range(REPEATS)], until="main") == ()


def test_a_boot_has_all_its_stages(count: Callable[[], Stages]) -> None:
    measured = count()
    names = [stage.name for stage in measured.stages]
    assert names[:3] == ["firmware", "entry", "core"]
    assert names[-3:] == ["pid1", "main", "exit"]
    assert {"initcalls.early", "basics", "initcalls.device", "initcalls.late"} < set(names)
    assert sum(stage.spent for stage in measured.stages) == measured.stages[-1].instructions <= measured.total
    assert sum(cost.instructions for cost in measured.functions) == measured.instructions("pid1")
    assert {"start_kernel", "do_one_initcall"} < set(measured.executed)
