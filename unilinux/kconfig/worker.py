# SPDX-License-Identifier: GPL-2.0-only
"""``python -m unilinux.kconfig.worker REQUEST RESPONSE``: Kconfig in a process of its own.

kconfiglib and the compilers that Kconfig files call read the environment; here
it holds what the kernel's Makefile would export and nothing else. Both files
are JSON; :mod:`unilinux.kconfig.resolve` writes the one and reads the other.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unilinux.core.errors import ConfigError, UsageError
from unilinux.kconfig.base import tinyconfig_layer
from unilinux.kconfig.describe import describe
from unilinux.kconfig.linux import Tree
from unilinux.kconfig.solve import apply, solve
from unilinux.kconfig.wish import Layer


def answer(request: Mapping[str, Any], scratch: Path) -> dict[str, Any]:
    """Resolve the request's layers; with ``symbol``, describe that symbol too."""
    layers = [Layer.from_json(entry) for entry in request["layers"]]
    base = tinyconfig_layer(Path(request["tree"]))
    tree = Tree()
    if "symbol" in request:
        reasons, _ = apply(tree, layers, base)
        return {"explanation": describe(tree, reasons, request["symbol"]).to_json()}
    resolved = solve(tree, layers, base, version=request["kernel_version"], scratch=scratch)
    return {"resolved": resolved.to_json()}


def main(argv: list[str]) -> int:
    """Answer one request. An error that is the user's to mend is an answer too."""
    # It brought us here; the compilers that Kconfig calls need not see it.
    os.environ.pop("PYTHONPATH", None)
    request, response = map(Path, argv)
    try:
        result = answer(json.loads(request.read_text(encoding="utf-8")), request.parent)
    except (ConfigError, UsageError) as error:
        kind = "usage" if isinstance(error, UsageError) else "config"
        details = list(error.details)
        result = {"error": {"kind": kind, "message": error.message, "hint": error.hint, "details": details}}
    response.write_text(json.dumps(result), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
