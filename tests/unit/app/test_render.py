# SPDX-License-Identifier: GPL-2.0-only
"""Templates: strict, with the place of each error; strings that C reads as they were."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from unilinux.app.render import c_string, render
from unilinux.core.errors import ManifestError


def test_undefined_variable_names_template_line_and_what_there_is(tmp_path: Path) -> None:
    template = tmp_path / "a.conf.j2"
    template.write_text("one\ntwo {{ workrs }}\n")
    with pytest.raises(ManifestError, match=r"a\.conf\.j2:2: 'workrs' is undefined") as caught:
        render(template, {"workers": 1})
    assert caught.value.details == ("variables: workers",)


def test_undefined_variable_in_a_condition_is_an_error_too(tmp_path: Path) -> None:
    template = tmp_path / "a.j2"
    template.write_text("{% if tls %}on{% endif %}\n")
    with pytest.raises(ManifestError, match="'tls' is undefined"):
        render(template, {})


def test_syntax_error_names_the_line(tmp_path: Path) -> None:
    template = tmp_path / "a.j2"
    template.write_text("fine\n{% if %}\n")
    with pytest.raises(ManifestError, match=r"a\.j2:2: "):
        render(template, {})


def test_wrong_arithmetic_names_the_line(tmp_path: Path) -> None:
    template = tmp_path / "a.j2"
    template.write_text("\n\n{{ memory // 0 }}\n")
    with pytest.raises(ManifestError, match=r"a\.j2:3: .*zero"):
        render(template, {"memory": 1})


def test_text_is_kept_to_the_last_newline(tmp_path: Path) -> None:
    template = tmp_path / "a.j2"
    template.write_text("{% for n in [1, 2] %}\nline {{ n }} <&>\n{% endfor %}\n")
    assert render(template, {}) == "line 1 <&>\nline 2 <&>\n"


def test_c_reads_the_strings_as_they_were(tmp_path: Path) -> None:
    texts = ["plain", 'a "quote" and \\', "tab\tnew\nline", "??/ trigraph", "\x01" + "7", "Grüße ☃", "%s %d", ""]
    source = tmp_path / "a.c"
    calls = "".join(f"fwrite({literal}, 1, sizeof({literal}), stdout);" for literal in map(c_string, texts))
    source.write_text(f"#include <stdio.h>\nint main(void) {{ {calls} return 0; }}\n")
    subprocess.run(["gcc", "-trigraphs", "-w", "-o", tmp_path / "a", source], check=True)
    shown = subprocess.run([tmp_path / "a"], capture_output=True, check=True).stdout
    assert shown == "".join(f"{text}\0" for text in texts).encode()


def test_zero_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="zero byte"):
        c_string("a\0b")
