# SPDX-License-Identifier: GPL-2.0-only
"""Every application of the catalogue, built and verified as users do it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from unilinux.app.catalogue import load_app
from unilinux.app.checks.http import HttpCheck
from unilinux.app.checks.tcp import TcpCheck
from unilinux.core.events import NullSink, Progress
from unilinux.core.layout import Layout
from unilinux.fetch.fetcher import Fetcher
from unilinux.fetch.unpack import unpack, unpack_package
from unilinux.image.request import Request, make_plan
from unilinux.kernel.source import find_kernel
from unilinux.minimise.boot_test import BootTestResult, ImageBootTest
from unilinux.verify.stop import Stop
from unilinux.verify.verify import check_machine
from unilinux.vm.engine import Boot
from unilinux.vm.outcome import Timeout
from unilinux.vm.qemu.accelerator import Accelerator
from unilinux.vm.qemu.engine import NativeQemu
from unilinux.vm.vm import Vm

PROJECT = Path(__file__).parents[2]
APPS = sorted(path.parent.name for path in (PROJECT / "apps").glob("*/app.toml"))

pytestmark = [pytest.mark.boot, pytest.mark.timeout(1800)]


def invoke_json(*words: str) -> Any:
    """What a task writes to standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "invoke", *words, "--json"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# Each of the others is fetched, looked into and rewritten in a minute or so.
USUALLY_TRIED = ("hello", "ladder", "lighttpd", "lua", "memcached", "nginx", "nginx-debian", "redis", "sqlite")


@pytest.mark.parametrize(
    "app", [pytest.param(app, marks=() if app in USUALLY_TRIED else pytest.mark.slow) for app in APPS]
)
def test_verify(app: str) -> None:
    answer = invoke_json("verify", "--app", app, "--accel", "tcg")
    assert answer["ok"]
    assert answer["accel"] == "tcg"
    assert answer["checks"]
    assert all(check["ok"] for check in answer["checks"])
    assert answer["image"]["app"] == app


def proof(app: str, profile: str | None, evidence: Path) -> BootTestResult:
    """All checks of an application, those of its workload included, on its usual or another profile."""
    plan = make_plan(Request(app=app, profile=profile), Layout.of(PROJECT, os.environ))
    built = invoke_json("build", "--app", app, "--profile", plan.profile.name)
    plan = plan.forwarding(plan.app.manifest.run.ports)
    engine = NativeQemu(Accelerator(name="tcg", reason="tests"))
    boot_test = ImageBootTest(plan=plan, engine=engine, evidence=evidence, tick=None)
    return boot_test.run(Path(built["artifacts"]["vmlinux"]["path"]), timeout_s=60)


@pytest.mark.parametrize("app", ["nginx", "redis"])
def test_workload(app: str, tmp_path: Path) -> None:
    assert load_app(PROJECT / "apps" / app).manifest.workload
    found = proof(app, None, tmp_path / "evidence")
    assert found.ok, found.failure


def test_build_describes_the_image() -> None:
    answer = invoke_json("build", "--app", "hello", "--bzimage")
    assert answer["app"] == "hello"
    assert answer["profile"] == "tiny"
    assert answer["kernel"]["version"].startswith("6.12.")
    for name in ("vmlinux", "bzImage"):
        artifact = answer["artifacts"][name]
        assert Path(artifact["path"]).stat().st_size == artifact["size"]
    assert answer["config"]["symbols"] > 100
    assert {"name", "key", "cached", "seconds"} <= answer["steps"][0].keys()
    record = json.loads((PROJECT / "build/hello-tiny/image.json").read_text())
    assert record["reproduce"] == "./x build --app hello --profile tiny"


def test_nothing_is_done_twice() -> None:
    invoke_json("build", "--app", "hello")
    steps = invoke_json("build", "--app", "hello")["steps"]
    assert all(step["cached"] for step in steps)


@pytest.mark.slow
@pytest.mark.parametrize("app", ["hello", "nginx"])
def test_another_kernel(app: str) -> None:
    answer = invoke_json("verify", "--app", app, "--kernel", "6.1", "--accel", "tcg")
    assert answer["ok"]
    assert answer["image"]["kernel"]["version"].startswith("6.1.")
    assert (answer["image"]["ring"], answer["image"]["syscall"]) == (0, "lean")


@pytest.mark.parametrize("app", ["hello", pytest.param("nginx", marks=pytest.mark.slow)])
def test_q35(app: str) -> None:
    assert invoke_json("verify", "--app", app, "--machine", "q35", "--accel", "tcg")["ok"]


