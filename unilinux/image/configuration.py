# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's configuration as a step: reading Kconfig takes seconds, so it is done once per set of wishes."""

from __future__ import annotations

from collections.abc import Sequence

from unilinux.core.store import Store
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.step import config_action, config_step
from unilinux.kconfig.wish import Layer, Origin, Wish
from unilinux.kernel.kbuild import REQUIRED
from unilinux.kernel.source import KernelTree
from unilinux.link.carrier import Carrier


def resolve_config(layers: Sequence[Layer], tree: KernelTree, store: Store) -> Resolved:
    """The configuration that grants all wishes.

    :raise ConfigError: they contradict each other, or Kconfig refuses some.
    """
    step = config_step(layers, tree_digest=tree.output.digest)
    return Resolved.read(store.run(step, config_action(tree.path, layers)).path)


def image_layer(carrier: Carrier) -> Layer:
    """What every image needs, whatever is in it: a way in for its files, and an entry for QEMU."""
    brought, booted = Origin(f"unilinux/link/{carrier.name}.py"), Origin("unilinux/kernel/kbuild.py")
    why = f"the application's files get in as an {carrier.name}"
    wishes = [Wish(symbol, value, brought, why) for symbol, value in carrier.wishes.items()]
    wishes += [Wish(symbol, value, booted, "QEMU boots the image directly") for symbol, value in REQUIRED.items()]
    return Layer(name="image", wishes=tuple(wishes))
