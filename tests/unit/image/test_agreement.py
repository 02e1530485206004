"""Facts that siblings state on their own, since they don't import each other."""

from __future__ import annotations

from unilinux.app.build import TOOL_PREFIX
from unilinux.kconfig.toolchain import Toolchain
from unilinux.kernel.make import ABSENT
from unilinux.redirect.toolchain import PREFIX


def test_kconfig_and_make_leave_out_the_same_programs() -> None:
    assert ABSENT.items() <= Toolchain().variables.items()


def test_the_build_calls_the_programs_that_the_tool_chain_has() -> None:
    assert TOOL_PREFIX == PREFIX
