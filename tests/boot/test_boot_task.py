# SPDX-License-Identifier: GPL-2.0-only
"""The boot task on real images: the same numbers each time."""

from __future__ import annotations

import pytest

from tests.boot.test_applications import invoke_json

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]


def test_two_runs_of_hello_agree_to_the_instruction_up_to_main() -> None:
    first, second = (invoke_json("boot", "--app", "hello", "--runs", "1")["stages"] for _ in range(2))
    names = list(first)
    until_main = names[: names.index("main") + 1]
    assert "pid1" in until_main
    assert {name: first[name] for name in until_main} == {name: second[name] for name in until_main}


def test_a_server_is_counted_up_to_its_first_answer() -> None:
    answer = invoke_json("boot", "--app", "nginx", "--runs", "2")
    counts = [answer["stages"][name]["instructions"] for name in ("pid1", "main", "ready", "answer")]
    assert counts == sorted(counts)
    assert answer["repeats"] == {"runs": 2, "exact_until": "ready", "disagreements": []}
    assert answer["memory_mib"] == 128
