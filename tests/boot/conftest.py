# SPDX-License-Identifier: GPL-2.0-only
"""Real images, built with the user's own cache, and small applications made for one test."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.core.localstore import LocalStore
from unilinux.fetch.fetcher import Fetcher
from unilinux.image.pipeline import Pipeline
from unilinux.image.record import Image
from unilinux.image.request import Plan, Request, make_plan
from unilinux.vm.engine import Boot
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.qemu.sandbox import find_sandbox
from unilinux.vm.qemu.tsc import host_tsc_khz

PROJECT = Path(__file__).parents[2]

# As for users: a guest that has to measure the frequency of its clock gets it wrong on a busy host.
TCG = Accelerator(name="tcg", reason="tests", tsc_khz=host_tsc_khz())
ENGINE = NativeQemu(TCG, sandboxed=find_sandbox().works)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Builds images in a project of its own that shares the real one's cache, profiles and patches."""

    layout: Layout

    def build(self, app: str, *, bzimage: bool = False, **choice: object) -> Image:
        """The image of an application of the catalogue or one made by :meth:`add`."""
        plan = make_plan(Request(app=app, **choice), self.layout)  # type: ignore[arg-type]
        return self.build_plan(plan, bzimage=bzimage)

    def build_plan(self, plan: Plan, *, bzimage: bool = False) -> Image:
        """The image of a plan, which may have a machine of its own."""
        return self.pipeline().build(plan, bzimage=bzimage)

    def pipeline(self) -> Pipeline:
        """The steps of an image, one by one."""
        progress = Progress(NullSink())
        return Pipeline(
            layout=self.layout,
            store=LocalStore(
                self.layout.store,
                logs=self.layout.logs,
                progress=progress,
                compiler_cache=self.layout.compiler_cache,
            ),
            fetcher=Fetcher(self.layout, progress),
            jobs=os.cpu_count() or 1,
        )

    def add(self, name: str, source: str) -> str:
        """An application of one C file, otherwise like hello."""
        folder = self.layout.apps / name
        folder.mkdir()
        (folder / "main.c").write_text(textwrap.dedent(source))
        manifest = (PROJECT / "apps/hello/app.toml").read_text()
        for old, new in (('"hello"', f'"{name}"'), ('"hello.c"', '"main.c"'), ("hello hello.c", f"{name} main.c")):
            manifest = manifest.replace(old, new)
        (folder / "app.toml").write_text(manifest.replace("/bin/hello", f"/bin/{name}"))
        return name

    def add_guest(self, program: str) -> str:
        """One of the attack programs of ``tests/guest`` as an application."""
        folder = self.layout.apps / f"guest-{program}"
        if not folder.exists():
            folder.mkdir()
            sources = (f"{program}.c", "gate.h", "guest.h")
            for name in sources:
                shutil.copy(PROJECT / "tests/guest" / name, folder)
            manifest = (PROJECT / "apps/hello/app.toml").read_text()
            for old, new in (
                ('"hello"', f'"{folder.name}"'),
                ('files = ["hello.c"]', f"files = {list(sources)}"),
                ("-o hello hello.c", f"-pthread -o {folder.name} {program}.c"),
                ("/bin/hello", f"/bin/{folder.name}"),
                ("memory_mib = 32", 'memory_mib = 128\nmounts = ["devtmpfs", "proc"]'),
            ):
                manifest = manifest.replace(old, new)
            (folder / "app.toml").write_text(manifest)
        return folder.name


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    project = tmp_path_factory.mktemp("workshop")
    (project / "patches").symlink_to(PROJECT / "patches")
    shutil.copytree(PROJECT / "configs", project / "configs")
    shutil.copytree(PROJECT / "tests/guest/kernels", project / "configs/profiles", dirs_exist_ok=True)
    (project / "apps").mkdir()
    for app in (PROJECT / "apps").iterdir():
        (project / "apps" / app.name).symlink_to(app)
    cache = Layout.of(PROJECT, os.environ).cache
    return Workshop(Layout(project=project, cache=cache, build=project / "build"))


@pytest.fixture(scope="session")
def hello_image(workshop: Workshop) -> Image:
    return workshop.build("hello")


@pytest.fixture
def boot_of(tmp_path: Path) -> Callable[[Image], Boot]:
    """How to boot an image once; its logs are in ``tmp_path/evidence``."""
    return lambda image: Boot(
        machine=image.plan.machine, kernel=image.vmlinux, evidence=tmp_path / "evidence", cmdline=image.plan.cmdline
    )
