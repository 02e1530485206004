# SPDX-License-Identifier: GPL-2.0-only
"""The tree of the image."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.app.conftest import MakeApp
from unilinux.app.catalogue import App
from unilinux.app.rootfs import root_files, with_init
from unilinux.app.volume import Volume
from unilinux.core.errors import ManifestError
from unilinux.core.store import Output
from unilinux.core.tree import Device, Directory, Entry, File, Symlink, Tree
from unilinux.image.entry import Entry as KernelEntry

DNS = "192.0.2.53"


@pytest.fixture
def outputs(tmp_path: Path) -> tuple[Output, Output]:
    """What the build and the compilation of init leave behind."""
    for name in ("toy", "init"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(name.encode())
    built, init = (Output(name, "k", tmp_path / name, name, cached=True, seconds=0.0) for name in ("toy", "init"))
    return built, init


def test_tree_is_sorted_and_complete(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    entries = {entry.path: entry for entry in root_files(make_app(), built=outputs[0], nameserver=DNS).entries}
    assert list(entries) == sorted(entries)
    assert entries["/dev/console"] == Device("/dev/console", "c", 5, 1, 0o622)
    assert entries["/etc/toy.conf"] == File("/etc/toy.conf", b"toy has 2 workers and 32 MiB\n")
    assert entries["/etc/resolv.conf"] == File("/etc/resolv.conf", f"nameserver {DNS}\n".encode())
    assert entries["/tmp"] == Directory("/tmp", 0o1777)
    assert entries["/bin"] == Directory("/bin")
    assert entries["/bin/toy"] == File("/bin/toy", outputs[0].path / "toy", 0o755)
    assert "/init" not in entries
    complete = with_init(Tree.of(entries.values()), outputs[1])
    assert File("/init", outputs[1].path / "init", 0o755) in complete.entries


def test_what_every_unix_program_takes_for_granted(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    def entries(old: str = "", new: str = "") -> dict[str, Entry]:
        tree = root_files(make_app(old, new), built=outputs[0], nameserver=DNS)
        return {entry.path: entry for entry in tree.entries}

    found = entries()
    devices = {"console", "full", "null", "random", "tty", "urandom", "zero"}
    assert devices <= {path.removeprefix("/dev/") for path, entry in found.items() if isinstance(entry, Device)}
    assert found["/dev/shm"] == Directory("/dev/shm", 0o1777)
    assert found["/dev/stdout"] == Symlink("/dev/stdout", "/proc/self/fd/1")
    assert found["/dev/fd"] == Symlink("/dev/fd", "/proc/self/fd")
    assert found["/run"] == Directory("/run")
    assert found["/var/run"] == Symlink("/var/run", "../run")
    bare = entries('mounts = ["proc", "tmpfs:/tmp"]\n')
    assert bare["/dev/stdout"] == Symlink("/dev/stdout", "console")
    assert "/dev/fd" not in bare
    assert bare["/tmp"] == Directory("/tmp", 0o1777)
    own = entries('path = "/etc/toy.conf"\ntemplate = "toy.conf.j2"', 'path = "/dev/stdout"\nsymlink = "null"')
    assert own["/dev/stdout"] == Symlink("/dev/stdout", "null")


def test_nothing_of_ours_is_below_a_link_of_the_manifest(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    app = make_app('path = "/etc/toy.conf"\ntemplate = "toy.conf.j2"', 'path = "/var"\nsymlink = "tmp"')
    paths = {entry.path for entry in root_files(app, built=outputs[0], nameserver=DNS).entries}
    assert "/var" in paths
    assert "/var/run" not in paths


def test_a_folder_for_everybody_has_the_usual_mode(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    old = 'path = "/etc/toy.conf"\ntemplate = "toy.conf.j2"'
    for mode, more in ((0o1777, ""), (0o700, '\nmode = "0700"')):
        app = make_app(old, f'path = "/var/tmp"\ndirectory = true{more}')
        tree = root_files(app, built=outputs[0], nameserver=DNS)
        assert Directory("/var/tmp", mode) in tree.entries


def test_templates_see_the_memory_that_the_user_asks_for(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    tree = root_files(make_app(), built=outputs[0], nameserver=DNS, memory_mib=512)
    assert File("/etc/toy.conf", b"toy has 2 workers and 512 MiB\n") in tree.entries


def test_no_network_no_resolver(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    app = make_app()
    quiet = app.manifest.run.model_copy(update={"network": False})
    lone = type(app)(folder=app.folder, manifest=app.manifest.model_copy(update={"run": quiet}))
    paths = {entry.path for entry in root_files(lone, built=outputs[0], nameserver=DNS).entries}
    assert "/etc/resolv.conf" not in paths


def test_an_application_may_bring_its_own_accounts(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    app = make_app('path = "/etc/toy.conf"', 'path = "/etc/passwd"')
    tree = root_files(app, built=outputs[0], nameserver=DNS)
    assert File("/etc/passwd", b"toy has 2 workers and 32 MiB\n") in tree.entries


def test_owners_and_special_bits_can_be_asked_for(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    app = make_app('template = "toy.conf.j2"', 'directory = true\nmode = "01777"\nowner = "5:6"')
    tree = root_files(app, built=outputs[0], nameserver=DNS)
    assert Directory("/etc/toy.conf", 0o1777, uid=5, gid=6) in tree.entries


def test_a_folder_beside_the_manifest_is_taken_whole(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    folder = make_app().folder
    (folder / "www/img").mkdir(parents=True)
    (folder / "www/index.html").write_text("hi")
    app = make_app(
        'path = "/etc/toy.conf"\ntemplate = "toy.conf.j2"', 'path = "/srv/www"\nlocal = "www"\nowner = "5:6"'
    )
    entries = {entry.path: entry for entry in root_files(app, built=outputs[0], nameserver=DNS).entries}
    assert entries["/srv/www/index.html"] == File("/srv/www/index.html", folder / "www/index.html", 0o644, uid=5, gid=6)
    assert entries["/srv/www/img"] == Directory("/srv/www/img", 0o755, uid=5, gid=6)


def test_a_mode_for_a_folder_of_files_is_refused(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    (make_app().folder / "www").mkdir()
    app = make_app('template = "toy.conf.j2"', 'local = "www"\nmode = "0644"')
    with pytest.raises(ManifestError, match="/etc/toy.conf is a folder of files, which have modes of their own"):
        root_files(app, built=outputs[0], nameserver=DNS)


def test_each_program_has_its_own_way_into_the_kernel(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    built, _ = outputs
    shutil.copy("/bin/true", built.path / "toy")
    (built.path / ".gate").mkdir()
    (built.path / ".gate/toy").write_bytes(b"\x7fELF by gate")
    entry = KernelEntry(ring=0, syscall="lean")

    def program(app: App) -> File:
        tree = root_files(app, built=built, nameserver=DNS, way_of=entry.way_of)
        return next(one for one in tree.entries if isinstance(one, File) and one.path == "/bin/toy")

    assert program(make_app()).content == built.path / ".gate/toy"
    assert program(make_app('build = "toy"', 'build = "toy"\nsyscall = "trap"')).content == built.path / "toy"
    (built.path / ".gate/toy").unlink()
    # One that wasn't linked by the tool chain: it is rewritten later.
    assert program(make_app()).content == built.path / "toy"


def test_our_init_in_a_folder_of_files_is_refused(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    root = make_app().folder / "root"
    root.mkdir()
    (root / "init").write_text("#!/bin/sh\n")
    app = make_app('path = "/etc/toy.conf"\ntemplate = "toy.conf.j2"', 'path = "/"\nlocal = "root"')
    with pytest.raises(ManifestError, match="/init is the program of UniLinux"):
        root_files(app, built=outputs[0], nameserver=DNS)


def test_a_working_folder_that_is_not_there_is_told_before_a_boot(
    make_app: MakeApp, outputs: tuple[Output, Output]
) -> None:
    app = make_app('hostname = "toy"', 'hostname = "toy"\ncwd = "/srv"')
    with pytest.raises(ManifestError, match="run.cwd: the image has no folder /srv; add it to files"):
        root_files(app, built=outputs[0], nameserver=DNS)
    mounted = make_app('hostname = "toy"', 'hostname = "toy"\ncwd = "/tmp"')
    assert root_files(mounted, built=outputs[0], nameserver=DNS).entries


def test_a_file_below_a_file_is_refused(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    app = make_app('path = "/etc/toy.conf"', 'path = "/bin/toy/conf"')
    with pytest.raises(ManifestError, match="would hold /bin/toy/conf, but /bin/toy is no folder"):
        root_files(app, built=outputs[0], nameserver=DNS)


def test_a_volume_has_a_folder_whose_owner_and_mode_it_gets(make_app: MakeApp, outputs: tuple[Output, Output]) -> None:
    volumes = [
        Volume(name="data", path="/var/lib/toy", size_mib=64, owner="70:71", mode="0700"),
        Volume(name="tmp", path="/tmp", size_mib=64),
    ]
    tree = root_files(make_app(), built=outputs[0], nameserver=DNS, mounted=volumes)
    found = {entry.path: entry for entry in tree.entries}
    assert found["/var/lib/toy"] == Directory("/var/lib/toy", 0o700, uid=70, gid=71)
    assert found["/tmp"] == Directory("/tmp", 0o1777)
    assert found["/var/lib"] == Directory("/var/lib")
