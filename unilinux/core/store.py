"""Content-addressed build steps: the same inputs are never built twice.

The key of a step is the SHA-256 of the canonical JSON of *all* that goes into
it. Outputs are built beside, published by one rename, and read-only from then
on; a lock per key lets concurrent runs share the work. There are no stamp
files: a folder under its key is complete, or it isn't there.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from unilinux.core.events import Progress, StepHandle
from unilinux.core.files import (
    digest_bytes,
    digest_tree,
    explained_disk_errors,
    locked,
    remove_tree,
    write_atomically,
)

_META = "meta.json"
_OUT = "out"
_WAITING = "waiting for another run that makes the same"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a build step is made from; everything that can change its output is in here.

    ``spec`` is plain JSON data. ``inputs`` are digests of other outputs or files,
    by the role that they play. ``code`` are the modules whose code makes the
    output: they count by their syntax tree, so a comment rebuilds nothing.
    ``resumable`` keeps the work folder of an interrupted run for the next one.
    ``by_key`` names the output by its key rather than by hashing its content,
    for trees too large to hash and for those that a change always changes.
    """

    name: str
    label: str
    spec: Mapping[str, Any]
    inputs: Mapping[str, str] = field(default_factory=dict)
    code: Sequence[ModuleType] = ()
    resumable: bool = False
    by_key: bool = False

    @property
    def key(self) -> str:
        """SHA-256, hexadecimal, of the canonical JSON of this value."""
        whole = {
            "name": self.name,
            "spec": self.spec,
            "inputs": dict(self.inputs),
            "code": [code_digest(module) for module in self.code],
            "by_key": self.by_key,
        }
        return digest_bytes(json.dumps(whole, sort_keys=True, separators=(",", ":")).encode())


@dataclass(frozen=True, slots=True)
class Output:
    """A finished step: ``path`` is a read-only folder, ``digest`` stands for its content."""

    name: str
    key: str
    path: Path
    digest: str
    cached: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Workspace:
    """What a step's action gets: a folder to fill, a scratch folder, a log, and progress.

    ``out`` becomes the output. ``scratch`` is removed afterwards; for a resumable
    step both are found as an interrupted run left them.
    """

    out: Path
    scratch: Path
    log: Path
    step: StepHandle


class Store:
    """Finished steps below ``root``: ``NAME/KEY/out`` beside ``NAME/KEY/meta.json``."""

    def __init__(self, root: Path, *, logs: Path, progress: Progress) -> None:
        self._root = root
        self._logs = logs
        self._progress = progress
        self.outputs: list[Output] = []

    @property
    def progress(self) -> Progress:
        """Where the steps are told of; for what else there is to say while building."""
        return self._progress

    def run(self, step: Step, action: Callable[[Workspace], None]) -> Output:
        """The step's output, made by ``action`` unless it is there already.

        :raise HostError: the disk is full or read-only. Whatever ``action`` raises
            passes through; nothing half-made is ever published.
        """
        key = step.key
        home = self._root / step.name / key
        with self._progress.step(step.name, step.label) as handle:
            found = self._finished(step, key, home)
            if found is None:
                with explained_disk_errors(self._root):
                    (self._root / step.name).mkdir(parents=True, exist_ok=True)
                    with locked(self._root / step.name / f"{key}.lock", lambda: handle.detail(_WAITING)):
                        found = self._finished(step, key, home) or self._make(step, key, home, handle, action)
            if found.cached:
                handle.cached()
        self.outputs.append(found)
        return found

    def _finished(self, step: Step, key: str, home: Path) -> Output | None:
        try:
            meta = json.loads((home / _META).read_text())
            return Output(step.name, key, home / _OUT, meta["digest"], cached=True, seconds=0.0)
        except (FileNotFoundError, ValueError, KeyError):  # not made, or damaged from outside: made again
            return None

    def _make(
        self, step: Step, key: str, home: Path, handle: StepHandle, action: Callable[[Workspace], None]
    ) -> Output:
        began = time.monotonic()
        work = home.with_name(f"{key}.work")
        remove_tree(home)  # what is not finished here was damaged from outside
        if not step.resumable or (work / _META).exists():  # with it, the files may be read-only already
            remove_tree(work)
        log = self._logs / f"{step.name}-{key[:12]}.log"
        self._logs.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        space = Workspace(work / _OUT, work / "scratch", log, handle)
        space.out.mkdir(parents=True, exist_ok=True)
        space.scratch.mkdir(parents=True, exist_ok=True)
        try:
            action(space)
            remove_tree(space.scratch)
            digest = key if step.by_key else digest_tree(space.out)
            seconds = time.monotonic() - began
            meta = {"name": step.name, "key": key, "digest": digest, "seconds": round(seconds, 3), "spec": step.spec}
            meta["inputs"] = dict(step.inputs)
            write_atomically(work / _META, json.dumps(meta, indent=1, sort_keys=True) + "\n")
            _make_read_only(space.out)
            os.rename(work, home)
        except BaseException:
            if not step.resumable:
                remove_tree(work)
            raise
        return Output(step.name, key, home / _OUT, digest, cached=False, seconds=seconds)


def _make_read_only(root: Path) -> None:
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                os.chmod(path, stat.S_IMODE(mode) & ~0o222)


@cache
def code_digest(module: ModuleType) -> str:
    """SHA-256 of a module's syntax tree without its docstrings: what it does, not how it reads."""
    tree = ast.parse(inspect.getsource(module))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()
