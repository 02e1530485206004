# SPDX-License-Identifier: GPL-2.0-only
import tomllib
from pathlib import Path
from typing import Annotated, Literal

import pytest

from unilinux.core.document import Field, Model, key_lines, read_document
from unilinux.core.errors import ManifestError


class Http(Model):
    kind: Literal["http"]
    port: int
    path: str = "/"


class Exit(Model):
    kind: Literal["exit"]
    status: int


class Entries(Model):
    entries: tuple[Http, ...] = Field(min_length=1)


class Run(Model):
    argv: tuple[str, ...]
    memory_mib: int = 64


class Manifest(Model):
    name: str
    run: Run
    verify: tuple[Http | Exit, ...] = ()


def _problems(path: Path, text: str) -> tuple[str, tuple[str, ...]]:
    path.write_text(text)
    with pytest.raises(ManifestError) as raised:
        read_document(path, Manifest)
    return raised.value.message, raised.value.details


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "app.toml"


def test_a_document_becomes_a_frozen_value(file: Path) -> None:
    file.write_text('name = "a"\n[run]\nargv = ["/a", "b"]\n[[verify]]\nkind = "exit"\nstatus = 0\n')
    manifest = read_document(file, Manifest)
    assert manifest.run.argv == ("/a", "b")
    assert manifest.verify == (Exit(kind="exit", status=0),)
    with pytest.raises(ValueError, match="frozen"):
        manifest.name = "b"


def test_an_unknown_key_is_answered_with_its_line_and_the_nearest_known(file: Path) -> None:
    message, details = _problems(file, 'name = "a"\n\n[run]\nargv = []\nmemroy_mib = 3\n')
    assert message == f"{file}: 1 problem"
    assert details == (f"{file}:5: run.memroy_mib: unknown key; did you mean 'memory_mib'?",)


def test_an_unknown_key_far_from_all_gets_no_suggestion(file: Path) -> None:
    _, details = _problems(file, 'zzz = 1\nname = "a"\n[run]\nargv = []\n')
    assert details == (f"{file}:1: zzz: unknown key",)


def test_all_problems_are_told_at_once(file: Path) -> None:
    message, details = _problems(file, 'nmae = "a"\n[run]\nargv = "x"\nmemory_mib = "64"\n')
    assert message == f"{file}: 4 problems"
    assert set(details) == {
        f"{file}: name: missing",
        f"{file}:1: nmae: unknown key; did you mean 'name'?",
        f"{file}:3: run.argv: input should be a valid tuple",
        f"{file}:4: run.memory_mib: input should be a valid integer",
    }


def test_a_missing_key_of_a_table_is_told_with_the_tables_line(file: Path) -> None:
    _, details = _problems(file, 'name = "a"\n[run]\nmemory_mib = 1\n')
    assert details == (f"{file}:2: run.argv: missing",)


def test_a_list_is_not_too_short_for_want_of_an_entry_that_does_not_hold(file: Path) -> None:
    file.write_text("[[entries]]\nkind = 'http'\n")
    with pytest.raises(ManifestError) as caught:
        read_document(file, Entries)
    assert caught.value.details == (f"{file}:1: entries.0.port: missing",)
    file.write_text("entries = []\n")
    with pytest.raises(ManifestError, match="1 problem") as caught:
        read_document(file, Entries)
    assert "entries: tuple should have at least 1 item" in caught.value.details[0]


def test_malformed_toml_is_told_with_its_line(file: Path) -> None:
    message, _ = _problems(file, 'name = "a"\nrun = [\nargv\n')
    assert message.startswith(f"{file}: not valid TOML: ")
    assert "line 3" in message


def test_a_missing_file_and_one_that_is_no_text_are_told(file: Path) -> None:
    with pytest.raises(ManifestError, match="cannot read .*app.toml: .*No such file"):
        read_document(file, Manifest)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ManifestError, match="cannot read .*app.toml: .*utf-8"):
        read_document(file, Manifest)


def test_lines_are_found_for_tables_arrays_of_tables_and_quoted_keys() -> None:
    text = 'a = 1\n[ t ]\n"b" = 2\n[[v]]\nk = 1\n[[v]]\nk = 2\n[v.inner]\nz = 1\n'
    lines = key_lines(text)
    assert lines["a"] == 1
    assert lines["t.b"] == 3
    assert (lines["v.0.k"], lines["v.1.k"]) == (5, 7)
    assert lines["v.1.inner.z"] == 9


class Listed(Model):
    path: str
    mode: str = Field(default="0644", pattern="^0")
    local: str | None = None


class Tagged(Model):
    kind: Literal["local"]


class Other(Model):
    kind: Literal["other"]


class Files(Model):
    source: Annotated[Tagged | Other, Field(discriminator="kind")]
    files: tuple[Listed, ...] = ()
    words: tuple[tuple[str, ...], ...] = ()
    after: int = 0


def test_an_entry_is_named_by_its_path(file: Path) -> None:
    file.write_text(
        '[source]\nkind = "local"\n[[files]]\npath = "/a"\n[[files]]\npath = "/etc/x"\nmode = "x"\nlocal = 1\n'
    )
    with pytest.raises(ManifestError) as caught:
        read_document(file, Files)
    # "local" is a key of the second entry, though it is the tag of a kind of source as well.
    assert caught.value.details == (
        f"{file}:7: files: /etc/x: mode: string should match pattern '^0'",
        f"{file}:8: files: /etc/x: local: input should be a valid string",
    )


MANY_LINES = """\
a = 1
words = [
    ["MULTI"], # looks like a table
    [
        "x = 3",
    ],
]
text = '''
[table]
b = 1
'''
escaped = \"\"\"
\\\"\"\" c = 1
d = 1 \"\"\"
inline = { e = 1, f = [
  2 ] }
hash = "# [no] \\" comment ["
[[last]]
z = 1 # the end ["
"""


def test_lines_inside_arrays_and_long_texts_are_no_keys_and_no_tables() -> None:
    assert key_lines(MANY_LINES) == {
        "a": 1, "words": 2, "text": 8, "escaped": 12, "inline": 15, "hash": 17, "last.0": 18, "last.0.z": 19,
    }  # fmt: skip
    assert set(tomllib.loads(MANY_LINES)) == {"a", "words", "text", "escaped", "inline", "hash", "last"}
