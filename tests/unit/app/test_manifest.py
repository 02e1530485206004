# SPDX-License-Identifier: GPL-2.0-only
"""The manifest: what holds, and the message for each thing that doesn't."""

from __future__ import annotations

import json

import pytest

from tests.unit.app.conftest import MakeApp
from unilinux.app.manifest import Manifest
from unilinux.app.run import Mount
from unilinux.core.errors import ManifestError


def problems(make_app: MakeApp, old: str, new: str) -> list[str]:
    """The problems that a changed manifest is refused with."""
    with pytest.raises(ManifestError) as caught:
        make_app(old, new)
    return list(caught.value.details)


def test_toy_holds(make_app: MakeApp) -> None:
    manifest = make_app().manifest
    assert manifest.built_files == ("toy",)
    assert [mount.target for mount in manifest.run.mount_points] == ["/proc", "/tmp"]
    assert [mount.symbol for mount in manifest.run.mount_points] == ["PROC_FS", "TMPFS"]


def test_all_problems_come_at_once_with_lines_and_suggestion(make_app: MakeApp) -> None:
    found = problems(make_app, 'hostname = "toy"', 'hostnam = "toy"\nopen_files = "many"')
    assert len(found) == 2
    assert any("app.toml:27: run.hostnam: unknown key; did you mean 'hostname'?" in problem for problem in found)
    assert any("app.toml:28: run.open_files: input should be a valid integer" in problem for problem in found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('build = "toy"', 'build = "toy"\nlocal = "toy.c"', "/bin/toy needs exactly one of build, source, local,"),
        ('build = "toy"', 'build = "../toy"', "'../toy' must be a relative path without '..'"),
        ('path = "/etc/toy.conf"', 'path = "etc/toy.conf"', "'etc/toy.conf' must be an absolute path"),
        ('path = "/etc/toy.conf"', 'path = "/bin/toy"', "files: /bin/toy is given twice"),
        ('["/bin/toy", "-c"', '["/bin/tay", "-c"', "run.argv: /bin/tay is not among the files"),
        ('"tmpfs:/tmp"', '"tmpfs"', "'tmpfs' needs a target, as in 'tmpfs:/tmp'"),
        ('"proc"', '"procfs"', "there is no mount 'procfs' (known: devtmpfs, proc, sysfs, tmpfs)"),
        ("network = true\n", "", "ports are served, so network must be true"),
        ('stop = "SIGINT"\n', "", "run.stop: a server needs the signal that asks it to end"),
        ("EPOLL =", "CONFIG_EPOLL =", "write EPOLL without CONFIG_"),
        ('FUTEX = "y"', '[kernel."6.1"]\nCONFIG_FUTEX = "y"', "write FUTEX without CONFIG_"),
        ('FUTEX = "y"', '[kernel."6.1"]\nFUTEX = true', "kernel.6.1.FUTEX: input should be a valid string"),
        ('kind = "tcp"\nport = 80', 'kind = "tcp"\nport = 81', "verify: port 81 is not among run.ports"),
        (
            'kind = "tcp"\nport = 80',
            'kind = "tcp"\nport = 80\n\n[[workload]]\nkind = "tcp"\nport = 82',
            "workload: port 82 is not among run.ports",
        ),
        ('kind = "tcp"', 'kind = "console"\npattern = "("', "'(' is no regular expression"),
        ('kind = "tcp"', 'kind = "resp"\ncommands = [["PING"]]\nreplies = []', "1 commands and 0 replies"),
        ('kind = "tcp"', 'kind = "udp"', "input tag 'udp' found using 'kind' does not match"),
        ('stop = "SIGINT"', 'stop = "SIGTREM"', "there is no signal 'SIGTREM'; did you mean 'SIGTERM'?"),
        ('stop = "SIGINT"', 'stop = "SIGRTMIN+31"', "SIGRTMIN+31 is no signal: SIGRTMIN is 34, SIGRTMAX is 64"),
        ("ports = [80]", 'ports = ["80/udp"]', "'80/udp' is no number of a TCP port; UDP and other protocols can't be"),
        ('kind = "tcp"', 'kind = "http"\npath = "/ä b"', "write '/%C3%A4%20b'"),
        ('kind = "tcp"', 'kind = "http"\npath = "x"', "'x' must begin with a '/'"),
        ('path = "/etc/toy.conf"', 'path = "/init"', "/init is the program of UniLinux that starts"),
        ('path = "/etc/toy.conf"', 'path = "/"', "/ is a folder: it can only be filled"),
        ('path = "/etc/toy.conf"', 'path = "/tmp/toy.conf"', "/tmp/toy.conf would be hidden by the mount at /tmp"),
        ('"tmpfs:/tmp"', '"tmpfs:/a/b", "tmpfs:/a"', "the mount at /a would hide the one at /a/b: put it first"),
        ('template = "toy.conf.j2"', 'template = "toy.conf.j2"\nmode = "644"', "files: /etc/toy.conf: mode: "),
        ("schema = 1", "schema = 2", "app.toml:1: schema: input should be 1"),
        ('[build]\nsteps = ["$CC $CFLAGS -o toy toy.c"]\n', "", "/bin/toy comes from a build, but there is no [build]"),
        ('template = "toy.conf.j2"', 'template = "toy.conf.j2"\nsyscall = "trap"', "only programs have a choice"),
        ('template = "toy.conf.j2"', 'template = "toy.conf.j2"\nowner = "root"', "owner: string should match"),
    ],
)  # fmt: skip
def test_what_does_not_hold_says_why(make_app: MakeApp, old: str, new: str, message: str) -> None:
    found = problems(make_app, old, new)
    assert any(message in problem for problem in found), found
    assert all("app.toml" in problem for problem in found)


