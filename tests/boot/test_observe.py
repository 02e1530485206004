# SPDX-License-Identifier: GPL-2.0-only
"""What real applications use of a real kernel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.boot.conftest import ENGINE, Workshop
from unilinux.core.errors import UsageError, VerifyError
from unilinux.core.events import NullSink, Progress
from unilinux.core.localstore import LocalStore
from unilinux.image.record import Image
from unilinux.observe.observe import Observation
from unilinux.observe.usage import Usage

pytestmark = [pytest.mark.boot]


def observation(workshop: Workshop, folder: Path, app: str) -> Observation:
    """One in a store of its own, so that it really boots."""
    image: Image = workshop.build(app, profile="server", ring=3)
    plan = image.plan.forwarding(image.plan.app.manifest.run.ports)
    store = LocalStore(folder / "store", logs=folder / "logs", progress=Progress(NullSink()))
    return Observation(image=replace(image, plan=plan), engine=ENGINE, evidence=folder / "evidence", store=store)


@pytest.mark.slow  # a kernel to build when the cache hasn't it
def test_hello_uses_little(workshop: Workshop, tmp_path: Path) -> None:
    seen = observation(workshop, tmp_path, "hello").run()
    own = {call.name for call in seen.calls if call.by == "application"}
    assert {"arch_prctl", "writev", "nanosleep", "exit_group"} <= own <= own | {"ioctl", "set_tid_address", "brk"}
    (sleep,) = (call for call in seen.calls if call.name == "nanosleep")
    assert (sleep.place, sleep.chain[-2:], sleep.count) == ("main", ("nanosleep", "main"), 1)
    (program,) = (call for call in seen.calls if call.name == "execve")
    assert (program.by, program.detail) == ("init", "/bin/hello")
    assert {"tty_write"} <= set(_object(seen, "drivers/tty/tty_io.o"))
    assert seen.of("TTY").status == "used"
    assert seen.of("EPOLL").status == "boot"
    assert seen.of("EVENTFD").status == "idle"
    assert "EVENTFD" in {one.symbol for one in seen.without_evidence}


@pytest.mark.slow
def test_nginx_needs_epoll(workshop: Workshop, tmp_path: Path) -> None:
    watched = observation(workshop, tmp_path, "nginx")
    seen = watched.run()
    epoll = seen.of("EPOLL")
    assert epoll.status == "used"
    assert epoll.size > 5000
    assert any(line.startswith("epoll_create") and " in ngx_epoll_init" in line for line in epoll.calls), epoll.calls
    assert any(line.startswith("epoll_pwait in ngx_epoll_process_events") for line in epoll.calls), epoll.calls
    assert "do_epoll_wait" in _object(seen, "fs/eventpoll.o")
    assert any("AF_UNIX" in line for line in seen.of("UNIX").calls)
    # The second time nothing is booted.
    (tmp_path / "evidence/console.log").unlink()
    assert watched.run() == seen
    assert not (tmp_path / "evidence/console.log").exists()


@pytest.mark.slow
def test_an_application_that_fails_is_not_observed(workshop: Workshop, tmp_path: Path) -> None:
    workshop.add("mute", "int main(void) { return 0; }\n")
    with pytest.raises(VerifyError, match="checks failed"):
        observation(workshop, tmp_path, "mute").run()
    assert not list((tmp_path / "store/observation").glob("*/out"))


def test_a_gate_cannot_be_watched(hello_image: Image, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store", logs=tmp_path / "logs", progress=Progress(NullSink()))
    with pytest.raises(UsageError, match="calls the kernel by functions"):
        Observation(image=hello_image, engine=ENGINE, evidence=tmp_path, store=store).run()


def _object(seen: Usage, path: str) -> tuple[str, ...]:
    return next(one.used for one in seen.objects if one.path == path)
