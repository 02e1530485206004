"""Booting images: in the foreground, and to verify them."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path

from unilinux.cli.choice import Choice
from unilinux.cli.evidence import evidence_folder
from unilinux.cli.images import build_image
from unilinux.cli.session import Session, session
from unilinux.cli.terminal import typing_to
from unilinux.image.record import Image
from unilinux.image.request import Plan
from unilinux.verify.result import Entry, Verification
from unilinux.verify.verify import verify as verify_boot
from unilinux.vm.choose import native_engine
from unilinux.vm.engine import Boot, Engine
from unilinux.vm.outcome import End, Exited, Timeout
from unilinux.vm.vm import Vm

_GRACE_S = 20.0
# As good as for ever, and short enough for the clocks of threads.
_FOREVER_S = 1e6


def run(project: Path, choice: Choice, *, accel: str, as_json: bool, verbose: bool) -> None:
    """Boot an image with its console on this terminal until it ends or Ctrl-C asks it to."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        plan = choice.plan(here)
        image = build_image(here, plan)
        engine = _engine(here, accel)
        here.end_progress()
        stream = sys.stderr if as_json else sys.stdout
        with Vm.start(_boot(plan, image, "run"), engine, on_output=lambda data: _show(data, stream.fileno())) as vm:
            outcome = _attend(vm, plan)
            if outcome not in (Exited(0), Exited(plan.app.manifest.run.stop_status)):
                raise vm.failure(outcome)
        here.answer({"outcome": type(outcome).__name__.lower(), **asdict(outcome)}, str)


def _attend(vm: Vm, plan: Plan) -> Timeout | End:
    stop = plan.app.manifest.run.stop
    with typing_to(vm.send):
        try:
            return vm.wait(timeout_s=_FOREVER_S)
        except KeyboardInterrupt:
            if stop is None:
                raise
            return vm.power_down(stop, grace_s=_GRACE_S)


def verify(project: Path, choice: Choice, *, accel: str, timeout_s: float | None, as_json: bool, verbose: bool) -> None:
    """Build, boot, check, stop; the answer says how each check went."""
    with session(project, as_json=as_json, verbose=verbose) as here:
        plan = choice.plan(here)
        image = build_image(here, plan)
        engine = _engine(here, accel)
        forwarding = plan.forwarding(plan.app.manifest.run.ports)
        result = verify_boot(
            _boot(forwarding, image, "verify"),
            engine,
            plan.app.manifest,
            entry=Entry(ring=plan.entry.ring, syscall=plan.entry.syscall),
            progress=here.progress,
            timeout_s=timeout_s,
        )
        document = {**result.describe(), "accel": engine.abilities.accelerator, "image": image.to_json()}
        here.answer(document, lambda: _summary(plan, result))
        result.require()


def _engine(here: Session, request: str) -> Engine:
    with here.progress.step("accelerator", "looking for KVM") as step:
        found = native_engine(request, here.layout.cache)
        step.detail(found.reason)
    here.progress.note(found.reason)
    return found


def _boot(plan: Plan, image: Image, kind: str) -> Boot:
    return Boot(
        machine=plan.machine,
        kernel=image.vmlinux,
        evidence=evidence_folder(image.folder, kind),
        cmdline=plan.cmdline,
    )


def _show(data: bytes, descriptor: int) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _summary(plan: Plan, result: Verification) -> str:
    lines = [f"{plan.name}: {'verified' if result.ok else 'FAILED'}"]
    lines += [f"  {'ok  ' if check.ok else 'FAIL'} {check.kind:10} {check.detail}" for check in result.checks]
    return "\n".join(lines)
