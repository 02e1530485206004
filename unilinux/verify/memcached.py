"""memcached's text protocol: lines, and the lines they are answered with."""

from __future__ import annotations

from unilinux.app.checks import MemcachedCheck
from unilinux.verify.attempts import Patience, Server, Verdict

_END = "\r\n"
_LONGEST_LINE = 1 << 20


def ask_memcached(check: MemcachedCheck, server: Server, patience: Patience) -> Verdict:
    """Send the commands of ``check`` over one connection and judge the replies.

    :raise OSError: the connection broke.
    :raise EOFError: it ended before the last reply.
    """
    with (
        server.connect(check.port, patience.first_s) as stream,
        stream.makefile("rb") as file,
    ):
        for command, expected in zip(check.commands, check.replies, strict=True):
            stream.sendall((command + _END).encode())
            for wanted in expected.split(_END):
                line = file.readline(_LONGEST_LINE)
                if not line.endswith(b"\n"):
                    raise EOFError("the connection ended without a reply")
                got = line.decode(errors="replace").rstrip(_END)
                if got != wanted:
                    return Verdict(ok=False, detail=f"{command!r}: expected {wanted!r}, got {got!r}")
                # It is there: another attempt would give its commands twice.
                stream.settimeout(patience.further_s)
    return Verdict(ok=True, detail=f"{len(check.commands)} commands on port {check.port} got the expected replies")
