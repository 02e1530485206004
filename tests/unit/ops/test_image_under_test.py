"""The image and the machine on which it is measured."""

from __future__ import annotations

import pytest

from tests.unit.ops.measured import HERE, nginx_under_test
from unilinux.core.errors import UsageError
from unilinux.image.request import Request
from unilinux.ops import image_under_test
from unilinux.ops.image_under_test import USUAL_MEMORY_MIB, build_under_test


def test_memory_changes_the_machine_and_not_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(image_under_test, "build_image", lambda here, plan, **_: built.append(plan))
    found = build_under_test(HERE, Request(app="nginx", memory_mib=99))
    assert found.memory_mib == 99
    assert [plan.machine.spec.memory_mib for plan in built] == [found.manifest.run.memory_mib]
    assert [forward.guest for forward in found.plan.machine.spec.forwards] == [80]
    assert build_under_test(HERE, Request(app="nginx")).memory_mib == USUAL_MEMORY_MIB


def test_no_machine_has_so_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_under_test, "build_image", lambda here, plan, **_: pytest.fail("it was built first"))
    with pytest.raises(UsageError, match="cannot have 2 MiB"):
        build_under_test(HERE, Request(app="hello", memory_mib=2))


def test_it_says_what_it_is() -> None:
    nginx = nginx_under_test()
    assert nginx.with_memory(200).describe() == {
        "image": "nginx-server",
        "app": "nginx",
        "profile": "server",
        "ring": nginx.plan.entry.ring,
        "syscall": nginx.plan.entry.syscall,
        "machine": "microvm",
        "memory_mib": 200,
        "kernel": "6.12",
    }
