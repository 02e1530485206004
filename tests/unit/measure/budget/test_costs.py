# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
from dataclasses import replace

from unilinux.measure.budget.costs import Costs, cost_of, functions_of

WITH = Costs(
    sizes={"loaded": 9_000, "bzImage": 2_000},
    stages={"pid1": 100, "main": 150, "ready": 200, "answer": 300},
    least_memory_mib=20,
    failure=None,
    functions=("ep_poll", "ep_insert", "ep_show", "vfs_read"),
    executed=("ep_poll", "ep_insert", "vfs_read"),
    exits={"pid1": 1_000, "main": 1_100, "ready": 1_200},
)
WITHOUT = replace(
    WITH,
    sizes={"loaded": 8_900, "bzImage": 1_990},
    stages={"pid1": 90, "main": 140, "ready": 185},
    least_memory_mib=19,
    exits={"pid1": 990, "main": 1_080, "ready": 1_170},
)


def test_costs_survive_json() -> None:
    assert Costs.from_json(json.loads(json.dumps(WITH.to_json()))) == WITH


def test_the_cost_is_what_is_more_with_it() -> None:
    found = {one.subject: one.costs for one in cost_of(WITH, WITHOUT)}
    assert found == {"loaded": 100, "bzImage": 10, "boot to ready": 15, "exits to ready": 30, "least memory": 1}
    assert cost_of(WITH, WITHOUT)[0].document() == {"with": 9_000, "without": 8_900, "costs": 100, "unit": "bytes"}


def test_an_application_that_fails_without_it_has_no_least_memory_and_an_earlier_stage() -> None:
    failed = replace(WITHOUT, stages={"pid1": 90, "main": 140}, least_memory_mib=None, failure="http: refused")
    found = {one.subject: one.costs for one in cost_of(WITH, failed)}
    assert found == {"loaded": 100, "bzImage": 10, "boot to main": 10, "exits to main": 20, "least memory": None}


def test_functions_that_go_with_it_are_told_from_those_that_ran() -> None:
    without = replace(WITHOUT, functions=("vfs_read", "ep_eventfd_stub"))
    assert functions_of(WITH, without) == (("ep_insert", "ep_poll", "ep_show"), ("ep_insert", "ep_poll"))
