"""Measuring: documents, texts, and what is refused, with nothing built and nothing booted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.unit.vm.fake import FakeEngine
from unilinux.app.catalogue import Catalogue
from unilinux.cli import least_memory, measure, measure_text, specimen
from unilinux.cli.choice import Choice
from unilinux.cli.specimen import Specimen, awaited_check, wait_until_idle
from unilinux.core.errors import BootError, UsageError, VerifyError, VmError
from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.image.record import Image
from unilinux.image.request import Request, make_plan
from unilinux.machine.spec import LEAST_MEMORY_MIB
from unilinux.measure.boot.boots import Wall
from unilinux.measure.boot.stages import Cost, Stage, Stages
from unilinux.measure.size.size import Size
from unilinux.verify.result import CheckResult, Verification
from unilinux.vm.outcome import Exited, Timeout
from unilinux.vm.vm import Vm

PROJECT = Path(__file__).parents[3]
LAYOUT = Layout(project=PROJECT, cache=PROJECT / "no", build=PROJECT / "no")
HERE: Any = SimpleNamespace(layout=LAYOUT, progress=Progress(NullSink()))
ENGINE = FakeEngine(lambda _: None)

BOOT = Stages(
    stages=(Stage("firmware", 4_748, 4_748), Stage("pid1", 5_500_000, 5_495_252), Stage("main", 5_600_000, 100_000)),
    initcalls=(Cost("pty_init", 900_000, "device"),),
    functions=(Cost("memset", 700_000), Cost("memcpy", 200_000)),
    executed=("memcpy", "memset"),
    total=5_700_000,
    vcpus=(5_700_000,),
)
WALL = Wall(median_s=0.5, least_s=0.4, most_s=0.9, runs=3)
SUBJECT = {
    "image": "hello-tiny",
    "machine": "microvm",
    "memory_mib": 128,
    "kernel": "6.12.117",
    "ring": 3,
    "syscall": "trap",
}
WAS = Size(
    loaded=1000, zeroed=50, sections={".text": 900}, objects={"net/tcp.o": 500, "mm/slub.o": 400}, symbols={"a": 1}
)
NOW = Size(
    loaded=1600, zeroed=50, sections={".text": 1500}, objects={"net/tcp.o": 1100, "mm/slub.o": 400}, symbols={"a": 1}
)


@pytest.fixture
def nginx() -> Specimen:
    plan = make_plan(Request(app="nginx"), LAYOUT)
    image = Image(plan=plan, folder=Path("/images/nginx"), record={"kernel": {"version": "6.12"}}, steps=())
    return Specimen(plan=plan, image=image)


# ---------------------------------------------------------------------------- boot


def test_a_boots_document_has_the_stages_since_reset() -> None:
    document = json.loads(json.dumps(measure_text.boot_document(SUBJECT, BOOT, (), WALL)))
    assert document["image"] == "hello-tiny"
    assert document["stages"]["pid1"]["instructions"] == 5_500_000
    assert document["stages"]["main"] == {"instructions": 5_600_000, "spent": 100_000}
    assert document["repeats"] == {"runs": 3, "exact_until": "main", "disagreements": []}
    assert document["wall"] == {"accel": "tcg", "median_s": 0.5, "least_s": 0.4, "most_s": 0.9, "runs": 3}


def test_a_server_is_exact_until_it_listens() -> None:
    server = replace(BOOT, stages=(*BOOT.stages, Stage("ready", 6_000_000, 400_000)))
    assert measure_text.last_exact_stage(server) == "ready"
    assert "agree to the instruction, up to ready" in measure_text.boot_text(SUBJECT, server, (), WALL)


def test_a_boot_is_told_in_tables() -> None:
    lines = measure_text.boot_text(SUBJECT, BOOT, (), WALL).splitlines()
    assert lines[0] == "hello-tiny on microvm with 128 MiB: Linux 6.12.117, ring 3, syscall trap"
    assert "pid1         5,495,252    5,500,000" in lines
    assert "pty_init       900,000  device" in lines
    assert "memset                      700,000" in lines
    assert lines[-2] == "3 counted boots agree to the instruction, up to main"
    assert lines[-1].endswith("0.50 s, 0.40 to 0.90 s in 3 runs")


def test_memory_in_use_has_a_column_of_its_own() -> None:
    lines = measure_text.boot_text(SUBJECT, BOOT.with_memory({"pid1": 12_000_000}), (), WALL).splitlines()
    assert lines[1].split("  ")[-1] == "bytes in use"
    assert "pid1         5,495,252    5,500,000    12,000,000" in lines


def test_boots_that_disagree_are_not_passed_over() -> None:
    text = measure_text.boot_text(SUBJECT, BOOT, ("pid1: 5, 6",), WALL)
    assert "3 counted boots do NOT agree up to main:\npid1: 5, 6\n" in text


def test_one_run_agrees_with_nobody() -> None:
    text = measure_text.boot_text(SUBJECT, BOOT, (), replace(WALL, runs=1))
    assert "agree" not in text
    assert text.endswith("0.50 s")


def test_a_kernel_without_symbols_has_no_empty_tables() -> None:
    bare = replace(BOOT, initcalls=(), functions=(Cost("(not the kernel)", 5),))
    text = measure_text.boot_text(SUBJECT, bare, (), WALL)
    assert "initcall" not in text
    assert "function" not in text


def test_at_least_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        measure.boot(PROJECT, Choice(app="hello"), runs=0, as_json=True, verbose=False)
    assert ended.value.code == UsageError.exit_code
    assert "at least one run" in capsys.readouterr().err


# ---------------------------------------------------------------------------- the specimen


def test_memory_changes_the_machine_and_not_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(specimen, "build_image", lambda here, plan: built.append(plan))
    found = specimen.build_specimen(HERE, Choice(app="nginx", memory=99))
    assert found.memory_mib == 99
    assert [plan.machine.spec.memory_mib for plan in built] == [found.manifest.run.memory_mib]
    assert [forward.guest for forward in found.plan.machine.spec.forwards] == [80]
    assert specimen.build_specimen(HERE, Choice(app="nginx")).memory_mib == specimen.USUAL_MEMORY_MIB


def test_no_machine_has_so_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specimen, "build_image", lambda here, plan: pytest.fail("it was built first"))
    with pytest.raises(UsageError, match="cannot have 2 MiB"):
        specimen.build_specimen(HERE, Choice(app="hello", memory=2))


def test_a_specimen_says_what_it_is(nginx: Specimen) -> None:
    assert nginx.with_memory(200).describe() == {
        "image": "nginx-server",
        "app": "nginx",
        "profile": "server",
        "ring": nginx.plan.entry.ring,
        "syscall": nginx.plan.entry.syscall,
        "machine": "microvm",
        "memory_mib": 200,
        "kernel": "6.12",
    }


@pytest.mark.parametrize(("app", "kind"), [("nginx", "http"), ("redis", "resp"), ("hello", "console")])
def test_a_server_is_asked_by_its_first_check(app: str, kind: str) -> None:
    assert awaited_check(Catalogue(LAYOUT.apps).find(app).manifest.verify).kind == kind


class Restless:
    """A machine that is halted at some looks at it."""

    def __init__(self, looks: str, *, ends: bool = False) -> None:
        self.looks, self.ends, self.seen = looks, ends, 0

    def is_idle(self) -> bool:
        self.seen += 1
        return self.looks[(self.seen - 1) % len(self.looks)] == "1"

    def wait(self, *, timeout_s: float) -> Timeout | Exited:
        return Exited(0) if self.ends else Timeout(timeout_s, "rest")


@pytest.mark.parametrize(
    ("looks", "ends", "seen"), [("111", False, 3), ("1101110", False, 6), ("01", False, 200), ("0", True, 1)]
)
def test_a_guest_is_idle_when_it_rests_at_several_looks(looks: str, ends: bool, seen: int) -> None:
    machine = Restless(looks, ends=ends)
    wait_until_idle(cast(Vm, machine))
    assert machine.seen == seen


class Gone(Restless):
    """A machine that ends, or not, between two looks."""

    def is_idle(self) -> bool:
        raise VmError("QEMU hung up")


def test_a_guest_that_ends_while_it_is_looked_at_is_at_rest() -> None:
    wait_until_idle(cast(Vm, Gone("0", ends=True)))
    with pytest.raises(VmError, match="hung up"):
        wait_until_idle(cast(Vm, Gone("0")))


# ---------------------------------------------------------------------------- size


def test_sizes_are_told_by_part_section_folder_and_object() -> None:
    lines = measure_text.size_text("hello-tiny", NOW, {"bzImage": 700}).splitlines()
    assert lines[0] == "hello-tiny: 1,600 bytes are loaded, 50 more are zeroed"
    assert {"bzImage    700", ".text    1,500", "net     1,100", "mm/slub.o    400"} <= set(lines)


def test_only_what_differs_is_compared() -> None:
    document = measure_text.against_document("hello-net", WAS, NOW, ("EPOLL=y (was n)",))
    assert document["loaded"] == 1000
    assert document["differences"]["object"] == [{"name": "net/tcp.o", "was": 500, "now": 1100}]
    assert document["differences"]["symbol"] == []
    assert document["config"] == ["EPOLL=y (was n)"]


def test_differences_are_told_with_their_sign() -> None:
    text = measure_text.against_text("hello-net", WAS, NOW, [f"S{number}=y (was n)" for number in range(30)])
    assert text.startswith("against hello-net, which loads 1,000 bytes: +600\n")
    assert "net/tcp.o        +600  500  1,100" in text
    assert "symbol " not in text
    assert text.endswith("and 10 more symbols")


def test_the_same_configuration_is_said_to_be() -> None:
    assert measure_text.against_text("x", WAS, WAS, ()).endswith("configuration:\n  the same")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "is not the folder of an image: it has no image.json"),
        (("image.json",), "it has no vmlinux.debug"),
        (("image.json", "vmlinux.debug", "config"), "does not describe an image"),
    ],
    ids=["empty", "half", "malformed"],
)
def test_another_image_must_be_one(
    tmp_path: Path, files: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in files:
        (tmp_path / name).write_text("{}")
    with pytest.raises(SystemExit) as ended:
        measure.size(PROJECT, Choice(app="hello"), against=str(tmp_path), as_json=False, verbose=False)
    assert ended.value.code == UsageError.exit_code
    assert message in " ".join(capsys.readouterr().err.split())


# ---------------------------------------------------------------------------- memory


def verification(*checks: tuple[str, bool], trouble: BootError | None = None) -> Verification:
    results = tuple(CheckResult(kind=kind, ok=ok, detail=f"{kind} detail") for kind, ok in checks)
    return Verification(checks=results, console_tail=(), console_log=Path("console.log"), trouble=trouble)


def test_the_machines_failure_is_named_before_the_checks() -> None:
    assert least_memory.in_words(verification(("ring", True), ("http", False))) == "http: http detail"
    assert least_memory.in_words(verification(("http", False), trouble=BootError("panic"))) == "panic"


@pytest.fixture
def needs_21(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Verification that passes with 21 MiB, and a kernel that reaches up to 10."""

    def verify(boot: Any, *more: object, **options: object) -> Verification:
        memory_mib = boot.machine.spec.memory_mib
        if memory_mib <= 10:
            raise BootError("the kernel alone reaches up to 10 MiB")
        return verification(("http", memory_mib >= 21))

    monkeypatch.setattr(least_memory, "verify", verify)
    monkeypatch.setattr(least_memory, "native_engine", lambda request, cache: ENGINE)
    return verify


