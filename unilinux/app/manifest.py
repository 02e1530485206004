# SPDX-License-Identifier: GPL-2.0-only
"""What an application is: the validated content of ``apps/NAME/app.toml``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import reduce
from operator import or_
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal

from unilinux.app.checks.kinds import Check, port_of
from unilinux.app.files import File, lies_in
from unilinux.app.run import Run
from unilinux.app.volume import Share, Volume
from unilinux.core.document import Field, Model, TextTable, field_validator, model_validator
from unilinux.sources.deb import PackageName
from unilinux.sources.registry import KINDS
from unilinux.sources.source import Source

NAME_PATTERN = r"^[a-z][a-z0-9-]*$"

AppName = Annotated[str, Field(pattern=NAME_PATTERN)]

if TYPE_CHECKING:
    AnySource = Source
else:
    # One of the kinds that there are, by its key "kind".
    AnySource = Annotated[reduce(or_, KINDS), Field(discriminator="kind")] if len(KINDS) > 1 else KINDS[0]


class Build(Model):
    """Shell commands, each run by ``sh -eu`` in the build folder."""

    steps: tuple[str, ...] = Field(
        min_length=1,
        description=(
            "shell commands in order, each run by `sh -eu` in the build folder, with `$CC`, `$AR`, `$RANLIB`, "
            "`$STRIP`, `$CFLAGS`, `$LDFLAGS` (static) and `$JOBS`"
        ),
        examples=[["./configure --prefix=", "make -j$JOBS"]],
    )
    packages: tuple[PackageName, ...] = Field(
        default=(),
        description=(
            "binary packages of Debian whose programs the steps call, such as a compiler. With all that they depend on "
            "they are unpacked to `$PACKAGES`, outside the image; `$PACKAGES/usr/bin` is on the `PATH`"
        ),
        examples=[["golang-go"]],
    )


class Manifest(Model):
    """An application, from source to proof that it works."""

    # Named so in the file; BaseModel has a deprecated method of that name.
    version_of_schema: Literal[1] = Field(alias="schema", description="the version of this format", examples=[1])
    name: AppName = Field(
        description="the application's name, which is that of its folder below `apps/`", examples=["server"]
    )
    summary: str = Field(description="one line for lists", examples=["Serves pages"])
    version: str = Field(description="the application's version", examples=["1.2.3"])
    profile: AppName = Field(
        description="the profile that it is built with unless `--profile` names another one", examples=["server"]
    )
    source: AnySource = Field(description="where it comes from")
    build: Build | None = Field(
        default=None,
        description=(
            "how it is built. Without it, files come from the source, from beside `app.toml` and from templates"
        ),
    )
    files: tuple[File, ...] = Field(
        min_length=1, description="what is in the image, besides a few files that every Unix program takes for granted"
    )
    vars: dict[str, str | int | bool] = Field(
        default_factory=dict, description="values for templates", examples=[{"workers": 2}]
    )
    run: Run = Field(description="how it is started, what it needs, and how it is asked to end")
    volume: tuple[Volume, ...] = Field(default=(), description="data that stays: file systems in files of the host")
    kernel: TextTable = Field(
        default_factory=dict,
        description=(
            'Kconfig symbols, without `CONFIG_`, that the application needs; `[kernel."6.12"]` for one kernel. A '
            "comment behind a value is shown as its reason"
        ),
        examples=[{"EPOLL": "y"}],
    )
    verify: tuple[Check, ...] = Field(min_length=1, description="how it is proved to work: checks, made in order")
    workload: tuple[Check, ...] = Field(
        default=(),
        description=(
            "more of what it can do, for `./x observe` and `./x minimise`: checks made after those of `verify`"
        ),
    )

    @field_validator("kernel")
    @classmethod
    def _symbols_bare(cls, kernel: TextTable) -> TextTable:
        for symbol in (name for key, value in kernel.items() for name in ((key,) if isinstance(value, str) else value)):
            if symbol.startswith("CONFIG_"):
                raise ValueError(f"write {symbol.removeprefix('CONFIG_')} without CONFIG_")
            if not re.fullmatch(r"[A-Z0-9_]+", symbol):
                raise ValueError(f"{symbol!r} is no Kconfig symbol")
        return kernel

    @property
    def all_checks(self) -> tuple[Check, ...]:
        """Verification, then the workload."""
        return (*self.verify, *self.workload)

    @model_validator(mode="after")
    def _parts_fit(self) -> Manifest:
        problems = [*self._file_problems(), *self.place_problems(self.volume), *self._check_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _file_problems(self) -> list[str]:
        paths = [file.path for file in self.files]
        problems = [f"files: {path} is given twice" for path, count in Counter(paths).items() if count > 1]
        if self.holder(self.run.argv[0]) is None:
            problems.append(f"run.argv: {self.run.argv[0]} is not among the files")
        built = [file.path for file in self.files if file.build is not None]
        if self.build is not None and not built:
            problems.append("files: nothing comes from the build")
        problems += [
            f"files: {path} would be hidden by the mount at {mount.target}"
            for path in paths
            for mount in self.run.mount_points
            if path != mount.target and lies_in(path, mount.target)
        ]
        if self.build is None:
            problems += [f"files: {path} comes from a build, but there is no [build]" for path in built]
        return problems

    def place_problems(self, mounted: Sequence[Volume | Share]) -> list[str]:
        """Why the image can't have these volumes and shares."""
        problems = []
        for what, values in (("name", [one.name for one in mounted]), ("path", [one.path for one in mounted])):
            twice = (value for value, count in Counter(values).items() if count > 1)
            problems += [f"volume: two have the {what} {value}" for value in twice]
        mounts = [mount.target for mount in self.run.mount_points]
        for one in mounted:
            problems += [
                f"{one.KIND}: {one.path} and the mount at {target} can't lie in one another"
                for target in mounts
                if lies_in(one.path, target) or lies_in(target, one.path)
            ]
            problems += [
                f"{one.KIND}: {one.path} can't lie in the {other.KIND} at {other.path}"
                for other in mounted
                if other.path != one.path and lies_in(one.path, other.path)
            ]
            problems += [
                f"files: {file.path} would be hidden by the {one.KIND} at {one.path}"
                for file in self.files
                if lies_in(file.path, one.path) and (file.path != one.path or not file.is_place)
            ]
        return problems

    def _check_problems(self) -> list[str]:
        problems = [
            f"{name}: port {port} is not among run.ports"
            for name, checks in (("verify", self.verify), ("workload", self.workload))
            for check in checks
            if (port := port_of(check)) is not None and port not in self.run.ports
        ]
        if self.run.ports and self.run.stop is None:
            problems.append("run.stop: a server needs the signal that asks it to end")
        return problems

    @property
    def main(self) -> File:
        """The entry of the file that init starts, or of a folder that it is in."""
        found = self.holder(self.run.argv[0])
        assert found is not None  # checked when the manifest was read
        return found

    def holder(self, path: str) -> File | None:
        """The nearest entry that can hold a path: that of the file itself, or of a folder of files above it."""
        above = [path, *(str(parent) for parent in PurePosixPath(path).parents)]
        by_path = {file.path: file for file in self.files if file.path == path or file.may_be_folder}
        return next((by_path[place] for place in above if place in by_path), None)

    @property
    def built_files(self) -> tuple[str, ...]:
        """What the build must leave behind, by path in the build folder; sorted, each once."""
        return tuple(sorted({file.build for file in self.files if file.build is not None}))

    @property
    def source_files(self) -> tuple[str, ...]:
        """What is taken from the source as it is laid out, before the build; sorted, each once."""
        return tuple(sorted({file.source for file in self.files if file.source is not None}))
