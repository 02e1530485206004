# SPDX-License-Identifier: GPL-2.0-only
"""Rewriting one ELF file: what makes system calls by SYSCALL becomes what makes them through the gate."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from unilinux.arch.architecture import X86_64
from unilinux.core.errors import BuildError
from unilinux.elf.extension import Edit, code_address, extended
from unilinux.elf.file import Elf, Note, parse_elf
from unilinux.elf.frames import frames
from unilinux.elf.golang import is_go
from unilinux.redirect.decode import instructions, words
from unilinux.redirect.program import Function
from unilinux.redirect.rewrite.boundaries import functions_of
from unilinux.redirect.rewrite.halt import Halt, replaced
from unilinux.redirect.rewrite.report import (
    CALL,
    JUMP,
    TRAP,
    Counts,
    Report,
    RewrittenSite,
    counts_of,
    note_content,
)
from unilinux.redirect.rewrite.targets import Survey, jump_tables, survey
from unilinux.redirect.rewrite.trampoline import call_edit, jump_edit, trampoline
from unilinux.redirect.rewrite.treatment import Call, Jump, Shape, Surroundings, Trap, choose, shape_of
from unilinux.redirect.rewrite.verification import verify

_OWNER, _REWRITTEN = "UniLinux", 1
"""Of the note by which a rewritten file is known."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The bytes of a file as they are to be, and what became of its system calls."""

    content: bytes
    report: Report


@dataclass(slots=True)
class _Changes:
    """What is to be done to a file; trampolines lie one behind the other."""

    code_at: int
    edits: list[Edit] = field(default_factory=list)
    code: bytes = b""
    jumps: list[tuple[Jump, int]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    sites: list[RewrittenSite] = field(default_factory=list)
    halts: list[Halt] = field(default_factory=list)


def rewrite(content: bytes, name: str, *, cancelled: bool = True) -> Rewritten:
    """Rewrite an ELF file. One that is none for x86-64, an object, or one without system calls is returned as it is.

    :param name: what errors and the report call it.
    :param cancelled: threads of the processes that use it may be cancelled.
    :raise BuildError: the file is damaged.
    """
    elf = parse_elf(content, name)
    why = _untouchable(elf)
    if why:
        return Rewritten(content, Report(file=name, counts=_earlier_counts(elf), untouched=why))
    unwind = frames(elf)
    functions = functions_of(elf, unwind)
    seen = survey(elf, functions, unwind)
    changes = _Changes(code_address(elf))
    for number, function in enumerate(functions):
        if function.address in seen.suspects:
            following = functions[number + 1].code if number + 1 < len(functions) else b""
            _plan(changes, elf, function, seen, following, cancelled=cancelled)
    sites = tuple(changes.sites)
    report = Report(file=name, counts=counts_of(sites), sites=sites, halts=tuple(changes.halts))
    if not changes.edits:
        return Rewritten(content, report)
    note = Note(_OWNER, _REWRITTEN, note_content(report.counts))
    made = extended(elf, changes.code, note, changes.edits)
    verify(elf, parse_elf(made, name), changes.calls, changes.jumps, changes.edits)
    return Rewritten(made, report)


def is_rewritten(elf: Elf) -> bool:
    """Whether a file has been rewritten."""
    return any(True for _ in _own_notes(elf))


def _untouchable(elf: Elf) -> str | None:
    if elf.machine != X86_64.elf_machine:
        return f"it is for another processor ({elf.machine})"
    if elf.kind not in ("ET_EXEC", "ET_DYN"):
        return "it is no program and no library"
    if is_rewritten(elf):
        return "it has been rewritten before"
    if not any(section.executable for section in elf.sections):
        return "it has no section headers, so it can't be told what its data points to"
    return None


def _own_notes(elf: Elf) -> Iterator[Note]:
    return (note for note in elf.notes if (note.owner, note.kind) == (_OWNER, _REWRITTEN))


def _earlier_counts(elf: Elf) -> Counts:
    note = next(_own_notes(elf), None)
    if note is None:
        return counts_of(())
    try:
        return Counts.from_json(json.loads(note.content))
    except (ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{elf.path}: its note about having been rewritten is damaged") from error


def _plan(changes: _Changes, elf: Elf, function: Function, seen: Survey, following: bytes, *, cancelled: bool) -> None:
    """Decide on all of one function."""
    if function.address in seen.uneven:
        changes.sites += _unread(function)
        return
    code = tuple(instructions(function.code, function.address))
    around = Surroundings(
        function=function,
        code=code,
        survey=seen,
        tables=jump_tables(elf, function, code),
        relocated=frozenset(place for place in elf.relocated if function.address - 8 < place < function.end),
        spends_stack=not is_go(elf),  # goroutines have small stacks, of which Go's linker counts each byte
        cancelled=cancelled,
    )
    for index, one in enumerate(code):
        if one.mnemonic == "syscall":
            changes.sites.append(_treated(changes, around, index))
        elif one.mnemonic == "hlt":
            rest = function.code[one.end - function.address :]
            crash, edit = replaced(one.address, rest or following, in_function=bool(rest), leads_to=around.leads_to)
            changes.halts.append(Halt(function.name, one.address, crash))
            changes.edits.append(edit)


def _unread(function: Function) -> Iterator[RewrittenSite]:
    for address, _, mnemonic, _ in words(function.code, function.address):
        if mnemonic == "syscall":
            yield RewrittenSite(
                function=function.name,
                address=address,
                shape=Shape.UNKNOWN,
                number=None,
                treatment=TRAP,
                why="the code around it can't be read as instructions to the end",
            )


def _treated(changes: _Changes, around: Surroundings, index: int) -> RewrittenSite:
    """Decide on one system call, and note what is to be done."""
    shape, number = shape_of(around, index)
    chosen = choose(around, index)
    if isinstance(chosen, Call):
        changes.calls.append(chosen)
        changes.edits.append(call_edit(chosen))
    elif isinstance(chosen, Jump):
        address = changes.code_at + len(changes.code)
        changes.code += trampoline(chosen, around.function.code, around.function.address, address)
        changes.jumps.append((chosen, address))
        changes.edits.append(jump_edit(chosen, address))
    return RewrittenSite(
        function=around.function.name,
        address=around.code[index].address,
        shape=shape,
        number=number,
        treatment=_name(chosen),
        why=chosen.why if isinstance(chosen, Trap) else None,
    )


def _name(chosen: Call | Jump | Trap) -> str:
    if isinstance(chosen, Call):
        return CALL
    return JUMP if isinstance(chosen, Jump) else TRAP
