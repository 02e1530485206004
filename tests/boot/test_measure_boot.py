# SPDX-License-Identifier: GPL-2.0-only
"""Boots of a real image, counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.image.record import Image
from unilinux.measure.boot.boots import booted, counted_boot, debugged, disagreements, to_the_end
from unilinux.measure.boot.counter import build_plugin
from unilinux.measure.boot.exits import AFTER, by_cause
from unilinux.measure.boot.kernel import read_kernel
from unilinux.measure.boot.stages import Application, Stages
from unilinux.measure.memory.occupancy import Occupancy
from unilinux.vm.engine import Boot

pytestmark = [pytest.mark.boot, pytest.mark.slow]

REPEATS = 10
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin")
    return build_plugin(LocalStore(folder / "store", logs=folder / "logs", progress=Progress(NullSink())))


@pytest.fixture
def count(hello_image: Image, boot_of: Callable[[Image], Boot], plugin: Path, tmp_path: Path) -> Callable[[], Stages]:
    kernel = read_kernel(hello_image.vmlinux, hello_image.folder / "System.map")
    boot = booted(boot_of(hello_image), ENGINE, to_the_end(TIMEOUT_S))
    return lambda: counted_boot(kernel, Application(), plugin=plugin, folder=tmp_path, boot=boot)


def test_repeats_agree_to_the_instruction_up_to_main(count: Callable[[], Stages]) -> None:
    assert disagreements([count() for _ in range(REPEATS)], until="main") == ()


def test_exits_are_the_same_in_each_boot(count: Callable[[], Stages]) -> None:
    first, second, third = count(), count(), count()
    assert first.exits == second.exits == third.exits
    causes = by_cause(first.exits)
    # Nested in an emulated AMD machine, KVM had 711 for the I/O APIC, 401 for the serial port, 70 for fw_cfg.
    assert causes["fw_cfg"] == 70
    assert causes["CPUID"] > 100
    assert {"I/O APIC", "local APIC", "serial port", "PIC", "PIT", "RTC", "RDMSR", "WRMSR"} < causes.keys()
    assert set(first.exits) <= {*(stage.name for stage in first.stages), AFTER}
    assert first.exits["firmware"]["fw_cfg"] == 70


def test_a_boot_has_all_its_stages(count: Callable[[], Stages]) -> None:
    measured = count()
    names = [stage.name for stage in measured.stages]
    assert names[:3] == ["firmware", "entry", "core"]
    assert names[-3:] == ["pid1", "main", "exit"]
    assert {"initcalls.early", "basics", "initcalls.device", "initcalls.late"} < set(names)
    assert sum(stage.spent for stage in measured.stages) == measured.stages[-1].instructions <= measured.total
    assert sum(cost.instructions for cost in measured.functions) == measured.instructions("pid1")
    assert {"start_kernel", "do_one_initcall"} < set(measured.executed)


# What the kernel itself says is free just before it ends. Its file is in the initramfs, which is init memory:
# with this much of it, more is freed before PID 1 than starting that takes.
FREE_MEMORY = """
#include <stdio.h>
#include <sys/sysinfo.h>

char ballast[1 << 20] = "ballast";

int main(void)
{
	struct sysinfo info;

	puts(ballast);
	sysinfo(&info);
	printf("free: %lu\\n", info.freeram * info.mem_unit);
	return 0;
}
"""


def test_memory_in_use_is_what_the_kernel_says_is_not_free(
    workshop: Workshop, boot_of: Callable[[Image], Boot]
) -> None:
    image = workshop.build(workshop.add("free-memory", FREE_MEMORY))
    kernel = read_kernel(image.vmlinux, image.folder / "System.map")
    boot = boot_of(image)
    found, free = [], 0
    for _ in range(2):
        with debugged(boot, ENGINE) as (vm, stub):
            found.append(dict(Occupancy(kernel, stub).follow(last="exit", timeout_s=TIMEOUT_S)))
            stub.resume()
            vm.wait(timeout_s=TIMEOUT_S)
            free = int(vm.expect(r"^free: \d+", timeout_s=0).line.split()[1])
    assert found[0] == found[1]
    total = boot.machine.spec.memory_mib << 20
    # The first MiB is no memory of the kernel's.
    assert 0 <= total - found[0]["exit"] - free < 1 << 20
    assert found[0]["firmware"] <= found[0]["core"] < total
    assert found[0]["pid1"] < found[0]["initcalls.late"], "init memory was freed in between"
