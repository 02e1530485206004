# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import tomllib

from unilinux.kconfig.table import wishes_from_table
from unilinux.kconfig.wish import Origin, Wish

TEXT = """\
name = "x"

[kernel]
EPOLL = "y"   # ngx_epoll_module
HOSTNAME = "a # b"  # not the value
64BIT = 'y'
CPUS = "4"

[other]
EPOLL = "n"
"""


def test_wishes_have_lines_and_reasons() -> None:
    values = tomllib.loads(TEXT)["kernel"]
    assert wishes_from_table("apps/x/app.toml", TEXT, values) == (
        Wish("EPOLL", "y", Origin("apps/x/app.toml", 4), "ngx_epoll_module"),
        Wish("HOSTNAME", "a # b", Origin("apps/x/app.toml", 5), "not the value"),
        Wish("64BIT", "y", Origin("apps/x/app.toml", 6)),
        Wish("CPUS", "4", Origin("apps/x/app.toml", 7)),
    )
