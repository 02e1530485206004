# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.core.errors import ConfigError
from unilinux.kconfig.toolchain import Toolchain, kconfig_environment, kernel_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 117\nEXTRAVERSION =\nNAME = x\n", "6.12.117"),
        ("VERSION = 6\nPATCHLEVEL = 19\nSUBLEVEL = 0\nEXTRAVERSION = -rc3\n", "6.19.0-rc3"),
    ],
)
def test_kernel_version(tmp_path: Path, text: str, version: str) -> None:
    (tmp_path / "Makefile").write_text(text)
    assert kernel_version(tmp_path) == version


def test_makefile_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("all:\n")
    with pytest.raises(ConfigError, match="states no kernel version"):
        kernel_version(tmp_path)


def test_make_and_kconfig_are_given_the_same_programs(mini_tree: Path) -> None:
    environment = kconfig_environment(mini_tree, Toolchain(ld="ld.bfd"), {"PATH": "/usr/bin:/bin", "LANG": "de_DE"})
    for argument in Toolchain(ld="ld.bfd").make_arguments:
        name, value = argument.split("=")
        assert environment[name] == value
    assert "LANG" not in environment
    assert environment["CC_VERSION_TEXT"].startswith("gcc")
