# SPDX-License-Identifier: GPL-2.0-only
"""``python -m unilinux.kconfig.variation_worker``: variations of one configuration, a JSON line each.

The first line of standard input names the tree and its layers, each further one
asks for a variation; :mod:`unilinux.kconfig.varying` writes them. It ends with its input.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from unilinux.core.errors import ConfigError
from unilinux.kconfig.base import tinyconfig_layer
from unilinux.kconfig.linux import Tree
from unilinux.kconfig.variation import Variable
from unilinux.kconfig.wish import Layer


def answers(requests: Iterable[str]) -> Iterator[str]:
    """An answer to each request; errors that are the user's to mend are answers too."""
    variable: Variable | None = None
    for line in requests:
        request = json.loads(line)
        try:
            if variable is None:
                variable = _read(request)
                result: Any = variable.original.to_json()
            elif "vary" in request:
                result = variable.vary(request["vary"]).to_json()
            else:
                result = [asdict(setting) for setting in variable.settings(request["settings"])]
            yield json.dumps({"result": result})
        except ConfigError as error:
            told = {"message": error.message, "hint": error.hint, "details": list(error.details)}
            yield json.dumps({"error": told})


def _read(request: Mapping[str, Any]) -> Variable:
    layers = [Layer.from_json(entry) for entry in request["layers"]]
    base = tinyconfig_layer(Path(request["tree"]))
    return Variable(Tree(), layers, base, version=request["kernel_version"], scratch=Path(request["scratch"]))


def main() -> int:
    """Answer until there are no more requests."""
    # It brought us here; the compilers that Kconfig calls need not see it.
    os.environ.pop("PYTHONPATH", None)
    for answer in answers(sys.stdin):
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
