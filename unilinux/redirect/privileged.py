# SPDX-License-Identifier: GPL-2.0-only
"""Instructions that only the kernel should execute, found in an application.

In ring 3 each of them ends as a signal. In ring 0 they are legal and do what they
do, which the application's author can hardly have meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from unilinux.redirect.decode import Line

if TYPE_CHECKING:
    from unilinux.redirect.graph import Graph

_INTERRUPTS = "it turns interrupts off, and the kernel may never get the CPU back"
_DEVICE = "it talks to a device behind its driver's back"
_TABLES = "it replaces a table of the CPU that the kernel lives by"
_RETURNS = "it loads CS and leaves the segments that the kernel knows"
_GS = "it changes GS, by which the kernel finds its data: the program gets SIGSEGV"
_MAPPINGS = "it drops caches of the kernel's memory"
_MODEL = "it reads or changes how the CPU works, for the kernel too"
_VIRTUAL = "it starts or runs a virtual machine, if the CPU has that"
_WAITS = "it waits for an interrupt"
_SIGNAL = "it ends as SIGSEGV, as in ring 3"

_DOES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("cli",), _INTERRUPTS),
        "sti": "it turns interrupts on, which they are already",
        **dict.fromkeys(("hlt", "mwait", "monitor"), _WAITS),
        **dict.fromkeys(("in", "out", "insb", "insw", "insd", "outsb", "outsw", "outsd"), _DEVICE),
        **dict.fromkeys(("lgdt", "lidt", "lldt", "ltr"), _TABLES),
        **dict.fromkeys(
            ("iret", "iretd", "iretq", "retf", "retfq", "sysret", "sysretq", "sysexit", "sysexitq"), _RETURNS
        ),
        **dict.fromkeys(("lcall", "ljmp"), _RETURNS),
        **dict.fromkeys(("swapgs", "wrgsbase", "lgs", "lkgs"), _GS),
        **dict.fromkeys(("invlpg", "invpcid", "invd", "wbinvd", "wbnoinvd", "invlpgb", "tlbsync"), _MAPPINGS),
        **dict.fromkeys(
            ("rdmsr", "wrmsr", "rdpmc", "xsetbv", "lmsw", "clts", "xsaves", "xsaves64", "xrstors", "xrstors64"), _MODEL
        ),
        **dict.fromkeys(("stac", "clac"), "it opens or closes user memory to the kernel"),
        **dict.fromkeys(
            ("vmxon", "vmxoff", "vmlaunch", "vmresume", "vmptrld", "vmptrst", "vmclear", "vmread", "vmwrite", "vmrun"),
            _VIRTUAL,
        ),
        **dict.fromkeys(("vmload", "vmsave", "stgi", "clgi", "skinit", "invept", "invvpid", "encls"), _VIRTUAL),
    }
)
_CONTROL = re.compile(r"\b[cd]r\d+\b")
_LOADS_GS = re.compile(r"gs(,|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Privileged:
    """A privileged instruction; ``does`` says what comes of it in ring 0."""

    function: str
    address: int
    instruction: str
    does: str

    @property
    def text(self) -> str:
        """One line for people."""
        return f"{self.instruction}, in {self.function} at {self.address:#x}: in ring 0 {self.does}"


def privileged_instructions(graph: Graph) -> tuple[Privileged, ...]:
    """All of them in what can run of a program, by address."""
    return tuple(
        Privileged(function=function.name, address=line.address, instruction=line.text, does=does)
        for function, line in sorted(graph.suspects, key=lambda suspect: suspect[1].address)
        if (does := consequence(line))
    )


@cache
def _names_privileged(mnemonic: str) -> bool:
    """Whether the name of an instruction is one that :func:`consequence` has to see, but for MOV."""
    name = _plain(mnemonic)
    return name in _DOES or name in ("pop", "int", "int1", "into")


def may_be_privileged(mnemonic: str, operands: str) -> bool:
    """Whether :func:`consequence` has to see an instruction."""
    if mnemonic == "mov":
        return "gs" in operands or "cr" in operands or "dr" in operands
    return _names_privileged(mnemonic)


def _plain(mnemonic: str) -> str:
    return mnemonic.removeprefix("rep ").removeprefix("repne ").removeprefix("lock ")


def consequence(line: Line) -> str | None:
    """What an instruction does in ring 0 that it doesn't do in ring 3; None for one like any other."""
    name = _plain(line.mnemonic)
    if name == "mov":
        return _moved(line.operands)
    if name == "pop" and line.operands == "gs":
        return _GS
    if name in ("int", "int1", "into"):
        return _SIGNAL if (name, line.operands) != ("int", "3") else None
    return _DOES.get(name)


def _moved(operands: str) -> str | None:
    if _LOADS_GS.match(operands):
        return _GS
    return _MODEL if _CONTROL.search(operands) else None
