# SPDX-License-Identifier: GPL-2.0-only
"""Instructions that only the kernel should execute, found in an application.

In ring 3 each of them ends as a signal. In ring 0 they are legal and do what they
do, which the application's author can hardly have meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unilinux.redirect.graph import Graph

Judge = Callable[[str], str | None]
"""Of an instruction's operands: what it does."""

_RETURNS = "it loads CS and leaves the segments that the kernel knows"
_GS = "it changes GS, by which the kernel finds its data: the program gets SIGSEGV"
_STACK = "it loads SS, for which the selector of ring 3 ends as SIGSEGV"
_MODEL = "it reads or changes how the CPU works, for the kernel too"
_SIGNAL = "it ends as SIGSEGV, as in ring 3"

# Names as the disassembler writes them, without prefixes.
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "it turns interrupts off, and the kernel may never get the CPU back": "cli",
        "it turns interrupts on, which they are already": "sti",
        "it waits for an interrupt": "hlt mwait monitor",
        "it talks to a device behind its driver's back": "in out insb insw insd outsb outsw outsd",
        "it replaces a table of the CPU that the kernel lives by": "lgdt lidt lldt ltr",
        _RETURNS: "iret iretd iretq retf retfq sysret sysretq sysexit sysexitq lcall ljmp",
        _GS: "swapgs wrgsbase lgs lkgs",
        _STACK: "lss",
        "it drops caches of the kernel's memory": "invlpg invpcid invlpga invd wbinvd wbnoinvd invlpgb tlbsync",
        _MODEL: "rdmsr wrmsr rdpmc xsetbv lmsw clts pconfig xsaves xsaves64 xrstors xrstors64",
        "it opens or closes user memory to the kernel": "stac clac",
        "it starts or runs a virtual machine, if the CPU has that": "vmxon vmxoff vmlaunch vmresume vmptrld vmptrst "
        "vmclear vmread vmwrite vmrun vmload vmsave stgi clgi skinit invept invvpid encls enclv",
        "it calls the hypervisor, which obeys ring 0 alone": "vmcall vmmcall",
        _SIGNAL: "int1 into",
        "it ends as a signal, as in ring 3; under KVM on AMD it stops the machine": "sysenter",
    }
)
_DOES: Mapping[str, str] = MappingProxyType({name: does for does, names in _NAMES.items() for name in names.split()})
_CONTROL = re.compile(r"\b[cd]r\d+\b")
_LOADS_SEGMENT = re.compile(r"(gs|ss),")


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
        for function, line in sorted(graph.privileged, key=lambda found: found[1].address)
        if (does := consequence(line.mnemonic, line.operands))
    )


def consequence(mnemonic: str, operands: str) -> str | None:
    """What an instruction does in ring 0 that it doesn't do in ring 3; None for one like any other."""
    judge = judge_of(mnemonic)
    return judge(operands) if judge else None


def judge_of(mnemonic: str) -> Judge | None:
    """The same for all instructions of a name, by their operands; None: none of them is privileged."""
    name = mnemonic.rsplit(maxsplit=1)[-1]
    does = _DOES.get(name)
    return _BY_OPERANDS.get(name) if does is None else lambda _: does


def _moved(operands: str) -> str | None:
    if "s," not in operands and "cr" not in operands and "dr" not in operands:
        return None  # in a tenth of the time
    if found := _LOADS_SEGMENT.match(operands):
        return _GS if found[1] == "gs" else _STACK
    return _MODEL if _CONTROL.search(operands) else None


def _popped(operands: str) -> str | None:
    return _GS if operands == "gs" else None


def _transferred(operands: str) -> str | None:
    # A far pointer in memory has no size in front: "call ptr [rdi]", where a near one is a "qword ptr".
    return _RETURNS if operands.startswith("ptr ") else None


def _interrupted(operands: str) -> str | None:
    return _SIGNAL if operands != "3" else None


_BY_OPERANDS: Mapping[str, Judge] = MappingProxyType(
    {"mov": _moved, "pop": _popped, "int": _interrupted, "call": _transferred, "jmp": _transferred}
)
