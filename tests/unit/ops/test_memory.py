# SPDX-License-Identifier: GPL-2.0-only
"""The least memory, with verification that is made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ops.measured import ENGINE, HERE, nginx_under_test
from unilinux.core.errors import BootError, VerifyError
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.ops import memory
from unilinux.verify.result import CheckResult, Verification


def verification(*checks: tuple[str, bool], trouble: BootError | None = None) -> Verification:
    results = tuple(CheckResult(kind=kind, ok=ok, detail=f"{kind} detail") for kind, ok in checks)
    return Verification(checks=results, console_tail=(), console_log=Path("console.log"), trouble=trouble)


def test_the_machines_failure_is_named_before_the_checks() -> None:
    assert memory.in_words(verification(("ring", True), ("http", False))) == "http: http detail"
    assert memory.in_words(verification(("http", False), trouble=BootError("panic"))) == "panic"


@pytest.fixture
def needs_21(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Verification that passes with 21 MiB, and a kernel that reaches up to 10."""

    def verify(boot: Any, *more: object, **options: object) -> Verification:
        memory_mib = boot.machine.spec.memory_mib
        if memory_mib <= 10:
            raise BootError("the kernel alone reaches up to 10 MiB")
        return verification(("http", memory_mib >= 21))

    monkeypatch.setattr(memory, "verify", verify)
    return verify


@pytest.mark.usefixtures("needs_21")
def test_the_least_memory_is_found_by_the_manifests_checks() -> None:
    found = memory.find_least_memory(HERE, nginx_under_test(), low=1, high=128, timeout_s=1)
    assert found.mib == 21
    assert found.below == "http: http detail"
    assert min(size for size, _ in found.tries) >= LEAST_MEMORY_MIB


@pytest.mark.usefixtures("needs_21")
def test_a_kernel_that_does_not_fit_is_a_failure_and_no_error() -> None:
    failure = memory.failure_with(HERE, nginx_under_test().with_memory(9), ENGINE, timeout_s=1)
    assert failure == "the kernel alone reaches up to 10 MiB"
    with pytest.raises(VerifyError, match="fails with 12 MiB already: http"):
        memory.find_least_memory(HERE, nginx_under_test(), low=8, high=12, timeout_s=1)
