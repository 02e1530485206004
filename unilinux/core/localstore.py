# SPDX-License-Identifier: GPL-2.0-only
"""The store on this host's disk.

Outputs are built beside, flushed to the disk, published by one rename, and read-only from then
on; a lock per key lets concurrent runs share the work. There are no stamp files: a folder
under its key is complete, or it isn't there.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from unilinux.core.code import CodeDigests, loaded_code
from unilinux.core.errors import HostError
from unilinux.core.events import Progress, StepHandle
from unilinux.core.eviction import ARRIVING, LEASES, META, OUT, WORK, Evicted, evict
from unilinux.core.files import (
    Survey,
    count_bytes,
    digest_shape,
    digest_tree,
    disk_bytes,
    explained_disk_errors,
    flush_file,
    flush_tree,
    remove_tree,
    survey,
    write_atomically,
)
from unilinux.core.hosttools import HostTools
from unilinux.core.layout import mark_cache
from unilinux.core.leases import Lease, lease_of
from unilinux.core.locks import locked
from unilinux.core.snapshot import snapshot
from unilinux.core.store import Action, Output, RemoteStore, Step, Workspace

_WAITING = "waiting for another run that is building this step"
_FLUSHED = 32  # entries: an output with more isn't flushed to the disk, but looked at after the next boot
_LOOKED_THROUGH = 2000  # entries: an output with more isn't counted at each use, that would take longer than a build
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_BETWEEN_EVICTIONS_S = 30.0
_LOGS_KEPT_S = 30 * 86400.0


class LocalStore:
    """Finished steps below ``root``: ``NAME/KEY/out`` beside ``NAME/KEY/meta.json``.

    ``cache`` is the folder that ``root`` lies in, to be marked as a cache before anything is made in it. ``remote``
    is asked for what isn't here, and offered what was made. With ``limit_bytes`` what was used longest ago is
    removed when the cache takes more than that (without ``cache``: the outputs). ``compiler_cache`` is handed to
    the actions.
    """

    def __init__(
        self,
        root: Path,
        *,
        logs: Path,
        progress: Progress,
        cache: Path | None = None,
        limit_bytes: int | None = None,
        compiler_cache: Path | None = None,
        remote: RemoteStore | None = None,
        code: CodeDigests | None = None,
    ) -> None:
        self._root = root
        self._logs = logs
        self._progress = progress
        self._cache = cache
        self._limit_bytes = limit_bytes
        self._compiler_cache = compiler_cache
        self._remote = remote
        self._tools = HostTools(root / "tools.json")
        self._code = code or loaded_code(root / "code.json")
        self._outputs: list[Output] = []
        self._evicted_at = -_BETWEEN_EVICTIONS_S

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
            tools = self._tools.identify(*step.tools)
            key = step.key(files=sources.digests, tools=tools, code=self._code.of(action))
            found = self.lookup(step.name, key)
            if found is None:
                if self._cache is not None:
                    mark_cache(self._cache)

                def guarded(space: Workspace) -> None:
                    with self._blaming_damage(step):
                        action(space)
                    sources.require_unchanged()
                    self._code.require_unchanged(action)

                with locked(self._root / step.name / f"{key}.lock", lambda: handle.detail(_WAITING), remove=True):
                    found = (
                        self.lookup(step.name, key)
                        or self._fetched(step, key)
                        or self._made(step, key, {**step.inputs, **sources.digests}, handle, guarded)
                    )
                self._keep_below_limit()
            if found.cached:
                handle.cached()
        self._outputs.append(found)
        return found

    def lookup(self, name: str, key: str) -> Output | None:
        """See :meth:`unilinux.core.store.Store.lookup`."""
        home = self._root / name / key
        if not key or not home.parent.is_dir():
            return None
        with self._lease.taking(f"{name}/{key}"):
            try:
                meta = json.loads((home / META).read_text())
                output = Output(name, key, home / OUT, str(meta["digest"]), cached=True, seconds=0.0, lease=self._lease)
                # What a power cut or a careless hand damaged is made again.
                if not self._is_whole(home, meta):
                    return None
            except (OSError, ValueError, KeyError, TypeError):  # not made, or damaged
                return None
            with contextlib.suppress(OSError):  # a cache that may only be read serves as well
                os.utime(home / META)  # the time of its last use
        return output

    def _is_whole(self, home: Path, meta: dict[str, Any]) -> bool:
        """Whether an output looks as it was made; all of it is read again when the host was booted since then."""
        out = home / OUT
        boot = _boot_id()
        must_read = int(meta["files"]) > _FLUSHED and meta["boot"] != boot
        if must_read or int(meta["files"]) <= _LOOKED_THROUGH:
            seen = survey(out)
            if (len(seen), count_bytes(seen)) != (meta["files"], meta["bytes"]):
                return False
            if must_read and meta["content"] != _content(out, seen, by_key=meta["digest"] == meta["key"]):
                return False
        if must_read:
            with contextlib.suppress(OSError):
                _write_meta(home, {**meta, "boot": boot})
        return out.is_dir()

    def verify(self, output: Output) -> bool:
        """See :meth:`unilinux.core.store.Store.verify`."""
        try:
            meta = json.loads((self._root / output.name / output.key / META).read_text())
            seen = survey(output.path)
            return bool(meta["content"] == _content(output.path, seen, by_key=meta["digest"] == output.key))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def clear(self) -> Evicted:
        """Remove all outputs but those that running processes use."""
        with explained_disk_errors(self._root):
            return evict(self._root, 0)

    @cached_property
    def _lease(self) -> Lease:
        return lease_of(self._root / LEASES)

    def _keep_below_limit(self) -> None:
        now = time.monotonic()
        if self._limit_bytes is None or now - self._evicted_at < _BETWEEN_EVICTIONS_S:
            return
        self._evicted_at = now
        evict(self._root, self._limit_bytes, cache=self._cache)
        _remove_old(self._logs)

    @contextlib.contextmanager
    def _blaming_damage(self, step: Step) -> Iterator[None]:
        """When an action fails because an output that it works with is damaged: remove that, and say so."""
        try:
            yield
        except Exception as error:
            used = [output for output in self._outputs if output.digest in step.inputs.values()]
            damaged = [output for output in used if not self.verify(output)]
            if not damaged:
                raise
            for output in damaged:
                with locked(output.path.parent.with_suffix(".lock"), lambda: None, remove=True):
                    remove_tree(output.path.parent)
            raise HostError(
                f"{', '.join(output.name for output in damaged)}: the output in the cache was damaged, and was removed",
                details=(str(error),),
                hint="run the same command again: it is made anew",
            ) from error

    def _fetched(self, step: Step, key: str) -> Output | None:
        """The output out of the remote store, if that has it and it came whole."""
        if self._remote is None:
            return None
        home, work = self._root / step.name / key, self._root / step.name / f"{key}{ARRIVING}"
        remove_tree(work)
        work.mkdir()
        try:
            if not self._remote.get(step.name, key, work):
                return None
            meta = json.loads((work / META).read_text())
            whole = meta["key"] == key and meta["tree"] == digest_tree(work / OUT)
        except (OSError, ValueError, KeyError, TypeError):
            whole = False
        try:
            if not whole:
                self._progress.note(f"{step.label}: what the remote store sent is damaged; it is made here instead")
                return None
            _make_read_only(work / OUT)
            self._publish(work, home)
        finally:
            remove_tree(work)
        return self.lookup(step.name, key)

    def _made(self, step: Step, key: str, inputs: Mapping[str, str], handle: StepHandle, action: Action) -> Output:
        began = time.monotonic()
        home = self._root / step.name / key
        work = home.with_name(f"{key}{WORK}")
        if not step.resumable or (work / META).exists():  # with it, the files may be read-only already
            remove_tree(work)
        log = self._logs / f"{step.name}-{key[:12]}.log"
        self._logs.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        visible = (self._root, *(Path(os.path.abspath(path)) for path in step.files.values()))
        space = Workspace(work / OUT, work / "scratch", log, handle, self._compiler_cache, visible)
        space.out.mkdir(parents=True, exist_ok=True)
        space.scratch.mkdir(parents=True, exist_ok=True)
        try:
            handle.working(self._last_seconds(step.name))
            action(space)
            remove_tree(space.scratch)
            _make_read_only(space.out)
            seen = survey(space.out)
            content = _content(space.out, seen, by_key=step.by_key)
            digest = key if step.by_key else content
            seconds = time.monotonic() - began
            meta: dict[str, Any] = {"name": step.name, "key": key, "digest": digest, "content": content}
            meta |= {"files": len(seen), "bytes": count_bytes(seen), "disk_bytes": disk_bytes(space.out, seen)}
            meta["seconds"] = round(seconds, 3)
            meta |= {"spec": step.spec, "inputs": dict(inputs)}
            if self._remote is not None:
                meta["tree"] = digest_tree(space.out) if step.by_key else content
            _write_meta(work, {**meta, "boot": _boot_id()})
            self._publish(work, home)
        except BaseException:
            if not step.resumable:
                remove_tree(work)
            raise
        if self._remote is not None:
            self._offer(self._remote, step, key, home)
        return Output(step.name, key, home / OUT, digest, cached=False, seconds=seconds, lease=self._lease)

    def _publish(self, work: Path, home: Path) -> None:
        """The rename that finishes a step. A small output is on the disk before, and the new name afterwards.

        To flush the 86,000 files of a kernel's source would take minutes on a busy disk. What a power cut may
        leave of them has other sizes, since a file grows on the disk after its bytes: the first use
        after a boot looks through all of them (:meth:`_is_whole`).
        """
        if len(survey(work / OUT)) <= _FLUSHED:
            flush_tree(work)
        remove_tree(home)  # what is not finished here was damaged from outside
        os.rename(work, home)
        flush_file(home.parent)

    def _last_seconds(self, name: str) -> float | None:
        """How long it took to make the output of this name that was made or used last."""
        try:
            newest = max((self._root / name).glob(f"*/{META}"), key=lambda path: path.stat().st_mtime)
            return float(json.loads(newest.read_text())["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _offer(self, remote: RemoteStore, step: Step, key: str, home: Path) -> None:
        try:
            remote.put(step.name, key, home)
        except OSError as error:
            self._progress.note(f"{step.label}: the remote store did not take it: {error}")


def _remove_old(logs: Path) -> None:
    """Remove the logs of steps that nobody made for long."""
    limit = time.time() - _LOGS_KEPT_S
    for path in logs.glob("*.log"):
        with contextlib.suppress(OSError):  # another run may remove it at the same time
            if path.stat().st_mtime < limit:
                path.unlink()


def _content(out: Path, seen: Survey, *, by_key: bool) -> str:
    """What tells whether an output is still whole: all of its bytes, or the names, sizes and times of a large tree."""
    return digest_shape(out, seen) if by_key else digest_tree(out)


def _write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    write_atomically(folder / META, json.dumps(meta, indent=1, sort_keys=True) + "\n")


@cache
def _boot_id() -> str:
    """What tells one boot of this host from another."""
    return _BOOT_ID.read_text().strip()


def _make_read_only(root: Path) -> None:
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                os.chmod(path, stat.S_IMODE(mode) & ~0o222)
