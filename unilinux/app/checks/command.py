# SPDX-License-Identifier: GPL-2.0-only
"""A script of the user's own."""

from __future__ import annotations

from typing import Literal

from unilinux.app.checks.fields import Port
from unilinux.core.document import Field, Model


class CommandCheck(Model):
    """A script on this host ends with status 0. It is run once, as soon as the guest accepts connections to the port.

    `sh -eu` runs it in an empty folder. `$GUEST_HOST` and `$GUEST_PORT` are where the port is reached from the host,
    and `$GUEST_PORT_80` is where the guest's port 80 is, and so on for each of `run.ports`.
    """

    kind: Literal["command"] = Field(description="this kind of check", examples=["command"])
    port: Port = Field(description="one of `run.ports`", examples=[80])
    script: str = Field(
        min_length=1,
        description="shell commands",
        examples=['curl --fail --silent "http://$GUEST_HOST:$GUEST_PORT/" | grep -q Welcome'],
    )
    timeout_s: float = Field(default=60.0, gt=0, description="how many seconds it may take", examples=[10.0])
