"""The kernel's configuration as a step: reading Kconfig takes seconds, so it is done once per set of wishes."""

from __future__ import annotations

from collections.abc import Sequence

import unilinux.kconfig.base
import unilinux.kconfig.describe
import unilinux.kconfig.layers
import unilinux.kconfig.linux
import unilinux.kconfig.reasons
import unilinux.kconfig.resolve
import unilinux.kconfig.resolved
import unilinux.kconfig.solve
import unilinux.kconfig.worker
from unilinux.core.store import Step, Store
from unilinux.kconfig.resolve import resolve
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.wish import Layer, Origin, Wish
from unilinux.kernel.kbuild import REQUIRED
from unilinux.kernel.make import tool_versions
from unilinux.kernel.source import KernelTree

_CODE = (
    unilinux.kconfig.base,
    unilinux.kconfig.describe,
    unilinux.kconfig.layers,
    unilinux.kconfig.linux,
    unilinux.kconfig.reasons,
    unilinux.kconfig.resolve,
    unilinux.kconfig.resolved,
    unilinux.kconfig.solve,
    unilinux.kconfig.worker,
)


def resolve_config(layers: Sequence[Layer], tree: KernelTree, store: Store) -> Resolved:
    """The configuration that grants all wishes, and what every image needs besides.

    :raise ConfigError: they contradict each other, or Kconfig refuses some.
    """
    everyone = (*layers, image_layer())
    step = Step(
        name="kernel-config",
        label=f"configuring Linux {tree.release}",
        spec={"layers": [layer.to_json() for layer in everyone], "tools": dict(tool_versions())},
        inputs={"tree": tree.output.digest},
        code=_CODE,
    )
    output = store.run(step, lambda space: resolve(tree.path, everyone).write(space.out))
    return Resolved.read(output.path)


def image_layer() -> Layer:
    """What every image needs, whatever is in it."""
    origin = Origin("unilinux/kernel/kbuild.py")
    wishes = (Wish(symbol, value, origin, "the application is linked in as an initramfs") for symbol, value in REQUIRED.items())
    return Layer(name="image", wishes=tuple(wishes))
