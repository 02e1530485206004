# SPDX-License-Identifier: GPL-2.0-only
"""Machines against golden files: ``UNILINUX_GOLDEN=1 pytest tests/unit/machine`` writes them anew."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core.errors import UsageError
from unilinux.machine.compose import Machine, compose
from unilinux.machine.network import Addresses, NetworkCard
from unilinux.machine.part import Part
from unilinux.machine.qemu import COMMAND_LINE_BYTES, Wiring, machine_arguments, qemu_arguments
from unilinux.machine.spec import Disk, Forward, MachineSpec, RootDisk, Share, Volume

GOLDEN = Path(__file__).parents[2] / "data" / "machine"
PROJECT = Path(__file__).parents[3]

SPECS = {
    "microvm-bare": MachineSpec(),
    "microvm-server": MachineSpec(network=True, forwards=(Forward(host=8080, guest=80), Forward(host=0, guest=443))),
    "microvm-full": MachineSpec(
        memory_mib=256,
        cpus=2,
        network=True,
        rng=True,
        disks=(Disk(path=Path("/images/a, b.raw")), Disk(path=Path("c.raw"), read_only=True)),
    ),
    "microvm-volumes": MachineSpec(
        volumes=(
            Volume(name="data", path="/data", size_mib=64, file=Path("/images/a, b.raw")),
            Volume(name="more", path="/more", size_mib=64, file=Path("c.qcow2")),
        )
    ),
    "microvm-shares": MachineSpec(
        shares=(
            Share(name="pages", path="/pages", folder=Path("/a, b"), read_only=True),
            Share(name="data", path="/data", folder=Path("/c")),
        )
    ),
    "microvm-root": MachineSpec(root=RootDisk(Path("/images/a, b.erofs"))),
    "q35-bare": MachineSpec(target="q35"),
    "q35-full": MachineSpec(
        target="q35",
        network=True,
        rng=True,
        root=RootDisk(Path("root.erofs")),
        disks=(Disk(path=Path("c.raw")),),
        volumes=(Volume(name="data", path="/data", size_mib=64, file=Path("d.img")),),
        shares=(Share(name="data", path="/more", folder=Path("/c")),),
    ),
}
WIRING = Wiring(qmp="socket,fd=5", console="socket,fd=6", report="socket,fd=7")


def rendered(machine: Machine) -> str:
    """One option with its value per line, then the wishes, then the command line."""
    lines = ["[qemu]"]
    for word in qemu_arguments(machine, kernel=Path("vmlinux"), wiring=WIRING, cmdline=("quiet",)):
        if word.startswith("-"):
            lines.append(word)
        else:
            lines[-1] += f" {word}"
    lines += ["", "[kconfig]"]
    lines += [f"{wish.symbol}={wish.value}  # {wish.origin.file}: {wish.why}" for wish in machine.wishes]
    lines += ["", "[cmdline]", *machine.cmdline]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", SPECS)
def test_machine_is_as_in_its_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.txt"
    text = rendered(compose(SPECS[name]))
    if os.environ.get("UNILINUX_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SPECS)


@pytest.mark.parametrize("name", SPECS)
def test_wishes_name_the_line_that_makes_them(name: str) -> None:
    for wish in compose(SPECS[name]).wishes:
        assert wish.origin.line is not None
        line = (PROJECT / wish.origin.file).read_text().splitlines()[wish.origin.line - 1]
        assert f'wish("{wish.symbol}"' in line


@pytest.mark.parametrize("name", SPECS)
def test_wishes_do_not_contradict_each_other(name: str) -> None:
    values: dict[str, str] = {}
    for wish in compose(SPECS[name]).wishes:
        assert values.setdefault(wish.symbol, wish.value) == wish.value


def test_memory_and_forwards_are_no_matter_of_the_kernel() -> None:
    small = compose(MachineSpec(network=True))
    large = compose(MachineSpec(network=True, memory_mib=512, forwards=(Forward(host=1, guest=2),)))
    assert small.wishes == large.wishes
    assert small.cmdline == large.cmdline


def test_second_cpu_needs_smp() -> None:
    assert "SMP" not in {wish.symbol for wish in compose(MachineSpec(cpus=1)).wishes}
    assert "SMP" in {wish.symbol for wish in compose(MachineSpec(cpus=2)).wishes}


def test_description_is_json() -> None:
    described = compose(SPECS["microvm-server"]).describe()
    assert json.loads(json.dumps(described)) == described
    assert described["forwards"] == ["8080:80", "0:443"]
    names = [part["name"] for part in described["parts"]]
    assert names == ["microvm", "cpu", "memory", "console", "exit", "virtio-mmio", "net"]
    assert described["parts"][-1]["addresses"]["guest"] == "10.0.2.15"


@pytest.mark.parametrize("name", SPECS)
def test_a_machine_is_composed_again_from_its_description(name: str) -> None:
    machine = compose(SPECS[name])
    assert compose(MachineSpec.from_json(json.loads(json.dumps(machine.describe())))) == machine


def test_other_addresses_reach_the_kernel_and_qemu_alike() -> None:
    other = Addresses(guest="192.168.5.9", gateway="192.168.5.2", netmask="255.255.255.0", name_server="192.168.5.3")
    machine = compose(MachineSpec(network=True))
    card = NetworkCard(addresses=other)
    moved = replace(machine, parts=tuple(card if isinstance(part, NetworkCard) else part for part in machine.parts))
    assert "ip=192.168.5.9::192.168.5.2:255.255.255.0::eth0:off" in moved.cmdline
    assert (
        "user,id=net0,ipv6=off,restrict=off,net=192.168.5.0/24,host=192.168.5.2,dns=192.168.5.3,dhcpstart=192.168.5.9"
        in machine_arguments(moved)
    )


def test_a_part_that_qemu_has_no_words_for_is_an_error() -> None:
    machine = compose(MachineSpec())
    with pytest.raises(TypeError, match="QEMU has no words for"):
        machine_arguments(replace(machine, parts=(*machine.parts, Part(name="abacus"))))


def test_backend_without_options() -> None:
    wiring = Wiring(qmp="stdio", console="pipe,path=/dev/console", report="null")
    assert wiring.arguments() == (
        "-chardev", "stdio,id=qmp", "-mon", "chardev=qmp,mode=control",
        "-chardev", "pipe,id=console,path=/dev/console",
        "-chardev", "null,id=report",
    )  # fmt: skip


def test_unknown_board_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        compose(MachineSpec(target="microwm"))
    assert caught.value.message == ("there is no machine 'microwm'; did you mean 'microvm'? (known: microvm, q35)")


def test_a_kernel_without_its_initramfs_gets_it_beside() -> None:
    machine = compose(SPECS["microvm-bare"])
    words = qemu_arguments(machine, kernel=Path("bzImage"), wiring=WIRING, initrd=Path("initramfs.cpio"))
    assert words[words.index("-initrd") + 1] == "initramfs.cpio"
    assert "-initrd" not in qemu_arguments(machine, kernel=Path("vmlinux"), wiring=WIRING)


def test_a_command_line_that_the_kernel_would_cut_is_refused() -> None:
    machine = compose(SPECS["microvm-bare"])
    room = COMMAND_LINE_BYTES - len(" ".join((*machine.cmdline, "")))
    qemu_arguments(machine, kernel=Path("vmlinux"), wiring=WIRING, cmdline=("x" * room,))
    with pytest.raises(UsageError, match=r"would have 1,536 bytes, of which the kernel reads 1,535") as caught:
        qemu_arguments(machine, kernel=Path("vmlinux"), wiring=WIRING, cmdline=("x" * (room + 1),))
    assert "--env" in (caught.value.hint or "")


def test_a_machine_for_a_kernel_that_is_told_all_by_hand() -> None:
    machine = compose(SPECS["microvm-server"])
    bare = machine.without_cmdline()
    assert bare.cmdline == ()
    assert machine_arguments(bare) == machine_arguments(machine)
    assert bare.wishes == machine.wishes
