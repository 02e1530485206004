# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.errors import ConfigError
from unilinux.kconfig.resolve import resolve
from unilinux.kconfig.variation import Setting
from unilinux.kconfig.varying import varying
from unilinux.kconfig.wish import Layer


def test_one_process_answers_many_times(mini_tree: Path, layer: Callable[..., Layer]) -> None:
    layers = (layer("p.toml", NET="y", INET="y", FUTEX="y"),)
    with varying(mini_tree, layers) as kernel:
        assert kernel.original == resolve(mini_tree, layers)
        assert kernel.vary({"NET": "n"}).lost == ("INET",)
        assert [change.symbol for change in kernel.vary({"FUTEX": "n"}).changes] == ["FUTEX"]
        assert Setting(name="FUTEX", kind="bool", value="y") in kernel.settings()
        with pytest.raises(ConfigError, match="did you mean 'FUTEX'"):
            kernel.vary({"FUTX": "n"})
        assert kernel.vary({}).changes == ()


def test_a_variation_is_what_layers_with_its_values_make(mini_tree: Path, layer: Callable[..., Layer]) -> None:
    with varying(mini_tree, (layer("p.toml", NET="y", INET="y", KERNEL_LZ4="y"),)) as kernel:
        varied = kernel.vary({"INET": "n", "KERNEL_GZIP": "y"})
    assert varied.resolved.config == resolve(mini_tree, (layer("q.toml", NET="y", KERNEL_GZIP="y"),)).config


def test_layers_that_cannot_be_granted(mini_tree: Path, layer: Callable[..., Layer]) -> None:
    with pytest.raises(ConfigError, match="it depends on NET"), varying(mini_tree, (layer("p.toml", INET="y"),)):
        pass


def test_a_process_that_is_gone_is_said(mini_tree: Path, layer: Callable[..., Layer]) -> None:
    with varying(mini_tree, (layer("p.toml"),)) as kernel:
        kernel._process.kill()
        kernel._process.wait()
        with pytest.raises(ConfigError, match="ended too early"):
            kernel.vary({})
