# SPDX-License-Identifier: GPL-2.0-only
"""Init compiled with the real kernel's nolibc: it is small, static, and the same wherever it is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.app.catalogue import Catalogue
from unilinux.app.init.compile import SIZE_LIMIT_BYTES, build_init
from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Output, Store
from unilinux.kernel.kbuild import install_headers
from unilinux.kernel.source import KernelTree
from unilinux.redirect.scan import scan_program

pytestmark = [pytest.mark.tree, pytest.mark.timeout(900)]

PROJECT = Path(__file__).parents[2]

# Numbers of system calls, for x86-64.
_WRITE, _WRITEV = 1, 20


@pytest.fixture(scope="module")
def headers(tree: KernelTree, store: Store) -> Output:
    return install_headers(tree, store=store)


@pytest.mark.parametrize("name", ["hello", "nginx"])
def test_init_is_small_static_and_reproducible(
    name: str, layout: Layout, tree: KernelTree, headers: Output, tmp_path: Path
) -> None:
    app = Catalogue(layout.apps).find(name)
    digests = set()
    for place in ("one", "another place"):
        store = LocalStore(tmp_path / place, logs=tmp_path / "logs", progress=Progress(NullSink()))
        output = build_init(app, kernel=tree.path, headers=headers.path, headers_digest=headers.digest, store=store)
        digests.add(output.digest)
        program = (output.path / "init").read_bytes()
        assert len(program) < SIZE_LIMIT_BYTES
        assert program[:4] == b"\x7fELF"
        assert program[16] == 2, "ELF type EXEC"
        assert b"/lib64/ld-linux" not in program
    assert len(digests) == 1


def test_init_writes_each_line_by_one_call(layout: Layout, tree: KernelTree, headers: Output, store: Store) -> None:
    app = Catalogue(layout.apps).find("hello")
    output = build_init(app, kernel=tree.path, headers=headers.path, headers_digest=headers.digest, store=store)
    made = scan_program(output.path / "init", name="/init", store=store)
    assert _WRITEV in made.numbers
    assert _WRITE not in made.numbers, "a line in pieces: each is some exits to the hypervisor"
