# SPDX-License-Identifier: GPL-2.0-only
"""A script of the user's own, which asks the server as it likes."""

from __future__ import annotations

import tempfile
from pathlib import Path

from unilinux.app.checks.command import CommandCheck
from unilinux.core.command import clean_environment, run
from unilinux.core.errors import CommandError
from unilinux.verify.attempts import Patience, Server, Verdict
from unilinux.verify.connection import connected

_SHOWN_LINES = 5


def ask_command(check: CommandCheck, server: Server, patience: Patience) -> Verdict:
    """See the guest accept a connection, then run the script of ``check``.

    :raise OSError: nobody accepted the connection.
    :raise EOFError: it was closed without a word.
    """
    with connected(server, check.port, patience):
        pass
    places = server.forwarded()
    host, port = places[check.port]
    env = clean_environment(
        GUEST_HOST=host,
        GUEST_PORT=str(port),
        **{f"GUEST_PORT_{guest}": str(place[1]) for guest, place in places.items()},
    )
    with tempfile.TemporaryDirectory(prefix="unilinux-check-") as folder:
        try:
            run(["sh", "-euc", check.script], cwd=Path(folder), env=env, timeout_s=check.timeout_s)
        except CommandError as error:
            return Verdict(ok=False, detail=_complaint(error))
    return Verdict(ok=True, detail="the script ended with status 0")


def _complaint(error: CommandError) -> str:
    if error.overdue_s is not None:
        how = f"did not end within {error.overdue_s:g} s"
    elif error.returncode < 0:
        how = f"was ended by signal {-error.returncode}"
    else:
        how = f"ended with status {error.returncode}"
    said = "; ".join(line for line in error.tail[-_SHOWN_LINES:])
    return f"the script {how}" + (f"; its last words: {said}" if said else "; it said nothing")
