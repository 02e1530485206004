# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages as a source: one tree of them with a merged /usr, and what their scripts would have done."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.debs import Deb, Member, Shelf, folder, hard_link, link
from unilinux.app.built import Built
from unilinux.core.errors import BuildError, DownloadError, ManifestError
from unilinux.core.tree import Directory, Entry, File, Symlink
from unilinux.fetch.apt import Wanted
from unilinux.fetch.fetcher import Fetched, Fetcher
from unilinux.sources.deb import DebSource
from unilinux.sources.source import Materials

NO_FETCHER = cast("Fetcher", None)


def materials(home: Path, *debs: Deb, **keys: Any) -> Materials:
    """The last of these packages, with what it depends on."""
    source = DebSource(kind="deb", package=debs[-1].name, **keys)
    return source.obtain(home / "app", cast("Fetcher", Shelf(home, *debs)))


def laid_out(home: Path, *debs: Deb, **keys: Any) -> dict[str, Entry]:
    return {entry.path: entry for entry in materials(home, *debs, **keys).lay_out(home / "out").entries}


def test_owners_modes_and_set_id_bits_are_the_packages_own(tmp_path: Path) -> None:
    members = (
        folder("usr"), folder("usr/bin"), Member("usr/bin/su", "su", 0o4755),
        Member("usr/bin/post", "p", 0o2755, (0, 8)), folder("var/spool", 0o1730, (0, 102)),
        Member("etc/secret", "s", 0o400, (7, 7)),
        hard_link("usr/bin/again", "usr/bin/su"), link("usr/bin/sh", "su"),
    )  # fmt: skip
    out = tmp_path / "out"
    found = laid_out(tmp_path, Deb("server", members=members))
    assert found == {
        "/bin": Symlink("/bin", "usr/bin"),
        "/etc": Directory("/etc"),
        "/etc/secret": File("/etc/secret", out / "etc/secret", 0o400, 7, 7),
        "/usr": Directory("/usr"),
        "/usr/bin": Directory("/usr/bin"),
        "/usr/bin/again": File("/usr/bin/again", out / "usr/bin/again", 0o4755),
        "/usr/bin/post": File("/usr/bin/post", out / "usr/bin/post", 0o2755, 0, 8),
        "/usr/bin/sh": Symlink("/usr/bin/sh", "su"),
        "/usr/bin/su": File("/usr/bin/su", out / "usr/bin/su", 0o4755),
        "/var": Directory("/var"),
        "/var/spool": Directory("/var/spool", 0o1730, 0, 102),
    }
    # Whoever builds can read it all, and remove it: modes are in the tree only.
    assert (out / "etc/secret").stat().st_mode & 0o7777 == (out / "usr/bin/su").stat().st_mode & 0o7777
    assert (out / "usr/bin/again").read_text() == "su"
    assert (out / "usr/bin/sh").readlink() == Path("su")


def test_usr_is_merged(tmp_path: Path) -> None:
    library = Deb(
        "library",
        members=(
            folder("lib"), folder("lib/x"), Member("lib/x/libc.so.6", "c"),
            folder("lib64"), link("lib64/ld.so", "/lib/x/ld.so"), link("lib/x/own", "/usr/lib/x/own"),
        ),
    )  # fmt: skip
    server = Deb(
        "server", members=(folder("usr/lib"), folder("usr/lib/x"), Member("usr/lib/x/own", "o"), link("bin", "usr/bin"))
    )
    found = laid_out(tmp_path, library, server)
    assert {path: entry.target for path, entry in found.items() if isinstance(entry, Symlink)} == {
        "/lib": "usr/lib", "/lib64": "usr/lib64", "/usr/lib64/ld.so": "/lib/x/ld.so",
    }  # fmt: skip
    assert sorted(path for path, entry in found.items() if isinstance(entry, File)) == [
        "/usr/lib/x/libc.so.6", "/usr/lib/x/own",
    ]  # fmt: skip
    assert (tmp_path / "out/lib/x/libc.so.6").read_text() == "c"


