# SPDX-License-Identifier: GPL-2.0-only
"""The frequency of this host's time stamp counter, which under TCG is the guest's, too."""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from collections.abc import Callable
from pathlib import Path

from unilinux.arch.architecture import X86_64

# rdtsc; shl rdx, 32; or rax, rdx; ret
_READ_TSC = b"\x0f\x31\x48\xc1\xe2\x20\x48\x09\xd0\xc3"

# Within 20 ms two clocks that are read to 0.3 µs agree to 15 ppm; Linux is content with 500.
_INTERVAL_S = 0.02
_READINGS = 20
_STEADY = {"constant_tsc", "nonstop_tsc"}


def host_tsc_khz(cpuinfo: Path = Path("/proc/cpuinfo")) -> int | None:
    """Kilohertz, or None when there is no steady counter or no way to read it."""
    if platform.machine() != X86_64.name or not cpu_flags(cpuinfo.read_text()) >= _STEADY:
        return None
    try:
        code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:  # hardened hosts don't let a program write its own code
        return None
    with code:
        code.write(_READ_TSC)
        start = ctypes.c_char.from_buffer(code)
        read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(start))
        first_ns, first_ticks = _reading(read)
        time.sleep(_INTERVAL_S)
        last_ns, last_ticks = _reading(read)
        del start  # the page is not closed while something refers to it
    return round((last_ticks - first_ticks) * 1_000_000 / (last_ns - first_ns))


def _reading(read: Callable[[], int]) -> tuple[int, int]:
    """Time (ns) and ticks of one moment: of several readings the one that took the shortest."""
    readings: list[tuple[int, int, int]] = []
    for _ in range(_READINGS):
        before = time.monotonic_ns()
        ticks = read()
        after = time.monotonic_ns()
        readings.append((after - before, (after + before) // 2, ticks))
    _, moment, ticks = min(readings)
    return moment, ticks


def cpu_flags(cpuinfo: str) -> set[str]:
    """The flags of the first processor in /proc/cpuinfo."""
    line = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())
