"""The application build: what comes out, and what is shown when nothing does."""

from __future__ import annotations

import pytest

from tests.unit.app.conftest import MakeApp
from unilinux.app.build import build_app, compiler_lines
from unilinux.core.command import run
from unilinux.core.errors import BuildError
from unilinux.core.store import Output, Store


def test_output_is_the_built_files_only(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    output = build_app(make_app(), tarballs={}, toolchain=host_toolchain, store=store, jobs=1)
    files = {path.relative_to(output.path).as_posix() for path in output.path.rglob("*") if path.is_file()}
    assert files == {"toy", ".symbols/toy"}
    symbols = {name: run(["nm", output.path / name]).output for name in files}
    assert " main" not in symbols["toy"]
    assert " T main" in symbols[".symbols/toy"]
    assert build_app(make_app(), tarballs={}, toolchain=host_toolchain, store=store, jobs=2).cached


def test_source_counts_and_configuration_does_not(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    app = make_app()
    first = build_app(app, tarballs={}, toolchain=host_toolchain, store=store, jobs=1)
    other_vars = make_app("workers = 2", "workers = 3")
    assert build_app(other_vars, tarballs={}, toolchain=host_toolchain, store=store, jobs=1).cached
    (app.folder / "toy.c").write_text("int main(void) { return 7; }\n")
    assert build_app(app, tarballs={}, toolchain=host_toolchain, store=store, jobs=1).digest != first.digest


def test_compile_error_shows_the_compilers_lines(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    app = make_app()
    (app.folder / "toy.c").write_text("int main(void)\n{\n\treturn nothing;\n}\n")
    with pytest.raises(BuildError, match=r"toy: the build step failed: \$CC") as caught:
        build_app(app, tarballs={}, toolchain=host_toolchain, store=store, jobs=1)
    shown = "\n".join(caught.value.details)
    assert "toy.c:3:16: error:" in shown
    assert "return nothing;" in shown
    assert "the whole output is in" in (caught.value.hint or "")


def test_missing_output_is_named(make_app: MakeApp, store: Store, host_toolchain: Output) -> None:
    app = make_app('build = "toy"', 'build = "bin/ball"')
    with pytest.raises(BuildError, match="ended well but did not make bin/ball") as caught:
        build_app(app, tarballs={}, toolchain=host_toolchain, store=store, jobs=1)
    assert str(app.path) in (caught.value.hint or "")


def test_the_environment_is_only_what_is_promised(
    make_app: MakeApp, store: Store, host_toolchain: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPPFLAGS", "-DEVIL")
    app = make_app('steps = ["$CC $CFLAGS -o toy toy.c"]', 'steps = ["env | sed s/=.*// | sort > toy"]')
    output = build_app(app, tarballs={}, toolchain=host_toolchain, store=store, jobs=1)
    names = set((output.path / "toy").read_text().split())
    assert {"CC", "AR", "RANLIB", "STRIP", "CFLAGS", "LDFLAGS", "JOBS", "SOURCE_DATE_EPOCH", "HOME"} <= names
    assert "CPPFLAGS" not in names


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
