"""Accelerators, and how this host's is chosen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unilinux.core.errors import HostError, UsageError
from unilinux.vm import choose
from unilinux.vm.choose import Finding, choose_accelerator
from unilinux.vm.qemu.accelerator import Accelerator

TCG = Accelerator(name="tcg", reason="test", tsc_khz=2_500_000)
KVM = Accelerator(name="kvm", reason="test")


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
