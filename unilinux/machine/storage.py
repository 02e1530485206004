"""Disks, and the source of random numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from unilinux.machine.block import Block, wish
from unilinux.machine.board import Board
from unilinux.machine.spec import Disk


def disks(board: Board, images: Sequence[Disk]) -> Block:
    """One virtio disk for each raw image."""
    return Block(
        name="disk",
        qemu=tuple(word for number, disk in enumerate(images) for word in _disk(board, number, disk)),
        wishes=(
            wish("BLOCK", why="block devices"),
            wish("BLK_DEV", why="menu of VIRTIO_BLK"),
            wish("VIRTIO_BLK", why="disk"),
        ),
    )


def rng(board: Board) -> Block:
    """Random numbers from the host."""
    return Block(
        name="rng",
        qemu=("-object", "rng-builtin,id=rng0", *board.device("rng", rng="rng0")),
        wishes=(
            wish("HW_RANDOM", why="menu of HW_RANDOM_VIRTIO"),
            wish("HW_RANDOM_VIRTIO", why="random numbers from the host"),
        ),
    )


def _disk(board: Board, number: int, disk: Disk) -> Iterator[str]:
    node = f"disk{number}"
    # As JSON: a path may contain commas, which separate QEMU's own options.
    description = {
        "driver": "raw",
        "node-name": node,
        "read-only": disk.read_only,
        "file": {"driver": "file", "filename": str(disk.path)},
    }
    yield from ("-blockdev", json.dumps(description))
    yield from board.device("blk", drive=node)
