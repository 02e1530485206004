# SPDX-License-Identifier: GPL-2.0-only
"""The public functions, through the worker process."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.errors import ConfigError, HostError, UsageError
from unilinux.kconfig.resolve import explain, resolve
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.toolchain import Toolchain
from unilinux.kconfig.wish import Layer

LayerMaker = Callable[..., Layer]


def test_resolves_without_touching_tree_or_environment(
    mini_tree: Path, layer: LayerMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a user may have set must not reach Kconfig.
    monkeypatch.setenv("KCONFIG_ALLCONFIG", "1")
    monkeypatch.setenv("CONFIG_", "WRONG_")
    monkeypatch.setenv("CC", "no-such-compiler")
    before = dict(os.environ)
    files = sorted(mini_tree.rglob("*"))
    resolved = resolve(mini_tree, [layer("a.toml", NET="y")])
    assert resolved.value("NET") == "y"
    assert resolved.value("GREETING") == "hello from gcc"
    assert resolved.kernel_version == "6.12.7"
    assert dict(os.environ) == before
    assert sorted(mini_tree.rglob("*")) == files


def test_error_crosses_the_process(mini_tree: Path, layer: LayerMaker) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(mini_tree, [layer("a.toml", INET="y")])
    assert "it depends on NET" in caught.value.message
    assert caught.value.hint is not None


def test_outcome_survives_its_folder(mini_tree: Path, layer: LayerMaker, tmp_path: Path) -> None:
    resolved = resolve(mini_tree, [layer("a.toml", NET="y", HOSTNAME="")])
    resolved.write(tmp_path)
    assert Resolved.read(tmp_path) == resolved
    assert (tmp_path / ".config").read_text() == resolved.config


def test_tree_in_a_folder_with_spaces(mini_tree: Path, tmp_path: Path) -> None:
    tree = tmp_path / "a kernel"
    shutil.copytree(mini_tree, tree)
    assert resolve(tree, []).value("EXPERT") == "y"


def test_folder_that_is_no_kernel(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not a kernel source tree"):
        resolve(tmp_path, [])


def test_kconfig_that_cannot_be_parsed_names_the_line(mini_tree: Path, tmp_path: Path) -> None:
    tree = tmp_path / "kernel"
    shutil.copytree(mini_tree, tree)
    (tree / "net" / "Kconfig").write_text("config NET\n\tfrobnicate\n")
    with pytest.raises(ConfigError, match="net/Kconfig:2"):
        resolve(tree, [])


def test_compiler_that_is_not_installed(mini_tree: Path) -> None:
    with pytest.raises(HostError, match="'no-such-gcc' is not installed"):
        resolve(mini_tree, [], toolchain=Toolchain(cc="no-such-gcc"))


def test_explain_unset_symbol(mini_tree: Path) -> None:
    found = explain(mini_tree, [], "NIC")
    assert (found.state.value, found.prompt, found.reason) == ("n", "Card", "nothing asks for it")
    assert found.ask_for == ("NET", "DRIVERS", "INET")
    assert found.depends_on == "DRIVERS && INET && NET"
    assert any(line.startswith("  unmet: it depends on DRIVERS, which is n") for line in found.lines())


def test_explain_unknown_symbol(mini_tree: Path) -> None:
    with pytest.raises(UsageError, match="no symbol 'EPOL'; did you mean 'EPOLL'"):
        explain(mini_tree, [], "EPOL")
