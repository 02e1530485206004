# SPDX-License-Identifier: GPL-2.0-only
"""Applications out of a tarball, a folder and a container image, from source to the end of their machine."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, Workshop
from tests.unit.debs import Member, folder
from tests.unit.images import Layer, Layout, whiteout
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


# It says whose the files are, with which modes, and ends with 7 unless one is missing.
LOOK = """
#include <stdio.h>
#include <sys/stat.h>
int main(int argc, char **argv)
{
    struct stat data, upper;
    int hidden = stat("/srv/hidden", &data) != 0, bad = stat("/srv/data", &data) || stat("/srv/upper", &upper);
    printf("%d:%d %o, %d:%d %o, %s, %s\\n", data.st_uid, data.st_gid, data.st_mode & 07777, upper.st_uid, upper.st_gid,
           upper.st_mode & 07777, hidden ? "hidden" : "shown", argv[argc - 1]);
    return bad ? 1 : 7;
}
"""


def test_a_program_of_a_container_image_runs_in_ring_0(
    workshop: Workshop, boot_of: Callable[[Image], Boot], tmp_path: Path
) -> None:
    (tmp_path / "look.c").write_text(LOOK)
    subprocess.run(["gcc", "-O2", "-static", "-s", "-o", tmp_path / "look", tmp_path / "look.c"], check=True)
    app = workshop.layout.apps / "from-image"
    app.mkdir()
    layout = Layout()
    with_program = tmp_path / "program.tar"
    with tarfile.open(with_program, "w") as tar:
        tar.add(tmp_path / "look", "bin/look")
    layout.top(
        layout.image(
            Layer((folder("srv"), Member("srv/hidden", "h"), Member("srv/data", "one"))),
            Layer(content=with_program.read_bytes(), packing="+zstd"),
            Layer((whiteout("srv/hidden"), Member("srv/data", "two", 0o640, (1000, 1001)),
                   folder("srv/upper", 0o2750, (1000, 1001))), packing=""),
            settings={"User": "1000:1001", "Entrypoint": ["/bin/look"], "Cmd": ["last"]},
        )
    ).archive(app / "image.tar")  # fmt: skip
    (app / "app.toml").write_text(
        f'schema = 1\nname = "{app.name}"\nsummary = "s"\nversion = "1"\nprofile = "server"\n'
        '[source]\nkind = "oci"\npath = "image.tar"\n[[files]]\npath = "/"\nsource = "."\n'
        '[run]\nargv = ["/bin/look", "last"]\nmemory_mib = 64\n'
        '[[verify]]\nkind = "exit"\nstatus = 7\n'
    )
    image = workshop.build(app.name)
    assert image.record["source"]["start"]["user"] == "1000:1001"
    with Vm.start(boot_of(image), ENGINE) as vm:
        assert vm.wait(timeout_s=120) == Exited(7)
        said = [line.text.strip() for line in vm.console.lines()]
    assert "1000:1001 640, 1000:1001 2750, hidden, last" in said
    assert image.plan.entry.ring == 0
