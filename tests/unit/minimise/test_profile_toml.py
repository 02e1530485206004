# SPDX-License-Identifier: GPL-2.0-only
"""The profile that is written: it reads back as what was found, with what speaks for each symbol."""

from __future__ import annotations

from pathlib import Path

import pytest

from unilinux.core.layout import Layout
from unilinux.image.request import Plan, Request, make_plan
from unilinux.kconfig.profile import read_profile
from unilinux.kconfig.resolved import Resolved, Source, SymbolState
from unilinux.kconfig.variation import ORIGIN
from unilinux.kconfig.wish import Origin
from unilinux.minimise.candidates import KEEP
from unilinux.minimise.profile_toml import Finding, profile_files, profile_text
from unilinux.minimise.result import TrialResult
from unilinux.minimise.shrink import Shrunk
from unilinux.observe.usage import SymbolUsage

PROJECT = Path(__file__).parents[3]
SERVER = Origin("configs/profiles/server.toml", 8)
RESULT = TrialResult(ok=True, loaded=3)


@pytest.fixture
def plan() -> Plan:
    layout = Layout(project=PROJECT, cache=PROJECT / "none", build=PROJECT / "build")
    return make_plan(Request(app="nginx"), layout)


def asked(name: str, origin: Origin = SERVER, value: str = "y", why: str = "") -> SymbolState:
    return SymbolState(name=name, kind="bool", value=value, source=Source.ASKED, origins=(origin,), why=why)


def finding(plan: Plan, *states: SymbolState, minimal: bool = True, evidence: dict[str, tuple[str, ...]]) -> Finding:
    return Finding(
        plan=plan,
        resolved=Resolved(config="", kernel_version="6.12.117", symbols={state.name: state for state in states}),
        shrunk=Shrunk(
            changes={"SIGNALFD": "n", "LOG_BUF_SHIFT": "12"},
            result=RESULT,
            taken={"SIGNALFD": "taken away", "LOG_BUF_SHIFT": "LOG_BUF_SHIFT=12: messages (bzImage +0 bytes)"},
            stays={"FUTEX": 'http: "refused" # late\nafter 10 s'},
            minimal=minimal,
            untried=() if minimal else ("TMPFS",),
        ),
        keep={"SYN_COOKIES": KEEP["SYN_COOKIES"], "INIT_STACK_ALL_ZERO": KEEP["INIT_STACK_ALL_ZERO"]},
        trials=17,
        usage={name: SymbolUsage(symbol=name, status="used", calls=lines) for name, lines in evidence.items()},
    )


STATES = (
    asked("FUTEX"),
    asked("SYN_COOKIES"),
    asked("LOG_BUF_SHIFT", ORIGIN, "12"),
    asked("SLUB_TINY", SERVER, "n", "per-CPU caches"),
    asked("TMPFS"),
    asked("SIGNALFD", ORIGIN, "n"),
    asked("EPOLL", Origin("apps/nginx/app.toml", 71)),
)


def written(tmp_path: Path, found: Finding) -> dict[str, tuple[str, str]]:
    (tmp_path / "nginx-minimal.toml").write_text(profile_text(found), encoding="utf-8")
    profile = read_profile(tmp_path, "nginx-minimal", root=tmp_path)
    assert profile.cmdline == found.plan.profile.cmdline
    assert (profile.entry.ring, profile.entry.syscall) == (0, "lean")
    assert profile.entry.syscalls == found.plan.entry.kept
    return {wish.symbol: (wish.value, wish.why) for wish in profile.layer.wishes}


def test_it_states_what_nobody_else_asks_for_with_what_speaks_for_it(plan: Plan, tmp_path: Path) -> None:
    found = finding(
        plan, *STATES, evidence={"FUTEX": ("futex(2) called by nginx", "more"), "EPOLL": ("epoll_wait(2)",)}
    )
    assert found.name == "nginx-minimal"
    assert written(tmp_path, found) == {
        "FUTEX": ("y", 'futex(2) called by nginx; without it: http: "refused" # late after 10 s'),
        "TMPFS": ("y", ""),
        "LOG_BUF_SHIFT": ("12", "messages (bzImage +0 bytes)"),
        "SYN_COOKIES": ("y", KEEP["SYN_COOKIES"]),
        "SLUB_TINY": ("n", "per-CPU caches"),
    }


def test_what_went_and_what_is_kept_without_being_asked_for_is_told(plan: Plan) -> None:
    text = profile_text(finding(plan, *STATES, evidence={}))
    assert "# Taken away, and all checks still passed:\n# SIGNALFD\n" in text
    assert "# INIT_STACK_ALL_ZERO" in text
    assert "in 17 trials: Linux 6.12.117, microvm, ring 0, lean." in text
    assert "No single symbol can be removed from it" in text


def test_what_is_not_minimal_says_so(plan: Plan, tmp_path: Path) -> None:
    found = finding(plan, *STATES, minimal=False, evidence={})
    assert "NOT MINIMAL YET: the time ran out with 1 things untried" in profile_text(found)
    assert written(tmp_path, found)["TMPFS"] == ("y", "not tried yet")


def test_long_reasons_are_cut(plan: Plan, tmp_path: Path) -> None:
    found = finding(plan, *STATES, evidence={"TMPFS": ("word " * 100,)})
    _, why = written(tmp_path, found)["TMPFS"]
    assert len(why) <= 150
    assert why.endswith("…")


def test_the_files_of_a_profile_are_those_of_the_whole_chain(plan: Plan) -> None:
    assert set(profile_files(plan)) == {f"configs/profiles/{name}.toml" for name in ("tiny", "net", "server")}
