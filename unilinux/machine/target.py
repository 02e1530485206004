# SPDX-License-Identifier: GPL-2.0-only
"""Targets: what ``--machine`` names. Each says what is booted, on which board, and in which network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from unilinux.arch.architecture import X86_64, Architecture
from unilinux.core.errors import UsageError
from unilinux.core.suggest import unknown
from unilinux.machine.board import MICROVM, Q35, Board
from unilinux.machine.network import USER_NETWORK, Addresses

BootFile = Literal["vmlinux", "bzImage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where an image runs. CPUs, memory and devices come from the application and its profile.

    ``boots`` is the file of the image that the machine's loader takes, ``network`` are
    the addresses that a machine with a network card gets.
    """

    name: str
    board: Board
    boots: BootFile = "vmlinux"
    architecture: Architecture = X86_64
    network: Addresses = USER_NETWORK


TARGETS: Mapping[str, Target] = MappingProxyType(
    {target.name: target for target in (Target(name="microvm", board=MICROVM), Target(name="q35", board=Q35))}
)
DEFAULT_TARGET = "microvm"


def find_target(name: str) -> Target:
    """The target of that name.

    :raise UsageError: there is none.
    """
    if name not in TARGETS:
        raise UsageError(unknown("machine", name, TARGETS))
    return TARGETS[name]
