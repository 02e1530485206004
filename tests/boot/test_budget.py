# SPDX-License-Identifier: GPL-2.0-only
"""Budgets in earnest: the checked-in ones hold, a slower boot and a larger configuration don't pass."""

from __future__ import annotations

import difflib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.boot.test_applications import invoke_json
from unilinux.cli.commands.measuring import budget
from unilinux.core.errors import CheckError
from unilinux.core.events import NullSink, Progress
from unilinux.core.files import remove_tree
from unilinux.core.layout import Layout
from unilinux.core.localstore import LocalStore
from unilinux.fetch.fetcher import Fetcher
from unilinux.kernel.source import find_kernel, kernel_tree

PROJECT = Path(__file__).parents[2]
BUDGETED = sorted(path.parent.name for path in (PROJECT / "apps").glob("*/budget.toml"))

Check = Callable[..., tuple[int, Any, str]]

pytestmark = [pytest.mark.boot, pytest.mark.timeout(3600)]

# 30,000 turns of two instructions: a bit more than 1 % of hello's boot.
BURNER = """
static int __init burner_init(void)
{
\tunsigned int turns;

\tfor (turns = 0; turns < 30000; turns++)
\t\tbarrier();
\treturn 0;
}
device_initcall(burner_init);
"""


@pytest.mark.parametrize("app", BUDGETED)
def test_the_checked_in_budget_holds(app: str) -> None:
    (answer,) = invoke_json("budget", "--app", app)["budgets"]
    assert answer["ok"], answer["explanation"]
    assert {"stage pid1", "the whole boot", "loaded", "vmlinux", "bzImage", "least memory"} <= {
        verdict["subject"] for verdict in answer["verdicts"]
    }


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of its own with one application, which has no budget yet."""
    for folder in ("configs", "patches", "apps/hello"):
        shutil.copytree(PROJECT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("budget.toml"))
    return tmp_path


@pytest.fixture
def check(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """``./x budget`` in that project: exit code, answer, and the error's details."""
    monkeypatch.setenv("UNILINUX_BUILD", str(project / "build"))

    def run(*, update: bool = False) -> tuple[int, Any, str]:
        capsys.readouterr()
        code: Any = 0
        try:
            budget(project, ("hello",), update=update, timeout_s=30, as_json=True, verbose=False)
        except SystemExit as ended:
            code = ended.code
        answer = json.loads(capsys.readouterr().out)
        return code, answer["budgets"][0], "\n".join(answer.get("error", {}).get("details", ()))

    return run


def test_an_unchanged_project_passes_exactly(check: Check) -> None:
    code, written, _ = check(update=True)
    assert code == 0
    code, answer, _ = check()
    assert code == 0
    assert answer["exact"]
    assert {name: count for name, count in answer["stages"].items() if name != "exit"} == {
        name: count for name, count in written["stages"].items() if name != "exit"
    }
    assert answer["bytes"] == written["bytes"]


@pytest.mark.slow
def test_a_larger_configuration_is_over_budget_and_named(project: Path, check: Check) -> None:
    assert check(update=True)[0] == 0
    manifest = project / "apps/hello/app.toml"
    larger = manifest.read_text().replace('profile = "tiny"', 'profile = "server"')
    manifest.write_text(larger.replace("memory_mib = 32", "memory_mib = 32\nnetwork = true"))
    code, answer, words = check()
    assert code == CheckError.exit_code
    grown = {one["subject"]: one["now"] - one["was"] for one in answer["verdicts"] if not one["ok"]}
    assert grown["loaded"] > 50_000
    assert grown["bzImage"] > 50_000
    assert "loaded grew by" in words
    assert "in net/ipv4 grew by" in words
    for change in ("INET=y (was n)", "VIRTIO_NET=y (was n)"):
        assert any("configuration: " in line and change in line for line in words.splitlines())


@pytest.fixture
def burning(project: Path) -> Iterator[Callable[[], None]]:
    """Adds a patch whose initcall burns a hundredth of the boot; the kernel that was made of it goes at the end."""
    layout = Layout.of(project, os.environ)

    def tree() -> Any:
        progress = Progress(NullSink())
        store = LocalStore(layout.store, logs=layout.logs, progress=progress, compiler_cache=layout.compiler_cache)
        return kernel_tree(find_kernel(layout), fetcher=Fetcher(layout, progress), store=store)

    def add() -> None:
        folder = project / "patches/linux-6.12"
        was = (tree().path / "init/calibrate.c").read_text()
        diff = difflib.unified_diff(
            was.splitlines(keepends=True), (was + BURNER).splitlines(keepends=True),
            "a/init/calibrate.c", "b/init/calibrate.c",
        )  # fmt: skip
        listed = (folder / "series").read_text()
        name = f"{len(list(folder.glob('*.patch'))) + 1:04d}-init-burn.patch"
        head = "From: A <a@b>\nSubject: [PATCH] init: burn\n\nSigned-off-by: A <a@b>\n---\n"
        body = f"diff --git a/init/calibrate.c b/init/calibrate.c\n{''.join(diff)}"
        (folder / name).write_text(head + body)
        (folder / "series").write_text(f"{listed}{name}\n")

    yield add
    if "burn" in (project / "patches/linux-6.12/series").read_text():
        burnt = tree().output
        objects = [
            path for path in (layout.store / "kernel-objects").glob("*/meta.json") if burnt.key in path.read_text()
        ]
        for folder in (burnt.path.parent, *(path.parent for path in objects)):
            remove_tree(folder)


@pytest.mark.slow
def test_one_percent_more_instructions_are_over_budget_and_the_initcall_is_named(
    check: Check, burning: Callable[[], None]
) -> None:
    code, before, _ = check(update=True)
    assert code == 0
    burning()
    code, answer, words = check()
    assert code == CheckError.exit_code
    (stage,) = [one for one in answer["verdicts"] if one["subject"] == "stage initcalls.device"]
    whole = sum(count for name, count in before["stages"].items() if name != "exit")
    assert 0.01 * whole < stage["now"] - stage["was"] < 0.02 * whole
    assert "stage initcalls.device grew by" in words
    assert "initcall burner_init grew by" in words
    assert "configuration: unchanged, so it is the code" in words
