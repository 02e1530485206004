# SPDX-License-Identifier: GPL-2.0-only
"""Ring and system calls: what profiles and users may say of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from unilinux.app.files import File
from unilinux.core.errors import UsageError
from unilinux.core.layout import Layout
from unilinux.image.entry import Entry, choose_entry, usual_entry
from unilinux.image.request import Request, make_plan
from unilinux.kconfig.profile import Profile, profile_names, read_profile


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    (tmp_path / "base.toml").write_text('schema = 1\nsummary = "s"\n[entry]\nring = 0\nsyscall = "lean"\n')
    (tmp_path / "child.toml").write_text('schema = 1\nsummary = "s"\nextends = "base"\n[entry]\nsyscall = "gate"\n')
    return read_profile(tmp_path, "child", root=tmp_path)


@pytest.mark.parametrize(
    ("ring", "syscall", "chosen"),
    [
        (None, None, Entry(ring=0, syscall="gate")),
        (3, None, Entry(ring=3, syscall="trap")),
        (0, "trap", Entry(ring=0, syscall="trap")),
        (None, "lean", Entry(ring=0, syscall="lean")),
    ],
)
def test_users_overrule_profiles(profile: Profile, ring: int | None, syscall: str | None, chosen: Entry) -> None:
    assert choose_entry(profile, ring, syscall) == chosen


@pytest.mark.parametrize(
    ("ring", "syscall", "message"),
    [
        (1, None, "there is no ring 1"),
        (3, "gate", "--syscall gate takes ring 0"),
        (0, "laen", "did you mean 'lean'?"),
    ],
)
def test_what_does_not_fit_is_refused(profile: Profile, ring: int, syscall: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        choose_entry(profile, ring, syscall)


def test_which_system_calls_stay(profile: Profile) -> None:
    assert choose_entry(profile, None, None).kept == "all"
    assert choose_entry(profile, None, None, "used") == Entry(ring=0, syscall="gate", kept="used", insisted=True)
    said = replace(profile, entry=profile.entry.model_copy(update={"syscalls": "used"}))
    assert choose_entry(said, 3, None) == Entry(ring=3, syscall="trap", kept="used")
    assert choose_entry(said, None, None, "all") == Entry(ring=0, syscall="gate", kept="all")
    with pytest.raises(UsageError, match=r"did you mean 'used'\?"):
        choose_entry(profile, None, None, "use")


def test_only_tiny_hardened_and_what_was_minimised_leave_system_calls_out() -> None:
    folder = Path(__file__).parents[3] / "configs/profiles"
    kept = {name: usual_entry(read_profile(folder, name, root=folder)).kept for name in profile_names(folder)}
    minimised = {name for name in kept if name.endswith("-minimal")}
    assert {name for name, choice in kept.items() if choice == "used"} == {"tiny", "hardened", *minimised}


def test_a_program_may_enter_in_its_own_way() -> None:
    usual, own = File(path="/a", build="a"), File(path="/b", build="b", syscall="trap")
    entry = Entry(ring=0, syscall="lean")
    assert (entry.way_of(usual), entry.syscall_of(usual)) == ("gate", "lean")
    assert (entry.way_of(own), entry.syscall_of(own)) == ("trap", "trap")
    assert Entry(ring=3, syscall="trap").way_of(usual) == "trap"


def test_wishes_follow_the_rung() -> None:
    assert Entry(ring=3, syscall="trap").wishes == ()
    symbols = [wish.symbol for wish in Entry(ring=0, syscall="lean").wishes]
    assert symbols == ["UNILINUX_RING0", "UNILINUX_GATE", "UNILINUX_LEAN_GATE"]
    assert [wish.symbol for wish in Entry(ring=3, syscall="trap", kept="used").wishes] == ["UNILINUX_SYSCALLS"]


def test_another_choice_of_system_calls_makes_an_image_of_its_own() -> None:
    project = Path(__file__).parents[3]
    layout = Layout(project=project, cache=project / "none", build=project / "build")
    assert make_plan(Request(app="hello"), layout).name == "hello-tiny"
    assert make_plan(Request(app="hello", syscalls="all"), layout).name == "hello-tiny-all-calls"
    assert make_plan(Request(app="nginx", syscalls="used"), layout).name == "nginx-server-used-calls"
