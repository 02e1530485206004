# SPDX-License-Identifier: GPL-2.0-only
"""Downloads from a web server on this host: verified, whole or not at all, and what can go wrong in plain words."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.unit.recorder import Recorder
from unilinux.core.errors import DownloadError
from unilinux.core.events import Progress
from unilinux.core.layout import Layout
from unilinux.fetch import web
from unilinux.fetch.fetcher import Fetcher

CONTENT = b"content " * 100_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Answers(BaseHTTPRequestHandler):
    """Answers by path; ``asked`` are the paths in order, and ``released`` ends the silent ones."""

    asked: list[str]
    released: threading.Event

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to/"):
            self._send(302, location={"loop": "/to/loop", "file": "file:///etc/passwd", "ftp": "ftp://127.0.0.1/x"}.get(
                self.path.removeprefix("/to/"), "/v1/some%20name.tar.gz"))  # fmt: skip
        elif self.path == "/silent":
            self.released.wait(60)
        elif self.path == "/stalls":
            self._send(200, CONTENT[:1000], length=len(CONTENT))
            self.wfile.flush()
            self.released.wait(60)
        elif self.path == "/short":
            self._send(200, CONTENT[:-1], length=len(CONTENT))
        elif self.path == "/unsaid":
            self._send(200, CONTENT, length=None)
        elif self.path.startswith("/v1/"):
            self._send(200, CONTENT, length=len(CONTENT))
        else:
            self._send(int(self.path[1:]))

    def _send(self, code: int, body: bytes = b"", *, length: int | None = 0, location: str | None = None) -> None:
        self.send_response(code)
        if location is not None:
            self.send_header("Location", location)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Answers.asked, Answers.released = [], threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        Answers.released.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def web_fetcher(layout: Layout, recorder: Recorder) -> Fetcher:
    return Fetcher(layout, Progress(recorder))


def left(layout: Layout) -> list[str]:
    return sorted(path.name for path in layout.downloads.iterdir())


def test_a_file_is_fetched_once_and_kept_by_digest(
    server: str, web_fetcher: Fetcher, layout: Layout, recorder: Recorder
) -> None:
    path = web_fetcher.web_file(f"{server}/v1/some%20name.tar.gz?x=/y", SHA256)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o444
    assert left(layout) == [f"{SHA256}-some_name.tar.gz"]
    assert web_fetcher.web_file("https://mirror.invalid/other", SHA256) == path
    assert recorder.cached == [False, True]
    assert len(Answers.asked) == 1


def test_redirects_are_followed(server: str, web_fetcher: Fetcher) -> None:
    assert web_fetcher.web_file(f"{server}/to/it", SHA256).read_bytes() == CONTENT
    assert Answers.asked == ["/to/it", "/v1/some%20name.tar.gz"]


def test_a_server_that_does_not_say_how_much_comes(server: str, web_fetcher: Fetcher) -> None:
    assert web_fetcher.web_file(f"{server}/unsaid", SHA256).read_bytes() == CONTENT


def test_another_content_than_was_promised(server: str, web_fetcher: Fetcher, layout: Layout) -> None:
    with pytest.raises(DownloadError, match="/v1/x has another content than was promised") as caught:
        web_fetcher.web_file(f"{server}/v1/x", "0" * 64)
    assert caught.value.details == (f"promised SHA-256 {'0' * 64}", f"arrived SHA-256  {SHA256}")
    assert "set sha256 in app.toml" in (caught.value.hint or "")
    assert left(layout) == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/404", "the server answers 404 Not Found"),
        ("/500", "the server answers 500 Internal"),
        ("/to/loop", "redirected without end"),
        ("/to/file", "redirected without end, or to no web address"),
        ("/to/ftp", "unknown url type: ftp"),
        ("/short", "was cut short: 799,999 of 800,000 bytes came"),
    ],
)
def test_what_a_server_refuses_or_breaks_off(
    server: str, web_fetcher: Fetcher, layout: Layout, path: str, said: str
) -> None:
    with pytest.raises(DownloadError, match=said) as caught:
        web_fetcher.web_file(f"{server}{path}", SHA256)
    assert f"{server}{path}" in caught.value.message
    assert left(layout) == []


def test_nobody_listens(web_fetcher: Fetcher, layout: Layout) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        with pytest.raises(DownloadError, match="Connection refused") as caught:
            web_fetcher.web_file(address, SHA256)
    assert "network" in (caught.value.hint or "")
    assert left(layout) == []


def test_a_host_that_has_no_address(web_fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DownloadError, match=r"its host has no address here \(Name or service not known\)"):
        web_fetcher.web_file("https://nowhere.invalid/x", SHA256)


@pytest.mark.parametrize("path", ["/silent", "/stalls"])
def test_a_server_that_falls_silent(server: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(DownloadError, match=r"nothing came for 0\.2 s"):
        web.download(f"{server}{path}", tmp_path / "x", lambda *_: None, silence_s=0.2)


@pytest.mark.parametrize("path", ["/v1/x", "/unsaid"])
def test_a_file_that_is_too_large(server: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(DownloadError, match="is too large: more than 0 MB"):
        web.download(f"{server}{path}", tmp_path / "x", lambda *_: None, most_bytes=400_000)


def test_an_encrypted_address_whose_server_is_not_trusted(server: str, web_fetcher: Fetcher) -> None:
    with pytest.raises(DownloadError, match="no trusted connection"):
        web_fetcher.web_file(server.replace("http://", "https://") + "/v1/x", SHA256)
