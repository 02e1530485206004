# SPDX-License-Identifier: GPL-2.0-only
"""From a boot to QEMU's arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from unilinux.machine.qemu import Wiring, qemu_arguments
from unilinux.vm.engine import Boot, InstructionClock, Plugin
from unilinux.vm.qemu.accelerator import Accelerator

# Under an instruction clock an instruction takes 1 ns, which is also a tick of the TSC.
_EXACT_TSC_KHZ = 1_000_000
_LOGGED = "plugin,trace:memory_region_ops_read,trace:memory_region_ops_write"


def boot_arguments(
    boot: Boot, accelerator: Accelerator, wiring: Wiring, *, launched_us: int | None = None
) -> tuple[str, ...]:
    """All arguments of QEMU, without the program's name.

    ``launched_us`` is the present time, in microseconds since 1970. Without it the guest's clock is as exact
    as the clock chip, and the arguments are the same at any time; so they are under an instruction clock.
    """
    cpus = boot.machine.spec.cpus
    if boot.clock is not None:
        accelerator, launched_us = replace(accelerator, tsc_khz=_EXACT_TSC_KHZ), None
    # An instruction clock takes one thread, and a plugin's counts do.
    one_thread = boot.clock is not None or boot.plugin is not None
    advice = accelerator.cmdline(cpus, launched_us=launched_us) if boot.advised else ()
    return (
        *accelerator.arguments(cpus, one_thread=one_thread),
        *_options(boot),
        *qemu_arguments(
            boot.machine, kernel=boot.kernel, wiring=wiring, cmdline=(*advice, *boot.cmdline), initrd=boot.initrd
        ),
    )


def clock_arguments(clock: InstructionClock) -> tuple[str, ...]:
    """Arguments for a clock that counts instructions, with a fixed date and random seed."""
    sleep = "on" if clock.follows_host else "off"
    return ("-icount", f"shift=0,sleep={sleep}", "-rtc", "base=2025-01-01T00:00:00,clock=vm", "-seed", "1")


def plugin_arguments(plugin: Plugin) -> tuple[str, ...]:
    """Arguments that load a plugin."""
    options = (f"{name}={value}" for name, value in plugin.options.items())
    loaded = ("-plugin", ",".join(_quoted(word) for word in (str(plugin.path), *options)))
    return loaded if plugin.log is None else (*loaded, "-d", _LOGGED, "-D", str(plugin.log).replace("%", "%%"))


def _options(boot: Boot) -> Iterator[str]:
    if boot.clock is not None:
        yield from clock_arguments(boot.clock)
    if boot.plugin is not None:
        yield from plugin_arguments(boot.plugin)
    if boot.debugger is not None:
        yield from ("-gdb", f"unix:{_quoted(str(boot.debugger))}")


def _quoted(word: str) -> str:
    return word.replace(",", ",,")
