# SPDX-License-Identifier: GPL-2.0-only
from unilinux.core.suggest import did_you_mean, unknown


def test_the_nearest_name_is_suggested() -> None:
    assert did_you_mean("ngnix", ["redis", "nginx"]) == "nginx"
    assert did_you_mean("LUA", ["lua"]) == "lua"


def test_a_name_far_from_all_gets_no_suggestion() -> None:
    assert did_you_mean("postgres", ["nginx", "lua"]) is None


def test_an_unknown_name_is_answered_with_all_that_are_known() -> None:
    assert unknown("application", "ngnix", iter(["redis", "nginx"])) == (
        "there is no application 'ngnix'; did you mean 'nginx'? (known: nginx, redis)"
    )
    assert unknown("application", "x", []) == "there is no application 'x' (known: none)"
