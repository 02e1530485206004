# SPDX-License-Identifier: GPL-2.0-only
"""A program as Debian has it: a binary package with all that it depends on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from unilinux.core.document import Field, Model, field_validator, model_validator
from unilinux.core.errors import DownloadError
from unilinux.core.tree import Directory, Tree
from unilinux.fetch.apt import Wanted
from unilinux.fetch.fetcher import Fetched, Fetcher, require_intact
from unilinux.sources.accounts import Group, User, account_problems, group_lines, owner_numbers, passwd_lines
from unilinux.sources.debian import Sha256
from unilinux.sources.local import BesideFiles
from unilinux.sources.packages import Unpacking, merged
from unilinux.sources.source import Materials, Source

PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]*[a-z0-9+]$")]

USUALLY_WITHOUT = (
    "adduser", "debconf", "dpkg", "init-system-helpers", "lsb-base", "sysvinit-utils", "ucf", "usr-is-merged",
    "usrmerge",
)  # fmt: skip
"""Packages that only install packages and start services."""

USUALLY_EXCLUDED = (
    "/etc/cron.*", "/etc/init.d", "/etc/logrotate.d", "/usr/lib/systemd", "/usr/share/bash-completion",
    "/usr/share/bug", "/usr/share/doc", "/usr/share/doc-base", "/usr/share/info", "/usr/share/lintian",
    "/usr/share/locale", "/usr/share/man",
)  # fmt: skip
"""Paths that no program reads."""


class OwnedDirectory(Model):
    """A folder that a package's scripts would have made, or given to somebody."""

    path: str = Field(description="its absolute path", examples=["/var/lib/redis"])
    owner: Annotated[str, Field(pattern=r"^[a-z0-9_-]+:[a-z0-9_-]+$")] = Field(
        default="root:root",
        description="its owner as `USER:GROUP`, each by its number or its name in `users` and `groups`",
        examples=["redis:redis"],
    )
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3,4}$")] = Field(
        default="0755", description="the mode, in octal", examples=["0750"]
    )

    @field_validator("path")
    @classmethod
    def _normal(cls, path: str) -> str:
        return _absolute(path)


