# SPDX-License-Identifier: GPL-2.0-only
"""The manifest that is made for a program: it holds, and says what was found out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unilinux.app.proposal import is_program, name_of, program_app, propose_program
from unilinux.core.errors import BuildError
from unilinux.core.layout import Layout
from unilinux.image.request import Request, make_plan

PROJECT = Path(__file__).parents[3]
PLAIN = "int main(void) { return 0; }\n"
SERVER = """\
#include <sys/epoll.h>
#include <sys/socket.h>
int main(void) { return listen(socket(AF_INET, SOCK_STREAM, 0), 1) + epoll_create1(0); }
"""


def compiled(folder: Path, text: str, *flags: str, name: str = "server") -> Path:
    source = folder / "main.c"
    source.write_text(text)
    subprocess.run(["gcc", "-o", folder / name, source, *flags], check=True)
    return folder / name


def test_a_plain_program_gets_the_least_kernel(tmp_path: Path) -> None:
    app = program_app(compiled(tmp_path, PLAIN), tmp_path / "made")
    assert (app.manifest.profile, app.manifest.run.network, app.needs) == ("tiny", False, ())
    assert (app.given, app.option) == (tmp_path / "server", str(tmp_path / "server"))
    assert app.folder.is_relative_to(tmp_path / "made")
    assert [check.kind for check in app.manifest.verify] == ["exit"]


def test_what_a_program_can_call_decides(tmp_path: Path) -> None:
    app = program_app(compiled(tmp_path, SERVER), tmp_path / "made")
    assert (app.manifest.profile, app.manifest.run.network) == ("server", True)
    (need,) = app.needs
    assert (need.symbol, need.why) == ("EPOLL", "it can call epoll_create1")
    assert app.path.read_text().splitlines()[(need.line or 0) - 1].startswith("EPOLL =")


def test_a_library_of_its_own_counts_and_the_c_library_does_not(tmp_path: Path) -> None:
    library = compiled(
        tmp_path, "int pthread_create(void);\nint f(void) { return pthread_create(); }\n", "-shared", name="libown.so"
    )
    program = compiled(tmp_path, "int f(void);\nint main(void) { return f(); }\n", str(library), "-Wl,-rpath,$ORIGIN")
    app = program_app(program, tmp_path / "made")
    assert [need.symbol for need in app.needs] == ["FUTEX"]


def test_of_a_static_program_without_symbols_all_is_expected(tmp_path: Path) -> None:
    assert 'profile = "tiny"' in propose_program(compiled(tmp_path, PLAIN, "-static", "-nostdlib"), "x")
    text = propose_program(compiled(tmp_path, PLAIN, "-static", "-s"), "x")
    assert 'profile = "server" # what it calls isn\'t known' in text


def test_the_manifest_is_made_anew_with_the_program_and_each_path_has_its_own(tmp_path: Path) -> None:
    layout = Layout(project=PROJECT, cache=tmp_path / "cache", build=tmp_path / "build")
    (tmp_path / "other").mkdir()
    program, other = compiled(tmp_path, PLAIN), compiled(tmp_path / "other", PLAIN)
    names = [make_plan(Request(app=str(path)), layout).name for path in (program, other)]
    assert len(set(names)) == 2
    assert all(name.startswith("server-") and name.endswith("-tiny") for name in names)
    compiled(tmp_path, SERVER)
    plan = make_plan(Request(app=str(program)), layout)
    assert plan.profile.name == "server"
    assert plan.command == f"./x build --app {program} --profile server"


def test_what_is_no_program_is_told(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("hello")
    assert not is_program(str(text))
    assert not is_program("hello")
    assert not is_program(str(tmp_path))
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF\x01\x01" + bytes(60))
    assert is_program(str(broken))
    with pytest.raises(BuildError, match="another processor: it is 32-bit"):
        propose_program(broken, "broken")


@pytest.mark.parametrize(
    ("file", "name"), [("server", "server"), ("My_Server.bin", "my-server-bin"), ("7z", "app-7z"), ("é", "app")]
)
def test_names(file: str, name: str) -> None:
    assert name_of(Path("/x") / file) == name
