# SPDX-License-Identifier: GPL-2.0-only
"""The round trip of a series: commits and back, byte for byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.kernel.conftest import EXIT, Workshop, git
from unilinux.core.errors import PatchError, UsageError
from unilinux.core.files import exchange
from unilinux.kernel.series import Base, load_series
from unilinux.kernel.worktree import Worktree, check, checkout, export, port


@pytest.fixture
def worktree(workshop: Workshop, tmp_path: Path) -> Worktree:
    """A checkout of the workshop's series."""
    worktree = Worktree(tmp_path / "work tree", tmp_path / "log")
    checkout(load_series(workshop.series), workshop.write_source(), worktree)
    return worktree


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def gate(workshop: Workshop) -> None:
    tree = workshop.tree()
    check(load_series(workshop.series), tree.path, tree.originals, log=workshop.root / "log")


def test_checkout_has_a_commit_for_each_patch(worktree: Worktree) -> None:
    assert git(worktree.path, "log", "--format=%s", "base..HEAD").splitlines() == ["test: two", "test: one"]
    assert git(worktree.path, "status", "--porcelain") == ""


def test_export_of_a_checkout_is_the_series(workshop: Workshop, worktree: Worktree) -> None:
    before = contents(workshop.series)
    export(worktree, workshop.series)
    assert contents(workshop.series) == before
    gate(workshop)


def test_export_of_a_new_commit(workshop: Workshop, worktree: Worktree) -> None:
    (worktree.path / "kernel/exit.c").write_text("int third;\n")
    git(worktree.path, "commit", "-a", "-q", "-s", "-m", "exit: Third\n\nAs said.")
    series = export(worktree, workshop.series)
    assert [patch.name for patch in series.patches] == [
        "0001-test-one.patch",
        "0002-test-two.patch",
        "0003-exit-Third.patch",
    ]
    assert not [path for path in workshop.series.parent.iterdir() if path.name.startswith(".")]
    gate(workshop)