class DebSource(BesideFiles, Source):
    """A binary package of Debian with all that it depends on, unpacked to one folder with a merged /usr, so that /lib
    leads to /usr/lib. Owners and modes are as in the packages. Their scripts aren't run: what they would have done is
    declared here. There is no `/etc/ld.so.cache`: libraries are found in the usual folders, others by
    `LD_LIBRARY_PATH`. What apt chose is kept in the cache, and stays the same there. An entry of `[[files]]` with
    `path = "/"` and `source = "."` takes all of it, but for `files`, which only build steps see.
    """

    kind: Literal["deb"] = Field(description="this kind of source", examples=["deb"])
    package: PackageName = Field(description="the package's name", examples=["redis-server"])
    version: Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+~:-]*$")] | None = Field(
        default=None, description="its version; usually the newest", examples=["5:7.0.15-1~deb12u10"]
    )
    sha256: Sha256 | None = Field(
        default=None,
        description=(
            "the SHA-256 of its file, in hexadecimal; the packages that it depends on have those of Debian's lists"
        ),
        examples=["9ebb333a9e82b952acd3e2b4aeb1d4ff6406f72491bab6cd9fe69f0dea737f31"],
    )
    recommends: bool = Field(
        default=False, description="whether the packages that are recommended come, too", examples=[True]
    )
    also: tuple[PackageName, ...] = Field(
        default=(),
        description="further packages that come, with what they depend on",
        examples=[["dash", "nginx-light"]],
    )
    without: tuple[PackageName, ...] = Field(
        default=(),
        description=(
            "packages that are left out, with what only they depend on, beside those that only install packages and "
            f"start services: {', '.join(f'`{name}`' for name in USUALLY_WITHOUT)}. A program that then lacks a "
            "library is told before it is booted"
        ),
        examples=[["perl", "ssl-cert"]],
    )
    exclude: tuple[str, ...] = Field(
        default=(),
        description=(
            "paths that are left out with all that is below, with `*` and `?` as in a shell, beside those that no "
            f"program reads: {', '.join(f'`{path}`' for path in USUALLY_EXCLUDED)}"
        ),
        examples=[["/usr/share/perl5", "/usr/lib/x86_64-linux-gnu/gconv"]],
    )
    keep: tuple[str, ...] = Field(
        default=(),
        description="paths that stay, with all that is below, although they would be left out",
        examples=[["/usr/share/locale/de"]],
    )
    users: tuple[User, ...] = Field(
        default=(),
        description="users for `/etc/passwd`, beside root and nobody",
        examples=[[{"name": "redis", "uid": 101, "home": "/var/lib/redis"}]],
    )
    groups: tuple[Group, ...] = Field(
        default=(),
        description="groups for `/etc/group`, beside root, nogroup and the users' own",
        examples=[[{"name": "ssl-cert", "gid": 110, "members": ["root"]}]],
    )
    directories: tuple[OwnedDirectory, ...] = Field(
        default=(),
        description="folders that packages' scripts would have made, or given to somebody",
        examples=[[{"path": "/var/lib/redis", "owner": "0:0", "mode": "0750"}]],
    )
    alternatives: dict[str, str] = Field(
        default_factory=dict,
        description="links to what packages have, as `update-alternatives` would have made them",
        examples=[{"/usr/bin/awk": "/usr/bin/mawk"}],
    )

    @field_validator("exclude", "keep")
    @classmethod
    def _exclude_absolute(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_absolute(pattern) for pattern in patterns)

    @field_validator("alternatives")
    @classmethod
    def _alternatives_absolute(cls, alternatives: dict[str, str]) -> dict[str, str]:
        return {_absolute(link): _absolute(target) for link, target in alternatives.items()}

    @model_validator(mode="after")
    def _parts_fit(self) -> DebSource:
        problems = [*account_problems(self.users, self.groups)]
        problems += [f"without: {name} is what shall be there" for name in self._asked if name in self.without]
        for directory in self.directories:
            try:
                owner_numbers(directory.owner, self.users, self.groups)
            except ValueError as error:
                problems.append(f"directories: {directory.path}: {error}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def obtain(self, folder: Path, fetcher: Fetcher) -> Materials:
        """See :class:`unilinux.sources.source.Source`."""
        wanted = Wanted(
            package=self.package,
            version=self.version,
            also=self.also,
            recommends=self.recommends,
            without=tuple(sorted({*USUALLY_WITHOUT, *self.without} - {*self._asked})),
        )
        packages = fetcher.debian_packages(wanted)
        main = packages[self.package]
        if self.sha256 not in {None, main.sha256}:
            raise DownloadError(
                f"{self.package} {main.version} has another content than source.sha256 promises",
                details=(f"promised SHA-256 {self.sha256}", f"offered SHA-256  {main.sha256}"),
                hint="set version and sha256 in app.toml to those of one package",
            )

        def lay_out(target: Path) -> Tree:
            unpacking = Unpacking(target, (*USUALLY_EXCLUDED, *self.exclude), self.keep)
            for name, package in packages.items():
                require_intact(package.path, package.sha256)
                unpacking.add_package(name, package.path)
            self._do_as_scripts(unpacking)
            tree = Tree.of(unpacking.finish())
            self.copy_to(target, folder)
            return tree

        return Materials(
            lay_out=lay_out,
            spec={
                "order": list(packages),
                "usually_excluded": USUALLY_EXCLUDED,
                **self.model_dump(mode="json", exclude={"package", "version", "sha256"}),
                **self.modes(folder),
            },
            files=self.origins(folder),
            inputs={f"package:{name}": package.sha256 for name, package in packages.items()},
            facts={"kind": self.kind, "package": self.package, "packages": _listed(packages)},
        )

    @property
    def _asked(self) -> tuple[str, ...]:
        return (self.package, *self.also)

    def _do_as_scripts(self, unpacking: Unpacking) -> None:
        if self.users or self.groups:
            unpacking.add_text("/etc/passwd", passwd_lines(self.users), "source.users")
            unpacking.add_text("/etc/group", group_lines(self.users, self.groups), "source.groups")
        for directory in self.directories:
            uid, gid = owner_numbers(directory.owner, self.users, self.groups)
            made = Directory(merged(directory.path), int(directory.mode, 8), uid, gid)
            unpacking.own_directory(made, "source.directories")
        for link, target in sorted(self.alternatives.items()):
            unpacking.add_alternative(link, target, "source.alternatives")


def _listed(packages: Mapping[str, Fetched]) -> list[dict[str, str]]:
    return [
        {"package": name, "version": package.version, "sha256": package.sha256} for name, package in packages.items()
    ]


def _absolute(path: str) -> str:
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or str(pure) != path or path == "/":
        raise ValueError(f"{path!r} must be an absolute path without '..' and without a '/' at its end")
    return path