def checked(make_app: MakeApp, kind: str, text: str) -> list[str]:
    """The problems of a manifest with a check of that kind that says this on line 41 and following."""
    found = problems(make_app, 'kind = "tcp"\nport = 80\n', f'kind = "{kind}"\nport = 80\n{text}\n')
    return [problem.partition("app.toml:")[2] for problem in found]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('method = "TRACE"', "41: verify.0.method: input should be 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'"),
        ('request_body = "x"', "41: verify.0.request_body: a GET request has no body: choose another method, such as"),
        ('method = "HEAD"\nrequest_body = ""', "42: verify.0.request_body: a HEAD request has no body"),
        ('method = "HEAD"\nbody = "x"', "42: verify.0.body: the answer to a HEAD request has no body"),
        ('status = 204\nbody = "x"', "42: verify.0.body: an answer of status 204 has no body"),
        ("status = 100", "41: verify.0.status: input should be greater than or equal to 200"),
        ('request_headers = { "" = "x" }', "41: verify.0.request_headers: '' is no name of a header"),
        ('request_headers = { "a b" = "x" }', "41: verify.0.request_headers: 'a b' is no name of a header"),
        ('request_headers = { "a:" = "x" }', "41: verify.0.request_headers: 'a:' is no name of a header"),
        ('request_headers = { "a\\n" = "x" }', r"41: verify.0.request_headers: 'a\n' is no name of a header"),
        ('request_headers = { "é" = "x" }', "41: verify.0.request_headers: 'é' is no name of a header"),
        (r'request_headers = { A = "x\r\nB: y" }', r"41: verify.0.request_headers: A: 'x\r\nB: y' has other char"),
        (r'request_headers = { A = "x\n" }', r"41: verify.0.request_headers: A: 'x\n' has other char"),
        (r'request_headers = { A = "\u0000" }', r"41: verify.0.request_headers: A: '\x00' has other char"),
        ('request_headers = { A = "x", a = "y" }', "41: verify.0.request_headers: a is given twice: capital letters"),
        ("request_headers = { A = 1 }", "41: verify.0.request_headers.A: input should be a valid string"),
        ('request_headers = "A: x"', "41: verify.0.request_headers: input should be a valid dictionary"),
        ('\n[verify.request_headers]\ncontent-length = "1"', "42: verify.0.request_headers: content-length can't be"),
        ('request_headers = { Connection = "close" }', "41: verify.0.request_headers: Connection can't be given"),
        ('request_headers = { Transfer-Encoding = "chunked" }', "41: verify.0.request_headers: Transfer-Encoding"),
        ('headers = { "a b" = "x" }', "41: verify.0.headers: 'a b' is no name of a header"),
        ('headers = { A = "(" }', "41: verify.0.headers: A: '(' is no regular expression"),
        ('header = { A = "x" }', "41: verify.0.header: unknown key; did you mean 'headers'?"),
    ],
)  # fmt: skip
def test_a_request_that_means_nothing_is_refused(make_app: MakeApp, text: str, message: str) -> None:
    (problem,) = checked(make_app, "http", text)
    assert problem.startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = [{}]", "41: verify.0.steps.0: a step needs something to send or to expect"),
        ('steps = [{ send = "" }]', "41: verify.0.steps.0.send: string should have at least 1 character"),
        ('steps = [{ expect = "" }]', "41: verify.0.steps.0.expect: string should have at least 1 character"),
        ('steps = [{ expect_hex = " " }]', "41: verify.0.steps.0.expect_hex: there are no bytes in it"),
        ('steps = [{ send_hex = "0" }]', "41: verify.0.steps.0.send_hex: '0' must be two hexadecimal digits for each"),
        ('steps = [{ send_hex = "0x00" }]', "41: verify.0.steps.0.send_hex: '0x00' must be two hexadecimal digits for"),
        ('steps = [{ expect_line = "(" }]', "41: verify.0.steps.0.expect_line: '(' is no regular expression"),
        (
            'steps = [{ send = "a", send_hex = "00", expect = "b" }]',
            "41: verify.0.steps.0: send and send_hex exclude each other: write two steps",
        ),
        (
            'steps = [{ expect_line = "a", expect_hex = "00" }]',
            "41: verify.0.steps.0: expect_hex and expect_line exclude each other: write two steps",
        ),
        ('steps = [{ expect = "a" }, { send = "b" }]', "41: verify.0.steps: the last step must expect something"),
        ('[[verify.steps]]\nexpect = "a"\n[[verify.steps]]\nexpct = "b"', "44: verify.0.steps.1.expct: unknown key"),
        ('steps = { expect = "a" }', "41: verify.0.steps: input should be a valid tuple"),
        ('send = "a"', "41: verify.0.send: unknown key"),
    ],
)  # fmt: skip
def test_a_conversation_that_means_nothing_is_refused(make_app: MakeApp, text: str, message: str) -> None:
    (problem,) = checked(make_app, "tcp", text)
    assert problem.startswith(message)


