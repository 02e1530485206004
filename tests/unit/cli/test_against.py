"""A stock kernel beside ours: what is said of it, and what happens to boots that hang."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.cli.test_measure import BOOT, LAYOUT, WALL
from tests.unit.cli.test_side_by_side import OTHER
from unilinux.cli import against, measure
from unilinux.cli.against import Beside, Rival, beside_text
from unilinux.cli.choice import Choice
from unilinux.core.errors import BootError, UsageError
from unilinux.core.events import Event, Note, Progress
from unilinux.kernel.stock import StockKernel
from unilinux.machine.compose import compose
from unilinux.machine.spec import MachineSpec
from unilinux.measure.boot.stages import Application, Stage
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Timeout

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def rival(tmp_path: Path) -> Rival:
    (tmp_path / "bzImage").write_bytes(bytes(100))
    stock = StockKernel(
        name="debian-cloud",
        package="linux-image-6.12-cloud-amd64",
        version="6.12.1-1",
        bzimage=tmp_path / "bzImage",
        config=tmp_path / "config",
    )
    boot = Boot(
        machine=compose(MachineSpec()).without_cmdline(), kernel=stock.bzimage, evidence=tmp_path, cmdline=("quiet",)
    )
    return Rival(
        stock=stock,
        summary="Debian's",
        label="debian-cloud 6.12.1-1 with hello",
        boot=boot,
        application=Application(),
        is_server=False,
    )


def test_the_document_has_the_stages_of_both(rival: Rival) -> None:
    found = json.loads(json.dumps(Beside(rival=rival, boot=OTHER, wall=WALL, our_wall=WALL).document()))
    assert found["stages"]["pid1"] == {"instructions": 1_900, "spent": 1_200}
    assert found["stages"]["decompression"]["spent"] == 670
    assert (found["package"], found["bzImage"], found["symbols"]) == ("linux-image-6.12-cloud-amd64", 100, False)
    assert found["cmdline"] == "quiet"
    assert found["wall_to_application"]["theirs"]["median_s"] == 0.5


def test_people_see_both_and_how_they_compare(rival: Rival) -> None:
    slow = replace(OTHER, stages=(Stage("pid1", 11_000_000, 11_000_000), Stage("main", 56_000_000, 45_000_000)))
    other = Beside(rival=rival, boot=slow, wall=WALL, our_wall=WALL)
    lines = beside_text("hello-tiny", BOOT, other).splitlines()
    assert lines[0] == "against debian-cloud 6.12.1-1 with hello (Debian's), which is told: quiet"
    assert lines[1].split() == [
        "stage",
        "hello-tiny",
        "debian-cloud",
        *["hello-tiny,", "since", "reset"],
        *["debian-cloud,", "since", "reset"],
    ]
    assert "can't be told apart" in lines[-3]
    assert lines[-2] == "instructions since reset: 2 times to pid1, 10 times to main"
    assert lines[-1].endswith("hello-tiny 0.50 s (0.40 to 0.90), debian-cloud 0.50 s (0.40 to 0.90)")


class Recorder:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def emit(self, event: Event) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)


def tried(rival: Rival, *failures: BootError) -> tuple[object, list[str]]:
    recorder, left = Recorder(), list(failures)

    def boot() -> str:
        if left:
            raise left.pop(0)
        return "counted"

    here: Any = SimpleNamespace(layout=LAYOUT, progress=Progress(recorder))
    return against._tried(here, rival, boot), recorder.notes


HUNG = BootError(Timeout(120, "the end of the machine").explain())


def test_a_boot_that_fails_is_tried_again_and_that_is_said(rival: Rival) -> None:
    result, notes = tried(rival, HUNG, BootError("the kernel panicked"))
    assert result == "counted"
    assert notes[0].startswith(
        "debian-cloud 6.12.1-1 with hello failed, try 1 of 3: the end of the machine did not come"
    )
    assert len(notes) == 2


def test_a_boot_that_always_fails_is_an_error(rival: Rival) -> None:
    with pytest.raises(BootError, match="did not come within 120 s"):
        tried(rival, HUNG, HUNG, HUNG)


def test_an_unknown_rival_is_told_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measure, "build_specimen", lambda here, choice: pytest.fail("it was built first"))
    with pytest.raises(SystemExit) as ended:
        measure.boot(PROJECT, Choice(app="hello"), runs=1, against="debain-cloud", as_json=True, verbose=False)
    assert ended.value.code == UsageError.exit_code
    assert "did you mean 'debian-cloud'?" in capsys.readouterr().err
