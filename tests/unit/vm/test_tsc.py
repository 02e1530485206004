# SPDX-License-Identifier: GPL-2.0-only
"""The frequency of the host's time stamp counter."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from unilinux.vm.qemu.tsc import cpu_flags, host_tsc_khz


def test_flags_are_those_of_the_first_processor() -> None:
    assert cpu_flags("processor : 0\nflags\t\t: fpu tsc\n\nprocessor : 1\nflags\t\t: none\n") == {"fpu", "tsc"}
    assert cpu_flags("") == set()


def test_counter_that_is_not_steady_has_no_frequency(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("flags : tsc constant_tsc\n")
    assert host_tsc_khz(cpuinfo) is None


def test_two_measurements_agree() -> None:
    steady = {"constant_tsc", "nonstop_tsc"} <= cpu_flags(Path("/proc/cpuinfo").read_text())
    if platform.machine() != "x86_64" or not steady:
        pytest.skip("this host has no steady time stamp counter")
    first, second = host_tsc_khz(), host_tsc_khz()
    assert first is not None
    assert second is not None
    assert 500_000 < first < 10_000_000
    assert abs(first - second) < first / 1000
