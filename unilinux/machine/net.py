"""The network: QEMU's user mode stack, which needs no privilege on the host."""

from __future__ import annotations

from collections.abc import Sequence

from unilinux.machine.block import Block, wish
from unilinux.machine.board import Board
from unilinux.machine.spec import Forward

# The addresses that QEMU's user mode network has by default.
ADDRESS = "10.0.2.15"
GATEWAY = "10.0.2.2"
NETMASK = "255.255.255.0"
NAME_SERVER = "10.0.2.3"

NETDEV = "net0"


def user_network(board: Board, forwards: Sequence[Forward]) -> Block:
    """A network card with a static address; the guest reaches what the host reaches.

    Nobody reaches the guest but through ``forwards``, and those only from the host itself.
    """
    rules = [f"hostfwd=tcp:127.0.0.1:{forward.host}-:{forward.guest}" for forward in forwards]
    return Block(
        name="net",
        qemu=(
            "-netdev", ",".join(["user", f"id={NETDEV}", "ipv6=off", "restrict=off", *rules]),
            *board.device("net", netdev=NETDEV),
        ),
        wishes=(
            wish("NET", why="sockets"),
            wish("INET", why="TCP and UDP"),
            wish("IP_PNP", why="the kernel sets the address itself"),
            wish("NETDEVICES", why="menu of network cards"),
            wish("NET_CORE", why="menu of VIRTIO_NET"),
            wish("VIRTIO_NET", why="network card"),
        ),
        # client : server : gateway : netmask : hostname : device : autoconf
        cmdline=(f"ip={ADDRESS}::{GATEWAY}:{NETMASK}::eth0:off",),
    )  # fmt: skip
