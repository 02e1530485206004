# SPDX-License-Identifier: GPL-2.0-only
from unilinux.core.events import StepDetail, StepFinished, StepStarted
from unilinux.report.steps import Steps


def test_steps_stand_inside_each_other_until_the_outermost_has_ended() -> None:
    steps = Steps()
    assert steps.apply(StepStarted(1, None, "a", "A"), now=1.0) is None
    steps.apply(StepStarted(2, 1, "b", "B"), now=2.0)
    steps.apply(StepDetail(2, "x\ny"), now=2.5)
    end = StepFinished(2, "b", "B", 1.0, cached=True, ok=True)
    assert steps.apply(end, now=3.0) is None
    (root,) = steps.roots
    (inner,) = root.children
    assert (inner.detail, inner.began, inner.finished) == ("x y", 2.0, end)
    assert steps.apply(StepFinished(1, "a", "A", 2.0, cached=False, ok=True), now=3.0) is root
    assert steps.roots == []


def test_unknown_numbers_are_no_error() -> None:
    steps = Steps()
    steps.apply(StepDetail(5, "x"), now=0.0)
    assert steps.apply(StepFinished(5, "a", "A", 0.0, cached=False, ok=True), now=0.0) is None
    steps.apply(StepStarted(6, 5, "b", "B"), now=0.0)
    assert [root.label for root in steps.roots] == ["B"]
