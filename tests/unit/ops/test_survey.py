# SPDX-License-Identifier: GPL-2.0-only
"""A survey of applications, with measurements that are made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.ops.measured import BOOT, LAYOUT, nginx_under_test, workshop
from unilinux.cli.text.survey import survey_page
from unilinux.core.errors import UsageError, VerifyError
from unilinux.core.layout import Layout
from unilinux.image.request import Request
from unilinux.measure.memory.least import LeastMemory
from unilinux.ops import survey
from unilinux.ops.image_under_test import ImageUnderTest
from unilinux.ops.survey import Row, Survey, source_in_words
from unilinux.ops.workshop import Workshop

ROW = Row(
    app="nginx-debian", source="deb nginx", version="1.22.1-9", vmlinux_bytes=21_340_000, files_bytes=17_000_000,
    symbols=812, stage="ready", instructions=20_000_000, instructions_ring3=21_000_000, least_memory_mib=61,
    found=1234, rewritten=1200, left=34,
)  # fmt: skip


def under_test(*, ring: int, rewritten: list[dict[str, Any]]) -> ImageUnderTest:
    image = nginx_under_test()
    record = {
        **image.record,
        "name": f"nginx-ring{ring}",
        "ring": ring,
        "source": {"kind": "deb", "package": "nginx", "packages": [{"package": "nginx", "version": "1.22.1-9"}]},
        "sizes": {"vmlinux": 3_000_000, "application": 1_000_000},
        "config": {"symbols": 500},
        "artifacts": {"vmlinux": {"sha256": f"{ring}" * 64}},
        "rewritten": rewritten,
    }
    return ImageUnderTest(
        folder=image.folder, record=record, machine=image.machine, words=(), manifest=image.manifest
    )  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """A workshop in which hello can't be built, and nginx needs 42 MiB."""
    measured: list[str] = []
    sites = [{"found": 10, "rewritten": 9, "left": 1}, {"found": 5, "rewritten": 5, "left": 0}]

    def build(_: Workshop, request: Request) -> ImageUnderTest:
        if request.app == "hello":
            raise VerifyError("no luck")
        return under_test(ring=request.ring or 0, rewritten=sites)

    def count(_: Workshop, image: ImageUnderTest) -> tuple[Any, ...]:
        measured.append(str(image.record["name"]))
        return (BOOT,)

    monkeypatch.setattr(survey, "build_under_test", build)
    monkeypatch.setattr(survey, "failure_with", lambda *_, **__: None)
    monkeypatch.setattr(survey, "count", count)
    monkeypatch.setattr(
        survey, "find_least_memory", lambda *_, **__: LeastMemory(mib=42, below=None, tries=((42, None),))
    )
    yield workshop(Layout(project=LAYOUT.project, cache=tmp_path / "cache", build=tmp_path / "build"))
    assert measured == ["nginx-ring0", "nginx-ring3"]


def test_each_application_gets_a_row_once(here: Workshop) -> None:
    found = survey.survey(here, ["nginx", "hello", "nginx"])
    assert [(row.app, row.source, row.version) for row in found.rows] == [("nginx", "deb nginx", "1.22.1-9")]
    row = found.rows[0]
    assert (row.found, row.rewritten, row.left, row.least_memory_mib) == (15, 14, 1, 42)
    assert (row.stage, row.instructions, row.instructions_ring3) == ("main", 5_600_000, 5_600_000)
    assert survey.survey(here, ["nginx"]).rows == found.rows  # out of the store
    with pytest.raises(VerifyError, match="1 of 2 applications have no row") as caught:
        found.require()
    assert caught.value.details == ("hello: no luck",)


def test_an_unknown_name_is_told_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'nginx'"):
        survey.survey(workshop(), ["ngnix"])


def test_the_page_has_a_line_for_each_and_names_what_failed() -> None:
    page = survey_page(Survey(rows=(ROW,), failed=(survey.Failed(app="php", why="no luck"),)))
    assert (
        "| nginx-debian | deb nginx | 1.22.1-9 | 21.3 MB | 17.0 MB | 812 | 20.0 M to ready | +5.0% | 61 MiB | "
        "1,234 / 1,200 / 34 |"
    ) in page.splitlines()
    assert page.endswith("Not in the table:\n\n- php: no luck\n")
    assert page.startswith("<!-- Written by `./x catalogue")


def test_sources_in_words() -> None:
    assert source_in_words({"kind": "deb", "package": "nginx"}) == "deb nginx"
    assert source_in_words({"kind": "local"}) == "local"
    assert source_in_words({}) == "local"
