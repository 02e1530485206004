# SPDX-License-Identifier: GPL-2.0-only
"""Content-addressed build steps: the same inputs are never built twice.

This module says what a step, its output and a store are. The store on this host's disk
is :class:`unilinux.core.localstore.LocalStore`; it may be given a :class:`RemoteStore`.
Nobody but these knows where an output lies before it is handed out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from unilinux.core.events import Progress, StepHandle
from unilinux.core.files import digest_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a build step is made from; everything that can change its output is in here.

    ``spec`` is plain JSON data. ``inputs`` are digests of other outputs, ``files`` are files and
    folders of this host that the action reads, both by the role that they play. The store
    digests ``files`` itself, and sees to it that they don't change until the step is done.
    ``tools`` are the programs of this host that make its bytes, by name: their versions count, too.
    The code that makes the output needs no mention: the store finds it (:mod:`unilinux.core.code`).
    ``resumable`` keeps the work folder of an interrupted run for the next one.
    ``by_key`` names the output by its key rather than by hashing its content,
    for trees too large to hash and for those that a change always changes.
    """

    name: str
    label: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    tools: Sequence[str] = ()
    resumable: bool = False
    by_key: bool = False

    def key(
        self, *, files: Mapping[str, str] | None = None, tools: Mapping[str, str] | None = None, code: str = ""
    ) -> str:
        """SHA-256, hexadecimal, of the canonical JSON of this value.

        :param files: the digests of :attr:`files`.
        :param tools: the versions of :attr:`tools`.
        :param code: the digest of the code that makes the output.
        """
        whole = {
            "name": self.name,
            "spec": self.spec,
            "inputs": dict(self.inputs),
            "files": dict(files or {}),
            "tools": dict(tools or {}),
            "code": code,
            "by_key": self.by_key,
        }
        return digest_bytes(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode())


@dataclass(frozen=True, slots=True)
class Output:
    """A finished step: ``path`` is a read-only folder, ``digest`` stands for its content.

    Nothing in it names the place where it lies. ``lease`` keeps the output from being
    evicted as long as this value, or the store, is alive.
    """

    name: str
    key: str
    path: Path
    digest: str
    cached: bool
    seconds: float
    lease: object = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Workspace:
    """What a step's action gets: a folder to fill, a scratch folder, a log, and progress.

    ``out`` becomes the output. ``scratch`` is removed afterwards; for a resumable
    step both are found as an interrupted run left them. ``compiler_cache`` is a folder for
    ccache; None: compile without.
    """

    out: Path
    scratch: Path
    log: Path
    step: StepHandle
    compiler_cache: Path | None = None
    visible: tuple[Path, ...] = ()
    """The outputs of other steps, and the step's ``files``: a sandbox for the action's commands must show them."""


Action = Callable[[Workspace], None]


class Store(Protocol):
    """Finished steps. May be used by several threads at once."""

    @property
    def progress(self) -> Progress:
        """Where the steps are told of; for what else there is to say while building."""

    @property
    def outputs(self) -> Sequence[Output]:
        """The outputs that this object gave so far, in order."""

    def run(self, step: Step, action: Action) -> Output:
        """The step's output, made by ``action`` unless it is there already.

        :raise HostError: the disk is full or read-only, a file may not be read or written, or one
            of the step's files or of UniLinux's own code changed meanwhile. Whatever
            ``action`` raises passes through; nothing half-made is ever published.
        """

    def lookup(self, name: str, key: str) -> Output | None:
        """The output of the step of that name with that key, if the store has it."""

    def verify(self, output: Output) -> bool:
        """Whether an output still is what was made. Reads all of it, but only names and sizes if it is ``by_key``."""


class RemoteStore(Protocol):
    """Another place that has finished steps: a folder of another host, a service.

    What it gives is not trusted to have come whole: the local store computes its digest.
    """

    def get(self, name: str, key: str, target: Path) -> bool:
        """Bring an output to the empty folder ``target``, as :meth:`put` saw it, times and modes included.

        Whether there was one. Anything that goes wrong may be raised as :class:`OSError`: then it is built here.
        """

    def put(self, name: str, key: str, folder: Path) -> None:
        """Take a finished output: ``folder`` has ``meta.json`` and ``out/``, which may only be read."""
