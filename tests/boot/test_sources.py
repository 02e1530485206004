# SPDX-License-Identifier: GPL-2.0-only
"""An application out of a tarball and one out of a folder, from source to the end of its machine."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.image.record import Image
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Exited
from unilinux.vm.vm import Vm

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]

MAIN = '#include <stdio.h>\n#include "words.h"\nint main(void) { puts(WORDS); return 7; }\n'
MAKEFILE = "server: main.c include/words.h\n\t$(CC) $(CFLAGS) -Iinclude $(LDFLAGS) -o $@ main.c\n"


def write_source(folder: Path) -> Path:
    (folder / "include").mkdir(parents=True)
    (folder / "main.c").write_text(MAIN)
    (folder / "include/words.h").write_text('#define WORDS "out of the source"\n')
    (folder / "Makefile").write_text(MAKEFILE)
    return folder


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_a_program_is_built_and_runs(
    workshop: Workshop, boot_of: Callable[[Image], Boot], tmp_path: Path, kind: str
) -> None:
    place = write_source(tmp_path / "server-1.0")
    if kind == "archive":
        place = tmp_path / "server-1.0.tar.xz"
        with tarfile.open(place, "w:xz") as tar:
            tar.add(tmp_path / "server-1.0", "server-1.0")
    app = workshop.layout.apps / f"from-{kind}"
    app.mkdir()
    (app / "app.toml").write_text(
        f'schema = 1\nname = "{app.name}"\nsummary = "s"\nversion = "1"\nprofile = "tiny"\n'
        f'[source]\nkind = "{kind}"\npath = {json.dumps(str(place))}\n'
        '[build]\nsteps = ["make -j$JOBS"]\n[[files]]\npath = "/bin/server"\nbuild = "server"\n'
        '[run]\nargv = ["/bin/server"]\nmemory_mib = 32\n[[verify]]\nkind = "exit"\nstatus = 7\n'
    )
    image = workshop.build(app.name)
    assert image.record["source"]["kind"] == kind
    with Vm.start(boot_of(image), ENGINE) as vm:
        assert vm.wait(timeout_s=120) == Exited(7)
        assert any(line.text.strip() == "out of the source" for line in vm.console.lines())
