# SPDX-License-Identifier: GPL-2.0-only
"""Programs for build steps, out of Debian's packages."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import cast

import pytest

from tests.unit.debs import Deb, Member, Shelf, link
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Output, Store
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.tools import tools_folder, unpack_tools

LIBRARY = Deb("library", members=(Member("usr/lib/greeting", "hello"), Member("usr/share/man/man1/greet.1", "x")))
SCRIPT = "#!/bin/sh\ncat ${0%/*}/../lib/greeting\n"
GREETER = Deb("greeter", members=(Member("usr/bin/greet", SCRIPT, 0o755), link("bin/hi", "/usr/bin/greet")))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))


def unpacked(shelf: Shelf, store: Store, *packages: str) -> Output:
    return unpack_tools(packages, fetcher=cast("Fetcher", shelf), store=store)


def test_the_programs_run_where_they_are_unpacked(tmp_path: Path, store: Store) -> None:
    shelf = Shelf(tmp_path, LIBRARY, GREETER)
    output = unpacked(shelf, store, "greeter", "library")
    folder = tools_folder(output)
    assert subprocess.run([folder / "usr/bin/greet"], capture_output=True, check=True).stdout == b"hello"
    assert not (folder / "usr/share/man").exists()
    assert (folder / "bin").readlink() == Path("usr/bin")
    assert (folder / "bin/hi").readlink() == Path("greet")  # not to the host's /usr/bin/greet
    (wanted,) = shelf.asked
    assert (wanted.package, wanted.also, "dpkg" in wanted.without) == ("greeter", ("library",), True)


def test_they_are_unpacked_once(tmp_path: Path, store: Store) -> None:
    first = unpacked(Shelf(tmp_path, LIBRARY, GREETER), store, "greeter")
    assert unpacked(Shelf(tmp_path, LIBRARY, GREETER), store, "greeter").cached
    other = Deb("library", members=(Member("usr/lib/greeting", "good bye"),))
    assert unpacked(Shelf(tmp_path, other, GREETER), store, "greeter").digest != first.digest
