# SPDX-License-Identifier: GPL-2.0-only
"""A build with nothing changed."""

from __future__ import annotations

import pytest

from tests.boot.test_applications import invoke_json
from tests.unit.cli.test_tasks import loaded

pytestmark = pytest.mark.boot


def test_nothing_heavy_is_loaded_where_all_is_there_already() -> None:
    invoke_json("build", "--app", "hello")
    found, said = loaded("build", "--app", "hello")
    assert found == {"kconfiglib", "pydantic", "unilinux.ops"}
    first, last = said.splitlines()
    assert first == "building hello-tiny ..."
    assert last.endswith(" steps cached")
