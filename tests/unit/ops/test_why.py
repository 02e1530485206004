# SPDX-License-Identifier: GPL-2.0-only
"""./x why on the project's own applications, with a kernel that Kconfig has answered for and nothing built."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.measure.budget.test_costs import WITH, WITHOUT
from unilinux.cli.text.why import text
from unilinux.core.errors import BuildError, UsageError
from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.image.request import Request, make_plan
from unilinux.kconfig.absence import Absence
from unilinux.kconfig.ancestry import Ancestor, askers
from unilinux.kconfig.explain import Explanation
from unilinux.kconfig.resolved import Resolved, Source, SymbolState
from unilinux.kconfig.variation import Change, Variation
from unilinux.measure.budget.costs import Costs
from unilinux.ops import why
from unilinux.ops.why import Why

PROJECT = Path(__file__).parents[3]
LAYOUT = Layout(project=PROJECT, cache=PROJECT / "no", build=PROJECT / "no")
HERE: Any = SimpleNamespace(layout=LAYOUT, progress=Progress(NullSink()))
PLAN = make_plan(Request(app="nginx"), LAYOUT)


def explanation(name: str, value: str = "y", **changed: Any) -> Explanation:
    state = SymbolState(name=name, kind="bool", value=value, source=Source.ASKED, defined_at="init/Kconfig:1")
    plain: dict[str, Any] = dict.fromkeys(
        ("unmet", "ask_for", "selected_by", "could_be_selected_by", "selects", "needed_by", "choice_members"), ()
    )
    words = {"prompt": "Event polling", "help": "", "reason": "asked for", "depends_on": ""}
    return Explanation(**{"state": state, **plain, **words, **changed})


def answer(name: str, value: str = "y", **changed: Any) -> Why:
    resolved = Resolved(config="", kernel_version="6.12", symbols={})
    varied = Variation(
        resolved=resolved,
        changes=(
            Change(symbol=name, old="y", new="n"),
            Change(symbol="EVENTPOLL_STATS", old="y", new="n", because="it was selected by EPOLL"),
        ),
    )
    found = Absence(explanation=explanation(name, value, **changed), without=varied if value == "y" else None)
    asked = tuple(why._with_part(asker, PLAN, name) for asker in askers(PLAN.layers(LAYOUT), name))
    chain = Ancestor(symbol=name, reason="asked for")
    return Why(image=PLAN.name, found=found, asked=asked, chain=chain, observed=None, refusal=found.refusal)


Cost = Callable[..., Why]


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> Cost:
    """The answer with costs, of an image whose costs without the symbol is this one."""

    def costed(asked: Why, cost: Costs | BuildError) -> Why:
        def build(plan: object, *, variant: Any, bzimage: bool) -> Any:
            if isinstance(cost, BuildError):
                raise cost
            return SimpleNamespace(folder=Path(f"/build/{PLAN.name}-{variant.label}"), record={}, plan=PLAN)

        costs = iter((WITH, cost))
        monkeypatch.setattr(
            why,
            "build_image",
            lambda here, plan, bzimage: SimpleNamespace(folder=Path("/build/nginx"), record={}, plan=plan),
        )
        monkeypatch.setattr(why, "pipeline", lambda here: SimpleNamespace(build=build))
        monkeypatch.setattr(why, "costs_of", lambda here, specimen, **options: next(costs))
        assert asked.found.without is not None
        return why._with_cost(HERE, PLAN, asked, asked.found.without, timeout_s=1)

    return costed


def test_everybody_who_asked_is_named_with_the_reason() -> None:
    lines = text(answer("EPOLL").document()).splitlines()
    assert lines[0] == "EPOLL=y in nginx-server “Event polling”"
    assert lines[1].startswith("  asked for   y by profile server (configs/profiles/server.toml:")
    assert lines[2].startswith("  asked for   y by application nginx (apps/nginx/app.toml:")
    assert "its event method" in lines[2]


def test_a_symbol_that_only_a_machine_block_asked_for_names_the_block() -> None:
    (asker,) = answer("VIRTIO_MMIO").document()["asked_by"]
    assert asker["party"] == "machine microvm, part virtio-mmio"
    assert asker["at"].startswith("unilinux/machine/board.py:")


def test_what_it_costs_is_measured_without_it(cost: Cost) -> None:
    found = cost(answer("EPOLL"), replace(WITHOUT, functions=("vfs_read",)))
    document = json.loads(json.dumps(found.document()))["without"]
    assert document["image"] == "nginx-server-without-EPOLL"
    assert document["verification"] == {"ok": True, "failure": None}
    assert document["cost"]["loaded"]["costs"] == 100
    assert document["functions"] == {"count": 3, "executed": ["ep_insert", "ep_poll"]}
    assert document["changes"] == ["EVENTPOLL_STATS: y → n (it was selected by EPOLL)"]
    shown = text(found.document())
    assert "  without it  verification passes" in shown
    assert "2 of the 3 functions that go with it ran (ep_insert, ep_poll)" in shown
    assert ["least", "memory", "20", "19", "+1", "MiB"] in [line.split() for line in shown.splitlines()]
    assert shown.endswith("./x diff nginx-server nginx-server-without-EPOLL)")


def test_an_application_that_fails_without_it_says_how(cost: Cost) -> None:
    failed = replace(WITHOUT, least_memory_mib=None, failure="http: connection refused")
    shown = text(cost(answer("EPOLL"), failed).document())
    assert "  without it  verification FAILS: http: connection refused" in shown
    assert ["least", "memory", "20", "?", "?", "MiB"] in [line.split() for line in shown.splitlines()]


def test_a_kernel_that_cannot_be_built_without_it_says_why(cost: Cost) -> None:
    error = BuildError("the kernel could not be linked", details=("undefined reference to x",))
    found = cost(answer("EPOLL"), error)
    assert found.without is None
    assert found.refusal == "there is no kernel without it: the kernel could not be linked undefined reference to x"


def test_what_is_selected_tells_the_whole_way_up() -> None:
    net = Ancestor(symbol="NET", reason="asked for at app.toml:1")
    chain = Ancestor(symbol="BPF", reason="", by=(Ancestor(symbol="INET", reason="selected by NET", by=(net,)),))
    lines = text(replace(answer("BPF"), asked=(), chain=chain, refusal="it is selected by INET").document())
    assert "  asked for   by nobody" in lines
    assert "  selected by INET, selected by NET" in lines
    assert "by NET, asked for at app.toml:1" in lines
    assert "  without it  impossible: it is selected by INET" in lines


def test_what_was_never_on_says_what_it_would_take() -> None:
    found = answer("NUMA", "n", unmet=("it depends on SMP, which is n (nothing asks for it)",), ask_for=("SMP",))
    lines = text(found.document()).splitlines()
    assert lines[0].startswith("NUMA=n in nginx-server")
    assert "  it is off   it depends on SMP, which is n (nothing asks for it)" in lines
    assert '  turn it on  in [kernel] of the application or profile: SMP = "y"  NUMA = "y"' in lines
    assert found.document()["without"] is None


def test_what_was_observed_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "nginx-generous" / "observed.json"
    assert why._observed(tmp_path, PLAN, "EPOLL") is None
    path.parent.mkdir()
    path.write_text(json.dumps({"symbols": {"EPOLL": {"status": "used", "calls": ["epoll_wait in ngx: 9 ×"]}}}))
    seen = why._observed(tmp_path, PLAN, "EPOLL")
    shown = text(replace(answer("EPOLL"), observed=seen).document())
    assert "  observed    used, in nginx-generous\n              epoll_wait in ngx: 9 ×" in shown
    assert why._observed(tmp_path, PLAN, "NUMA") is None


@pytest.mark.parametrize("content", ["[]", "{}", "no JSON", '{"symbols": []}'])
def test_an_observation_that_is_none_is_passed_over(tmp_path: Path, content: str) -> None:
    path = tmp_path / PLAN.name / "observed.json"
    path.parent.mkdir()
    path.write_text(content)
    assert why._observed(tmp_path, PLAN, "EPOLL") is None


def test_an_application_that_cannot_be_observed_has_an_answer_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(here: object, request: Request) -> None:
        raise BuildError("no compiler")

    monkeypatch.setattr(why, "observe", fail)
    here: Any = SimpleNamespace(layout=replace(LAYOUT, build=tmp_path), progress=Progress(NullSink()))
    assert why._look(here, Request(app="nginx"), PLAN, "EPOLL") is None


def test_a_symbol_is_needed() -> None:
    with pytest.raises(UsageError) as caught:
        why.why(HERE, Request(app="nginx"), symbol="", build=False)
    assert caught.value.hint == "./x why --app nginx --symbol EPOLL"
