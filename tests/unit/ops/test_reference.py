# SPDX-License-Identifier: GPL-2.0-only
"""The reference in docs/ is what the models say, it names every key, and each of its examples holds."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from unilinux.app.checks import kinds as checks
from unilinux.app.checks.sql import SqlStep
from unilinux.app.checks.tcp import TcpStep
from unilinux.app.files import File
from unilinux.app.manifest import Build, Manifest
from unilinux.app.run import Run
from unilinux.app.volume import Volume
from unilinux.core.document import Model, read_document
from unilinux.core.reference import example_lines, keys_table
from unilinux.kconfig.profile import EntryDefaults, MachineDefaults, ProfileDocument, read_profile
from unilinux.ops.reference import EXAMPLE_MANIFEST, EXAMPLE_PROFILE, reference
from unilinux.sources.accounts import Group, User
from unilinux.sources.archive import ArchiveSource
from unilinux.sources.deb import OwnedDirectory
from unilinux.sources.debian import ExtraTarball
from unilinux.sources.registry import KINDS

PROJECT = Path(__file__).parents[3]
MODELS: tuple[type[Model], ...] = (
    Manifest, *KINDS, ExtraTarball, User, Group, OwnedDirectory, Build, File, Run, Volume,
    *checks.KINDS, TcpStep, SqlStep, ProfileDocument, MachineDefaults, EntryDefaults,
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(reference()))
def test_the_reference_is_what_the_models_say(name: str) -> None:
    path = PROJECT / "docs" / name
    if os.environ.get("UNILINUX_UPDATE"):
        path.write_text(reference()[name], encoding="utf-8")
    assert path.read_text(encoding="utf-8") == reference()[name], "write it anew: UNILINUX_UPDATE=1 ./x test --fast"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_each_key_says_what_it_means_and_has_an_example(model: type[Model]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} has no description"
        tables = (Build, File, Run, *checks.KINDS, TcpStep, SqlStep, *KINDS, MachineDefaults, EntryDefaults)
        is_table = model in (Manifest, ProfileDocument) and name in {
            "source", "build", "files", "run", "volume", "verify", "workload", "machine", "entry",
        }  # fmt: skip
        assert field.examples or is_table or (model in tables and name == "extra"), f"{model.__name__}.{name}"
    text = "\n".join(reference().values())
    assert keys_table(model) in text


BASES: dict[type[Model], dict[str, Any]] = {
    Build: {"steps": ["true"]},
    File: {"path": "/a"},
    SqlStep: {"statement": "SELECT 1"},
    TcpStep: {},  # each alone, as some exclude each other
    Run: {"argv": ["/a"], "memory_mib": 64, "network": True, "stop": "SIGINT"},
}


@pytest.mark.parametrize(
    ("model", "line"),
    [(model, line) for model in MODELS for line in example_lines(model) if model not in (Manifest, ProfileDocument)],
)
def test_each_example_holds(model: type[Model], line: str) -> None:
    example = tomllib.loads(line)
    base = dict(BASES.get(model, {}))
    if model not in BASES:  # the other keys, by their own examples
        for other in example_lines(model):
            base |= tomllib.loads(other)
    if model is File and not example.keys() & {"build", "source", "local", "template", "directory", "symlink"}:
        base["build"] = "a"
    value = {**base, **example}
    if model is ArchiveSource:  # either of them
        value.pop("path" if "path" not in example else "url")
    if {"commands", "replies"} <= value.keys():
        assert len(value["commands"]) == len(value["replies"])
    model.model_validate_json(json.dumps(value))


def test_the_examples_of_whole_files_hold(tmp_path: Path) -> None:
    (tmp_path / "app.toml").write_text(EXAMPLE_MANIFEST)
    assert read_document(tmp_path / "app.toml", Manifest).run.ports == (80,)
    for profile in (PROJECT / "configs/profiles").glob("*.toml"):
        (tmp_path / profile.name).write_text(profile.read_text())
    (tmp_path / "mine.toml").write_text(EXAMPLE_PROFILE)
    found = read_profile(tmp_path, "mine", root=tmp_path)
    assert (found.machine.cpus, found.entry.syscall) == (2, "trap")