def test_a_commit_has_its_authors_name(
    workshop: Workshop, worktree: Worktree, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n")
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    (worktree.path / "kernel/exit.c").write_text("int third;\n")
    commit = ["git", "commit", "-a", "-q", "-s", "-m", "exit: Third\n\nAs said."]
    subprocess.run(commit, cwd=worktree.path, check=True)
    export(worktree, workshop.series)
    text = (workshop.series / "0003-exit-Third.patch").read_text()
    assert "From: Ada Lovelace <ada@example.org>" in text
    assert "Signed-off-by: Ada Lovelace <ada@example.org>" in text


def test_export_refuses_what_is_not_committed(workshop: Workshop, worktree: Worktree) -> None:
    (worktree.path / "kernel/exit.c").write_text("int third;\n")
    with pytest.raises(UsageError, match="aren't committed") as caught:
        export(worktree, workshop.series)
    assert "kernel/exit.c" in caught.value.details[0]


def test_export_refuses_an_unsigned_commit_and_keeps_the_series(workshop: Workshop, worktree: Worktree) -> None:
    before = contents(workshop.series)
    (worktree.path / "kernel/exit.c").write_text("int third;\n")
    git(worktree.path, "commit", "-a", "-q", "-m", "exit: third")
    with pytest.raises(PatchError) as caught:
        export(worktree, workshop.series)
    assert caught.value.details == ("0003-exit-third.patch: has no Signed-off-by",)
    assert contents(workshop.series) == before


def test_export_of_something_else(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no work tree of a patch series"):
        export(Worktree(tmp_path, tmp_path / "log"), workshop.series)


def test_checkout_does_not_overwrite(workshop: Workshop, worktree: Worktree) -> None:
    with pytest.raises(UsageError, match="exists already"):
        checkout(load_series(workshop.series), workshop.write_source(), worktree)


def test_check_finds_a_patch_edited_by_hand(workshop: Workshop) -> None:
    patch = workshop.series / "0001-test-one.patch"
    patch.write_text(patch.read_text().replace(" 1 file changed", " 2 files changed"))
    with pytest.raises(PatchError) as caught:
        gate(workshop)
    assert caught.value.details == ("0001-test-one.patch: is not what exporting the series gives",)


def test_check_reports_checkpatch(workshop: Workshop) -> None:
    workshop.write_source(scripts_checkpatch_pl='print "$ARGV[-1]:7: WARNING:LONG_LINE: too long\\n"; exit 1;\n')
    with pytest.raises(PatchError) as caught:
        gate(workshop)
    assert caught.value.details[0] == "0001-test-one.patch:7: WARNING:LONG_LINE: too long"


def ported(workshop: Workshop, changed: str, tmp_path: Path) -> Worktree:
    originals = workshop.tree().originals
    worktree = Worktree(tmp_path / "ported", tmp_path / "log")
    source = workshop.write_source(kernel_exit_c=changed)
    base = Base(package="linux-source-6.12", version="6.12.9-1")
    port(load_series(workshop.series), originals, source, base, worktree)
    return worktree


def test_port_merges_what_does_not_apply(workshop: Workshop, tmp_path: Path) -> None:
    changed = EXIT.replace("int first = status;", "int first = status + 5;").replace("int kernel", "long kernel")
    changed = changed.replace("int second", "long second")
    worktree = ported(workshop, changed, tmp_path)
    text = (worktree.path / "kernel/exit.c").read_text()
    assert "third + 1" in text
    assert "long second" in text
    series = export(worktree, workshop.series)
    assert series.base.version == "6.12.9-1"
    workshop.write_source(kernel_exit_c=changed)
    gate(workshop)


def test_port_leaves_conflicts_to_be_resolved(workshop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(PatchError) as caught:
        ported(workshop, EXIT.replace("return third;", "return third - 1;"), tmp_path)
    assert caught.value.details == ("conflict in kernel/exit.c",)
    assert caught.value.message == "patch 0001-test-one.patch (1 of 2) doesn't apply to 6.12.9-1"
    assert "git am --continue (which goes on with the other 1)" in (caught.value.hint or "")
    worktree = Worktree(tmp_path / "ported", tmp_path / "log")
    assert "<<<<<<<" in (worktree.path / "kernel/exit.c").read_text()
    with pytest.raises(UsageError, match="half applied"):
        export(worktree, workshop.series)
    (worktree.path / "kernel/exit.c").write_text(EXIT.replace("return third;", "return third - 1 + 1;"))
    git(worktree.path, "add", "-u")
    git(worktree.path, "am", "--continue")
    assert [patch.name for patch in export(worktree, workshop.series).patches] == [
        "0001-test-one.patch",
        "0002-test-two.patch",
    ]


def test_a_contributors_commits_have_the_contributors_name(
    worktree: Worktree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = C Ontributor\n\temail = c@example.org\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    (worktree.path / "kernel/exit.c").write_text("int third;\n")
    subprocess.run(["git", "commit", "-a", "-q", "-s", "-m", "exit: Third"], cwd=worktree.path, check=True)
    said = git(worktree.path, "log", "-1", "--format=%an <%ae>|%cn|%(trailers:key=Signed-off-by,valueonly)")
    assert said.strip() == "C Ontributor <c@example.org>|C Ontributor|C Ontributor <c@example.org>"


class Killed(BaseException):
    """Stands for the end of the process: nothing is cleaned up on its way that a kill would leave."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_export_that_is_killed_leaves_the_old_series_or_the_new(
    workshop: Workshop, worktree: Worktree, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    before = contents(workshop.series)
    (worktree.path / "kernel/exit.c").write_text("int third;\n")
    git(worktree.path, "commit", "-a", "-q", "-s", "-m", "exit: Third")

    def killed(one: Path, two: Path) -> None:
        if moment == "after":
            exchange(one, two)
        raise Killed

    monkeypatch.setattr("unilinux.kernel.worktree.exchange", killed)
    monkeypatch.setattr("unilinux.kernel.worktree.remove_tree", lambda _: None)
    with pytest.raises(Killed):
        export(worktree, workshop.series)
    assert (contents(workshop.series) == before) == (moment == "before")
    assert len(load_series(workshop.series).patches) == (2 if moment == "before" else 3)


def test_two_folders_are_exchanged_in_one_step(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    exchange(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "one/file").read_text() == "two"
    assert (tmp_path / "two/file").read_text() == "one"
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "one", tmp_path / "none")


def test_a_git_am_that_fails_before_the_first_patch_is_told(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worktree = Worktree(tmp_path / "work tree", tmp_path / "log")
    original = Worktree.git

    def failing(self: Worktree, *words: str | Path, input: bytes | None = None) -> str:
        return original(self, *(("am", "--no-such-option") if words[0] == "am" else words), input=input)

    monkeypatch.setattr(Worktree, "git", failing)
    with pytest.raises(PatchError, match="git could not begin to apply the series"):
        checkout(load_series(workshop.series), workshop.write_source(), worktree)
