# SPDX-License-Identifier: GPL-2.0-only
"""Accelerators, and how this host's is chosen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Self

import pytest

from unilinux.core.errors import HostError, UsageError, VmError
from unilinux.machine.compose import compose
from unilinux.machine.qemu import Wiring
from unilinux.machine.spec import MachineSpec
from unilinux.vm import choose
from unilinux.vm.choose import choose_accelerator, native_engine, probe
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.finding import Finding
from unilinux.vm.outcome import Exited, Lost, Outcome, Stopped, Timeout
from unilinux.vm.qemu import sandbox
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.vm import Vm

TCG = Accelerator(name="tcg", reason="test", tsc_khz=2_500_000)
KVM = Accelerator(name="kvm", reason="test")
WIRING = Wiring(qmp="null", console="null", report="null")


def test_kvm_calibrates_by_itself() -> None:
    assert KVM.arguments(1) == ("-accel", "kvm", "-cpu", "host")
    assert KVM.cmdline(1) == ()


def test_tcg_with_one_cpu_does_without_the_local_timer() -> None:
    assert TCG.arguments(1) == ("-accel", "tcg,thread=single", "-cpu", "max,-erms")
    assert TCG.cmdline(1) == ("nolapic_timer", "tsc_early_khz=2500000", "tsc=reliable")


def test_tcg_with_two_cpus_needs_the_local_timer() -> None:
    assert TCG.arguments(2) == ("-accel", "tcg,thread=multi", "-cpu", "max,-erms")
    assert "nolapic_timer" not in TCG.cmdline(2)


def test_frequency_that_nobody_knows_is_not_told() -> None:
    assert Accelerator(name="tcg", reason="test").cmdline(1) == ("nolapic_timer",)


def test_cpu_model_can_be_chosen() -> None:
    assert Accelerator(name="tcg", reason="test", model="Haswell").arguments(1)[-2:] == ("-cpu", "Haswell")
    assert Accelerator(name="kvm", reason="test", model="EPYC").arguments(1)[-2:] == ("-cpu", "EPYC")


def test_unknown_accelerator(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no accelerator 'kmv'; did you mean 'kvm'"):
        choose_accelerator("kmv", tmp_path)


def test_tcg_on_request_probes_nothing(tmp_path: Path) -> None:
    assert choose_accelerator("tcg", tmp_path).name == "tcg"
    assert not list(tmp_path.iterdir())


def test_host_without_the_device(tmp_path: Path) -> None:
    device = tmp_path / "kvm"
    found = choose_accelerator("auto", tmp_path, device=device)
    assert found.name == "tcg"
    assert found.reason == f"KVM: there is no {device}; using TCG"


def test_kvm_on_request_without_the_device(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        choose_accelerator("kvm", tmp_path, device=tmp_path / "kvm")
    assert caught.value.message == f"KVM does not work here: there is no {tmp_path / 'kvm'}"
    assert caught.value.hint == "--accel tcg, or --accel auto"


def test_device_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "is not open to this user" in choose_accelerator("auto", tmp_path, device=device).reason


@pytest.mark.parametrize("works", [True, False])
def test_host_is_probed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, works: bool) -> None:
    probed: list[str] = []

    def probe(accelerator: Accelerator, device: Path) -> Finding:
        probed.append(accelerator.name)
        return Finding(works=works, reason="tried")

    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(choose, "probe", probe)
    first = choose_accelerator("auto", tmp_path / "cache", device=device)
    assert choose_accelerator("auto", tmp_path / "cache", device=device).reason == first.reason
    assert first.name == ("kvm" if works else "tcg")
    assert probed == ["kvm"]


def test_cached_finding_that_cannot_be_read_is_found_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(choose, "probe", lambda accelerator, device: Finding(works=True, reason="tried"))
    choose_accelerator("auto", tmp_path / "cache", device=device)
    (cached,) = (tmp_path / "cache" / "kvm").iterdir()
    cached.write_text("{")
    assert choose_accelerator("auto", tmp_path / "cache", device=device).name == "kvm"
    assert cached.read_text() != "{"


def test_a_busy_host_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [
        Finding(works=False, reason="a probe guest did not run within 5 s", certain=False),
        Finding(works=True, reason="a probe guest ran"),
    ]
    monkeypatch.setattr(choose, "probe", lambda accelerator, device: answers.pop(0))
    device = tmp_path / "kvm"
    device.touch()
    assert choose_accelerator("auto", tmp_path / "cache", device=device).name == "tcg"
    assert choose_accelerator("auto", tmp_path / "cache", device=device).name == "kvm"
    assert choose_accelerator("auto", tmp_path / "cache", device=device).name == "kvm"
    assert not answers


class Machine:
    """A machine that ends in a way of the test's."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def wait(self, *, timeout_s: float, awaited: str) -> Outcome:
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "works", "certain"),
    [
        (Exited(42), True, True),
        (Exited(1), False, True),
        (Timeout(5.0, "the end"), False, False),
        (Lost(-9, "QEMU was killed by signal 9"), False, False),
        (Stopped("internal-error", "KVM internal error. Suberror: 1"), False, True),
    ],
)
def test_what_a_probe_finds(monkeypatch: pytest.MonkeyPatch, outcome: Outcome, works: bool, certain: bool) -> None:
    monkeypatch.setattr(Vm, "start", lambda boot, engine: Machine(outcome))
    found = probe(KVM)
    assert (found.works, found.certain) == (works, certain)


@pytest.mark.parametrize(
    ("details", "certain"),
    [(("qemu: failed to initialize kvm: No such device",), True), (("Cannot allocate memory",), False), ((), False)],
)
def test_a_probe_that_does_not_start(monkeypatch: pytest.MonkeyPatch, details: tuple[str, ...], certain: bool) -> None:
    def start(boot: Boot, engine: Engine) -> Machine:
        raise VmError("QEMU ended with exit code 1 before the guest ran", details=details)

    monkeypatch.setattr(Vm, "start", start)
    found = probe(KVM)
    assert (found.works, found.certain) == (False, certain)


def fake_qemu(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "bin/qemu-system-x86_64"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("script", "works", "stored"),
    [
        ("exit 0", True, True),
        ("echo '-sandbox support is not enabled in this QEMU binary' >&2; exit 1", False, True),
        ("echo 'failed to install seccomp syscall filter in the kernel' >&2; exit 1", False, True),
        ("echo 'cannot allocate memory' >&2; exit 1", False, False),
    ],
)
def test_qemu_is_sandboxed_where_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, works: bool, stored: bool
) -> None:
    fake_qemu(tmp_path, script, monkeypatch)
    engine = native_engine("tcg", tmp_path / "cache")
    assert isinstance(engine, NativeQemu)
    assert engine.sandboxed is works
    assert len(list((tmp_path / "cache").rglob("*.json"))) == stored
    words = engine._argv("qemu", Boot(machine=compose(MachineSpec()), kernel=Path("k"), evidence=tmp_path), WIRING)
    assert (words[1] == "-sandbox") is works


def test_the_sandbox_of_this_host_is_asked_of_qemu_itself() -> None:
    found = sandbox.find_sandbox()
    assert found.certain, found