@pytest.mark.slow
def test_several_cpus() -> None:
    assert invoke_json("verify", "--app", "redis", "--profile", "smp", "--accel", "tcg")["ok"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_kernel_of_the_user(kind: str, tmp_path: Path) -> None:
    """The source inside Debian's package, taken out of it as a user would."""
    layout = Layout.of(PROJECT, os.environ)
    progress = Progress(NullSink())
    pinned = find_kernel(layout).pinned
    assert pinned
    package = Fetcher(layout, progress).debian_package(pinned.package, pinned.version, pinned.sha256).path
    unpack_package(package, tmp_path / "package", log=None)
    (kernel,) = (tmp_path / "package/usr/src").glob("linux-source-*.tar.*")
    if kind == "folder":
        unpack(kernel, tmp_path / "linux", log=None)
        kernel = tmp_path / "linux"
    answer = invoke_json("verify", "--app", "hello", "--kernel", str(kernel), "--accel", "tcg")
    assert answer["ok"]
    assert answer["image"]["kernel"]["source"] == str(kernel)


@contextmanager
def started(app: str, evidence: Path) -> Iterator[Vm]:
    """The usual image of an application, booted with its ports in reach."""
    built = invoke_json("build", "--app", app)
    plan = make_plan(Request(app=app), Layout.of(PROJECT, os.environ))
    plan = plan.forwarding(plan.app.manifest.run.ports)
    boot = Boot(
        machine=plan.machine,
        kernel=Path(built["artifacts"]["vmlinux"]["path"]),
        evidence=evidence,
        cmdline=plan.cmdline,
    )
    with Vm.start(boot, NativeQemu(Accelerator(name="tcg", reason="tests"))) as vm:
        yield vm


def test_a_visitor_cannot_stop_the_server(tmp_path: Path) -> None:
    """A request whose path nginx logs: words of the kernel, which the console then shows."""
    missing = HttpCheck(kind="http", port=80, path="/Kernel%20panic%20-%20not%20syncing:%20x", status=404)
    with started("nginx", tmp_path / "evidence") as vm:
        checked = check_machine(vm, (HttpCheck(kind="http", port=80), missing), None, timeout_s=60)
        assert checked.ok, checked
        vm.expect("Kernel panic - not syncing: x", timeout_s=60)
        assert isinstance(vm.wait(timeout_s=1), Timeout)
        checked = check_machine(vm, (HttpCheck(kind="http", port=80),), Stop("SIGQUIT", 0), timeout_s=60)
        assert checked.ok, checked


def test_requests_with_headers_and_bodies(tmp_path: Path) -> None:
    """nginx takes only GET and HEAD for a file, gives a part of it that is asked for, and refuses what isn't HTTP."""
    post = {
        "kind": "http",
        "port": 80,
        "method": "POST",
        "request_headers": {"Host": "example.org", "Content-Type": "text/plain"},
        "request_body": "x" * 10_000,
        "status": 405,
        "headers": {"server": "^nginx/", "Content-Type": "^text/html$"},
        "body": "405 Not Allowed",
    }
    part = {
        "kind": "http",
        "port": 80,
        "request_headers": {"Range": "bytes=2-8"},
        "status": 206,
        "headers": {"Content-Range": "^bytes 2-8/"},
        "body": "^DOCTYPE$",
    }
    raw = {
        "kind": "tcp",
        "port": 80,
        "steps": (
            {"send": "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "expect": "HTTP/1.1 200 OK\r\n"},
            {"expect_line": "^Server: nginx/"},
            {"expect_line": "^Date: "},
        ),
    }
    checks = (HttpCheck.model_validate(post), HttpCheck.model_validate(part), TcpCheck.model_validate(raw))
    wrong = (
        HttpCheck.model_validate({**post, "headers": {"Allow": "GET"}, "body": None}),
        TcpCheck.model_validate({**raw, "steps": ({"send_hex": "00 ff 0d 0a", "expect": "HTTP/1.1 200 OK"},)}),
    )
    with started("nginx", tmp_path / "evidence") as vm:
        assert check_machine(vm, checks, None, timeout_s=60).ok
        found = check_machine(vm, wrong, Stop("SIGQUIT", 0), timeout_s=60)
    assert [check.ok for check in found.checks] == [False, False, True]
    assert "405 Not Allowed, 157 bytes; it has no header Allow, but Server, Date, " in found.checks[0].detail
    assert found.checks[1].detail.startswith(
        r"port 80, step 1: sent '\x00\xff\r\n' (hex 00 ff 0d 0a); "
        r"expected 'HTTP/1.1 200 OK', got 'HTTP/1.1 400 Bad Request\r\n"
    )
    assert found.checks[1].detail.endswith("; the server closed the connection")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    """Redis keeps any bytes; memcached has a binary protocol."""
    key_value = {
        "kind": "tcp",
        "port": 6379,
        "steps": (
            {"send": "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$4\r\n"},
            {"send_hex": "00 ff 0d 0a 0d 0a", "expect": "+OK\r\n"},
            {"send": "GET key\r\n", "expect_line": r"^\$4$"},
            {"expect_hex": "00ff0d0a0d0a"},
            {"send": "QUIT\r\n", "expect": "+OK\r\n"},
        ),
    }
    version = {
        "kind": "tcp",
        "port": 11211,
        "steps": (
            {"send_hex": "80 0b" + 22 * " 00", "expect_hex": "81 0b" + 9 * " 00" + "06" + 12 * "00"},
            {"expect": "1.6.18"},
        ),
    }
    for app, steps in (("redis", key_value), ("memcached", version)):
        with started(app, tmp_path / app) as vm:
            found = check_machine(vm, (TcpCheck.model_validate(steps),), Stop("SIGINT", 0), timeout_s=60)
            assert found.ok, found
