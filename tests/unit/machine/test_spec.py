# SPDX-License-Identifier: GPL-2.0-only
"""What a machine may be asked for."""

from __future__ import annotations

import pytest

from unilinux.core.errors import UsageError
from unilinux.machine.spec import Forward, MachineSpec


def test_forward_is_read_from_text() -> None:
    assert Forward.parse("8080:80") == Forward(host=8080, guest=80)
    assert Forward.parse("0:80") == Forward(host=0, guest=80)


@pytest.mark.parametrize("text", ["8080", "a:80", "80:", "8080:80:1", "-1:80", "8080: 80", ""])
def test_forward_that_is_no_pair_of_ports(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Forward.parse(text)
    assert caught.value.message == f"cannot read the forward {text!r}"
    assert caught.value.hint == "--forward HOST:GUEST, for example --forward 8080:80"


@pytest.mark.parametrize("text", ["65536:80", "8080:0", "80:65536"])
def test_forward_out_of_range(text: str) -> None:
    with pytest.raises(UsageError, match=f"cannot forward {text}: ports are numbers from 1 to 65535"):
        Forward.parse(text)


@pytest.mark.parametrize("size_mib", [-1, 0, 3, 1 << 21])
def test_memory_out_of_range(size_mib: int) -> None:
    with pytest.raises(UsageError, match=f"a machine cannot have {size_mib} MiB of memory"):
        MachineSpec(memory_mib=size_mib)


@pytest.mark.parametrize("cpus", [0, 256])
def test_cpus_out_of_range(cpus: int) -> None:
    with pytest.raises(UsageError, match=f"a machine cannot have {cpus} CPUs"):
        MachineSpec(cpus=cpus)


def test_forward_needs_a_network() -> None:
    with pytest.raises(UsageError, match="cannot forward ports to a machine without a network"):
        MachineSpec(forwards=(Forward(host=8080, guest=80),))


def test_host_port_is_forwarded_once() -> None:
    with pytest.raises(UsageError, match="port 8080 of the host is forwarded twice"):
        MachineSpec(network=True, forwards=(Forward(host=8080, guest=80), Forward(host=8080, guest=81)))


def test_any_free_host_port_may_be_asked_for_twice() -> None:
    MachineSpec(network=True, forwards=(Forward(host=0, guest=80), Forward(host=0, guest=81)))
