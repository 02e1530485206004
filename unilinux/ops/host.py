# SPDX-License-Identifier: GPL-2.0-only
"""The host: what was found on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unilinux.arch.architecture import X86_64
from unilinux.core.command import require_tool
from unilinux.ops.workshop import Workshop
from unilinux.vm.engine import Engine

TOOLS = ("gcc", "make", "flex", "bison", "bc", "lz4", "xz", "perl", "git", "setpriv", X86_64.emulator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The tools with the paths at which they were found, how guests are executed, and where the cache is."""

    tools: dict[str, str]
    engine: Engine
    cache: Path

    def document(self) -> dict[str, Any]:
        """Plain JSON data."""
        accelerator = {"name": self.engine.abilities.accelerator, "reason": self.engine.reason}
        return {"tools": self.tools, "accelerator": accelerator, "cache": str(self.cache)}


def look_at_host(here: Workshop) -> Host:
    """See that every tool is there, and whether KVM runs guests.

    :raise HostError: a tool is missing; the hint says how it is installed.
    """
    tools = {tool: str(require_tool(tool)) for tool in TOOLS}
    with here.progress.step("accelerator", "looking for KVM"):
        found = here.engine("auto")
    return Host(tools=tools, engine=found, cache=here.layout.cache)
