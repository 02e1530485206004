# SPDX-License-Identifier: GPL-2.0-only
"""Which engine this host has, and which accelerator: found out by booting a guest with it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from unilinux.core.command import require_tool
from unilinux.core.errors import HostError, UniLinuxError, UsageError
from unilinux.core.files import digest_bytes
from unilinux.core.suggest import unknown
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.finding import Finding, remembered
from unilinux.vm.outcome import Exited, Lost, Timeout
from unilinux.vm.probe import PROBE_STATUS, probe_guest
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.qemu.sandbox import find_sandbox
from unilinux.vm.qemu.tsc import host_tsc_khz
from unilinux.vm.qemu.version import PROGRAM
from unilinux.vm.vm import Vm

CHOICES = ("auto", "tcg", "kvm")

# A real KVM takes 0.1 s.
_PROBE_TIMEOUT_S = 5.0
_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def native_engine(request: str, cache: Path, *, device: Path = _DEVICE) -> Engine:
    """QEMU on this host, with the accelerator for a request of ``auto``, ``tcg`` or ``kvm``.

    QEMU runs in its own sandbox where it can. What was found out is kept below ``cache`` until
    the host is booted anew or gets another QEMU.

    :raise UsageError: ``request`` is none of these.
    :raise HostError: QEMU isn't installed; or KVM was asked for, and this host has none that runs guests.
    """
    accelerator = choose_accelerator(request, cache, device=device)
    found = remembered(cache / "sandbox" / f"{_qemu_key()}.json", find_sandbox)
    return NativeQemu(accelerator, sandboxed=found.works)


def choose_accelerator(request: str, cache: Path, *, device: Path = _DEVICE) -> Accelerator:
    """The accelerator of :func:`native_engine`, which raises the same."""
    if request not in CHOICES:
        raise UsageError(unknown("accelerator", request, CHOICES))
    if request == "tcg":
        return Accelerator(name="tcg", reason="TCG, as asked for", tsc_khz=host_tsc_khz())
    found = find_kvm(cache, device)
    if found.works:
        return Accelerator(name="kvm", reason=f"KVM: {found.reason}")
    if request == "kvm":
        raise HostError(f"KVM does not work here: {found.reason}", hint="--accel tcg, or --accel auto")
    return Accelerator(name="tcg", reason=f"KVM: {found.reason}; using TCG", tsc_khz=host_tsc_khz())


def find_kvm(cache: Path, device: Path = _DEVICE) -> Finding:
    """Whether KVM runs guests on this host, from the cache if it was tried already."""
    if not device.exists():
        return Finding(works=False, reason=f"there is no {device}")
    if not os.access(device, os.R_OK | os.W_OK):
        return Finding(works=False, reason=f"{device} is not open to this user (is the user in the group kvm?)")
    path = cache / "kvm" / f"{_host_key(device)}.json"
    return remembered(path, lambda: probe(Accelerator(name="kvm", reason="probe"), device))


def probe(accelerator: Accelerator, device: Path = _DEVICE) -> Finding:
    """Boot a guest of some instructions with the accelerator.

    That it is too slow, or that its QEMU was killed, is no certain answer: the host may be busy.
    """
    with tempfile.TemporaryDirectory(prefix="unilinux-probe-") as folder:
        kernel = Path(folder) / "probe.elf"
        kernel.write_bytes(probe_guest())
        boot = Boot(machine=compose(MachineSpec()), kernel=kernel, evidence=Path(folder))
        try:
            with Vm.start(boot, NativeQemu(accelerator)) as vm:
                outcome = vm.wait(timeout_s=_PROBE_TIMEOUT_S, awaited="the end of a probe guest")
        except UniLinuxError as error:
            said = error.details[0].removeprefix(f"{PROGRAM}: ") if error.details else error.message
            refused = any("kvm" in line.lower() for line in error.details)
            return Finding(
                works=False, reason=f"{device} opens, but a probe guest did not start ({said})", certain=refused
            )
    if outcome == Exited(PROBE_STATUS):
        return Finding(works=True, reason="a probe guest ran")
    if isinstance(outcome, Timeout):
        return Finding(
            works=False,
            reason=f"{device} opens, but a probe guest did not run within {_PROBE_TIMEOUT_S:g} s",
            certain=False,
        )
    return Finding(
        works=False,
        reason=f"{device} opens, but a probe guest did not run ({outcome.explain()})",
        certain=not isinstance(outcome, Lost),
    )


def _host_key(device: Path) -> str:
    """Changes whenever the answer might: with the boot, the device, the QEMU and the probe."""
    return digest_bytes(json.dumps((_qemu_key(), device.stat().st_rdev)).encode() + probe_guest())[:16]


def _qemu_key() -> str:
    """Changes with the boot and the QEMU."""
    program = require_tool(PROGRAM).resolve()
    status = program.stat()
    parts = (_BOOT_ID.read_text(), str(program), status.st_size, status.st_mtime_ns)
    return digest_bytes(json.dumps(parts).encode())[:16]
