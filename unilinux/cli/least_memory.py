"""Verifying an image with less and less memory."""

from __future__ import annotations

from unilinux.cli.session import Session
from unilinux.cli.specimen import Specimen
from unilinux.core.errors import BootError
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.memory.least import LeastMemory, least_memory
from unilinux.verify.result import Entry, Verification
from unilinux.verify.verify import verify
from unilinux.vm.choose import native_engine
from unilinux.vm.engine import Engine


def find_least_memory(here: Session, specimen: Specimen, *, low: int, high: int, timeout_s: float) -> LeastMemory:
    """Verify with less and less memory; ``timeout_s`` is for each check.

    :raise VerifyError: ``high`` MiB aren't enough.
    """
    engine = native_engine("auto", here.layout.cache)
    with here.progress.step("memory", f"looking for the least memory of {specimen.plan.name}") as step:

        def failure_at(mib: int) -> str | None:
            step.detail(f"{mib} MiB")
            return failure_with(here, specimen.with_memory(mib), engine, timeout_s=timeout_s)

        return least_memory(failure_at, low=max(low, LEAST_MEMORY_MIB), high=high)


def failure_with(here: Session, specimen: Specimen, engine: Engine, *, timeout_s: float) -> str | None:
    """Why verification fails on this machine, in words; None if it passes."""
    try:
        result = verify(
            specimen.boot("verify"),
            engine,
            specimen.manifest,
            entry=Entry(ring=specimen.plan.entry.ring, syscall=specimen.plan.entry.syscall),
            progress=here.progress,
            timeout_s=timeout_s,
        )
    except BootError as error:  # the kernel alone is larger than the memory
        return error.message
    return None if result.ok else in_words(result)


def in_words(result: Verification) -> str:
    """What failed first: the machine, or a check."""
    if result.trouble is not None:
        return result.trouble.message
    return next(f"{check.kind}: {check.detail}" for check in result.checks if not check.ok)
