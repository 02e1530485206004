"""The kernel's configuration as a step: reading Kconfig takes seconds, so it is done once per set of wishes."""

from __future__ import annotations

from collections.abc import Sequence

from unilinux.core.store import Store
from unilinux.kconfig.resolved import Resolved
from unilinux.kconfig.step import config_action, config_step
from unilinux.kconfig.wish import Layer, Origin, Wish
from unilinux.kernel.kbuild import REQUIRED
from unilinux.kernel.source import KernelTree


def resolve_config(layers: Sequence[Layer], tree: KernelTree, store: Store) -> Resolved:
    """The configuration that grants all wishes.

    :raise ConfigError: they contradict each other, or Kconfig refuses some.
    """
    step = config_step(layers, tree_digest=tree.output.digest)
    return Resolved.read(store.run(step, config_action(tree.path, layers)).path)


def image_layer() -> Layer:
    """What every image needs, whatever is in it."""
    origin = Origin("unilinux/kernel/kbuild.py")
    why = "the application is linked in as an initramfs"
    return Layer(name="image", wishes=tuple(Wish(symbol, value, origin, why) for symbol, value in REQUIRED.items()))
