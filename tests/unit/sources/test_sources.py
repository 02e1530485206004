# SPDX-License-Identifier: GPL-2.0-only
"""Kinds of source: what they lay out, and that a new one takes a module and a line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import cast

import pytest

from unilinux.core.errors import BuildError
from unilinux.core.files import digest_file
from unilinux.core.tree import Directory, File, Symlink
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.debian import DebianSource, ExtraTarball
from unilinux.sources.hostfiles import tree_of
from unilinux.sources.local import LocalSource

PROJECT = Path(__file__).parents[3]
NO_FETCHER = cast("Fetcher", None)


def test_local_files_and_folders_are_copied_with_their_links(tmp_path: Path) -> None:
    app, target = tmp_path / "app", tmp_path / "target"
    (app / "www/img").mkdir(parents=True)
    (app / "www/index.html").write_text("hello")
    (app / "www/home").symlink_to("index.html")
    (app / "run.sh").write_text("#!/bin/sh\n")
    (app / "run.sh").chmod(0o700)
    target.mkdir()
    source = LocalSource(kind="local", files=("www", "run.sh"))
    materials = source.obtain(app, NO_FETCHER)
    assert materials.files == {"local:www": app / "www", "local:run.sh": app / "run.sh"}
    assert materials.lay_out(target).entries == (
        File("/run.sh", target / "run.sh", 0o755),
        Directory("/www"),
        Symlink("/www/home", "index.html"),
        Directory("/www/img"),
        File("/www/index.html", target / "www/index.html", 0o644),
    )


def test_a_mode_that_no_digest_holds_is_part_of_the_specification(tmp_path: Path) -> None:
    (tmp_path / "run.sh").touch()
    source = LocalSource(kind="local", files=("run.sh",))
    assert source.obtain(tmp_path, NO_FETCHER).spec == {}
    (tmp_path / "run.sh").chmod(0o4755)
    assert source.obtain(tmp_path, NO_FETCHER).spec == {"modes": {"/run.sh": "4755"}}


def test_a_pipe_among_local_files_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    os.mkfifo(tmp_path / "www/pipe")
    with pytest.raises(BuildError, match="www/pipe is a device, pipe or socket"):
        LocalSource(kind="local", files=("www",)).obtain(tmp_path, NO_FETCHER)


class Shelf:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def debian_source_file(self, source: str, file: str, sha256: str) -> Path:
        return self.folder / file


def test_debian_tarballs_lie_in_each_other(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "configure").write_text(name)
        with tarfile.open(tmp_path / f"{name}.tar.gz", "w:gz") as tar:
            tar.add(tmp_path / name, f"{name}-1.0")
    (tmp_path / "extra.h").write_text("h")
    one, two = (digest_file(tmp_path / f"{name}.tar.gz") for name in ("one", "two"))
    source = DebianSource(
        kind="debian",
        package="one",
        file="one.tar.gz",
        sha256=one,
        files=("extra.h",),
        extra=(ExtraTarball(name="lib", package="two", file="two.tar.gz", sha256=two),),
    )
    materials = source.obtain(tmp_path, cast("Fetcher", Shelf(tmp_path)))
    assert materials.inputs == {"tarball:one.tar.gz": one, "tarball:two.tar.gz": two}
    assert materials.facts["package"] == "one"
    tree = materials.lay_out(tmp_path / "target")
    assert [entry.path for entry in tree.entries] == ["/configure", "/extra.h", "/lib", "/lib/configure"]
    assert (tmp_path / "target/lib/configure").read_text() == "two"


def test_special_bits_are_kept_and_the_rest_does_not_depend_on_the_host(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1775)
    (tmp_path / "su").write_text("")
    (tmp_path / "su").chmod(0o4711)
    (tmp_path / "text").write_text("")
    (tmp_path / "text").chmod(0o600)
    assert tree_of(tmp_path).entries == (
        File("/su", tmp_path / "su", 0o4755),
        File("/text", tmp_path / "text", 0o644),
        Directory("/tmp", 0o1755),
    )


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_is_no_file_folder_or_link_is_refused(tmp_path: Path, kind: str) -> None:
    os.chdir(tmp_path)  # the path of a socket is short
    if kind == "pipe":
        os.mkfifo("special")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("special")
    with pytest.raises(BuildError, match="special is a device, pipe or socket"):
        tree_of(tmp_path)


NEW_KIND = '''
import sys
from pathlib import Path
from typing import Literal

from unilinux.core.tree import Directory, File, Tree
from unilinux.sources import registry
from unilinux.sources.source import Materials, Source


class GreetingSource(Source):
    """A source that no file of the host has, with owners of its own."""

    kind: Literal["greeting"]
    words: str

    def obtain(self, folder, fetcher):
        def lay_out(target):
            target.mkdir()
            (target / "hello").write_text(self.words)
            return Tree.of([Directory("/spool", 0o1777, uid=7), File("/hello", target / "hello", 0o4755, uid=5, gid=6)])

        return Materials(lay_out=lay_out, spec={"words": self.words}, facts={"kind": self.kind})


registry.KINDS = (*registry.KINDS, GreetingSource)

from unilinux.app.build import build_app
from unilinux.app.catalogue import load_app
from unilinux.app.rootfs import root_files
from unilinux.core.errors import UniLinuxError
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore

root = Path(sys.argv[1])
app = load_app(root / "greet")
store = LocalStore(root / "store", logs=root / "logs", progress=Progress(NullSink()))
output = build_app(app, app.manifest.source.obtain(app.folder, None), toolchain=None, store=store, jobs=1)
for entry in root_files(app, built=output, nameserver="192.0.2.1").entries:
    if entry.path == "/bin/hello":
        print(oct(entry.mode), entry.uid, entry.gid, entry.content.read_text())
'''


def test_a_new_kind_is_one_module_and_one_line(tmp_path: Path) -> None:
    """A process of its own: the registry is read when the manifest's model is made."""
    (tmp_path / "greet").mkdir()
    (tmp_path / "greet/app.toml").write_text(
        'schema = 1\nname = "greet"\nsummary = "s"\nversion = "1"\nprofile = "tiny"\n'
        '[source]\nkind = "greeting"\nwords = "good day"\n'
        '[[files]]\npath = "/bin/hello"\nsource = "hello"\n'
        '[run]\nargv = ["/bin/hello"]\nmemory_mib = 32\n[[verify]]\nkind = "exit"\n'
    )
    (tmp_path / "kind.py").write_text(NEW_KIND)
    done = subprocess.run(
        [sys.executable, tmp_path / "kind.py", tmp_path], cwd=PROJECT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "0o4755 5 6 good day\n"
