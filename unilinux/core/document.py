# SPDX-License-Identifier: GPL-2.0-only
"""TOML documents read once, at the border, into frozen and validated values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from unilinux.core.errors import ManifestError
from unilinux.core.suggest import suggestion

# Only this module imports pydantic: what models are declared with comes from here.
__all__ = [
    "AfterValidator",
    "BeforeValidator",
    "Field",
    "Model",
    "TextTable",
    "ValidationInfo",
    "field_validator",
    "key_lines",
    "model_validator",
    "read_document",
]


class Model(BaseModel):
    """A frozen value whose unknown keys and wrong types are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


AnyModel = TypeVar("AnyModel", bound=Model)

# A text on one line, a comment, or the beginning of a text that may go on over several lines.
_TOKEN = re.compile(r"""(?P<open>\"{3}|'{3})|"(?:[^"\\]|\\.)*"|'[^']*'|#.*""")


def _form(value: Any) -> str:
    return "<table>" if isinstance(value, dict) else "<text>"


# Told apart by hand: of a plain union, pydantic would say for each wrong value what both forms expect.
_TextOrTable = Annotated[
    Annotated[str, Tag("<text>")] | Annotated[dict[str, str], Tag("<table>")], Discriminator(_form)
]

TextTable = dict[str, _TextOrTable]
"""A table of texts, which may have tables of texts in it: ``[kernel]`` and ``[kernel."6.12"]``."""


def read_document(path: Path, model: type[AnyModel]) -> AnyModel:
    """Read and validate a TOML file.

    :raise ManifestError: it is missing, malformed (with the line), or doesn't fit
        the model: every problem is listed at once, with its line, its dotted key
        and, for an unknown key, the known one nearest to it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"cannot read {path}: {error}") from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"{path}: not valid TOML: {error}") from error
    try:
        # JSON-like input: TOML has no tuples, enumerations or paths of its own.
        return model.model_validate(_freeze(data))
    except ValidationError as error:
        lines = key_lines(text)
        problems = [_problem(path, lines, model, data, problem) for problem in _causes(error.errors())]
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise ManifestError(f"{path}: {count}", details=problems) from error


def key_lines(text: str) -> dict[str, int]:
    """Line number of each key and table of a TOML text, by dotted path.

    Entries of arrays of tables are counted from zero (``verify.0.port``). Inline
    tables and multi-line values get the line on which their key stands.
    """
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in _statements(text):
        if header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
            table = _entry(_unquoted(header[2]), counts, appended=header[1] == "[[")
            found.setdefault(table, number)
        elif key := re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line):
            name = _unquoted(key[1])
            found.setdefault(f"{table}.{name}" if table else name, number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The lines on which a table or a key begins, by number: not those inside arrays and texts of several lines."""
    depth, closing = 0, ""  # of brackets; what ends the text of several lines that is open
    for number, line in enumerate(text.split("\n"), start=1):
        if depth == 0 and not closing:
            yield number, line
        place = 0
        while place < len(line):
            if closing:
                end = line.find(closing, place)
                while closing == '"""' and end > 0 and _escaped(line, end):
                    end = line.find(closing, end + 1)
                place = len(line) if end < 0 else end + len(closing)
                closing = closing if end < 0 else ""
            elif found := _TOKEN.match(line, place):
                place = found.end()
                closing = found["open"] or ""
            else:
                depth += (line[place] in "[{") - (line[place] in "]}")
                place += 1


def _escaped(line: str, place: int) -> bool:
    """Whether a character has an odd number of backslashes in front of it."""
    before = line[:place]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 1


def _entry(table: str, counts: dict[str, int], *, appended: bool) -> str:
    """A table's path with the number of the current entry behind each array of tables in it."""
    path = ""
    parts = table.split(".")
    for depth, part in enumerate(parts, start=1):
        path = f"{path}.{part}" if path else part
        if appended and depth == len(parts):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = f"{path}.{counts[path]}"
    return path


def _unquoted(key: str) -> str:
    return key.replace('"', "").replace("'", "").replace(" ", "")


def _freeze(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_freeze(item) for item in value)
    if isinstance(value, dict):
        return {key: _freeze(item) for key, item in value.items()}
    return value


def _causes(problems: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """All but those of lists that are too short for want of the entries that don't hold."""
    for problem in problems:
        here = problem["loc"]
        inside = any(other["loc"][: len(here)] == here and other is not problem for other in problems)
        if not (inside and problem["type"] == "too_short"):
            yield problem


def _problem(path: Path, lines: dict[str, int], model: type[BaseModel], data: Any, problem: ErrorDetails) -> str:
    location, named = _location(model, data, problem["loc"])
    line = next((lines[key] for key in _prefixes(location) if key in lines), None)
    where = f"{path}:{line}" if line else f"{path}"
    message = problem["msg"][:1].lower() + problem["msg"][1:]
    if problem["type"] == "extra_forbidden":
        message = f"unknown key{suggestion(str(location[-1]), _fields_at(model, problem['loc'][:-1]))}"
    elif problem["type"] == "missing":
        message = "missing"
    elif problem["type"] == "value_error":
        # A validator of ours: its own words, without pydantic's "Value error, ".
        message = str(problem["ctx"]["error"])
    return f"{where}: {named}: {message}" if named else f"{where}: {message}"


def _location(model: type[BaseModel], data: Any, loc: Sequence[int | str]) -> tuple[list[int | str], str]:
    """Where in the file a problem is: as keys and numbers, and in words, which name an entry by its path."""
    tags = _tags(model) | {"<text>", "<table>"}
    location: list[int | str] = []
    words: list[str] = []
    for part in loc:
        # A discriminated union adds its tag to the location: it is no key of the file.
        if isinstance(part, str) and part in tags and not (isinstance(data, dict) and part in data):
            continue
        location.append(part)
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):  # missing, or no key but a text
            data = None
        name = data.get("path") if isinstance(part, int) and isinstance(data, dict) and "kind" not in data else None
        words.append(f": {name}: " if isinstance(name, str) else f".{part}")
    return location, "".join(words).replace(": .", ": ").strip(".: ")


def _prefixes(location: Sequence[int | str]) -> Iterator[str]:
    for length in range(len(location), 0, -1):
        yield ".".join(str(part) for part in location[:length])


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _tags(model: type[BaseModel]) -> set[str]:
    tags: set[str] = set()
    for field in model.model_fields.values():
        for inner in _models_in(field.annotation):
            kind = inner.model_fields.get("kind")
            if kind is not None:
                tags.update(str(tag) for tag in get_args(kind.annotation))
            tags |= _tags(inner)
    return tags


def _fields_at(model: type[BaseModel], location: Sequence[int | str]) -> set[str]:
    models: list[type[BaseModel]] = [model]
    for part in location:
        if isinstance(part, int):
            continue
        tagged = [m for m in models if "kind" in m.model_fields and part in get_args(m.model_fields["kind"].annotation)]
        if tagged:
            models = tagged
            continue
        models = [
            inner
            for candidate in models
            if part in candidate.model_fields
            for inner in _models_in(candidate.model_fields[part].annotation)
        ]
    return {name for candidate in models for name in candidate.model_fields}
