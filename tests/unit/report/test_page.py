# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from unilinux.measure.boot.stages import Cost, Stage, Stages
from unilinux.measure.budget.history import Record
from unilinux.measure.size.size import Size
from unilinux.ops.report import MeasuredImage
from unilinux.report.page import render_page

BOOT = Stages(
    stages=(
        Stage("firmware", 15_000, 15_000),
        Stage("pid1", 5_000_000, 4_985_000),
        Stage("main", 5_050_000, 50_000),
    ),
    initcalls=(Cost("pty_init", 900_000, "device"),),
    functions=(Cost("memset", 300_000), Cost("vsnprintf", 20_000)),
    executed=("memset", "vsnprintf"),
    total=5_100_000,
    vcpus=(5_100_000,),
    exits={"firmware": {"fw_cfg": 70}, "pid1": {"CPUID": 403}, "end": {"HLT": 1_234}},
)
SIZE = Size(
    loaded=1_000_000,
    zeroed=500_000,
    sections={".text": 1_000_000},
    objects={"net/ipv4/tcp.o": 700_000, "mm/slub.o": 300_000},
    symbols={"tcp_ack": 700_000},
)
RECORD = Record(
    when="2026-01-02T03:04:05Z", revision="0123", app="hello", profile="tiny", machine="microvm",
    stages={"pid1": 5_000_000}, bytes={"vmlinux": 9_000_000}, exits={"CPUID": 403, "fw_cfg": 70},
)  # fmt: skip


class Reader(HTMLParser):
    """Collects what a page refers to, and whether its elements are closed."""

    VOID = frozenset({"meta", "link", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        if not (self.get_starttag_text() or "").endswith("/>") or tag in self.open:
            assert self.open.pop() == tag


def page() -> str:
    return render_page("UniLinux <report>", [MeasuredImage(label="hello", boot=BOOT, size=SIZE)], [RECORD, RECORD])


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere() -> None:
    reader = Reader()
    reader.feed(page())
    assert reader.open == []
    assert reader.references == ["data:,"]
    assert "http" not in page()


def test_it_has_its_plots_and_numbers() -> None:
    text = page()
    assert text.count("<svg") == 6
    for shown in (
        "UniLinux &lt;report&gt;",
        "4,985,000",
        "pty_init (device)",
        "memset",
        "net/ipv4/tcp.o",
        "2026-01-02",
    ):
        assert shown in text


def test_exits_stand_beside_instructions() -> None:
    text = page()
    assert "Exits to the hypervisor" in text
    assert '<td class="number">15,000</td><td class="number">15,000</td><td class="number">70</td>' in text
    assert "hello to main: 473 exits" in text
    assert "1,234" not in text  # what comes after the last exact stage differs from run to run
    assert "hello: exits over time" in text


def test_measurements_without_exits_have_no_plot_of_them() -> None:
    boot = replace(BOOT, exits={})
    text = render_page("t", [MeasuredImage(label="hello", boot=boot)], [replace(RECORD, exits={})])
    assert "exits" not in text.lower()


def test_it_fits_narrow_screens() -> None:
    assert 'name="viewport"' in page()
    assert "@media (max-width: 30rem)" in page()


def test_a_boot_alone_is_enough() -> None:
    text = render_page("t", [MeasuredImage(label="debian-cloud", boot=BOOT)])
    assert "History" not in text
    assert "Size of" not in text
