# SPDX-License-Identifier: GPL-2.0-only
"""Users and groups as a manifest declares them, and the files that tell programs of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated

from unilinux.core.document import Field, Model
from unilinux.core.suggest import unknown

AccountName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")]
Number = Annotated[int, Field(ge=0, le=(1 << 32) - 2)]
# Both names of the group without rights are in use: Debian's, and that of servers' own defaults.
_GROUP = "root:x:0:\nnogroup:x:65534:\nnobody:x:65534:\n"
_PASSWD = "root:x:0:0:root:/:\nnobody:x:65534:65534:nobody:/:\n"
_GIDS: Mapping[int, tuple[str, ...]] = MappingProxyType({0: ("root",), 65534: ("nogroup", "nobody")})
# They must not end a line or a field of /etc/passwd.
Place = Annotated[str, Field(pattern=r"^/[^:\x00-\x1f\x7f]*$")]


class Group(Model):
    """A group of the guest."""

    name: AccountName = Field(description="the group's name", examples=["redis"])
    gid: Number = Field(description="its number", examples=[101])
    members: tuple[AccountName, ...] = Field(
        default=(), description="users that are in it beside their own group", examples=[["www-data"]]
    )


class User(Model):
    """A user of the guest. A group with the user's name and number is there unless `groups` has that number."""

    name: AccountName = Field(description="the user's name", examples=["redis"])
    uid: Number = Field(description="its number", examples=[101])
    gid: Number | None = Field(default=None, description="the number of its group; the same as `uid`", examples=[101])
    home: Place = Field(default="/nonexistent", description="its home folder", examples=["/var/lib/redis"])
    shell: Place = Field(default="/usr/sbin/nologin", description="its shell", examples=["/bin/sh"])

    @property
    def group(self) -> int:
        """The number of its group."""
        return self.uid if self.gid is None else self.gid


def passwd_lines(users: Iterable[User] = ()) -> bytes:
    """``/etc/passwd``: root and nobody, whom every image has, then these."""
    own = "".join(f"{user.name}:x:{user.uid}:{user.group}:{user.name}:{user.home}:{user.shell}\n" for user in users)
    return f"{_PASSWD}{own}".encode()


def group_lines(users: Iterable[User] = (), groups: Iterable[Group] = ()) -> bytes:
    """``/etc/group``: those that every image has, then these, with the users' own."""
    own = "".join(
        f"{group.name}:x:{group.gid}:{','.join(group.members)}\n" for group in all_groups(tuple(users), tuple(groups))
    )
    return f"{_GROUP}{own}".encode()


def all_groups(users: Sequence[User], groups: Sequence[Group]) -> tuple[Group, ...]:
    """The declared groups, and one for each user whose group has no name yet."""
    known = {group.gid for group in groups} | _GIDS.keys()
    missing = {user.group: user.name for user in reversed(users) if user.group not in known}
    return (*groups, *(Group(name=name, gid=gid) for gid, name in sorted(missing.items())))


def owner_numbers(owner: str, users: Sequence[User], groups: Sequence[Group]) -> tuple[int, int]:
    """``redis:redis`` or ``101:101`` as numbers.

    :raise ValueError: there is no user or group of that name.
    """
    user, group = owner.split(":")
    uids = {"root": 0, "nobody": 65534, **{one.name: one.uid for one in users}}
    gids = {**{name: gid for gid, names in _GIDS.items() for name in names}}
    gids |= {one.name: one.gid for one in all_groups(users, groups)}
    return _number(user, uids, "user"), _number(group, gids, "group")


def account_problems(users: Sequence[User], groups: Sequence[Group]) -> tuple[str, ...]:
    """What keeps these from being in one image."""
    every = all_groups(users, groups)
    names, uids = [user.name for user in users], [user.uid for user in users]
    group_names, gids = [group.name for group in every], [group.gid for group in every]
    problems = [f"the user {name} is there twice" for name in _twice([*names, "root", "nobody"])]
    problems += [f"two users have the number {uid}" for uid in _twice([*uids, 0, 65534])]
    problems += [f"the group {name} is there twice" for name in _twice([*group_names, *sum(_GIDS.values(), ())])]
    problems += [f"two groups have the number {gid}" for gid in _twice([*gids, *_GIDS])]
    known = {"root", "nobody", *names}
    problems += [
        f"{member}, a member of the group {group.name}, is no user"
        for group in groups
        for member in group.members
        if member not in known
    ]
    return tuple(problems)


def _number(word: str, known: Mapping[str, int], kind: str) -> int:
    if word.isdecimal():
        return int(word)
    if word not in known:
        raise ValueError(unknown(kind, word, known))
    return known[word]


def _twice(values: Sequence[str] | Sequence[int]) -> list[str | int]:
    return [value for value, count in Counter[str | int](values).items() if count > 1]
