# SPDX-License-Identifier: GPL-2.0-only
"""Which system calls a program can make: the numbers at each place where it enters the kernel.

A number that a function is given by its callers (``syscall()``, musl's cancellation
points) is looked for at each of them. What can't be told is listed, not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from unilinux.redirect.flow import Effects, Flow, has_unknown, known_numbers
from unilinux.redirect.graph import Call, EntryMethod, Graph, Site
from unilinux.redirect.program import Function
from unilinux.redirect.values import ARGUMENTS, Argument, Value

_DEEPEST = 5  # callers of callers; libc's longest chain is 3

# Functions that get their number by memory, from the argument of another function
# (musl's src/unistd/setxid.c: __setxid() calls do_setxid() in each thread).
_HANDED_OVER: Mapping[str, tuple[str, int]] = MappingProxyType({"do_setxid": ("__setxid", 0)})

# Functions whose address is compared, but never called through (src/thread/pthread_cancel.c: is the
# program counter between __cp_begin and __cp_end?).
_ONLY_COMPARED = frozenset({"__syscall_cp_asm"})


@dataclass(frozen=True, slots=True)
class UnknownCall:
    """A place that makes system calls whose number can't be told."""

    place: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What a program can ask the kernel for: numbers, each with the places that have it, and what isn't known."""

    program: str
    numbers: Mapping[int, tuple[str, ...]]
    unknown_calls: tuple[UnknownCall, ...]


def system_calls(graph: Graph) -> Calls:
    """Look at each place where what can run of a program enters the kernel."""
    return _Search(graph).result()


class _Search:
    """One run: flows through functions are worked out once, for all questions about them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._effects = Effects()
        # By the address of the function: comparing functions compares their code.
        self._flows: dict[int, Flow] = {}
        self._callers: dict[int, list[Call]] = {}
        for call in graph.calls:
            self._callers.setdefault(call.callee.address, []).append(call)

    def result(self) -> Calls:
        numbers: dict[int, set[str]] = {}
        unknown_calls: list[UnknownCall] = []
        for site in self._graph.sites:
            found, why = self._numbers(site)
            for number in found:
                numbers.setdefault(number, set()).add(site.place)
            unknown_calls += [UnknownCall(site.place, reason) for reason in dict.fromkeys(why)]
        unknown_calls += [UnknownCall(f"code at {at:#x}", "no symbol covers it") for at in self._uncovered]
        unknown_calls += [
            UnknownCall(place, "the code cannot be read from there on") for place in self._graph.undecoded
        ]
        if self._graph.program.dynamic:
            unknown_calls.append(UnknownCall("shared libraries", "they are linked when the program is started"))
        return Calls(
            program=self._graph.program.name,
            numbers={number: tuple(sorted(places)) for number, places in sorted(numbers.items())},
            unknown_calls=tuple(unknown_calls),
        )

    @cached_property
    def _uncovered(self) -> tuple[int, ...]:
        """Where bytes that no symbol covers have a SYSCALL instruction."""
        return tuple(
            start + code.index(b"\x0f\x05") for start, code in self._graph.program.unnamed_code if b"\x0f\x05" in code
        )

    def _numbers(self, site: Site) -> tuple[frozenset[int], list[str]]:
        if site.number is not None:
            return frozenset({site.number}), []
        if site.method is EntryMethod.FOREIGN:
            return frozenset(), [f"entered by {site.method.value}"]
        if site.function.name in _HANDED_OVER:
            name, index = _HANDED_OVER[site.function.name]
            givers = [function for function in self._graph.reached if function.name == name]
            if givers:
                return self._from_callers(givers[0], index, (site.function.name,))
        return self._of_value(site.function, self._value(site.function, site.address, "rax"), ())

    def _of_value(self, function: Function, value: Value, below: tuple[str, ...]) -> tuple[frozenset[int], list[str]]:
        numbers, why = known_numbers(value), []
        if has_unknown(value):
            why.append("the number comes from memory or a computation" + _by(function, below))
        for atom in value:
            if isinstance(atom, Argument):
                more, reasons = self._from_callers(function, atom.index, below)
                numbers |= more
                why += reasons
        return numbers, why

    def _from_callers(self, function: Function, index: int, below: tuple[str, ...]) -> tuple[frozenset[int], list[str]]:
        if function.name in below or len(below) >= _DEEPEST:
            return frozenset(), [f"{function.name} is called by itself, or through too many others"]
        if function.address in self._graph.taken and function.name not in _ONLY_COMPARED:
            return frozenset(), [f"{function.name} gets it as an argument, and may be called through a pointer"]
        numbers: frozenset[int] = frozenset()
        why: list[str] = []
        for call in self._callers.get(function.address, ()):
            value = self._value(call.function, call.address, ARGUMENTS[index])
            more, reasons = self._of_value(call.function, value, (*below, function.name))
            numbers |= more
            why += reasons
        return numbers, why

    def _value(self, function: Function, address: int, register: str) -> Value:
        if function.address not in self._flows:
            self._flows[function.address] = Flow(
                function, self._effects, pointers=self._graph.program.pointers, endless=self._graph.endless
            )
        return self._flows[function.address].value(register, address)


def _by(function: Function, below: tuple[str, ...]) -> str:
    return f", in {function.name} which calls {below[-1]}" if below else ""
