# SPDX-License-Identifier: GPL-2.0-only
"""Symbols of a kernel that brings none: its memory is a file here, and the debugger a list of stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.measure.stock.test_kallsyms import TEXT, memory
from tests.unit.recorder import Recorder
from tests.unit.vm.fake import FakeEngine
from unilinux.core.errors import BuildError, VmError
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.core.store import Store
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec
from unilinux.measure.boot.kernel import Kernel, read_kernel
from unilinux.measure.boot.stages import Application
from unilinux.measure.stock import kernel as stock
from unilinux.measure.stock import symbols
from unilinux.measure.stock.kallsyms import Symbol
from unilinux.vm.engine import Boot
from unilinux.vm.footprint import BzImage

INIT, START = 0x400412, TEXT + 0x100
TABLE = TEXT + 0x9000
SYMBOLS = (
    Symbol(TEXT, "T", "_text"),
    Symbol(START, "T", "start_kernel"),
    Symbol(TEXT + 0x200, "t", "first_init"),
    Symbol(TABLE, "D", "__initcall_start"),
    Symbol(TABLE + 4, "D", "__initcall0_start"),
    Symbol(TABLE + 4, "D", "__initcall_end"),
)
HEADER = BzImage(0x1000000, 0x100000)
ENGINE = FakeEngine(lambda _: None)


class Guest:
    """Comes to every breakpoint but ``never``."""

    def __init__(self, symbols: tuple[Symbol, ...], never: int = 0) -> None:
        self.symbols, self.never, self.at = symbols, never, 0
        self.seen: list[int] = []

    @contextmanager
    def debugged(self, boot: Boot, engine: object) -> Iterator[tuple[Any, Any]]:
        yield SimpleNamespace(save_memory=self.save_memory), self

    def set_breakpoint(self, address: int) -> None:
        self.at = address

    def resume(self) -> None:
        self.seen.append(self.at)

    def wait(self, timeout_s: float) -> object:
        return None if self.at == self.never else object()

    def save_memory(self, address: int, size: int, file: Path) -> None:
        assert (address, size) == (HEADER.address, HEADER.size)
        file.write_bytes(memory(self.symbols))

    def read(self, address: int, size: int) -> bytes:
        assert (address, size, self.at) == (TABLE, 4, START), "the table is only there before it is freed"
        return (TEXT + 0x200 - TABLE).to_bytes(4, "little", signed=True)


@pytest.fixture
def boot(tmp_path: Path) -> Boot:
    (tmp_path / "bzImage").write_bytes(b"kernel")
    return Boot(machine=compose(MachineSpec()), kernel=tmp_path / "bzImage", evidence=tmp_path / "evidence")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))


def test_they_become_files_as_those_of_a_kernel_of_ours(
    boot: Boot, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = Guest(SYMBOLS)
    monkeypatch.setattr(symbols, "debugged", guest.debugged)
    found = symbols.stock_symbols(boot, ENGINE, HEADER, INIT, store=store, timeout_s=1)
    kernel = read_kernel(*symbols.files_of(found))
    assert guest.seen == [INIT, START]
    assert kernel.symbols["start_kernel"] == START
    assert [(call.level, call.name) for call in kernel.initcalls] == [("early", "first_init")]
    assert symbols.stock_symbols(boot, ENGINE, HEADER, INIT, store=store, timeout_s=1).cached


def test_a_table_without_data_has_no_initcalls(boot: Boot, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbols, "debugged", Guest(SYMBOLS[:3]).debugged)
    with pytest.raises(BuildError, match="doesn't name its initcalls"):
        symbols.stock_symbols(boot, ENGINE, HEADER, INIT, store=store, timeout_s=1)


def test_a_kernel_that_does_not_come_so_far(boot: Boot, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbols, "debugged", Guest(SYMBOLS, never=INIT).debugged)
    with pytest.raises(VmError, match="did not come to 0x400412 within 1 s"):
        symbols.stock_symbols(boot, ENGINE, HEADER, INIT, store=store, timeout_s=1)


@pytest.mark.parametrize("pid1", [None, INIT])
def test_without_symbols_it_is_known_where_the_kernel_lies(
    pid1: int | None, boot: Boot, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(stock, "header_of", lambda bzimage: HEADER)
    monkeypatch.setattr(symbols, "debugged", Guest(SYMBOLS[:3]).debugged)
    application = Application(pid1=pid1)
    found = stock.kernel_of(boot, ENGINE, application, store=store, progress=Progress(recorder), timeout_s=1)
    assert found == Kernel(load_address=HEADER.address)
    assert ["can't be told apart" in note for note in recorder.notes] == ([True] if pid1 else [])
