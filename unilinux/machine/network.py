# SPDX-License-Identifier: GPL-2.0-only
"""The network card, and the addresses of the network that it leads to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from unilinux.kconfig.wish import Wish
from unilinux.machine.part import Part, wish
from unilinux.machine.spec import Forward


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """IPv4 addresses of a machine and of those that serve it."""

    guest: str
    gateway: str
    netmask: str
    name_server: str


# What QEMU's user mode network has unless it is told otherwise (its manual, “Using the user mode network stack”).
USER_NETWORK = Addresses(guest="10.0.2.15", gateway="10.0.2.2", netmask="255.255.255.0", name_server="10.0.2.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkCard(Part):
    """A virtio card with a static address; the guest reaches what the host reaches.

    The guest can be reached only through ``forwards``, and only from the host itself.
    """

    name: str = "net"
    addresses: Addresses = USER_NETWORK
    forwards: tuple[Forward, ...] = ()

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """IPv4, and the card's driver."""
        return (
            wish("NET", why="sockets"),
            wish("INET", why="TCP and UDP"),
            wish("IP_PNP", why="the kernel sets the address itself"),
            wish("NETDEVICES", why="menu of network cards"),
            wish("NET_CORE", why="menu of VIRTIO_NET"),
            wish("VIRTIO_NET", why="network card"),
        )

    @property
    def cmdline(self) -> tuple[str, ...]:
        """The addresses: ``ip=CLIENT:SERVER:GATEWAY:NETMASK:HOSTNAME:DEVICE:AUTOCONF``."""
        own = self.addresses
        return (f"ip={own.guest}::{own.gateway}:{own.netmask}::eth0:off",)

    def describe(self) -> dict[str, Any]:
        """Forwards as text, as on the command line."""
        return {
            "name": self.name,
            "addresses": asdict(self.addresses),
            "forwards": [str(forward) for forward in self.forwards],
        }
