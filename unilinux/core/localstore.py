"""The store on this host's disk.

Outputs are built beside, published by one rename, and read-only from then on; a lock per
key lets concurrent runs share the work. There are no stamp files: a folder under its key is
complete, or it isn't there.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unilinux.core.code import CodeDigests, loaded_code
from unilinux.core.events import Progress, StepHandle
from unilinux.core.files import (
    digest_shape,
    digest_tree,
    explained_disk_errors,
    locked,
    remove_tree,
    write_atomically,
)
from unilinux.core.snapshot import snapshot
from unilinux.core.store import Action, Output, RemoteStore, Step, Workspace

_META = "meta.json"
_OUT = "out"
_WAITING = "waiting for another run that is building this step"


class LocalStore:
    """Finished steps below ``root``: ``NAME/KEY/out`` beside ``NAME/KEY/meta.json``.

    ``remote`` is asked for what isn't here, and offered what was made.
    """

    def __init__(
        self,
        root: Path,
        *,
        logs: Path,
        progress: Progress,
        remote: RemoteStore | None = None,
        code: CodeDigests | None = None,
    ) -> None:
        self._root = root
        self._logs = logs
        self._progress = progress
        self._remote = remote
        self._code = code or loaded_code(root / "code.json")
        self._outputs: list[Output] = []

    @property
    def progress(self) -> Progress:
        """Where the steps are told of; for what else there is to say while building."""
        return self._progress

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The outputs that this object gave so far, in order."""
        return tuple(self._outputs)

    def run(self, step: Step, action: Action) -> Output:
        """See :meth:`unilinux.core.store.Store.run`."""
        with self._progress.step(step.name, step.label, cacheable=True) as handle, explained_disk_errors(self._root):
            (self._root / step.name).mkdir(parents=True, exist_ok=True)
            sources = snapshot(step.files)
            key = step.key(files=sources.digests, code=self._code.of(action))
            found = self.lookup(step.name, key)
            if found is None:

                def guarded(space: Workspace) -> None:
                    action(space)
                    sources.require_unchanged()
                    self._code.require_unchanged(action)

                with locked(self._root / step.name / f"{key}.lock", lambda: handle.detail(_WAITING), remove=True):
                    found = (
                        self.lookup(step.name, key)
                        or self._fetched(step, key)
                        or self._made(step, key, {**step.inputs, **sources.digests}, handle, guarded)
                    )
            if found.cached:
                handle.cached()
        self._outputs.append(found)
        return found

    def lookup(self, name: str, key: str) -> Output | None:
        """See :meth:`unilinux.core.store.Store.lookup`."""
        home = self._root / name / key
        try:
            meta = json.loads((home / _META).read_text())
            return Output(name, key, home / _OUT, str(meta["digest"]), cached=True, seconds=0.0)
        except (OSError, ValueError, KeyError, TypeError):  # not made, or damaged from outside: made again
            return None

    def verify(self, output: Output) -> bool:
        """See :meth:`unilinux.core.store.Store.verify`."""
        try:
            meta = json.loads((self._root / output.name / output.key / _META).read_text())
            return bool(meta["content"] == _content(output.path, by_key=meta["digest"] == output.key))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _fetched(self, step: Step, key: str) -> Output | None:
        """The output out of the remote store, if that has it and it came whole."""
        if self._remote is None:
            return None
        home, work = self._root / step.name / key, self._root / step.name / f"{key}.arriving"
        remove_tree(work)
        work.mkdir()
        try:
            if not self._remote.get(step.name, key, work):
                return None
            meta = json.loads((work / _META).read_text())
            whole = meta["key"] == key and meta["tree"] == digest_tree(work / _OUT)
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        try:
            if not whole:
                self._progress.note(f"{step.label}: what the remote store sent is damaged; it is made here instead")
                return None
            _make_read_only(work / _OUT)
            remove_tree(home)
            os.rename(work, home)
        finally:
            remove_tree(work)
        return self.lookup(step.name, key)

    def _made(self, step: Step, key: str, inputs: Mapping[str, str], handle: StepHandle, action: Action) -> Output:
        began = time.monotonic()
        home = self._root / step.name / key
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
            handle.working(self._last_seconds(step.name))
            action(space)
            remove_tree(space.scratch)
            _make_read_only(space.out)
            content = _content(space.out, by_key=step.by_key)
            digest = key if step.by_key else content
            seconds = time.monotonic() - began
            meta: dict[str, Any] = {"name": step.name, "key": key, "digest": digest, "content": content}
            meta |= {"seconds": round(seconds, 3), "spec": step.spec, "inputs": dict(inputs)}
            if self._remote is not None:
                meta["tree"] = digest_tree(space.out) if step.by_key else content
            write_atomically(work / _META, json.dumps(meta, indent=1, sort_keys=True) + "\n")
            os.rename(work, home)
        except BaseException:
            if not step.resumable:
                remove_tree(work)
            raise
        if self._remote is not None:
            self._offer(self._remote, step, key, home)
        return Output(step.name, key, home / _OUT, digest, cached=False, seconds=seconds)

    def _last_seconds(self, name: str) -> float | None:
        """How long it took to make the newest output of this name."""
        try:
            newest = max((self._root / name).glob(f"*/{_META}"), key=lambda path: path.stat().st_mtime)
            return float(json.loads(newest.read_text())["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _offer(self, remote: RemoteStore, step: Step, key: str, home: Path) -> None:
        try:
            remote.put(step.name, key, home)
        except OSError as error:
            self._progress.note(f"{step.label}: the remote store did not take it: {error}")


def _content(out: Path, *, by_key: bool) -> str:
    """What tells whether an output is still whole: all of its bytes, or the names, sizes and times of a large tree."""
    return digest_shape(out) if by_key else digest_tree(out)


def _make_read_only(root: Path) -> None:
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                os.chmod(path, stat.S_IMODE(mode) & ~0o222)
