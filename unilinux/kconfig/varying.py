# SPDX-License-Identifier: GPL-2.0-only
"""A process that has read a kernel's Kconfig once and answers for any number of variations."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from unilinux.core.command import kill_group
from unilinux.core.errors import ConfigError
from unilinux.kconfig.resolve import place_for_kconfig
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.toolchain import Toolchain
from unilinux.kconfig.variation import Setting, Variation
from unilinux.kconfig.wish import Layer

_WORKER = "unilinux.kconfig.variation_worker"
_STDERR_LINES = 5


class Varying:
    """Asks the process; made by :func:`varying`. Not for several threads at once."""

    def __init__(self, process: subprocess.Popen[bytes], complaints: Path, request: Mapping[str, Any]) -> None:
        self._process = process
        self._complaints = complaints
        self.original = Resolved.from_json(self._ask(request))

    def vary(self, changes: Mapping[str, str]) -> Variation:
        """The closest valid configuration with these values; takes some 0.5 s. Changes count from the original.

        :raise ConfigError: unknown symbols or malformed values.
        """
        return Variation.from_json(self._ask({"vary": dict(changes)}))

    def settings(self, changes: Mapping[str, str] | None = None) -> tuple[Setting, ...]:
        """What could be changed in that variation: symbols that are on, choices, numbers and texts.

        :raise ConfigError: unknown symbols or malformed values.
        """
        found = self._ask({"settings": dict(changes or {})})
        return tuple(Setting(**{**one, "members": tuple(one["members"])}) for one in found)

    def _ask(self, request: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            said = self._complaints.read_text(encoding="utf-8", errors="replace").splitlines()
            raise ConfigError("the process that reads Kconfig ended too early", details=said[-_STDERR_LINES:])
        answer = json.loads(line)
        if "error" in answer:
            error = answer["error"]
            raise ConfigError(error["message"], hint=error["hint"], details=error["details"])
        return answer["result"]


@contextmanager
def varying(tree: Path, layers: Sequence[Layer], *, toolchain: Toolchain | None = None) -> Iterator[Varying]:
    """Read a kernel tree's Kconfig (2 to 4 s) and vary the configuration that the layers make.

    :raise ConfigError: the layers can't be granted, or the tree can't be read.
    :raise HostError: no compiler or linker.
    """
    with tempfile.TemporaryDirectory(prefix="unilinux-kconfig-") as name:
        scratch = Path(name)
        root, environment = place_for_kconfig(tree, toolchain or Toolchain(), scratch)
        request = {
            "layers": [layer.to_json() for layer in layers],
            "tree": str(root),
            "kernel_version": environment["KERNELVERSION"],
            "scratch": str(scratch),
        }
        complaints = scratch / "complaints"
        with complaints.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", _WORKER],
                cwd=scratch,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                start_new_session=True,
            )
        # However this process ends, its end of the pipe is closed, and the worker ends.
        try:
            yield Varying(process, complaints, request)
        finally:
            kill_group(process)
            process.wait()
            for pipe in (process.stdin, process.stdout):
                _close(pipe)


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except BrokenPipeError:  # what was still to be written to a process that is gone
        pass
