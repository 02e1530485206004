# SPDX-License-Identifier: GPL-2.0-only
"""Booting images: in the foreground, and to verify them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from unilinux.cli.choice import Choice
from unilinux.cli.session import session
from unilinux.cli.signals import EndedBySignalError
from unilinux.cli.terminal import typing_to
from unilinux.ops import run as running
from unilinux.ops import verify as verifying
from unilinux.ops.image_under_test import ImageUnderTest
from unilinux.ops.verify import Verified
from unilinux.vm.outcome import End, Timeout
from unilinux.vm.vm import Vm

_GRACE_S = 20.0


def run(project: Path, choice: Choice, *, accel: str, as_json: bool, verbose: bool) -> None:
    """Boot an image with its console on this terminal until it ends or Ctrl-C asks it to."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        prepared = running.prepare(here.workshop, choice.request(), accel=accel)
        here.end_progress()
        descriptor = (sys.stderr if as_json else sys.stdout).fileno()
        found = running.run(prepared, on_output=lambda data: _show(data, descriptor), attend=attend)
        here.answer(found, str)


def attend(vm: Vm, image: ImageUnderTest) -> Timeout | End:
    """Stay with a machine until it has ended; Ctrl-C asks its application to end.

    :raise EndedBySignalError: this process was asked to end, and the application has been.
    """
    stop = image.manifest.run.stop
    with typing_to(vm.send):
        try:
            return vm.wait(timeout_s=None)
        except KeyboardInterrupt as asked:
            if stop is None:
                raise
            outcome = vm.power_down(stop, grace_s=_GRACE_S)
            if isinstance(asked, EndedBySignalError):
                raise
            return outcome


def verify(project: Path, choice: Choice, *, accel: str, timeout_s: float | None, as_json: bool, verbose: bool) -> None:
    """Build, boot, check, stop; the answer says how each check went."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        found = verifying.verify(here.workshop, choice.request(), accel=accel, timeout_s=timeout_s)
        here.answer(found, lambda: verified_text(found))
        found.require()


def verified_text(found: Verified) -> str:
    """A line for each check."""
    lines = [f"{found.name}: {'verified' if found.result.ok else 'FAILED'}"]
    lines += [f"  {'ok  ' if check.ok else 'FAIL'} {check.kind:10} {check.detail}" for check in found.result.checks]
    return "\n".join(lines)


def _show(data: bytes, descriptor: int) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
