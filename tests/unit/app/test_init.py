# SPDX-License-Identifier: GPL-2.0-only
"""Init: its plan says what the manifest says, it is small, and it is built once per plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.app.conftest import MakeApp
from unilinux.app.init.compile import build_init, init_plan
from unilinux.app.volume import Share, Volume
from unilinux.core.errors import BuildError, ManifestError
from unilinux.core.store import Store


def test_plan_holds_the_run_table(make_app: MakeApp) -> None:
    plan = init_plan(make_app('hostname = "toy"', 'hostname = "toy"\nenv = { B = "2", A = \'"1"\' }\ncwd = "/tmp"'))
    assert '#define PLAN_TTY\t"/dev/ttyS0"' in plan
    assert '#define PLAN_HOSTNAME\t"toy"' in plan
    assert "#define PLAN_OPEN_FILES\t1024" in plan
    assert "#define PLAN_NETWORK\t1" in plan
    assert '#define PLAN_CWD\t"/tmp"' in plan
    assert '{ .path = "/proc", .type = "proc" },\n\t{ .path = "/tmp", .type = "tmpfs" },\n\t{ 0 }' in plan
    assert '\t"/bin/toy",\n\t"-c",\n\t"/etc/toy.conf",\n\t0\n' in plan
    assert '\t"A=\\0421\\042",\n\t"B=2",\n\t0\n' in plan


def actions(plan: str) -> list[str]:
    text = plan.partition("plan_actions[] = {\n")[2].partition("\n};")[0]
    return [line.strip(" {},\t") for line in text.splitlines()][:-1]


def test_a_mounted_dev_gets_what_programs_take_for_granted(make_app: MakeApp) -> None:
    plan = init_plan(make_app('["proc", "tmpfs:/tmp"]', '["devtmpfs"]'))
    assert actions(plan) == [
        '.path = "/dev", .type = "devtmpfs"',
        '.path = "/dev/console", .mode = 0622',
        '.path = "/dev/ttyS0", .mode = 0622',
        '.path = "/dev/shm", .mode = 01777',
        '.path = "/dev/stdin", .target = "console"',
        '.path = "/dev/stdout", .target = "console"',
        '.path = "/dev/stderr", .target = "console"',
    ]
    plan = init_plan(make_app('["proc", "tmpfs:/tmp"]', '["devtmpfs", "proc"]'))
    assert '.path = "/dev/fd", .target = "/proc/self/fd"' in actions(plan)
    assert '.path = "/dev/stdout", .target = "/proc/self/fd/1"' in actions(plan)


def test_a_mount_below_a_mount_finds_its_folder(make_app: MakeApp) -> None:
    plan = init_plan(make_app('["proc", "tmpfs:/tmp"]', '["tmpfs:/tmp", "tmpfs:/tmp/a"]'))
    assert actions(plan) == [
        '.path = "/tmp", .type = "tmpfs"',
        '.path = "/tmp/a", .mode = 0755',
        '.path = "/tmp/a", .type = "tmpfs"',
    ]


def test_string_that_c_cannot_hold_is_refused(make_app: MakeApp) -> None:
    with pytest.raises(ManifestError, match="zero byte"):
        init_plan(make_app('"-c"', '"-c\\u0000"'))


def test_folder_without_nolibc_is_refused(make_app: MakeApp, store: Store, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no kernel source tree"):
        build_init(make_app(), kernel=tmp_path, headers=tmp_path, headers_digest="h", store=store)


def test_volumes_are_mounted_by_the_serial_numbers_of_their_disks(make_app: MakeApp) -> None:
    volumes = [Volume(name="data", path="/var/lib/toy", size_mib=64), Volume(name="log", path="/log", size_mib=64)]
    plan = init_plan(make_app(), mounted=volumes)
    assert "#define PLAN_VOLUMES\t2" in plan
    assert '\t{ .name = "data", .path = "/var/lib/toy", .type = "ext4" },\n\t{ .name = "log", ' in plan
    assert "plan_volumes" not in init_plan(make_app())


def test_shares_are_mounted_by_their_tags(make_app: MakeApp) -> None:
    shares = [Share(name="pages", path="/pages", read_only=True), Share(name="data", path="/data")]
    plan = init_plan(make_app(), mounted=shares)
    assert "#define PLAN_SHARES\t2" in plan
    assert '\t{ .tag = "pages", .path = "/pages", .read_only = 1 },\n\t{ .tag = "data", ' in plan
    assert "plan_shares" not in init_plan(make_app())
