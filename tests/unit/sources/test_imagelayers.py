# SPDX-License-Identifier: GPL-2.0-only
"""Layers of container images: how they cover each other, and what in them is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import cast

import pytest

from tests.unit.debs import Member, folder, hard_link, link
from tests.unit.images import (
    Layer,
    Layout,
    digest,
    materials,
    nothing_is_left,
    of_layers,
    whiteout,
)
from unilinux.app.built import Built
from unilinux.core.errors import BuildError
from unilinux.core.tree import Directory, File, Symlink
from unilinux.sources.hostfiles import copy
from unilinux.sources.imagelayers import Layers


def refused(home: Path, *members: Member) -> str:
    with pytest.raises(BuildError) as caught:
        of_layers(home, Layer((Member("etc/first", "1"),)), Layer(members))
    assert nothing_is_left(home)
    return caught.value.message


def test_layers_cover_each_other_and_owners_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = of_layers(
        tmp_path,
        Layer((
            folder("."), folder("bin"), Member("bin/su", "su", 0o4755), Member("bin/old", "old"),
            folder("cache"), Member("cache/a", "a"), folder("cache/deep"), Member("cache/deep/b", "b"),
            folder("var/spool", 0o1730, (0, 102)), Member("etc/motd", "one"), Member("etc/shadow", "s", 0o400),
        ), packing=""),
        Layer((
            whiteout("bin/old"), hard_link("bin/again", "bin/su"), link("bin/sh", "/bin/su"),
            Member("cache/new", "n"), whiteout("cache/.wh..opq"), Member("etc/motd", "two", 0o600, (7, 8)),
        )),
        Layer((folder("srv", 0o2750, (1000, 1001)), Member("srv/app", "app", 0o750, (1000, 1001))), packing="+zstd"),
    )  # fmt: skip
    assert found == {
        "/bin": Directory("/bin"),
        "/bin/again": File("/bin/again", out / "bin/again", 0o4755),
        "/bin/sh": Symlink("/bin/sh", "/bin/su"),
        "/bin/su": File("/bin/su", out / "bin/su", 0o4755),
        "/cache": Directory("/cache"),
        "/cache/new": File("/cache/new", out / "cache/new"),
        "/etc": Directory("/etc"),
        "/etc/motd": File("/etc/motd", out / "etc/motd", 0o600, 7, 8),
        "/etc/shadow": File("/etc/shadow", out / "etc/shadow", 0o400),
        "/srv": Directory("/srv", 0o2750, 1000, 1001),
        "/srv/app": File("/srv/app", out / "srv/app", 0o750, 1000, 1001),
        "/var": Directory("/var"),
        "/var/spool": Directory("/var/spool", 0o1730, 0, 102),
    }
    assert (out / "bin/again").read_text() == "su"
    assert (out / "bin/sh").readlink() == Path("/bin/su")
    assert (out / "etc/motd").read_text() == "two"
    assert not (out / "bin/old").exists()
    # Whoever builds can read all of it: modes are the tree's only.
    assert (out / "etc/shadow").stat().st_mode & 0o7777 == (out / "srv/app").stat().st_mode & 0o7777
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image", "out"]


def test_an_entry_of_files_takes_it_whole(tmp_path: Path) -> None:
    layout = Layout()
    layout.top(layout.image(Layer((Member("srv/app", "app", 0o750, (1000, 1001)), link("app", "/srv/app")))))
    tree = materials(layout.folder(tmp_path / "image")).lay_out(tmp_path / "out")
    built = Built(tmp_path / "built")
    copy(tmp_path / "out", built.source)
    built.write_source(tree)
    assert built.source_entries(".", "/") == [
        Symlink("/app", "/srv/app"),
        Directory("/srv"),
        File("/srv/app", built.source / "srv/app", 0o750, 1000, 1001),
    ]


@pytest.mark.parametrize("order", [1, -1])
def test_a_whiteout_goes_for_lower_layers_only(tmp_path: Path, order: int) -> None:
    upper = [Member("d/x/new", "n"), whiteout("d/x"), Member("e/new", "n"), whiteout("e/.wh..opq")][::order]
    found = of_layers(tmp_path, Layer((Member("d/x/old", "o"), Member("e/f/old", "o"))), Layer(upper))
    assert set(found) == {"/d", "/d/x", "/d/x/new", "/e", "/e/new"}


def test_a_whiteout_of_nothing_and_notes_of_aufs_do_nothing(tmp_path: Path) -> None:
    found = of_layers(tmp_path, Layer((Member("a", "a"), whiteout("none"), whiteout(".wh.plnk"), whiteout("x/y"))))
    assert set(found) == {"/a"}


def test_what_a_layer_has_takes_the_place_of_anything(tmp_path: Path) -> None:
    found = of_layers(
        tmp_path,
        Layer((Member("a/b/c", "c"), Member("f", "f"), link("l", "a"), folder("kept"), Member("kept/x", "x"))),
        Layer((Member("a", "a"), folder("f"), folder("l"), Member("l/in", "i"), folder("kept", 0o700))),
    )
    assert {path: type(entry) for path, entry in found.items()} == {
        "/a": File, "/f": Directory, "/l": Directory, "/l/in": File, "/kept": Directory, "/kept/x": File,
    }  # fmt: skip
    assert cast("Directory", found["/kept"]).mode == 0o700


def test_a_hard_link_is_a_file_of_its_own_once_it_is_replaced(tmp_path: Path) -> None:
    found = of_layers(
        tmp_path,
        Layer((Member("one", "1", 0o600, (5, 5)), hard_link("two", "one"), link("s", "one"), hard_link("t", "s"))),
        Layer((Member("one", "new"), hard_link("three", "two"))),
    )
    assert (tmp_path / "out/one").read_text() == "new"
    assert (tmp_path / "out/two").read_text() == (tmp_path / "out/three").read_text() == "1"
    assert found["/three"] == File("/three", tmp_path / "out/three", 0o600, 5, 5)
    assert found["/t"] == Symlink("/t", "one")


def test_a_link_on_the_way_is_followed_inside_the_image(tmp_path: Path) -> None:
    lower = Layer(
        (folder("usr/lib"), link("lib", "usr/lib"), link("abs", str(tmp_path / "outside")), link("up", "/etc"))
    )
    upper = Layer((Member("lib/a", "a"), Member("abs/b", "b"), Member("up/c", "c"), Member("/top", "t")))
    found = of_layers(tmp_path, lower, upper)
    assert {"/usr/lib/a", f"{tmp_path}/outside/b", "/etc/c", "/top"} <= set(found)
    assert (tmp_path / "out/usr/lib/a").read_text() == "a"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image", "out"]


def test_devices_below_dev_are_left_out(tmp_path: Path) -> None:
    devices = (Member("dev/null", type=tarfile.CHRTYPE), Member("dev/initctl", type=tarfile.FIFOTYPE))
    assert set(of_layers(tmp_path, Layer((folder("dev"), *devices, Member("a", "a"))))) == {"/a", "/dev"}


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (Member("../up", "x"), "the image can't be unpacked: the name './../up' has '..' in it"),
        (Member("a/../../up", "x"), "the image can't be unpacked: the name './a/../../up' has '..' in it"),
        (Member("a\nb", "x"), "has a line break or another control character"),
        (Member("a\udcff", "x"), "the name './a\\udcff' is not UTF-8"),
        (Member("a" * 256, "x"), "is too long"),
        (Member("d/" * 300, "x"), "is too long"),
        (link("l", "a\nb"), "the image has the link /l: the name 'a\\nb' has a line break"),
        (link("l", ""), "the image has the link /l: its target is empty or too long"),
        (hard_link("h", "none"), "the image has /h, a hard link to './none', which is no file of it"),
        (hard_link("h", "../../etc/passwd"), "the name './../../etc/passwd' has '..' in it"),
        (hard_link("h", "etc"), "a hard link to './etc', which is no file of it"),
        (Member("sda", type=tarfile.BLKTYPE), "the image has /sda, which is a device node: only files, folders"),
        (Member("run/p", type=tarfile.FIFOTYPE), "the image has /run/p, which is a pipe"),
        (Member("odd", type=b"Z"), "the image has /odd, which is of type b'Z'"),
        (Member("etc/first/x", "x"), "the image has /etc/first/x, but /etc/first is no folder"),
        (Member("etc/.wh."), "the image has /etc/.wh., a whiteout of nothing"),
        (Member("etc/.wh..."), "the image has /etc/.wh..., a whiteout of nothing"),
        (Member("a", "x", owner=(1 << 32, 0)), "the image has /a, which belongs to 4294967296: no user or group"),
    ],
)
def test_what_cannot_be_in_an_image_is_named(tmp_path: Path, member: Member, message: str) -> None:
    assert message in refused(tmp_path, member)


def test_links_that_lead_out_or_nowhere_are_not_followed(tmp_path: Path) -> None:
    out = refused(tmp_path, link("l", "../../outside"), Member("l/x", "x"))
    assert out == "the image has /l/x, below a link that leads out of the image"
    assert "leads to itself" in refused(tmp_path, link("a", "b"), link("b", "a"), Member("a/x", "x"))


def sparse(real_bytes: int) -> bytes:
    """A layer with one file that is a hole of this size."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("GNUSparseFile.0/hole")
        content = b"1\n0\n0\n".ljust(512, b"\0")
        info.size = len(content)
        info.pax_headers = {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0",
            "GNU.sparse.name": "hole", "GNU.sparse.realsize": str(real_bytes),
        }  # fmt: skip
        tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def test_a_sparse_file_has_its_holes(tmp_path: Path) -> None:
    assert set(of_layers(tmp_path, Layer(content=sparse(1 << 20)))) == {"/hole"}
    assert (tmp_path / "out/hole").read_bytes() == bytes(1 << 20)


def test_a_huge_image_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="too large: it would unpack to more than 8 GiB or 1,000,000 files"):
        of_layers(tmp_path, Layer(content=sparse(1 << 50)))
    assert nothing_is_left(tmp_path)


def test_all_layers_together_have_a_limit(tmp_path: Path) -> None:
    layers = Layers(tmp_path, most_bytes=3 << 20)
    content = Layer((Member("a", "x" * (2 << 20)),)).tar
    (tmp_path / "layer").write_bytes(content)
    with (tmp_path / "layer").open("rb") as file:
        layers.apply(file, digest(content))
        file.seek(0)
        with pytest.raises(BuildError, match="too large"):
            layers.apply(file, digest(content))
