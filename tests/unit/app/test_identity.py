# SPDX-License-Identifier: GPL-2.0-only
"""Who the application is, by the image's own files."""

from __future__ import annotations

import pytest

from tests.unit.app.conftest import MakeApp
from unilinux.app.identity import Identity, identity
from unilinux.app.init.compile import init_plan
from unilinux.core.errors import ManifestError
from unilinux.core.tree import Entry, File, Symlink, Tree

PASSWD = File(
    "/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nredis:x:101:102::/:/bin/false\nbroken\nodd:x:many:1::/:\n"
)
GROUP = File("/etc/group", b"root:x:0:\nredis:x:102:\nadm:x:4:redis,root\nssl:x:105:redis\nold:x:9\n")
TREE = Tree.of([PASSWD, GROUP])


def found(make_app: MakeApp, lines: str, tree: Tree = TREE) -> Identity | None:
    return identity(make_app('hostname = "toy"', f'hostname = "toy"\n{lines}'), tree)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("", None),
        ('user = "redis"', Identity(101, 102, (4, 105))),
        ('user = "101"', Identity(101, 102, (4, 105))),
        ('user = "redis:adm"', Identity(101, 4, (4, 105))),
        ('user = "101:7"', Identity(101, 7, (4, 105))),
        ('user = "5000"', Identity(5000, 0, ())),
        ('user = "5000:5000"', Identity(5000, 5000, ())),
        ('user = "redis"\ngroups = []', Identity(101, 102, ())),
        ('user = "redis"\ngroups = ["ssl", "33", "105"]', Identity(101, 102, (105, 33))),
        ('groups = ["adm"]', Identity(0, 0, (4,))),
        ('user = "3999999999"', Identity(3999999999, 0, ())),
    ],
)
def test_numbers(make_app: MakeApp, lines: str, expected: Identity | None) -> None:
    assert found(make_app, lines) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('user = "rediz"', r"run.user: there is no user 'rediz'; did you mean 'redis'\? \(known: redis, root\)"),
        ('user = "redis:no"', r"run.user: there is no group 'no' \(known: adm, old, redis, root, ssl\)"),
        ('user = "redis"\ngroups = ["adn"]', r"run.groups: there is no group 'adn'; did you mean 'adm'\?"),
        ('user = "odd"', "run.user: there is no user 'odd'"),
    ],
)
def test_names_that_the_image_has_not(make_app: MakeApp, lines: str, message: str) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        found(make_app, lines)
    assert "/etc/" in (caught.value.hint or "")


@pytest.mark.parametrize("passwd", [None, Symlink("/etc/passwd", "nowhere"), File("/etc/passwd", b"")])
def test_image_without_accounts_knows_numbers_only(make_app: MakeApp, passwd: Entry | None) -> None:
    tree = Tree.of([] if passwd is None else [passwd])
    assert found(make_app, 'user = "101:102"', tree) == Identity(101, 102, ())
    with pytest.raises(ManifestError, match=r"there is no user 'redis' \(known: none\)"):
        found(make_app, 'user = "redis"', tree)


@pytest.mark.parametrize("user", ["", ":", "redis:", ":redis", "a:b:c", "re dis", "-1", "4294967295", "redis\\n"])
def test_words_that_are_no_user(make_app: MakeApp, user: str) -> None:
    with pytest.raises(ManifestError) as caught:
        found(make_app, f'user = "{user}"')
    assert any("run.user" in line for line in caught.value.details)


def test_plan_tells_init(make_app: MakeApp) -> None:
    plan = init_plan(make_app(), identity=Identity(101, 102, (4, 105)))
    assert "#define PLAN_UID\t101U\n#define PLAN_GID\t102U\n#define PLAN_GROUPS\t2\n" in plan
    assert "plan_groups[PLAN_GROUPS + 1] = { 4, 105 };" in plan
    assert "plan_groups" not in init_plan(make_app())
