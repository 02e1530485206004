# SPDX-License-Identifier: GPL-2.0-only
"""One file from a web server. What it is, its digest says: the caller checks it."""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError

from unilinux.core.errors import DownloadError

MOST_BYTES = 4 << 30
"""How large a download may be."""

_SILENCE_S = 30.0
_CHUNK_BYTES = 1 << 18
_AGAIN = "see that the network works, then run the same command again"


def download(
    url: str,
    target: Path,
    on_bytes: Callable[[int, int | None], None],
    *,
    silence_s: float = _SILENCE_S,
    most_bytes: int = MOST_BYTES,
) -> None:
    """Download to ``target``, in a folder that is the caller's to remove; by the user's proxies, with redirects.

    ``on_bytes`` is told how many bytes have come, and how many there are, where the server says so.

    :raise DownloadError: no server, no such file, no byte for ``silence_s``, cut short, or more than ``most_bytes``.
    """
    with _explained(url, silence_s):
        asked = urllib.request.Request(url, headers={"User-Agent": "unilinux"})  # some refuse Python's own name
        answer = _opener().open(asked, timeout=silence_s)
    with answer, target.open("xb") as file:
        said = answer.headers.get("Content-Length", "")
        whole = int(said) if said.isdecimal() else None
        came = 0
        while True:
            if max(came, whole or 0) > most_bytes:
                raise DownloadError(f"{url} is too large: more than {most_bytes / 1e6:,.0f} MB")
            with _explained(url, silence_s):
                chunk = answer.read(_CHUNK_BYTES)
            if not chunk:
                break
            file.write(chunk)
            came += len(chunk)
            on_bytes(came, whole)
    if whole is not None and came < whole:
        raise DownloadError(f"{url} was cut short: {came:,} of {whole:,} bytes came", hint=_AGAIN)


def _opener() -> urllib.request.OpenerDirector:
    """HTTP and HTTPS, and nothing else that an address or a redirect may ask for."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


@contextmanager
def _explained(url: str, silence_s: float) -> Iterator[None]:
    try:
        yield
    except HTTPError as error:
        error.close()
        raise _refused(url, error) from error
    except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
        cause = error.reason if isinstance(error, URLError) else error
        raise DownloadError(f"could not download {url}: {_said(cause, silence_s)}", hint=_AGAIN) from error


def _refused(url: str, error: HTTPError) -> DownloadError:
    if 300 <= error.code < 400:
        return DownloadError(
            f"could not download {url}: it is redirected without end, or to no web address",
            details=error.msg.splitlines(),
        )
    return DownloadError(
        f"could not download {url}: the server answers {error.code} {error.reason}",
        hint="see that source.url in app.toml is right; the file may have moved",
    )


def _said(cause: object, silence_s: float) -> str:
    if isinstance(cause, TimeoutError):
        return f"nothing came for {silence_s:g} s"
    if isinstance(cause, socket.gaierror):
        return f"its host has no address here ({cause.strerror})"
    if isinstance(cause, ssl.SSLError):
        return f"no trusted connection ({getattr(cause, 'verify_message', '') or cause.reason})"
    if isinstance(cause, http.client.IncompleteRead):
        return f"it was cut short after {len(cause.partial)} bytes of a piece"
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause)