@pytest.mark.usefixtures("needs_21")
def test_the_least_memory_is_found_by_the_manifests_checks(nginx: Specimen) -> None:
    found = least_memory.find_least_memory(HERE, nginx, low=1, high=128, timeout_s=1)
    assert found.mib == 21
    assert found.below == "http: http detail"
    assert min(size for size, _ in found.tries) >= LEAST_MEMORY_MIB


@pytest.mark.usefixtures("needs_21")
def test_a_kernel_that_does_not_fit_is_a_failure_and_no_error(nginx: Specimen) -> None:
    failure = least_memory.failure_with(HERE, nginx.with_memory(9), ENGINE, timeout_s=1)
    assert failure == "the kernel alone reaches up to 10 MiB"
    with pytest.raises(VerifyError, match="fails with 12 MiB already: http"):
        least_memory.find_least_memory(HERE, nginx, low=8, high=12, timeout_s=1)


# ---------------------------------------------------------------------------- report


def test_a_report_is_about_something(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        measure.report(PROJECT, (), profile="", machine="", as_json=False, verbose=False)
    assert ended.value.code == UsageError.exit_code
    assert "./x report --app hello" in capsys.readouterr().err


def test_a_report_has_each_application_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], nginx: Specimen
) -> None:
    record = {**nginx.image.record, "inputs": {}}
    built = replace(nginx, image=replace(nginx.image, record=record))
    monkeypatch.setenv("UNILINUX_BUILD", str(tmp_path))
    monkeypatch.setattr(measure, "build_specimen", lambda here, choice: built)
    monkeypatch.setattr(measure, "count", lambda here, it: (BOOT,))
    monkeypatch.setattr(measure, "sizes", lambda here, folder, inputs: NOW)
    measure.report(PROJECT, ("nginx", "nginx"), profile="", machine="", as_json=True, verbose=False)
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"report": str(tmp_path / "report.html"), "images": ["nginx-server"]}
    assert "Size of nginx-server" in (tmp_path / "report.html").read_text()
