# SPDX-License-Identifier: GPL-2.0-only
"""Templates: jinja2 with strict undefined, and errors that name the template and the line."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unilinux.core.errors import ManifestError


def render(template: Path, variables: Mapping[str, Any]) -> str:
    """The text of a template. It may include files that lie beside it.

    :raise ManifestError: its syntax is wrong, or it uses a variable that isn't there.
    """
    # Slow to load, and most builds have no template.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError, TemplateSyntaxError

    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["c_string"] = c_string
    try:
        return environment.get_template(template.name).render(variables)
    except TemplateSyntaxError as error:
        place = f"{error.filename or template}:{error.lineno}"
        raise ManifestError(f"{place}: {error.message}") from error
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        known = f"variables: {', '.join(sorted(variables))}"
        raise ManifestError(f"{_place(template, error)}: {error}", details=[known]) from error


def c_string(text: str) -> str:
    """A string literal of C with these bytes (UTF-8).

    :raise ValueError: it holds a zero byte, at which C would end it.
    """
    if "\0" in text:
        raise ValueError(f"{text!r} holds a zero byte")
    # Octal escapes end after three digits, whatever follows; "?" could begin a trigraph.
    plain = set(range(0x20, 0x7F)) - set(b'"\\?')
    return '"' + "".join(chr(byte) if byte in plain else f"\\{byte:03o}" for byte in text.encode()) + '"'


def _place(template: Path, error: Exception) -> str:
    """The template's file and line at which an error arose: jinja2 puts them into the traceback."""
    folder = str(template.parent)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(template)
