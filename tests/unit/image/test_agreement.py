# SPDX-License-Identifier: GPL-2.0-only
"""Facts that siblings state on their own, since they don't import each other."""

from __future__ import annotations

from unilinux.kconfig.toolchain import Toolchain
from unilinux.kernel.make import ABSENT


def test_kconfig_and_make_leave_out_the_same_programs() -> None:
    assert ABSENT.items() <= Toolchain().variables.items()
