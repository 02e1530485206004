# SPDX-License-Identifier: GPL-2.0-only
"""A signal at each instruction of a system call, by SYSCALL and by each form of the gate."""

from __future__ import annotations

import pytest

from tests.boot import alone
from tests.boot.conftest import Workshop

STEPS = alone.Guest(name="steps")

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module", params=[(3, "trap"), (0, "lean")], ids=["ring3-trap", "ring0-lean"])
def said(
    request: pytest.FixtureRequest, workshop: Workshop, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What each case said."""
    ring, syscall = request.param
    image = alone.build(workshop, STEPS, ring=ring, syscall=syscall)
    lines, _ = alone.run(image, tmp_path_factory.mktemp("steps"), timeout_s=900)
    return alone.reports(lines)


@pytest.mark.parametrize("case", alone.cases("steps"))
def test_case(said: dict[str, str], case: str) -> None:
    assert said.get(case, "never reported").startswith("pass"), said.get(case)
