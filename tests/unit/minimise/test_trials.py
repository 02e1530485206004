# SPDX-License-Identifier: GPL-2.0-only
"""Trials with a builder that compiles nothing and a boot test that boots nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.core.errors import BuildError, HostError, VerifyError
from unilinux.core.events import NullSink, Progress
from unilinux.kconfig.varying import Varying, varying
from unilinux.kconfig.wish import Layer, Origin, Wish
from unilinux.minimise.boot_test import BootTestResult
from unilinux.minimise.incremental import Built
from unilinux.minimise.journal import Journal
from unilinux.minimise.trials import Baseline, KernelTrials, find_baseline, known_baseline

MINI = Path(__file__).parents[2] / "data" / "kconfig" / "mini"
SAID = frozenset({"Hello", "# ms have passed"})
PROGRESS = Progress(NullSink())


class FakeBuilder:
    def __init__(self, failures: Mapping[str, Exception] | None = None) -> None:
        self.built: list[str] = []
        self._failures = failures or {}

    def build(self, config: str) -> Built:
        self.built.append(config)
        for text, failure in self._failures.items():
            if text in config:
                raise failure
        return Built(vmlinux=Path("vmlinux"), loaded=len(config))


class FakeBootTest:
    """Gives these results in turn, the last one from then on."""

    def __init__(self, *boots: BootTestResult) -> None:
        self._boots = list(boots)
        self.timeouts: list[float] = []

    def run(self, vmlinux: Path, *, timeout_s: float) -> BootTestResult:
        self.timeouts.append(timeout_s)
        return self._boots.pop(0) if len(self._boots) > 1 else self._boots[0]


def good(seconds: float = 1.0, said: frozenset[str] = SAID) -> BootTestResult:
    return BootTestResult(failure="", said=said, seconds=seconds)


def bad(failure: str = "http: refused") -> BootTestResult:
    return BootTestResult(failure=failure, said=SAID, seconds=1.0)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Varying]:
    wishes = tuple(Wish(name, "y", Origin("p.toml", 1)) for name in ("NET", "INET", "FUTEX"))
    with varying(MINI, (Layer(name="p", wishes=wishes),)) as found:
        yield found


@pytest.fixture
def trials(kernel: Varying, tmp_path: Path) -> Callable[..., KernelTrials]:
    def made(builder: FakeBuilder, boot_test: FakeBootTest) -> KernelTrials:
        baseline = find_baseline(lambda: FakeBuilder().build(""), FakeBootTest(good()), PROGRESS)
        journal = Journal(tmp_path / "journal.jsonl", "c")
        return KernelTrials(kernel, builder, boot_test, baseline=baseline, journal=journal, progress=PROGRESS)

    return made


def baseline(*boots: BootTestResult) -> Baseline:
    return find_baseline(lambda: FakeBuilder().build("CONFIG_A=y\n"), FakeBootTest(*boots), PROGRESS)


def test_the_baseline_sets_the_deadline() -> None:
    assert baseline(good(2.0), good(5.0), good(3.0)).timeout_s == 20.0
    assert baseline(good(0.1)).timeout_s == 10.0


def test_what_the_baseline_says_sometimes_may_be_said_and_need_not() -> None:
    found = baseline(good(), good(said=SAID | {"sometimes"}), good())
    assert found.may_say == SAID | {"sometimes"}
    assert found.must_say == SAID


def test_a_baseline_that_fails_is_not_minimised() -> None:
    with pytest.raises(VerifyError, match="fails on the kernel to start from") as caught:
        baseline(bad("http: refused"))
    assert caught.value.details == ("http: refused",)


def test_a_flaky_baseline_is_said_to_be() -> None:
    with pytest.raises(VerifyError, match=r"flaky: it failed in 1 of 3 boots") as caught:
        baseline(good(), bad("http: 10 s are over"), good())
    assert caught.value.details == ("http: 10 s are over",)


def test_a_baseline_is_found_once(tmp_path: Path) -> None:
    path, boots = tmp_path / "baseline.json", FakeBootTest(good(3.0))

    def known(key: str) -> Baseline:
        return known_baseline(path, key, lambda: FakeBuilder().build("CONFIG_A=y\n"), boots, PROGRESS)

    first = known("key")
    assert len(boots.timeouts) == 3
    assert known("key") == first
    assert len(boots.timeouts) == 4
    known("other")
    assert len(boots.timeouts) == 7
    path.write_text("{")
    assert known("other").timeout_s == first.timeout_s
    assert len(boots.timeouts) == 10


def test_a_host_that_is_slower_today_gets_more_time(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"

    def timeout_s(seconds: float) -> float:
        boots = FakeBootTest(good(seconds))
        return known_baseline(path, "key", lambda: FakeBuilder().build(""), boots, PROGRESS).timeout_s

    assert (timeout_s(3.0), timeout_s(9.0), timeout_s(1.0)) == (12.0, 36.0, 12.0)


def test_a_known_baseline_that_fails_today_is_not_minimised(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    known_baseline(path, "key", lambda: FakeBuilder().build(""), FakeBootTest(good()), PROGRESS)
    with pytest.raises(VerifyError, match="fails on the kernel to start from"):
        known_baseline(path, "key", lambda: FakeBuilder().build(""), FakeBootTest(bad()), PROGRESS)


def test_a_baseline_that_fails_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    with pytest.raises(VerifyError):
        known_baseline(path, "key", lambda: FakeBuilder().build(""), FakeBootTest(bad()), PROGRESS)
    assert not path.exists()


def test_a_configuration_is_tried_once_even_by_another_run(trials: Callable[..., KernelTrials]) -> None:
    first_builder, second_builder = FakeBuilder(), FakeBuilder()
    result = trials(first_builder, FakeBootTest(good())).attempt({"FUTEX": "n"}, "without FUTEX")
    again = trials(second_builder, FakeBootTest(bad()))
    assert again.attempt({"FUTEX": "n"}, "without FUTEX") == result
    assert (len(first_builder.built), len(second_builder.built)) == (1, 0)
    assert again.made == 0


def test_the_same_configuration_by_other_changes_is_not_tried_again(trials: Callable[..., KernelTrials]) -> None:
    builder = FakeBuilder()
    one = trials(builder, FakeBootTest(good()))
    one.attempt({"NET": "n"}, "")
    one.attempt({"NET": "n", "INET": "n"}, "")  # INET can't be without NET anyway
    assert len(builder.built) == 1


def test_what_cannot_be_built_is_a_result(trials: Callable[..., KernelTrials]) -> None:
    failure = BuildError("compiling failed", details=["mm/slab.c:1: error: no such thing"])
    result = trials(FakeBuilder({"# CONFIG_FUTEX is not set": failure}), FakeBootTest(good())).attempt(
        {"FUTEX": "n"}, ""
    )
    assert (result.ok, result.reason) == (False, "it can't be built: mm/slab.c:1: error: no such thing")


def test_a_full_disk_is_no_verdict_and_is_not_remembered(trials: Callable[..., KernelTrials]) -> None:
    one = trials(FakeBuilder({"# CONFIG_FUTEX is not set": HostError("no space")}), FakeBootTest(good()))
    with pytest.raises(HostError):
        one.attempt({"FUTEX": "n"}, "")
    builder = FakeBuilder()
    assert trials(builder, FakeBootTest(good())).attempt({"FUTEX": "n"}, "").ok
    assert len(builder.built) == 1


def test_one_late_boot_does_not_decide(trials: Callable[..., KernelTrials]) -> None:
    assert trials(FakeBuilder(), FakeBootTest(bad(), good())).attempt({"FUTEX": "n"}, "").ok


def test_the_second_boot_has_more_time(trials: Callable[..., KernelTrials]) -> None:
    boot_test = FakeBootTest(bad(), good())
    assert trials(FakeBuilder(), boot_test).attempt({"FUTEX": "n"}, "").timeout_s == 20.0
    assert boot_test.timeouts == [10.0, 20.0]


def test_a_failure_on_a_host_that_was_faster_is_tried_again(kernel: Varying, tmp_path: Path) -> None:
    def attempt(timeout_s: float, boot: BootTestResult) -> tuple[bool, int]:
        found = replace(baseline(good()), timeout_s=timeout_s)
        journal, builder = Journal(tmp_path / "journal.jsonl", "c"), FakeBuilder()
        trials = KernelTrials(kernel, builder, FakeBootTest(boot), baseline=found, journal=journal, progress=PROGRESS)
        return trials.attempt({"FUTEX": "n"}, "").ok, len(builder.built)

    assert attempt(10.0, bad("http: no answer within 10 s")) == (False, 1)
    assert attempt(15.0, good()) == (False, 0)  # it had 20 s in the end
    assert attempt(30.0, good()) == (True, 1)
    assert attempt(90.0, bad()) == (True, 0)  # what passed in less time passes


def test_two_failed_boots_do(trials: Callable[..., KernelTrials]) -> None:
    result = trials(FakeBuilder(), FakeBootTest(bad())).attempt({"FUTEX": "n"}, "")
    assert (result.ok, result.reason) == (False, "http: refused")
    assert result.loaded is not None


def test_new_words_on_the_console_are_a_failure(trials: Callable[..., KernelTrials]) -> None:
    boot_test = FakeBootTest(good(said=SAID | {"[emerg] eventfd() failed"}))
    result = trials(FakeBuilder(), boot_test).attempt({"FUTEX": "n"}, "")
    assert result.reason == "the console says what it did not say before: '[emerg] eventfd() failed'"


def test_missing_words_on_the_console_are_a_failure(trials: Callable[..., KernelTrials]) -> None:
    result = trials(FakeBuilder(), FakeBootTest(good(said=frozenset({"Hello"})))).attempt({"FUTEX": "n"}, "")
    assert result.reason == "the console no longer says '# ms have passed'"


def test_refusals_are_kconfigs_own(trials: Callable[..., KernelTrials]) -> None:
    one = trials(FakeBuilder(), FakeBootTest(good()))
    assert "selected by NET" in one.refused({"BPF": "n"}, "BPF")
    assert one.refused({"FUTEX": "n"}, "FUTEX") == ""
    assert one.effect({"BPF": "n"}) == one.effect({})