def test_what_nobody_reads_is_left_out(tmp_path: Path) -> None:
    members = (
        folder("usr/share/doc"), Member("usr/share/doc/server/copyright", "c"), Member("lib/systemd/system/a", "a"),
        Member("usr/share/document", "d"), Member("etc/cron.daily/server", "c"),
    )  # fmt: skip
    deb = Deb("server", members=members)
    assert "/usr/share/document" in (found := laid_out(tmp_path, deb))
    assert not found.keys() & {"/usr/share/doc", "/usr/lib/systemd", "/lib", "/etc"}
    (tmp_path / "more").mkdir()
    other = laid_out(tmp_path / "more", deb, exclude=("/usr/share/d*t",), keep=("/usr/share/doc/s*", "/lib/systemd"))
    assert {"/usr/share/doc/server/copyright", "/usr/lib/systemd/system/a"} <= other.keys()
    assert not other.keys() & {"/usr/share/document", "/etc"}


def test_what_scripts_would_have_done_is_declared(tmp_path: Path) -> None:
    deb = Deb("server", members=(folder("var/lib/server"), Member("usr/bin/mawk", "m", 0o755)))
    found = laid_out(
        tmp_path,
        deb,
        users=({"name": "server", "uid": 101, "home": "/var/lib/server"}, {"name": "web", "uid": 33, "gid": 7}),
        groups=({"name": "ssl", "gid": 110, "members": ("server",)},),
        directories=(
            {"path": "/var/lib/server", "owner": "server:ssl", "mode": "0750"},
            {"path": "/run/server", "owner": "101:0"},
        ),
        alternatives={"/bin/awk": "/usr/bin/mawk"},
    )
    assert found["/var/lib/server"] == Directory("/var/lib/server", 0o750, 101, 110)
    assert found["/run/server"] == Directory("/run/server", 0o755, 101, 0)
    assert found["/usr/bin/awk"] == Symlink("/usr/bin/awk", "/usr/bin/mawk")
    assert (tmp_path / "out/etc/passwd").read_text().splitlines()[2:] == [
        "server:x:101:101:server:/var/lib/server:/usr/sbin/nologin",
        "web:x:33:7:web:/nonexistent:/usr/sbin/nologin",
    ]
    assert (tmp_path / "out/etc/group").read_text().splitlines()[3:] == [
        "ssl:x:110:server",
        "web:x:7:",
        "server:x:101:",
    ]
    assert found["/etc/passwd"] == File("/etc/passwd", tmp_path / "out/etc/passwd")


BAD_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "an owner that nobody is": (
        {"directories": ({"path": "/x", "owner": "servr:root"},)},
        "there is no user 'servr'; did you",
    ),
    "a group that isn't there": ({"directories": ({"path": "/x", "owner": "root:ssl"},)}, "there is no group 'ssl'"),
    "two users of one number": (
        {"users": ({"name": "a", "uid": 5}, {"name": "b", "uid": 5})},
        "two users have the number 5",
    ),
    "root once more": ({"users": ({"name": "root", "uid": 5},)}, "the user root is there twice"),
    "a member that nobody is": (
        {"groups": ({"name": "g", "gid": 5, "members": ("a",)},)},
        "a, a member of the group g, is no",
    ),
    "itself left out": ({"without": ("server",)}, "server is what shall be there"),
    "a further one left out": ({"also": ("dash",), "without": ("dash",)}, "dash is what shall be there"),
    "a relative path": ({"exclude": ("usr/share/doc",)}, "must be an absolute path"),
    "a way out": ({"alternatives": {"/../x": "/y"}}, "must be an absolute path"),
}


