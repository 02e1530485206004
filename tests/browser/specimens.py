# SPDX-License-Identifier: GPL-2.0-only
"""A report as it is in earnest: two images with all their stages, and a history."""

from __future__ import annotations

from unilinux.measure.boot.stages import Cost, Stage, Stages
from unilinux.measure.budget.history import Record
from unilinux.measure.size.size import APPLICATION, PADDING, UNKNOWN, Size
from unilinux.ops.report import MeasuredImage
from unilinux.report.page import render_page

# Of hello, in order.
_STAGES = {
    "firmware": 4_748, "entry": 224_799, "core": 3_468_079, "initcalls.early": 60_108, "basics": 68_106,
    "initcalls.pure": 6_246, "initcalls.core": 8_540, "initcalls.postcore": 22_216, "initcalls.arch": 26_070,
    "initcalls.subsys": 71_154, "initcalls.fs": 104_534, "initcalls.rootfs": 8_978, "initcalls.device": 409_229,
    "initcalls.late": 23_523, "pid1": 1_020_424, "main": 99_177,
}  # fmt: skip
_SERVER_STAGES = {**_STAGES, "ready": 7_402_113, "answer": 1_912_003}
_INITCALLS = (
    "kswapd_init", "serial8250_init", "chr_dev_init", "do_init_real_mode", "perf_event_sysfs_init", "default_bdi_init",
    "spawn_ksoftirqd", "serial_base_init", "init_vdso_image_64", "kernel_do_mounts_initrd_sysctls_init",
)  # fmt: skip
_EXITS = {
    "firmware": {"fw_cfg": 70, "port 0xcf8": 2, "port 0xcfc": 2, "CPUID": 1}, "entry": {"CPUID": 14},
    "core": {"CPUID": 373, "I/O APIC": 216, "local APIC": 53, "PIC": 41, "RDMSR": 20, "WRMSR": 18, "PIT": 10},
    "initcalls.device": {"serial port": 29}, "pid1": {"serial port": 47}, "main": {"serial port": 60, "HLT": 29},
    "end": {"I/O APIC": 135, "serial port": 172},
}  # fmt: skip
_FUNCTIONS = (
    "memmap_init_range", "__change_page_attr_set_clr", "__free_pages_ok", "memset_orig", "lookup_address_in_pgd_attr",
    "format_decode", "__free_pages_core", "insn_get_prefixes", "reserve_bootmem_region", "static_protections",
)  # fmt: skip
_OBJECTS = {
    "net/ipv4/tcp_input.o": 61_000, "net/ipv4/route.o": 40_300, "net/core/dev.o": 58_000, "net/core/skbuff.o": 30_000,
    "net/unix/af_unix.o": 21_000, "kernel/sched/core.o": 34_000, "kernel/time/timer.o": 15_800, "kernel/fork.o": 13_000,
    "kernel/printk/printk.o": 13_900, "kernel/locking/rtmutex.o": 3_000, "kernel/events/core.o": 49_000,
    "mm/memory.o": 38_000, "mm/page_alloc.o": 36_000, "fs/namei.o": 25_000, "fs/proc/base.o": 18_000,
    "fs/ext4/super.o": 300, "drivers/tty/tty_io.o": 33_000, "drivers/virtio/virtio_ring.o": 15_000,
    "drivers/net/virtio_net.o": 41_000, "drivers/base/core.o": 30_000, "arch/x86/kernel/setup.o": 99_000,
    "arch/x86/mm/pat/set_memory.o": 19_000, "arch/x86/entry/entry_64.o": 19_000, "lib/vsprintf.o": 29_000,
    "lib/crypto/blake2s.o": 4_000, "security/commoncap.o": 3_300, "init/main.o": 6_000, "block/blk-mq.o": 12_000,
    "crypto/api.o": 1_200,
}  # fmt: skip


def report() -> str:
    """The page."""
    subjects = [_subject("hello-tiny", _STAGES, 22_000, 1), _subject("nginx-server", _SERVER_STAGES, 1_420_000, 3)]
    return render_page("UniLinux: what images cost", subjects, _history())


def _subject(label: str, spent: dict[str, int], application: int, factor: int) -> MeasuredImage:
    stages, reached = [], 0
    for name, count in spent.items():
        reached += count
        stages.append(Stage(name, reached, count))
    boot = Stages(
        stages=tuple(stages),
        initcalls=tuple(Cost(name, 254_568 // n, "device") for n, name in enumerate(_INITCALLS, start=1)),
        functions=tuple(Cost(name, 589_550 // n) for n, name in enumerate(_FUNCTIONS, start=1)),
        executed=(),
        total=reached,
        vcpus=(reached,),
        exits=_EXITS,
    )
    objects = {name: count * factor for name, count in _OBJECTS.items()}
    objects |= {APPLICATION: application, UNKNOWN: 52_000 * factor, PADDING: 3_900_000}
    size = Size(loaded=sum(objects.values()), zeroed=1_200_000, sections={}, objects=objects, symbols={})
    return MeasuredImage(label=label, boot=boot, size=size)


def _history() -> list[Record]:
    return [
        Record(
            when=f"2026-01-{day:02}T03:04:05Z", revision=f"{day:02}fe{day:02}ab+", app=app, profile="tiny",
            machine="microvm", stages={name: count - 20_000 * day for name, count in stages.items() if count > 900_000},
            bytes={"loaded": 5_200_000 - 7_000 * day, "vmlinux": 9_345_376 - 9_000 * day, "bzImage": 1_225_728},
            least_memory_mib=15, exits={"CPUID": 403 - day, "I/O APIC": 351 - 5 * day, "serial port": 308},
        )
        for day in range(1, 25)
        for app, stages in (("hello", _STAGES), ("nginx", _SERVER_STAGES))
    ]  # fmt: skip
