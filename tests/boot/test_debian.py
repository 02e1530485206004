# SPDX-License-Identifier: GPL-2.0-only
"""A server as Debian has it, dynamic and with glibc, from its package to its answers at ring 0."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.image.request import Request, make_plan
from unilinux.minimise.boot_test import ImageBootTest

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]

# Nothing but the manifest is written by hand. The folder would have been given away by the package's postinst.
MANIFEST = """\
    schema = 1
    name = "debian-redis"
    summary = "In-memory data store, as Debian has it"
    version = "7.0"
    profile = "server"

    [source]
    kind = "deb"
    package = "redis-server"
    users = [{ name = "redis", uid = 101, home = "/var/lib/redis" }]
    directories = [{ path = "/var/lib/redis", owner = "redis:redis", mode = "0750" }]

    [[files]]
    path = "/"
    source = "."

    [run]
    argv = [
        "/usr/bin/redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--dir", "/var/lib/redis",
    ]
    mounts = ["proc"]
    memory_mib = 192
    network = true
    ports = [6379]
    stop = "SIGINT"

    [[verify]]
    kind = "resp"
    port = 6379
    commands = [["PING"], ["SET", "greeting", "hello"], ["GET", "greeting"], ["EVAL", "return 6 * 7", "0"]]
    replies = ["PONG", "OK", "hello", "42"]
"""


def test_redis_answers(workshop: Workshop, tmp_path: Path) -> None:
    folder = workshop.layout.apps / "debian-redis"
    folder.mkdir(exist_ok=True)
    (folder / "app.toml").write_text(textwrap.dedent(MANIFEST))
    plan = make_plan(Request(app=folder.name, ring=0, syscall="trap"), workshop.layout)
    plan = plan.forwarding(plan.app.manifest.run.ports)
    image = workshop.build_plan(plan)
    found = ImageBootTest(plan=image.plan, engine=ENGINE, evidence=tmp_path / "evidence", tick=None).run(
        image.vmlinux, timeout_s=300
    )
    assert found.ok, (found.failure, sorted(found.said))
    packages = {entry["package"]: entry for entry in image.record["source"]["packages"]}
    assert {"redis-server", "redis-tools", "libc6"} <= packages.keys()
    assert all(len(entry["sha256"]) == 64 for entry in packages.values())
