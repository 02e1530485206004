# SPDX-License-Identifier: GPL-2.0-only
"""Real kernel trees, and make's own Kconfig to compare with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import unpacked_kernel
from unilinux.core.command import run
from unilinux.kconfig.toolchain import Toolchain

# Runs make targets in one output folder, with these lines as KCONFIG_ALLCONFIG or .config; gives back the .config.
Maker = Callable[..., str]


@pytest.fixture(scope="session", params=["6.12", pytest.param("6.1", marks=pytest.mark.slow)])
def kernel(request: pytest.FixtureRequest) -> str:
    """Every kernel that there is a series for."""
    return str(request.param)


@pytest.fixture(scope="session")
def kernel_tree(kernel: str) -> Path:
    return unpacked_kernel(kernel)


@pytest.fixture(scope="session")
def make(kernel_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """``make(target, config=…, allconfig=…)``: what make's own Kconfig writes."""
    output = tmp_path_factory.mktemp("make")

    def made(target: str, *, config: str | None = None, allconfig: str | None = None) -> str:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        (output / ".config").unlink(missing_ok=True)
        if config is not None:
            (output / ".config").write_text(config)
        if allconfig is not None:
            (output / "all.config").write_text(allconfig)
            environment["KCONFIG_ALLCONFIG"] = str(output / "all.config")
        arguments = ["make", "-s", "-C", str(kernel_tree), f"O={output}", *Toolchain().make_arguments, target]
        run(arguments, env=environment, timeout_s=300)
        return (output / ".config").read_text()

    return made
