# SPDX-License-Identifier: GPL-2.0-only
"""Work on a patch series in a git work tree: checkout, export, port, check.

A work tree has one commit of the unpatched source, which the tag ``base`` names,
and one commit for each patch. The patch files are only ever made from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from unilinux.core.command import run
from unilinux.core.document import read_document
from unilinux.core.errors import CommandError, PatchError, UsageError
from unilinux.core.files import exchange, explained_disk_errors, flush_file, flush_tree, remove_tree, write_atomically
from unilinux.kernel.checkpatch import Toleration, checkpatch
from unilinux.kernel.git import git_environment
from unilinux.kernel.series import BASE, SERIES, Base, Series, load_series

_TAG = "base"
_APPLYING = ".git/rebase-apply"  # where git am keeps what it is doing
_SHOWN = 20
_ATTRIBUTES = ".gitattributes"  # how git finds the function that a hunk is in


@dataclass(frozen=True, slots=True)
class Worktree:
    """A git work tree for a patch series."""

    path: Path
    log: Path

    def git(self, *words: str | Path, input: bytes | None = None) -> str:
        """Run git here, with no configuration but the repository's own.

        :raise CommandError: it failed.
        """
        return run(["git", *words], cwd=self.path, env=_environment(), log=self.log, input=input).output

    def must_be_new(self) -> None:
        """:raise UsageError: there is something in its place."""
        if self.path.exists():
            raise UsageError(f"{self.path} exists already", hint=f"work on there, or rm -rf {self.path}")

    @property
    def base(self) -> Base:
        """What the work tree's base commit is.

        :raise UsageError: the folder is no work tree made by :func:`checkout` or :func:`port`.
        """
        note = self.path / ".git" / BASE
        if not note.is_file():
            raise UsageError(f"{self.path} is no work tree of a patch series", hint="./x patches.checkout")
        return read_document(note, Base)


def checkout(series: Series, source: Path, worktree: Worktree, base: Base | None = None) -> None:
    """Make a work tree of the unpatched ``source``, which is moved there, with the series as commits.

    :param base: what the source is, if not the series' own base.
    :raise UsageError: the work tree exists.
    :raise PatchError: a patch doesn't apply.
    """
    _start(source, worktree, base or series.base)
    _apply(series, worktree)


def export(worktree: Worktree, folder: Path) -> Series:
    """Write the commits since ``base`` as the patch series ``folder``, all at once.

    :raise UsageError: it is no work tree; something in it isn't committed; or there are no commits.
    :raise PatchError: the commits don't make a series in order (no Signed-off-by, …).
    """
    worktree.base  # noqa: B018 - raises if this is no work tree
    if (worktree.path / _APPLYING).exists():
        raise UsageError(
            f"a patch is only half applied in {worktree.path}", hint=f"cd {worktree.path} && git am --continue"
        )
    dirty = worktree.git("status", "--porcelain", "--untracked-files=no")
    if dirty:
        raise UsageError(
            f"{worktree.path} has changes that aren't committed",
            details=dirty.splitlines()[:_SHOWN],
            hint=f"cd {worktree.path} && git commit",
        )
    with explained_disk_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _format(worktree, beside)
            load_series(beside)
            _replace(folder, beside)
        finally:
            remove_tree(beside)
    return load_series(folder)


def port(
    series: Series, originals: Path | None, source: Path, base: Base, worktree: Worktree, *, done: Series | None = None
) -> None:
    """Put a series on another unpatched ``source``, which is moved to the work tree.

    :param originals: a folder that has the files that the series changes, as they are in its own
        base: with them git can merge where a patch doesn't fit as it stands. None: they can't be had.
    :param done: what was ported before: it comes first, and its patches (by subject) aren't ported again.
    :raise PatchError: a patch conflicts; the work tree is left for it to be resolved.
    """
    _start(source, worktree, base)
    if originals:
        _lend_contents(series, originals, worktree)
    subjects = set()
    if done is not None:
        _apply(done, worktree)
        subjects = {patch.subject for patch in done.patches}
    missing = tuple(patch for patch in series.patches if patch.subject not in subjects)
    _apply(replace(series, patches=missing), worktree, three_way=originals is not None)


def _lend_contents(series: Series, originals: Path, worktree: Worktree) -> None:
    """git am --3way looks up the contents that a patch was made on: from a repository of just those files."""
    with TemporaryDirectory(prefix="unilinux-port-") as name:
        old = Worktree(Path(name), worktree.log)
        _copy_files(series.files, originals, old.path)
        _initialise(old, series.base)
        _apply(series, old)
        worktree.git("fetch", "--quiet", old.path, "HEAD:refs/heads/old")


def _copy_files(names: Iterable[str], source: Path, target: Path) -> None:
    for name in names:
        if (source / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)


def check(series: Series, tree: Path, originals: Path, *, log: Path, tolerated: Sequence[Toleration] = ()) -> None:
    """The gate for a series: it must be what its own commits export to, and fit for review.

    :param tree: the patched tree, for its scripts/checkpatch.pl.
    :param originals: the files that the series changes, as they are in its base.
    :param tolerated: what checkpatch may say.
    :raise PatchError: all that is wrong.
    """
    problems: list[str] = []
    with TemporaryDirectory(prefix="unilinux-patches-") as name:
        worktree = Worktree(Path(name, "tree"), log)
        shutil.copytree(originals, worktree.path)
        _copy_files([_ATTRIBUTES], tree, worktree.path)
        _initialise(worktree, series.base)
        _apply(series, worktree)
        again = export(worktree, Path(name, series.name))
        before, after = _contents(series.folder), _contents(again.folder)
        problems += [
            f"{name}: is not what exporting the series gives"
            for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)
        ]
    for patch in series.patches:
        problems += checkpatch(series.folder / patch.name, tree=tree, tolerated=tolerated, env=_environment(), log=log)
    if problems:
        raise PatchError(
            f"the patch series {series.folder} needs work",
            details=problems,
            hint="./x patches.checkout, mend it there, then ./x patches.export",
        )


def _contents(folder: Path) -> Mapping[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _start(source: Path, worktree: Worktree, base: Base) -> None:
    worktree.must_be_new()
    worktree.path.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, worktree.path)
    _initialise(worktree, base)


def _initialise(worktree: Worktree, base: Base) -> None:
    worktree.git("init", "--quiet", "--initial-branch=main")
    settings = {
        "core.compression": "0",  # 1.4 GB that stay on this host: time matters more than space
        "gc.auto": "0",
        "merge.conflictStyle": "diff3",  # a port is easier to resolve with what the patch was made on
    }
    for key, value in settings.items():
        worktree.git("config", key, value)
    # --force: a kernel's .gitignore leaves out files that its archive has.
    worktree.git("add", "--all", "--force")
    worktree.git("commit", "--quiet", "--allow-empty", "--message", f"{base.package} {base.version}")
    worktree.git("tag", _TAG)
    text = f'package = "{base.package}"\nversion = "{base.version}"\n'
    write_atomically(worktree.path / ".git" / BASE, text)


def _apply(series: Series, worktree: Worktree, *, three_way: bool = False) -> None:
    if not series.patches:
        return
    # All at once: when a conflict is resolved, "git am --continue" goes on with the others by itself.
    paths = [(series.folder / patch.name).resolve() for patch in series.patches]
    way = ["--3way"] if three_way else []
    try:
        worktree.git("am", "--quiet", "--keep-non-patch", *way, *paths)
    except CommandError as error:
        try:
            place = int((worktree.path / _APPLYING / "next").read_text())
        except (OSError, ValueError):  # it failed before it came to a patch
            raise PatchError(
                f"git could not begin to apply the series {series.name}",
                details=error.tail,
                hint=f"the whole output is in {worktree.log}",
            ) from error
        rest = len(series.patches) - place
        conflicts = worktree.git("diff", "--name-only", "--diff-filter=U").splitlines()
        raise PatchError(
            f"patch {paths[place - 1].name} ({place} of {len(paths)}) doesn't apply to {worktree.base.version}",
            details=[*(f"conflict in {name}" for name in conflicts), *(() if conflicts else error.tail)],
            hint=f"cd {worktree.path}, resolve it, git add -u, git am --continue"
            + (f" (which goes on with the other {rest})" if rest else "")
            + f", and then ./x patches.export --folder {worktree.path} --kernel NAME",
        ) from error


def _format(worktree: Worktree, folder: Path) -> None:
    # The same text from every git and every repository: no commit ids, no version, digests of fixed length.
    options = ["--no-numbered", "--zero-commit", "--no-signature", "--no-renames", "--abbrev=12"]
    worktree.git("format-patch", "--quiet", *options, "--output-directory", folder, f"{_TAG}..HEAD")
    names = sorted(path.name for path in folder.iterdir())
    if not names:
        raise UsageError(f"{worktree.path} has no commits on its base", hint=f"cd {worktree.path} && git commit")
    write_atomically(folder / SERIES, "".join(f"{name}\n" for name in names))
    write_atomically(folder / BASE, (worktree.path / ".git" / BASE).read_bytes())


def _replace(folder: Path, new: Path) -> None:
    """Put ``new`` in the place of ``folder`` by one rename: a killed process leaves the old one or the new one."""
    new.chmod(0o755)
    flush_tree(new)
    if folder.exists():
        exchange(new, folder)  # the caller removes what lies beside, which is the old one now
    else:
        new.rename(folder)
    flush_file(folder.parent)


def _environment() -> Mapping[str, str]:
    """git for our own commits, with dates that don't depend on today.

    The name is the environment's, not the repository's: a contributor's commits get the contributor's.
    """
    own: dict[str, str] = {}
    for who in ("AUTHOR", "COMMITTER"):
        own |= {f"GIT_{who}_NAME": "UniLinux", f"GIT_{who}_EMAIL": "unilinux@localhost"}
        own |= {f"GIT_{who}_DATE": "1970-01-01T00:00:00+0000"}
    return git_environment(**own)
