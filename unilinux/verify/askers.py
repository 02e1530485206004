# SPDX-License-Identifier: GPL-2.0-only
"""Which module asks for which kind of check."""

from __future__ import annotations

from functools import partial

from unilinux.app.checks.command import CommandCheck
from unilinux.app.checks.dialogue import MemcachedCheck, RespCheck
from unilinux.app.checks.http import HttpCheck
from unilinux.app.checks.kinds import AskedCheck
from unilinux.app.checks.sql import SqlCheck
from unilinux.app.checks.tcp import TcpCheck
from unilinux.verify.attempts import Attempt
from unilinux.verify.command import ask_command
from unilinux.verify.http import ask_http
from unilinux.verify.memcached import ask_memcached
from unilinux.verify.resp import ask_resp
from unilinux.verify.sql import ask_sql
from unilinux.verify.tcp import ask_tcp


def attempt_of(check: AskedCheck) -> Attempt:
    """What asks a server once whether ``check`` holds."""
    match check:
        case TcpCheck():
            return partial(ask_tcp, check)
        case HttpCheck():
            return partial(ask_http, check)
        case RespCheck():
            return partial(ask_resp, check)
        case MemcachedCheck():
            return partial(ask_memcached, check)
        case SqlCheck():
            return partial(ask_sql, check)
        case CommandCheck():
            return partial(ask_command, check)
