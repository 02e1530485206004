# SPDX-License-Identifier: GPL-2.0-only
"""Breakpoints in a real guest that doesn't know of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from unilinux.image.record import Image
from unilinux.measure.boot.kernel import read_kernel
from unilinux.vm.engine import Boot
from unilinux.vm.gdbstub import StubListener, UnreadableMemoryError
from unilinux.vm.outcome import Exited
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot]

TIMEOUT_S = 60
SIGTRAP = 5


def test_breakpoints_registers_and_memory(hello_image: Image, boot_of: Callable[[Image], Boot]) -> None:
    kernel = read_kernel(hello_image.vmlinux, hello_image.folder / "System.map")
    places = [kernel.symbols[name] for name in ("start_kernel", "kernel_init", "unilinux_init_exit")]
    with StubListener() as listener:
        boot = replace(boot_of(hello_image), debugger=listener.path)
        with (
            Vm.start(boot, NativeQemu(Accelerator(name="tcg", reason="debugged")), held=True) as vm,
            listener.accept() as stub,
        ):
            for place in places:
                stub.set_breakpoint(place)
            for place in places:
                stub.resume()
                stop = stub.wait(TIMEOUT_S)
                assert stop is not None
                assert stop.signal == SIGTRAP
                assert stub.registers().rip == place
                assert stub.read_string(kernel.symbols["linux_banner"]).startswith(b"Linux version 6.")
                with pytest.raises(UnreadableMemoryError):
                    stub.read(0x10, 1)
            stub.clear_breakpoint(places[-1])
            stub.resume()
            assert vm.wait(timeout_s=TIMEOUT_S) == Exited(0)
