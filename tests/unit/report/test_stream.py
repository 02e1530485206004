# SPDX-License-Identifier: GPL-2.0-only
import io
import os

import pytest

from unilinux.report.stream import SafeStream


def test_what_the_encoding_lacks_becomes_a_question_mark() -> None:
    raw = io.BytesIO()
    stream = SafeStream(io.TextIOWrapper(raw, encoding="ascii"))
    stream.write("✓ gebaut: für\n")
    stream.flush()
    assert raw.getvalue() == b"? gebaut: f?r\n"
    assert not stream.is_unicode


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf_8"])
def test_unicode_is_known_by_all_its_names(encoding: str) -> None:
    assert SafeStream(io.TextIOWrapper(io.BytesIO(), encoding=encoding)).is_unicode


def test_a_reader_that_has_gone_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    pipe = open(writer, "w")  # noqa: SIM115 # closing it fails as well
    stream = SafeStream(pipe)
    for _ in range(3):
        assert stream.write("x\n") == 2
        stream.flush()
    with pytest.raises(BrokenPipeError):
        pipe.close()


def test_a_closed_stream_is_no_error() -> None:
    inner = io.StringIO()
    stream = SafeStream(inner)
    inner.close()
    stream.write("x")
    stream.flush()
    assert not stream.isatty()


def test_the_stream_behind_stays_open() -> None:
    inner = io.StringIO()
    SafeStream(inner).close()
    inner.write("still")
