# SPDX-License-Identifier: GPL-2.0-only
"""What a page is made of, with nothing built and nothing booted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.ops.measured import BOOT, EXITS, HERE, LAYOUT, NOW, nginx_under_test, workshop
from unilinux.core.errors import UsageError
from unilinux.image.request import Request
from unilinux.ops import report
from unilinux.ops.report import measure_report
from unilinux.report.page import render_page


def test_a_report_is_about_something() -> None:
    with pytest.raises(UsageError) as caught:
        measure_report(HERE, ())
    assert "./x report --app hello" in str(caught.value.hint)


def test_a_report_has_each_application_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "build_under_test", lambda here, request: nginx_under_test())
    monkeypatch.setattr(report, "count", lambda here, it: (replace(BOOT, exits=EXITS),))
    monkeypatch.setattr(report, "sizes", lambda here, folder, inputs: NOW)
    found = measure_report(workshop(replace(LAYOUT, build=tmp_path)), [Request(app="nginx"), Request(app="nginx")])
    document = json.loads(json.dumps(found.document()))
    assert (document["report"], document["images"]) == (str(tmp_path / "report.html"), ["nginx-server"])
    boot = document["boots"]["nginx-server"]
    assert boot["stages"]["pid1"]["instructions"] == 5_500_000
    assert boot["exits"]["causes"] == {"CPUID": 401, "fw_cfg": 70, "HLT": 9}
    assert "Size of nginx-server" in render_page("a page", found.images, found.history)
