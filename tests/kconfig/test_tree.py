# SPDX-License-Identifier: GPL-2.0-only
"""Our configurations against those of make's own Kconfig, line for line, on real kernel trees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.kconfig.profile import profile_names, read_profile
from unilinux.kconfig.resolve import explain, resolve
from unilinux.kconfig.resolved import Resolved, Source

ROOT = Path(__file__).parents[2]
PROFILES = ROOT / "configs" / "profiles"

pytestmark = pytest.mark.tree


def wishes_of(resolved: Resolved) -> str:
    """All that was asked for, by tinyconfig and by us, as a fragment of a .config."""
    lines = []
    for state in resolved.symbols.values():
        if state.source in (Source.ASKED, Source.BASE):
            value = f'"{state.value}"' if state.kind == "string" else state.value
            lines.append(f"# CONFIG_{state.name} is not set" if value == "n" else f"CONFIG_{state.name}={value}")
    return "\n".join(lines) + "\n"


def test_without_wishes_it_is_tinyconfig(kernel_tree: Path, make: Callable[..., str]) -> None:
    assert resolve(kernel_tree, []).config == make("tinyconfig")


@pytest.mark.parametrize("name", profile_names(PROFILES))
def test_profile_is_what_make_makes_of_its_wishes(
    name: str, kernel: str, kernel_tree: Path, make: Callable[..., str]
) -> None:
    if name.endswith("-minimal") and kernel != "6.12":
        pytest.skip("it was found on the usual kernel, some of whose symbols others don't have")
    resolved = resolve(kernel_tree, [read_profile(PROFILES, name, root=ROOT).layer.on(kernel)])
    assert resolved.config == make("allnoconfig", allconfig=wishes_of(resolved))
    assert resolved.config == make("olddefconfig", config=resolved.config)


def test_explains_a_symbol_of_linux(kernel: str, kernel_tree: Path) -> None:
    layer = read_profile(PROFILES, "server", root=ROOT).layer.on(kernel)
    found = explain(kernel_tree, [layer], "EPOLL")
    assert found.prompt == "Enable eventpoll support"
    assert found.reason.startswith("asked for at configs/profiles/server.toml:")
    assert found.state.why == "waiting for many sockets"