@pytest.mark.parametrize(("keys", "message"), BAD_KEYS.values(), ids=BAD_KEYS)
def test_keys_that_do_not_fit(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DebSource(kind="deb", package="server", **{"users": ({"name": "server", "uid": 101},), **keys})


BAD_TREES: dict[str, tuple[tuple[Member, ...], tuple[Member, ...], dict[str, Any], str]] = {
    "a file of two packages": (
        (Member("usr/bin/x", "1"),),
        (Member("usr/bin/x", "2"),),
        {},
        "both the package one and the package two have /usr/bin/x",
    ),
    "the same file by the merged /usr": (
        (Member("bin/x", "1"),),
        (Member("usr/bin/x", "2"),),
        {},
        "both the package one and the package two have /usr/bin/x",
    ),
    "a file below a link": (
        (link("evil", "/etc"),),
        (Member("evil/passwd", "x"),),
        {},
        "two has /evil/passwd, but /evil is no folder in the package one",
    ),
    "a folder that is a file": ((Member("x"),), (folder("x"),), {}, "both the package one and the package two have /x"),
    "a name that climbs": ((), (Member("usr/../../x"),), {}, "two can't be unpacked: the name .* has '..' in it"),
    "a name with a line break": ((), (Member("usr/a\nb"),), {}, "has a line break"),
    "a device": ((), (Member("dev/null", type=tarfile.CHRTYPE),), {}, "two has /dev/null, a device or pipe"),
    "a pipe": ((), (Member("run/pipe", type=tarfile.FIFOTYPE),), {}, "two has /run/pipe, a device or pipe"),
    "a hard link to what is left out": (
        (),
        (Member("a"), hard_link("b", "a")),
        {"exclude": ("/a",)},
        "two has /b, a hard link to /a, which is left out",
    ),
    "a hard link to outside": (
        (),
        (hard_link("b", "../../etc/passwd"),),
        {},
        "two has /b, a hard link to /etc/passwd, which",
    ),
    "accounts that a package has": (
        (),
        (Member("etc/passwd"),),
        {"users": ({"name": "a", "uid": 5},)},
        "both the package two and source.users have /etc/passwd",
    ),
    "an alternative that nobody has": (
        (),
        (),
        {"alternatives": {"/bin/awk": "/bin/mawk"}},
        "leads /bin/awk to /bin/mawk, which no package has",
    ),
    "an alternative that is there": (
        (),
        (Member("bin/awk"), Member("bin/mawk")),
        {"alternatives": {"/bin/awk": "/bin/mawk"}},
        "source.alternatives have /usr/bin/awk",
    ),
    "a directory that is a link": (
        (),
        (link("var/run", "/run"),),
        {"directories": ({"path": "/var/run"},)},
        "source.directories have /var/run",
    ),
}


@pytest.mark.parametrize(("one", "two", "keys", "message"), BAD_TREES.values(), ids=BAD_TREES)
def test_packages_that_can_not_be_in_one_image(
    tmp_path: Path, one: tuple[Member, ...], two: tuple[Member, ...], keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(BuildError, match=message):
        laid_out(tmp_path, Deb("one", members=one), Deb("two", members=two), **keys)
    assert not (tmp_path / "etc").exists()
    assert not (tmp_path / "x").exists()


def test_a_damaged_package(tmp_path: Path) -> None:
    deb = Deb("server", members=(Member("usr/bin/server", "x" * 100_000),))
    found = materials(tmp_path, deb)
    (tmp_path / "server.deb").write_bytes(deb.bytes[:-50_000])
    with pytest.raises(DownloadError, match="was damaged, and was removed"):
        found.lay_out(tmp_path / "out")
    # Damaged before it was ever published: its digest is right.
    shelf = Shelf(tmp_path, deb)
    path = shelf.packages["server"].path
    path.write_bytes(deb.bytes[:-50_000])
    shelf.packages["server"] = Fetched(path, "1", hashlib.sha256(path.read_bytes()).hexdigest())
    source = DebSource(kind="deb", package="server")
    with pytest.raises(DownloadError, match=r"cannot unpack .*server\.deb"):
        source.obtain(tmp_path, cast("Fetcher", shelf)).lay_out(tmp_path / "again")


def test_the_package_has_the_content_that_was_promised(tmp_path: Path) -> None:
    deb = Deb("server")
    with pytest.raises(DownloadError, match=r"server 1\.0-1 has another content than source\.sha256 promises"):
        materials(tmp_path, deb, sha256="0" * 64)
    materials(tmp_path, deb, sha256=hashlib.sha256(deb.bytes).hexdigest())


def test_what_counts_and_what_is_told(tmp_path: Path) -> None:
    library, server = Deb("library", "2-1"), Deb("server", "1:3-1")
    found = materials(tmp_path, library, server)
    digests = [hashlib.sha256(deb.bytes).hexdigest() for deb in (library, server)]
    assert found.inputs == {"package:library": digests[0], "package:server": digests[1]}
    assert found.files == {}
    assert found.facts == {
        "kind": "deb",
        "package": "server",
        "packages": [
            {"package": "library", "version": "2-1", "sha256": digests[0]},
            {"package": "server", "version": "1:3-1", "sha256": digests[1]},
        ],
    }
    assert materials(tmp_path, library, server, exclude=("/usr/share",)).spec != found.spec


def test_files_beside_are_for_build_steps_and_in_no_image(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/Server.java").write_text("class Server {}")
    found = materials(tmp_path, Deb("jre", members=(Member("usr/bin/java", "j", 0o755),)), files=("Server.java",))
    tree = found.lay_out(tmp_path / "out")
    assert (tmp_path / "out/Server.java").read_text() == "class Server {}"
    assert "/Server.java" not in {entry.path for entry in tree.entries}
    assert found.files == {"local:Server.java": tmp_path / "app/Server.java"}


def test_apt_is_asked_for_it(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, Deb("server"))
    DebSource(kind="deb", package="server", version="1.0-1", recommends=True, without=("bb", "aa")).obtain(
        tmp_path, cast("Fetcher", shelf)
    )
    usual = (
        "adduser", "debconf", "dpkg", "init-system-helpers", "lsb-base", "sysvinit-utils", "ucf", "usr-is-merged",
        "usrmerge",
    )  # fmt: skip
    without = tuple(sorted((*usual, "aa", "bb")))
    assert shelf.asked == [Wanted(package="server", version="1.0-1", recommends=True, without=without)]


def test_what_is_asked_for_is_not_left_out_as_usual(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, Deb("server"))
    DebSource(kind="deb", package="server", also=("dash", "dpkg")).obtain(tmp_path, cast("Fetcher", shelf))
    assert shelf.asked[0].also == ("dash", "dpkg")
    assert "dpkg" not in shelf.asked[0].without
    assert "ucf" in shelf.asked[0].without


@pytest.mark.parametrize(("name", "at"), [(".", "/"), (".", "/srv"), ("usr", "/usr"), ("usr", "/")])
def test_a_source_or_a_folder_of_it_fills_the_image(tmp_path: Path, name: str, at: str) -> None:
    tree = materials(tmp_path, Deb("server", members=(Member("usr/bin/server", "s", 0o755),))).lay_out(tmp_path / "out")
    built = Built(tmp_path / "built")
    built.source.mkdir(parents=True)
    built.write_source(tree)
    paths = [entry.path for entry in built.source_entries(name, at)]
    inner = {".": ["/bin", "/usr", "/usr/bin"], "usr": ["/bin"]}[name]
    top = at.rstrip("/")
    assert paths == [*([at] if name != "." and top else []), *(top + path for path in inner)]
    assert not any(path.startswith("//") for path in paths)


def test_a_manifest_says_what_is_wrong(tmp_path: Path) -> None:
    from unilinux.core.document import read_document

    (tmp_path / "a.toml").write_text('kind = "deb"\npackage = "redis server"\n')
    with pytest.raises(ManifestError) as caught:
        read_document(tmp_path / "a.toml", DebSource)
    assert "package" in str(caught.value.details)
