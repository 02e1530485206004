# SPDX-License-Identifier: GPL-2.0-only
"""Resolution as a cached build step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from unilinux.core.store import Step, Workspace
from unilinux.kconfig import linux, resolve, toolchain, wish


def config_step(asked: Sequence[wish.Layer], *, tree_digest: str, tools: toolchain.Toolchain | None = None) -> Step:
    """The step whose output is a folder that :meth:`Resolved.read` reads.

    ``tree_digest`` stands for the patched kernel tree. The kernel's build should
    depend on :attr:`Resolved.digest`, not on this step: the same .config may be
    asked for from other lines of a file.

    :raise HostError: no compiler or linker.
    """
    chosen = tools or toolchain.Toolchain()
    return Step(
        name="config",
        label="resolving Kconfig",
        spec={
            "layers": [layer.to_json() for layer in asked],
            "programs": chosen.variables,
            "kconfiglib": linux.PARSER_VERSION,
        },
        inputs={"tree": tree_digest},
        tools=chosen.deciding,
    )


def config_action(
    tree: Path, asked: Sequence[wish.Layer], *, tools: toolchain.Toolchain | None = None
) -> Callable[[Workspace], None]:
    """What makes the output of :func:`config_step`; raises what :func:`resolve.resolve` does."""

    def action(space: Workspace) -> None:
        found = resolve.resolve(tree, asked, toolchain=tools)
        found.write(space.out)
        space.step.detail(f"{found.count} symbols")

    return action
