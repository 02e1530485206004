# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.core.errors import BuildError
from unilinux.observe.constants import read_constants


def test_names_are_those_of_the_headers(tree: Path) -> None:
    constants = read_constants(tree)
    assert constants.name("family", 1) == "AF_UNIX"
    assert constants.name("socket", 1) == "SOCK_STREAM"
    assert constants.name("fcntl", 1030) == "F_DUPFD_CLOEXEC"
    assert constants.name("signal", 29) == "SIGPOLL"
    assert constants.name("membarrier", 1) == "MEMBARRIER_CMD_GLOBAL"
    assert constants.name("error", 38) == "ENOSYS"


def test_what_only_looks_like_a_name_is_none(tree: Path) -> None:
    constants = read_constants(tree)
    assert "F_RDLCK" not in constants.names["fcntl"].values()
    assert constants.name("socket", 15) == "15"


def test_ioctl_numbers_are_put_together(tree: Path) -> None:
    constants = read_constants(tree)
    assert constants.name("ioctl", 0x80045430) == "TIOCGPTN"
    assert constants.name("ioctl", 0x5437) == "TIOCVHANGUP"
    # The size of a structure isn't known here.
    assert constants.name("ioctl", 0x802C542A) == "0x802c542a"


def test_flags_are_spelt_out(tree: Path) -> None:
    constants = read_constants(tree)
    assert constants.flags("map", 0x22) == "MAP_PRIVATE|MAP_ANONYMOUS"
    assert constants.flags("map", 0x1000_0002) == "MAP_PRIVATE|0x10000000"
    assert constants.flags("protection", 0) == "PROT_NONE"


def test_a_tree_without_headers(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"cannot read the kernel's constants: .*: No such file"):
        read_constants(tmp_path)
