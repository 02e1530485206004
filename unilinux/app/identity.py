# SPDX-License-Identifier: GPL-2.0-only
"""Who the application is: a user and groups by name or number, looked up in the image's own files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from unilinux.app.catalogue import App
from unilinux.core.errors import ManifestError
from unilinux.core.suggest import unknown
from unilinux.core.tree import File, Tree

_PASSWD, _GROUP = "/etc/passwd", "/etc/group"
_NO_GROUP = 0
"""The group of a number that is no user of the image's: root's, as container engines have it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The numbers that init gives itself before it starts the application."""

    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Account:
    """A line of ``/etc/passwd`` or ``/etc/group``: what its fields mean depends on the file."""

    name: str
    number: int
    rest: tuple[str, ...]


def identity(app: App, tree: Tree) -> Identity | None:
    """The user and groups that the manifest names; None: root, as init itself.

    A user's own group and the groups that it is a member of are the image's, unless the manifest names others.

    :raise ManifestError: the image has no such user or group.
    """
    settings = app.manifest.run
    if not settings.has_identity:
        return None
    users, groups = tuple(_accounts(tree, _PASSWD)), tuple(_accounts(tree, _GROUP))
    user_word, _, group_word = (settings.user or "0").partition(":")
    uid = _number(app, "user", user_word, users)
    user = next((one for one in users if one.number == uid), None)
    if group_word:
        gid = _number(app, "group", group_word, groups)
    else:
        gid = int(user.rest[0]) if user is not None and user.rest and user.rest[0].isdecimal() else _NO_GROUP
    if settings.groups is not None:
        further = [_number(app, "group", word, groups) for word in settings.groups]
    else:
        further = [one.number for one in groups if user is not None and user.name in _members(one)]
    return Identity(uid, gid, tuple(dict.fromkeys(further)))


def _accounts(tree: Tree, path: str) -> Iterator[_Account]:
    found = next((entry for entry in tree.entries if entry.path == path), None)
    if not isinstance(found, File):
        return
    content = found.content.read_bytes() if isinstance(found.content, Path) else found.content
    for line in content.decode(errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) >= 3 and fields[2].isdecimal():
            yield _Account(fields[0], int(fields[2]), tuple(fields[3:]))


def _members(group: _Account) -> tuple[str, ...]:
    return tuple(group.rest[0].split(",")) if group.rest else ()


def _number(app: App, kind: str, word: str, accounts: tuple[_Account, ...]) -> int:
    if word.isdecimal():
        return int(word)
    known: Mapping[str, int] = {one.name: one.number for one in reversed(accounts)}
    if word not in known:
        file = _PASSWD if kind == "user" else _GROUP
        key = "user" if word in (app.manifest.run.user or "").split(":") else "groups"
        raise ManifestError(
            f"{app.path}: run.{key}: {unknown(kind, word, known)}",
            hint=f"these are in the image's {file}: declare it in the source, or add a {file} to files",
        )
    return known[word]
