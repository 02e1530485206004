# SPDX-License-Identifier: GPL-2.0-only
"""The keys of a document as a table for people, from the model that validates it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from unilinux.core.document import Model


def keys_table(model: type[Model]) -> str:
    """A Markdown table of a model's keys: type and limits, what is taken without it, what it means, an example."""
    rows = [
        f"| `{key}` | {_escaped(kind)} | {default} | {_escaped(meaning)} | {_code(example)} |"
        for key, kind, default, meaning, example in _keys(model)
    ]
    return "\n".join(["| key | type | default | meaning | example |", "|---|---|---|---|---|", *rows])


def example_lines(model: type[Model]) -> tuple[str, ...]:
    """Each key that has an example, as a line of TOML."""
    return tuple(example for *_, example in _keys(model) if example)


def summary_of(model: type[Model]) -> str:
    """The first paragraph of what a model's docstring says."""
    text = (model.__doc__ or "").strip().split("\n\n")[0]
    return " ".join(text.replace("``", "`").split())


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {toml_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _keys(model: type[Model]) -> Iterator[tuple[str, str, str, str, str]]:
    properties = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        key = field.alias or name
        example = f"{key} = {toml_value(field.examples[0])}" if field.examples else ""
        meaning = field.description or ""
        yield key, _kind(properties[key]), _default(field), meaning, example


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "none" if value is None or isinstance(value, Model) or value in ((), {}) else _code(toml_value(value))


def _kind(schema: Mapping[str, Any]) -> str:
    """A type with its limits."""
    if "const" in schema or "enum" in schema:
        return " or ".join(_code(toml_value(value)) for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema or "oneOf" in schema:
        kinds = [_kind(one) for one in schema.get("anyOf", schema.get("oneOf")) if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if schema.get("type") == "array":
        return "list of " + _plural(_kind(schema["items"])) if "items" in schema else "list"
    if schema.get("type") in ("integer", "number"):
        return "number" + _limits(schema)
    if schema.get("type") == "boolean":
        return "`true` or `false`"
    if schema.get("type") == "string":
        return "text" + (f" like `{schema['pattern']}`" if "pattern" in schema else "")
    return "table"


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_value(key)


def _plural(kind: str) -> str:
    for one, several in (("text", "texts"), ("number", "numbers"), ("table", "tables"), ("list of", "lists of")):
        if kind.startswith(one):
            return several + kind[len(one) :]
    return kind


def _limits(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" from {schema['minimum']} to {schema['maximum']}"
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']:g}"
    return ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _code(text: str) -> str:
    return f"`{_escaped(text)}`" if text else ""
