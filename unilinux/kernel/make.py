# SPDX-License-Identifier: GPL-2.0-only
"""Running the kernel's make: where it works, in which environment, and what it says.

kbuild writes the path of the source tree into command lines, dependencies and
debug information. Seen from an output folder *directly inside* the source tree
that path is ``..`` (Makefile: “building in a subdirectory of the source tree”).
So the output folder is put into a folder of symbolic links to the real tree's
entries, and no command, object or image contains an absolute path: object
trees can be moved, and two caches give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from unilinux.arch.architecture import X86_64
from unilinux.core.command import clean_environment, run
from unilinux.core.compilers import wrap_compiler
from unilinux.core.errors import BuildError, CommandError
from unilinux.core.events import StepHandle
from unilinux.core.sandbox import Sandbox
from unilinux.kernel.messages import MakeOutput, compiler_errors

OBJECTS = "objects"  # the output folder inside the view

# An image must not change because a host happens to have these. The same names as in
# unilinux.kconfig.toolchain: Kconfig writes their versions into .config.
ABSENT: Mapping[str, str] = MappingProxyType(
    {"RUSTC": "unused-rustc", "BINDGEN": "unused-bindgen", "PAHOLE": "unused-pahole"}
)


def view(tree: Path, folder: Path) -> Path:
    """Make ``folder`` the folder of links to ``tree`` in which kbuild works, with its output folder inside.

    What it has already (an interrupted build's objects) stays. Its path has no
    space or colon, which kbuild refuses: see :meth:`unilinux.core.layout.Layout.of`.
    """
    (folder / OBJECTS).mkdir(parents=True, exist_ok=True)
    for entry in sorted(tree.iterdir()):
        link = folder / entry.name
        link.unlink(missing_ok=True)
        link.symlink_to(entry)
    return folder


def remove_links(folder: Path) -> None:
    """Take away what :func:`view` made: what is left may be moved anywhere."""
    for link in folder.iterdir():
        if link.is_symlink():
            link.unlink()


def copy_view(source: Path, target: Path) -> None:
    """A private, writable copy of the objects of a finished view, times and all; :func:`view` adds the links."""
    target.mkdir(parents=True, exist_ok=True)
    # The times must stay: make goes by them.
    run(["cp", "--archive", "--reflink=auto", f"{source}/.", target])
    run(["chmod", "--recursive", "u+w", target / OBJECTS])


def make(
    place: Path,
    goals: Sequence[str],
    *,
    tools: Path,
    log: Path,
    step: StepHandle,
    label: str,
    options: Sequence[str] = (),
    total: int | None = None,
    may_fail: bool = False,
    sandbox: Sandbox | None = None,
) -> Sequence[str]:
    """Make ``goals`` in a view; the lines that make prints.

    :param total: how many objects will be compiled, if that is known.

    :raise BuildError: with the compiler's own lines; ``label`` says what was being built.
    """
    # Started in the output folder, so that this is the only top-level make.
    argv = ["make", "--no-print-directory", "--file", "../Makefile", f"--jobs={len(os.sched_getaffinity(0))}"]
    return run_make(
        [*argv, *(f"{name}={program}" for name, program in ABSENT.items()), *options, *goals],
        cwd=place / OBJECTS,
        env=make_environment(tools),
        log=log,
        step=step,
        label=label,
        total=total,
        may_fail=may_fail,
        sandbox=sandbox,
    )


def run_make(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    step: StepHandle,
    label: str,
    total: int | None = None,
    may_fail: bool = False,
    sandbox: Sandbox | None = None,
) -> Sequence[str]:
    """Run make, or a command that make saved, and tell of it as progress; the lines of its output.

    :param total: how many objects will be compiled, if that is known.
    :param may_fail: its exit status doesn't matter.
    :raise BuildError: with the compiler's own lines; ``label`` says what was being built.
    """
    output = MakeOutput(step, OBJECTS, total=total)
    try:
        run(argv, cwd=cwd, env=env, log=log, on_line=output.line, sandbox=sandbox)
    except CommandError as error:
        if may_fail:
            return output.lines
        raise BuildError(
            f"{label} failed",
            details=compiler_errors(output.lines) or error.tail,
            hint=f"the whole output is in {log}",
        ) from error
    return output.lines


def compiler_wrapper(folder: Path, cache: Path | None = None) -> Path:
    """A folder, to be put first in PATH, with a ``gcc`` that records no absolute path.

    The name stays ``gcc``: command lines that kbuild compares don't change with the
    place, nor with ccache's coming and going. Debug information would name the
    folder that the compiler runs in; it becomes ``.``.

    :param cache: ccache's folder; None: without ccache.
    """
    return wrap_compiler(folder, cache, '"-ffile-prefix-map=$PWD=."')


def make_environment(tools: Path) -> Mapping[str, str]:
    """All that make sees: what makes it run, and what makes it say the same everywhere."""
    own = clean_environment("TMPDIR", "CCACHE_DISABLE")
    return own | {
        "PATH": f"{tools}:{own['PATH']}",
        "TZ": "UTC",
        "ARCH": X86_64.make_arch,
        "LOCALVERSION": "",  # empty, not unset: else a + is added to the version of a patched tree
        "KBUILD_BUILD_TIMESTAMP": "Thu Jan  1 00:00:00 UTC 1970",
        "KBUILD_BUILD_VERSION": "1",
        "KBUILD_BUILD_USER": "unilinux",
        "KBUILD_BUILD_HOST": "unilinux",
        "GIT_DIR": os.devnull,  # no repository that the cache may lie in has a say
    }
