"""Init: its plan says what the manifest says, it is small, and it is built once per plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.app.conftest import MakeApp
from unilinux.app.init.compile import build_init, init_plan
from unilinux.core.errors import BuildError, ManifestError
from unilinux.core.store import Store


def test_plan_holds_the_run_table(make_app: MakeApp) -> None:
    plan = init_plan(make_app('hostname = "toy"', 'hostname = "toy"\nenv = { B = "2", A = \'"1"\' }\ncwd = "/tmp"'))
    assert '#define PLAN_TTY\t"/dev/ttyS0"' in plan
    assert '#define PLAN_HOSTNAME\t"toy"' in plan
    assert "#define PLAN_OPEN_FILES\t1024" in plan
    assert "#define PLAN_NETWORK\t1" in plan
    assert '#define PLAN_CWD\t"/tmp"' in plan
    assert '{ "proc", "/proc" },\n\t{ "tmpfs", "/tmp" },\n\t{ 0, 0 }' in plan
    assert '\t"/bin/toy",\n\t"-c",\n\t"/etc/toy.conf",\n\t0\n' in plan
    assert '\t"A=\\0421\\042",\n\t"B=2",\n\t0\n' in plan


def test_string_that_c_cannot_hold_is_refused(make_app: MakeApp) -> None:
    with pytest.raises(ManifestError, match="zero byte"):
        init_plan(make_app('"-c"', '"-c\\u0000"'))


def test_folder_without_nolibc_is_refused(make_app: MakeApp, store: Store, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no kernel source tree"):
        build_init(make_app(), kernel=tmp_path, headers=tmp_path, headers_digest="h", store=store)
