# SPDX-License-Identifier: GPL-2.0-only
"""Layers of wishes to one configuration of one kernel tree.

The rules, all of them:

* It starts from ``make tinyconfig``; its lines yield to anything.
* **What nobody asks for is off.** A symbol with a prompt is n unless a wish, or
  a symbol that selects it, says otherwise; Kconfig's ``default y`` counts only
  for symbols that can't be asked for, for numbers and texts, and within choices.
  In Kconfig's own words: ``make allnoconfig`` with all wishes in
  ``KCONFIG_ALLCONFIG``; ``make olddefconfig`` then changes nothing.
* **A wish is granted to the letter, or it is an error.** Dependencies aren't
  pulled in behind the user's back: a 3-line manifest must not turn on the
  network because of one symbol. The error says which dependency isn't met and
  lists all that is missing, ready to be copied into the manifest.
* Layers that contradict are an error that names both places. Only a layer that
  stands on another one (a profile on the one it ``extends``) overrules it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import unilinux
from unilinux.core.command import run
from unilinux.core.errors import ConfigError, UsageError
from unilinux.kconfig.explain import Explanation
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.toolchain import Toolchain, kconfig_environment
from unilinux.kconfig.wish import Layer

_WORKER = "unilinux.kconfig.worker"
# Reading Linux's tree takes 2 to 4 s, most of it the compiler asked for its options.
_TIMEOUT_S = 300


def resolve(tree: Path, layers: Sequence[Layer], *, toolchain: Toolchain | None = None) -> Resolved:
    """The configuration in which every wish of every layer is granted.

    ``tree`` is a kernel source tree; it is only read. Takes 2 to 4 s.

    :raise ConfigError: unknown symbols, malformed values, contradictions, wishes
        that Kconfig refuses: all of them in ``details``, each with file and line.
    :raise HostError: no compiler or linker.
    """
    answer = _ask({"layers": [layer.to_json() for layer in layers]}, tree, toolchain or Toolchain())
    return Resolved.from_json(answer["resolved"])


def explain(tree: Path, layers: Sequence[Layer], symbol: str, *, toolchain: Toolchain | None = None) -> Explanation:
    """Everything about one symbol in the configuration that the layers make.

    Works also where :func:`resolve` fails, so that it can tell why.

    :raise UsageError: the tree has no such symbol.
    :raise ConfigError: the tree's Kconfig files can't be read.
    :raise HostError: no compiler or linker.
    """
    request = {"layers": [layer.to_json() for layer in layers], "symbol": symbol.removeprefix("CONFIG_")}
    return Explanation.from_json(_ask(request, tree, toolchain or Toolchain())["explanation"])


def _ask(request: Mapping[str, Any], tree: Path, toolchain: Toolchain) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory(prefix="unilinux-kconfig-") as name:
        scratch = Path(name)
        root, environment = place_for_kconfig(tree, toolchain, scratch)
        whole = {**request, "tree": str(root), "kernel_version": environment["KERNELVERSION"]}
        (scratch / "request.json").write_text(json.dumps(whole), encoding="utf-8")
        run(
            [sys.executable, "-m", _WORKER, str(scratch / "request.json"), str(scratch / "response.json")],
            cwd=scratch,  # Kconfig's compiler tests write beside where they run
            env=environment,
            timeout_s=_TIMEOUT_S,
        )
        answer: Mapping[str, Any] = json.loads((scratch / "response.json").read_text(encoding="utf-8"))
    if "error" in answer:
        error = answer["error"]
        kind = UsageError if error["kind"] == "usage" else ConfigError
        raise kind(error["message"], hint=error["hint"], details=error["details"])
    return answer


def place_for_kconfig(tree: Path, toolchain: Toolchain, scratch: Path) -> tuple[Path, dict[str, str]]:
    """The path by which Kconfig can read a tree, and the environment of a worker process that does.

    ``scratch`` is a folder that lives as long as the process.

    :raise ConfigError: the folder is no kernel source.
    :raise HostError: no compiler or linker.
    """
    root = _without_spaces(tree.resolve(), scratch)
    environment = kconfig_environment(root, toolchain, os.environ)
    # Not installed packages only: this checkout's.
    environment["PYTHONPATH"] = str(Path(unilinux.__file__).resolve().parents[1])
    return root, environment


def _without_spaces(tree: Path, scratch: Path) -> Path:
    """The tree by a path that the shell commands in Linux's Kconfig files, which don't quote it, can use."""
    if not re.search(r"\s", str(tree)):
        return tree
    link = scratch / "tree"
    link.symlink_to(tree)
    return link
