"""The report page in a browser without a display: it renders, fits, and complains about nothing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.unit.measure.test_page import page
from unilinux.core import command

pytestmark = pytest.mark.slow

# Reports into the title how wide the page is, how many plots have a size, and whether anything overlaps the margin.
PROBE = """<!doctype html><title>nothing yet</title><iframe id="frame" width="%d" height="3000"></iframe><script>
const frame = document.getElementById("frame");
frame.onload = () => {
  const root = frame.contentDocument.documentElement;
  const plots = [...root.querySelectorAll("svg")].filter((svg) => svg.getBoundingClientRect().height > 20);
  document.title = `${root.scrollWidth} of ${root.clientWidth}, ${plots.length} plots`;
};
frame.srcdoc = %s;
</script>"""


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_renders_and_fits(width: int, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser: apt-get install chromium")
    content = json.dumps(page()).replace("</", "<\\/")
    (tmp_path / "probe.html").write_text(PROBE % (width, content))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1400,1000"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000", "--dump-dom"]
    output = command.run([browser, *options, f"file://{tmp_path / 'probe.html'}"], timeout_s=60).output
    title = re.search(r"<title>(\d+) of (\d+), (\d+) plots</title>", output)
    assert title is not None, output[-2000:]
    assert int(title[1]) <= int(title[2]) <= width
    assert int(title[3]) == 4
    assert "CONSOLE" not in output
