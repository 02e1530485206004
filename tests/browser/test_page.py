# SPDX-License-Identifier: GPL-2.0-only
"""The report page in a browser without a display: it renders, fits, can be read, and complains about nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.browser.specimens import report
from unilinux.core import command

# Looks at the page in a frame of some width and writes what it finds into the title: how wide the page is, its plots
# and their texts, which of those lie outside of their plot or on one another, and the lowest text.
PROBE = """<!doctype html><title>{}</title><iframe id="frame" width="%d" height="9000" style="border:0"></iframe>
<script>
const frame = document.getElementById("frame");
frame.onload = () => {
  const root = frame.contentDocument.documentElement;
  const found = {page: root.scrollWidth, screen: root.clientWidth, plots: 0, texts: 0, outside: [], overlapping: []};
  const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top;
  const heights = [];
  for (const svg of root.querySelectorAll("svg")) {
    const frame = svg.getBoundingClientRect();
    if (frame.height < 20) continue;
    found.plots += 1;
    const all = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
    const texts = all.filter(([name, box]) => box.height); // the others are hidden
    texts.forEach(([name, box], index) => {
      found.texts += 1;
      heights.push(box.height);
      if (box.left < frame.left - 1 || box.right > frame.right + 1) found.outside.push(name);
      for (const [other, place] of texts.slice(0, index))
        if (!apart(box, place)) found.overlapping.push(`${name} / ${other}`);
    });
  }
  found.lowest = Math.min(...heights);
  document.title = JSON.stringify(found);
};
frame.srcdoc = %s;
</script>"""


def look(page: str, width: int, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What the probe found, and what the browser's console said. A picture is left in ``folder``."""
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    browser = next((found for name in names if (found := shutil.which(name))), None)
    if browser is None:
        pytest.skip("no browser: apt-get install chromium-headless-shell")
    (folder / "page.html").write_text(page)
    (folder / "probe.html").write_text(PROBE % (width, json.dumps(page).replace("</", "<\\/")))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=2000"]
    options += [f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars"]

    def run(*words: str) -> str:
        return command.run([browser, *options, *words], timeout_s=120).output

    output = run("--dump-dom", "--window-size=1400,1000", f"file://{folder / 'probe.html'}")
    run(f"--screenshot={folder / f'{width}.png'}", f"--window-size={width},6000", f"file://{folder / 'page.html'}")
    title = re.search(r"<title>(\{.+\})</title>", output)
    assert title is not None, output[-2000:]
    return json.loads(title[1]), [line for line in output.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_renders_and_reads_well(width: int, tmp_path: Path) -> None:
    found, console = look(report(), width, tmp_path)
    assert console == []
    assert found["page"] <= found["screen"] == width  # nothing is to be scrolled sideways
    assert found["plots"] == 10  # boots, exits; for each of two images one of sizes and three of history
    assert found["texts"] > 40
    assert found["outside"] == []
    assert found["overlapping"] == []
    assert found["lowest"] >= 11  # pixels
    assert (tmp_path / f"{width}.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("flaw", "seen"),
    [
        ("<script>undefined_function()</script>", "CONSOLE"),
        ('<div style="width: 500px">x</div>', "wide"),
        ('<svg viewBox="0 0 100 50"><text x="90" y="20">far too long</text></svg>', "far too long"),
        ('<svg viewBox="0 0 100 50"><text x="0" y="20">one</text><text x="2" y="22">two</text></svg>', "two / one"),
    ],
)
def test_a_page_with_a_flaw_is_noticed(flaw: str, seen: str, tmp_path: Path) -> None:
    found, console = look(report().replace("</h1>", f"</h1>{flaw}"), 400, tmp_path)
    complaints = [*console, *found["outside"], *found["overlapping"]]
    complaints += ["wide"] if found["page"] > found["screen"] else []
    assert any(seen in complaint for complaint in complaints)
