# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree in small, solved in this process."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.kconfig.base import tinyconfig_layer
from unilinux.kconfig.linux import Tree
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.solve import solve
from unilinux.kconfig.toolchain import Toolchain, kconfig_environment
from unilinux.kconfig.wish import Layer, Origin, Wish

Solver = Callable[..., Resolved]


@pytest.fixture(scope="session")
def mini_tree() -> Path:
    return Path(__file__).parents[2] / "data" / "kconfig" / "mini"


@pytest.fixture(scope="session")
def parsed(mini_tree: Path) -> Tree:
    with pytest.MonkeyPatch.context() as patched:
        for name, value in kconfig_environment(mini_tree, Toolchain(), os.environ).items():
            patched.setenv(name, value)
        return Tree()


@pytest.fixture
def solver(parsed: Tree, mini_tree: Path, tmp_path: Path) -> Solver:
    """``solver(layer, …)``: the configuration of the small tree."""

    def solved(*layers: Layer) -> Resolved:
        return solve(parsed, layers, tinyconfig_layer(mini_tree), version="6.12.7", scratch=tmp_path)

    return solved


@pytest.fixture
def layer() -> Callable[..., Layer]:
    """``layer("app.toml", NET="y")``: a layer whose wishes stand on lines 1, 2, … of that file."""

    def made(file: str, base: Layer | None = None, **values: str) -> Layer:
        wishes = (Wish(symbol, value, Origin(file, line)) for line, (symbol, value) in enumerate(values.items(), 1))
        return Layer(name=file, wishes=tuple(wishes), base=base)

    return made
