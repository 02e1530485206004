# SPDX-License-Identifier: GPL-2.0-only
"""A small application in a folder of its own, to be changed by each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.app.catalogue import App, load_app
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Output, Store

TOY = """\
schema = 1
name = "toy"
summary = "A toy"
version = "1"
profile = "tiny"

[source]
kind = "local"
files = ["toy.c"]

[build]
steps = ["$CC $CFLAGS -o toy toy.c"]

[[files]]
path = "/bin/toy"
build = "toy"

[[files]]
path = "/etc/toy.conf"
template = "toy.conf.j2"

[vars]
workers = 2

[run]
argv = ["/bin/toy", "-c", "/etc/toy.conf"]
hostname = "toy"
mounts = ["proc", "tmpfs:/tmp"]
memory_mib = 32
network = true
ports = [80]
stop = "SIGINT"

[kernel]
EPOLL = "y" # waits for many sockets
FUTEX = "y"

[[verify]]
kind = "tcp"
port = 80
"""

MakeApp = Callable[..., App]


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    """Write the toy application, with one text of its manifest replaced by another, and load it."""

    def make(old: str = "", new: str = "") -> App:
        assert old in TOY
        folder = tmp_path / "apps" / "toy"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "app.toml").write_text(TOY.replace(old, new, 1) if old else TOY)
        (folder / "toy.c").write_text("int main(void) { return 0; }\n")
        (folder / "toy.conf.j2").write_text("{{ name }} has {{ workers }} workers and {{ memory_mib }} MiB\n")
        return load_app(folder)

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))


@pytest.fixture
def host_toolchain(tmp_path: Path) -> Output:
    """The host's own compiler under the names of the tool chain: quick, and enough to test the builder."""
    bin_ = tmp_path / "toolchain" / "bin"
    bin_.mkdir(parents=True)
    for name in ("gcc", "nm", "strip"):
        program = bin_ / f"x86_64-unilinux-musl-{name}"
        program.write_text(f'#!/bin/sh\nexec {name} "$@"\n')
        program.chmod(0o755)
    return Output("toolchain", "k", bin_.parent, "toolchain-digest", cached=True, seconds=0.0)
