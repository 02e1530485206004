# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from unilinux.core.errors import ManifestError, UsageError
from unilinux.kconfig.profile import MachineDefaults, profile_names, read_profile
from unilinux.kconfig.wish import Origin

Writer = Callable[[str, str], Path]

ROOT = Path(__file__).parents[3]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    def written(name: str, text: str) -> Path:
        folder = tmp_path / "profiles"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.toml").write_text(text)
        return folder

    return written


def test_chain_joins_wishes_machine_and_command_line(write: Writer, tmp_path: Path) -> None:
    write("low", 'schema = 1\nsummary = "low"\ncmdline = ["quiet"]\n[machine]\ncpus = 1\nmemory_mib = 64\n')
    text = 'schema = 1\nsummary = "high"\nextends = "low"\ncmdline = ["debug", "quiet"]\n[machine]\ncpus = 2\n'
    folder = write("high", text + '[kernel]\nNET = "y" # sockets\n')
    profile = read_profile(folder, "high", root=tmp_path)
    assert profile.chain == ("low", "high")
    assert profile.cmdline == ("quiet", "debug")
    assert profile.machine == MachineDefaults(cpus=2, memory_mib=64)
    assert [(w.symbol, w.value, w.origin, w.why) for w in profile.layer.wishes] == [
        ("NET", "y", Origin("profiles/high.toml", 8), "sockets")
    ]
    assert profile.layer.base is not None
    assert profile.layer.base.name == "profile low"


def test_wishes_for_one_kernel_have_their_lines_and_are_left_out_for_others(write: Writer, tmp_path: Path) -> None:
    write("low", 'schema = 1\nsummary = "low"\n[kernel]\nNET = "y"\n[kernel."6.1"]\nSLUB = "y" # speed\n')
    text = 'schema = 1\nsummary = "high"\nextends = "low"\n[kernel."6.12"]\nSLUB_TINY = "n"\n'
    layer = read_profile(write("high", text), "high", root=tmp_path).layer
    assert [(w.symbol, w.origin.line, w.why, w.kernel) for w in layer.all_wishes] == [
        ("NET", 4, "", ""),
        ("SLUB", 6, "speed", "6.1"),
        ("SLUB_TINY", 5, "", "6.12"),
    ]
    assert [wish.symbol for wish in layer.on("6.12").all_wishes] == ["NET", "SLUB_TINY"]
    assert [wish.symbol for wish in layer.on("6.1").all_wishes] == ["NET", "SLUB"]


def test_unknown_profile_has_a_suggestion(write: Writer) -> None:
    folder = write("server", 'schema = 1\nsummary = "s"\n')
    with pytest.raises(UsageError, match="there is no profile 'sever'; did you mean 'server'"):
        read_profile(folder, "sever", root=folder)


def test_a_file_from_anywhere_extends_what_is_beside_it_and_what_has_a_name(write: Writer, tmp_path: Path) -> None:
    folder = write("low", 'schema = 1\nsummary = "low"\n')
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "middle.toml").write_text('schema = 1\nsummary = "middle"\nextends = "low"\n[machine]\ncpus = 2\n')
    (mine / "high.toml").write_text('schema = 1\nsummary = "high"\nextends = "middle"\n[kernel]\nNET = "y"\n')
    profile = read_profile(folder, str(mine / "high.toml"), root=tmp_path)
    assert (profile.name, profile.option, profile.chain) == ("high", "mine/high.toml", ("low", "middle", "high"))
    assert profile.machine == MachineDefaults(cpus=2)
    assert [wish.origin for wish in profile.layer.wishes] == [Origin("mine/high.toml", 5)]
    elsewhere = read_profile(folder, str(mine / "high.toml"), root=folder)
    assert elsewhere.option == f"{mine}/high.toml"
    assert read_profile(folder, str(folder / "low.toml"), root=tmp_path).option == "low"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent.toml", "there is no file .*absent.toml"),
        ("low.toml", "there is a profile low in .*; give the file another name"),
        ("My Profile.toml", "a profile's name has small letters"),
    ],
)
def test_a_file_that_cannot_be_a_profile(write: Writer, tmp_path: Path, name: str, problem: str) -> None:
    folder = write("low", 'schema = 1\nsummary = "low"\n')
    mine = tmp_path / "mine"
    mine.mkdir()
    for other in ("low.toml", "My Profile.toml"):
        (mine / other).write_text('schema = 1\nsummary = "mine"\n')
    with pytest.raises(UsageError, match=problem):
        read_profile(folder, str(mine / name), root=tmp_path)


def test_unknown_parent_names_the_line(write: Writer, tmp_path: Path) -> None:
    write("tiny", 'schema = 1\nsummary = "s"\n')
    folder = write("net", 'schema = 1\nsummary = "s"\nextends = "tini"\n')
    with pytest.raises(ManifestError) as caught:
        read_profile(folder, "net", root=tmp_path)
    assert caught.value.message == ("profiles/net.toml:3: extends: there is no profile 'tini'; did you mean 'tiny'?")


def test_circle_is_drawn(write: Writer, tmp_path: Path) -> None:
    write("a", 'schema = 1\nsummary = "s"\nextends = "b"\n')
    folder = write("b", 'schema = 1\nsummary = "s"\nextends = "a"\n')
    with pytest.raises(ManifestError, match=r"profiles/b.toml:3: extends: .* in a circle: a -> b -> a"):
        read_profile(folder, "a", root=tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('schema = 2\nsummary = "s"\n', "p.toml:1: schema: input should be 1"),
        ("schema = 1\n", "summary: missing"),
        ('schema = 1\nsummary = "s"\nextend = "x"\n', "p.toml:3: extend: unknown key; did you mean 'extends'?"),
        ('schema = 1\nsummary = "s"\n[kernel]\nCPUS = 4\n', "p.toml:4: kernel.CPUS: input should be a valid string"),
        (
            'schema = 1\nsummary = "s"\n[kernel."6.12"]\nCPUS = 4\n',
            "p.toml:4: kernel.6.12.CPUS: input should be a valid string",
        ),
        ('schema = 1\nsummary = "s"\n[machine]\ncpu = 4\n', "p.toml:4: machine.cpu: unknown key; did you mean 'cpus'?"),
    ],
)
def test_malformed_profile(write: Writer, text: str, problem: str) -> None:
    folder = write("p", text)
    with pytest.raises(ManifestError) as caught:
        read_profile(folder, "p", root=folder)
    assert caught.value.details[0].endswith(problem)


@pytest.mark.parametrize("name", profile_names(ROOT / "configs" / "profiles"))
def test_our_profiles_are_valid_and_say_why(name: str) -> None:
    profile = read_profile(ROOT / "configs" / "profiles", name, root=ROOT)
    silent = [f"{wish.origin}: {wish.symbol}" for wish in profile.layer.wishes if not wish.why]
    assert silent == []
    assert all(wish.origin.line for wish in profile.layer.wishes)


def test_our_profiles_are_these() -> None:
    names = profile_names(ROOT / "configs" / "profiles")
    found = tuple(name for name in names if name.endswith("-minimal"))
    assert [name for name in names if name not in found] == ["debug", "hardened", "net", "server", "smp", "tiny"]
    assert found == ("hello-minimal", "nginx-minimal", "redis-minimal")  # ./x minimise wrote these
