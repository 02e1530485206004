# SPDX-License-Identifier: GPL-2.0-only
from unilinux.core.suggest import did_you_mean, suggestion, unknown


def test_the_nearest_name_is_suggested() -> None:
    assert did_you_mean("ngnix", ["redis", "nginx"]) == "nginx"
    assert did_you_mean("LUA", ["lua"]) == "lua"


def test_a_name_far_from_all_gets_no_suggestion() -> None:
    assert did_you_mean("postgres", ["nginx", "lua"]) is None
    assert did_you_mean("bos", ["verbose"]) is None
    assert suggestion("postgres", ["nginx", "lua"]) == ""


def test_the_dashes_of_options_make_none_near() -> None:
    options = ["--app", "--memory", "--no-network", "--verbose"]
    assert did_you_mean("--bogus", options) is None
    assert did_you_mean("--version", options) is None
    assert did_you_mean("--mem", options) == "--memory"
    assert did_you_mean("--verbos", options) == "--verbose"
    assert suggestion("--ap", options) == "; did you mean '--app'?"


def test_an_unknown_name_is_answered_with_all_that_are_known() -> None:
    assert unknown("application", "ngnix", iter(["redis", "nginx"])) == (
        "there is no application 'ngnix'; did you mean 'nginx'? (known: nginx, redis)"
    )
    assert unknown("application", "x", []) == "there is no application 'x' (known: none)"
