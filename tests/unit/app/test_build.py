# SPDX-License-Identifier: GPL-2.0-only
"""The application build: what comes out, and what is shown when nothing does."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tests.unit.app.conftest import MakeApp
from tests.unit.debs import Deb, Member, Shelf
from unilinux.app.build import build_app, compiler_lines
from unilinux.app.built import Built
from unilinux.app.catalogue import App, load_app
from unilinux.app.rootfs import root_files
from unilinux.core.command import run
from unilinux.core.errors import BuildError
from unilinux.core.store import Output, Store
from unilinux.core.tree import File, Symlink
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.tools import unpack_tools


def built(app: App, *, toolchain: Output | None, store: Store, jobs: int, tools: Output | None = None) -> Output:
    materials = app.manifest.source.obtain(app.folder, cast("Fetcher", None))
    return build_app(app, materials, toolchain=toolchain, store=store, jobs=jobs, tools=tools)


def test_output_is_the_built_files_only(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    output = built(make_app(), toolchain=host_toolchain, store=store, jobs=1)
    files = {path.relative_to(output.path).as_posix() for path in output.path.rglob("*") if path.is_file()}
    assert files == {"toy", ".symbols/toy"}
    symbols = {name: run(["nm", output.path / name]).output for name in files}
    assert " main" not in symbols["toy"]
    assert " T main" in symbols[".symbols/toy"]
    assert built(make_app(), toolchain=host_toolchain, store=store, jobs=2).cached


def test_source_counts_and_configuration_does_not(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    app = make_app()
    first = built(app, toolchain=host_toolchain, store=store, jobs=1)
    other_vars = make_app("workers = 2", "workers = 3")
    assert built(other_vars, toolchain=host_toolchain, store=store, jobs=1).cached
    (app.folder / "toy.c").write_text("int main(void) { return 7; }\n")
    assert built(app, toolchain=host_toolchain, store=store, jobs=1).digest != first.digest


def test_compile_error_shows_the_compilers_lines(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    app = make_app()
    (app.folder / "toy.c").write_text("int main(void)\n{\n\treturn nothing;\n}\n")
    with pytest.raises(BuildError, match=r"toy: the build step failed: \$CC") as caught:
        built(app, toolchain=host_toolchain, store=store, jobs=1)
    shown = "\n".join(caught.value.details)
    assert "toy.c:3:16: error:" in shown
    assert "return nothing;" in shown
    assert "the whole output is in" in (caught.value.hint or "")


def test_missing_output_is_named(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    app = make_app('build = "toy"', 'build = "bin/ball"')
    with pytest.raises(BuildError, match="ended well but did not make bin/ball") as caught:
        built(app, toolchain=host_toolchain, store=store, jobs=1)
    assert str(app.path) in (caught.value.hint or "")


def test_the_environment_is_only_what_is_promised(
    make_app: MakeApp, store: Store, host_toolchain: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPPFLAGS", "-DEVIL")
    app = make_app('steps = ["$CC $CFLAGS -o toy toy.c"]', 'steps = ["env | sed s/=.*// | sort > toy"]')
    output = built(app, toolchain=host_toolchain, store=store, jobs=1)
    names = set((output.path / "toy").read_text().split())
    assert {"CC", "AR", "RANLIB", "STRIP", "CFLAGS", "LDFLAGS", "JOBS", "SOURCE_DATE_EPOCH", "HOME"} <= names
    assert "CPPFLAGS" not in names


def test_programs_of_packages_are_on_the_path(
    make_app: MakeApp, store: Store, host_toolchain: Output, tmp_path: Path
) -> None:
    maker = Deb("maker", members=(Member("usr/bin/make-toy", "#!/bin/sh\necho made >toy\n", 0o755),))
    tools = unpack_tools(["maker"], fetcher=cast("Fetcher", Shelf(tmp_path, maker)), store=store)
    steps = 'steps = ["make-toy", "test -x $PACKAGES/usr/bin/make-toy"]\npackages = ["maker"]'
    app = make_app('steps = ["$CC $CFLAGS -o toy toy.c"]', steps)
    output = built(app, toolchain=host_toolchain, store=store, jobs=1, tools=tools)
    assert (output.path / "toy").read_text() == "made\n"


def test_compiler_lines_leave_out_what_is_no_error() -> None:
    output = [
        "  CC a.o",
        "a.c: In function 'f':",
        "a.c:3:2: warning: unused",
        "    3 |  int x;",
        "a.c:4:2: error: 'y' undeclared",
        "    4 |  y = 1;",
        "      |  ^",
        "ld: a.o: in function `f': a.c:(.text+0x5): undefined reference to `g'",
        "make: *** [Makefile:3: a.o] Error 1",
    ]
    assert compiler_lines(output) == (output[4], output[5], output[6], output[7])


def test_files_of_the_source_are_kept_as_they_were_before_the_build(
    make_app: MakeApp, store: Store, host_toolchain: Output
) -> None:
    app = make_app('toy toy.c"]\n', 'toy toy.c", "echo > toy.c"]\n\n[[files]]\npath = "/src/toy.c"\nsource = "toy.c"\n')
    output = built(app, toolchain=host_toolchain, store=store, jobs=1)
    (entry,) = Built(output.path).source_entries("toy.c", "/src/toy.c")
    assert isinstance(entry, File)
    assert isinstance(entry.content, Path)
    assert (entry.path, entry.mode, entry.content.read_text()) == (
        "/src/toy.c",
        0o644,
        "int main(void) { return 0; }\n",
    )


def test_a_file_that_the_source_does_not_have_is_named(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    app = make_app('[[files]]\npath = "/etc', '[[files]]\npath = "/a"\nsource = "README"\n\n[[files]]\npath = "/etc')
    with pytest.raises(BuildError, match="toy: its source has no README"):
        built(app, toolchain=host_toolchain, store=store, jobs=1)


def test_an_application_without_a_build_needs_no_tool_chain(make_app: MakeApp, store: Store) -> None:
    app = make_app(
        '[build]\nsteps = ["$CC $CFLAGS -o toy toy.c"]\n\n[[files]]\npath = "/bin/toy"\nbuild = "toy"\n',
        '[[files]]\npath = "/bin/toy"\nsource = "toy.c"\nmode = "0755"\n',
    )
    output = built(app, toolchain=None, store=store, jobs=1)
    tree = root_files(app, built=output, nameserver="192.0.2.53")
    assert File("/bin/toy", Built(output.path).source / "toy.c", 0o755) in tree.entries


def test_a_folder_of_the_build_is_taken_whole(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    app = make_app(
        'steps = ["$CC $CFLAGS -o toy toy.c"]',
        'steps = ["mkdir -p bin/in; $CC $CFLAGS -o bin/toy toy.c; echo x > bin/in/text; ln -s toy bin/link"]',
    )
    text = (app.folder / "app.toml").read_text()
    text = text.replace('path = "/bin/toy"\nbuild = "toy"', 'path = "/bin"\nbuild = "bin"')
    (app.folder / "app.toml").write_text(text.replace('argv = ["/bin/toy"', 'argv = ["/bin/toy"'))
    app = load_app(app.folder)
    output = built(app, toolchain=host_toolchain, store=store, jobs=1)
    entries = {entry.path: entry for entry in root_files(app, built=output, nameserver="1.2.3.4").entries}
    assert entries["/bin/toy"] == File("/bin/toy", output.path / "bin/toy", 0o755)
    assert entries["/bin/link"] == Symlink("/bin/link", "toy")
    assert entries["/bin/in/text"] == File("/bin/in/text", output.path / "bin/in/text", 0o644)
    assert (output.path / ".symbols/bin/toy").is_file()
