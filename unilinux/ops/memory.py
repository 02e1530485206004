# SPDX-License-Identifier: GPL-2.0-only
"""Verifying an image with less and less memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unilinux.core.errors import BootError
from unilinux.image.request import Request
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.memory.least import LeastMemory, least_memory
from unilinux.ops.image_under_test import ImageUnderTest, build_under_test
from unilinux.ops.workshop import Workshop
from unilinux.verify.result import Entry, Verification
from unilinux.verify.verify import verify
from unilinux.vm.engine import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMemory:
    """The least memory with which an image does what its manifest promises; ``subject`` is which image."""

    name: str
    subject: Mapping[str, Any]
    found: LeastMemory

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**self.subject, **self.found.document()}


def measure_memory(here: Workshop, request: Request, *, timeout_s: float | None = None) -> ImageMemory:
    """Build an image and find its least memory, beginning at that of the request.

    :raise VerifyError: even that isn't enough.
    """
    subject = build_under_test(here, request)
    found = find_least_memory(here, subject, low=LEAST_MEMORY_MIB, high=subject.memory_mib, timeout_s=timeout_s)
    return ImageMemory(name=subject.name, subject=subject.describe(), found=found)


def find_least_memory(
    here: Workshop, subject: ImageUnderTest, *, low: int, high: int, timeout_s: float | None
) -> LeastMemory:
    """Verify with less and less memory; ``timeout_s`` is for each check.

    :raise VerifyError: ``high`` MiB aren't enough.
    """
    engine = here.engine("auto")
    with here.progress.step("memory", f"looking for the least memory of {subject.name}") as step:

        def failure_at(mib: int) -> str | None:
            step.detail(f"{mib} MiB")
            return failure_with(here, subject.with_memory(mib), engine, timeout_s=timeout_s)

        return least_memory(failure_at, low=max(low, LEAST_MEMORY_MIB), high=high)


def failure_with(here: Workshop, subject: ImageUnderTest, engine: Engine, *, timeout_s: float | None) -> str | None:
    """Why verification fails on this machine, in words; None if it passes."""
    try:
        result = verify(
            subject.boot("verify"),
            engine,
            subject.manifest,
            entry=Entry(
                ring=subject.record["ring"], syscall=subject.record.get("main_syscall", subject.record["syscall"])
            ),
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
