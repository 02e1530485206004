# SPDX-License-Identifier: GPL-2.0-only
"""Programs that the host's compiler made, as they are: static, dynamic, and with a library of their own beside them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]

MAIN = '#include <stdio.h>\nint words(void);\nint main(void) { printf("as it %s\\n", "is"); return words(); }\n'
WAYS = {
    "static": ("-static", "main.c", "words.c"),
    "dynamic": ("main.c", "words.c"),
    "own-library": ("main.c", "libwords.so", "-Wl,-rpath,$ORIGIN/lib", "-Wl,--enable-new-dtags"),
}


def compiled(folder: Path, way: str) -> Path:
    (folder / "main.c").write_text(MAIN)
    (folder / "words.c").write_text("int words(void) { return 7; }\n")
    if way == "own-library":
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", "libwords.so", "words.c"], cwd=folder, check=True)
        (folder / "lib").mkdir()
    subprocess.run(["gcc", "-O2", "-o", "server", *WAYS[way]], cwd=folder, check=True)
    if way == "own-library":
        (folder / "libwords.so").rename(folder / "lib/libwords.so")
    return folder / "server"


def with_manifest(program: Path) -> Path:
    app = program.parent / "elf"
    app.mkdir()
    (app / "app.toml").write_text(
        'schema = 1\nname = "elf"\nsummary = "s"\nversion = "1"\nprofile = "tiny"\n'
        f'[source]\nkind = "elf"\npath = {json.dumps(str(program))}\n[[files]]\npath = "/"\nsource = "."\n'
        '[run]\nargv = ["/bin/server"]\nmounts = ["proc"]\nmemory_mib = 64\n[[verify]]\nkind = "exit"\nstatus = 7\n'
    )
    return app


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("manifest", [True, False], ids=["manifest", "path"])
def test_a_program_of_the_host_runs_in_ring_0(
    workshop: Workshop, boot_of: Callable[[Image], Boot], tmp_path: Path, way: str, *, manifest: bool
) -> None:
    program = compiled(tmp_path, way)
    image = workshop.build(str(with_manifest(program) if manifest else program))
    assert image.record["ring"] == 0
    taken = [one["file"] for one in image.record["source"]["files"]]
    assert ("/bin/lib/libwords.so" in taken) == (way == "own-library")
    assert any(path.endswith("/libc.so.6") for path in taken) == (way != "static")
    with Vm.start(boot_of(image), ENGINE) as vm:
        assert vm.wait(timeout_s=120) == Exited(7)
        assert any(line.text.strip() == "as it is" for line in vm.console.lines())
