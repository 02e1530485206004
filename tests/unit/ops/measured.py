# SPDX-License-Identifier: GPL-2.0-only
"""What was measured of images that were never built, and a workshop in which nothing can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.unit.vm.fake import FakeEngine
from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.image.record import Image
from unilinux.image.request import Request, make_plan
from unilinux.measure.boot.boots import Wall
from unilinux.measure.boot.stages import Cost, Stage, Stages
from unilinux.measure.size.size import Size
from unilinux.ops.boot import BootMeasurement
from unilinux.ops.image_under_test import ImageUnderTest
from unilinux.ops.workshop import Workshop

PROJECT = Path(__file__).parents[3]
LAYOUT = Layout(project=PROJECT, cache=PROJECT / "no", build=PROJECT / "no")
ENGINE = FakeEngine(lambda _: None)


def workshop(layout: Layout = LAYOUT, *, sink: Any = None) -> Workshop:
    """A workshop with a fake engine."""
    return Workshop(layout=layout, progress=Progress(sink or NullSink()), engine_choice=lambda request, cache: ENGINE)


HERE = workshop()

BOOT = Stages(
    stages=(Stage("firmware", 4_748, 4_748), Stage("pid1", 5_500_000, 5_495_252), Stage("main", 5_600_000, 100_000)),
    initcalls=(Cost("pty_init", 900_000, "device"),),
    functions=(Cost("memset", 700_000), Cost("memcpy", 200_000)),
    executed=("memcpy", "memset"),
    total=5_700_000,
    vcpus=(5_700_000,),
)
EXITS = {"firmware": {"fw_cfg": 70, "CPUID": 1}, "pid1": {"CPUID": 400}, "end": {"HLT": 9}}
WALL = Wall(median_s=0.5, least_s=0.4, most_s=0.9, runs=3)
SUBJECT = {
    "image": "hello-tiny",
    "machine": "microvm",
    "memory_mib": 128,
    "kernel": "6.12.117",
    "ring": 3,
    "syscall": "trap",
}
MEASURED = BootMeasurement(name="hello-tiny", subject=SUBJECT, counted=BOOT, disagreements=(), wall=WALL)
WAS = Size(
    loaded=1000, zeroed=50, sections={".text": 900}, objects={"net/tcp.o": 500, "mm/slub.o": 400}, symbols={"a": 1}
)
NOW = Size(
    loaded=1600, zeroed=50, sections={".text": 1500}, objects={"net/tcp.o": 1100, "mm/slub.o": 400}, symbols={"a": 1}
)


def nginx_under_test() -> ImageUnderTest:
    """nginx, never built."""
    plan = make_plan(Request(app="nginx"), LAYOUT)
    record = {
        "name": plan.name,
        "profile": plan.profile.name,
        "ring": plan.entry.ring,
        "syscall": plan.entry.syscall,
        "kernel": {"version": "6.12"},
        "inputs": {},
        "sizes": {},
    }
    return ImageUnderTest.built(plan, Image(plan=plan, folder=Path("/images/nginx"), record=record, steps=()))