def test_checks_survive_the_record_of_an_image(make_app: MakeApp) -> None:
    """``image.json`` has the manifest as JSON."""
    text = """\
method = "POST"
request_headers = { Host = "example.org" }
request_body = "a\\tb"
headers = { Allow = "GET" }

[[verify]]
kind = "tcp"
port = 80
steps = [{ send_hex = "00 FF", expect = "é" }, { expect_line = "^a" }]
"""
    manifest = make_app('kind = "tcp"\nport = 80\n', f'kind = "http"\nport = 80\n{text}').manifest
    recorded = json.dumps(manifest.model_dump(mode="json", by_alias=True, exclude_none=True))
    assert Manifest.model_validate_json(recorded) == manifest


def test_modes_have_sensible_defaults(make_app: MakeApp) -> None:
    by_path = {file.path: file.permissions for file in make_app().manifest.files}
    assert by_path == {"/bin/toy": 0o755, "/etc/toy.conf": 0o644}


def test_mount_target_can_be_changed() -> None:
    assert Mount.parse("proc:/host/proc").target == "/host/proc"


VOLUME = '[[volume]]\nname = "data"\npath = "/var/lib/toy"\nsize_mib = 64\n\n[kernel]'


def test_volume(make_app: MakeApp) -> None:
    (volume,) = make_app("[kernel]", VOLUME).manifest.volume
    assert (volume.name, volume.path, volume.size_mib, volume.file_system) == ("data", "/var/lib/toy", 64, "ext4")
    (owned,) = make_app("[kernel]", VOLUME.replace("64\n", '64\nowner = "70:71"\nmode = "0700"\n')).manifest.volume
    assert (owned.uid_gid, owned.mode) == ((70, 71), "0700")


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("/var/lib/toy", "/", "a volume can't be the root of the file system"),
        ("/var/lib/toy", "var", "must be an absolute path"),
        ("/var/lib/toy", "/etc", "/etc/toy.conf would be hidden by the volume at /etc"),
        ("/var/lib/toy", "/bin/toy", "/bin/toy would be hidden by the volume at /bin/toy"),
        ("/var/lib/toy", "/tmp/a", "/tmp/a and the mount at /tmp can't lie in one another"),
        ("64", "4", "greater than or equal to 8"),
        ('"data"', '"Data"', "name: string should match pattern"),
        ('"data"', '"a-name-that-is-too-long"', "name: string should match pattern"),
        ("[[volume]]", VOLUME.removesuffix("\n[kernel]") + "\n[[volume]]", "two have the name data"),
        (
            "[[volume]]",
            VOLUME.removesuffix("\n[kernel]").replace("data", "a").replace("/toy", "/toy/a") + "\n[[volume]]",
            "/var/lib/toy/a can't lie in the volume at /var/lib/toy",
        ),
    ],
)
def test_volume_that_cannot_be(old: str, new: str, problem: str, make_app: MakeApp) -> None:
    with pytest.raises(ManifestError) as caught:
        make_app("[kernel]", VOLUME.replace(old, new, 1))
    assert problem in "\n".join(caught.value.details)
