# SPDX-License-Identifier: GPL-2.0-only
"""The reference of manifests and profiles, written from the models that validate them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from unilinux.app.checks import kinds
from unilinux.app.checks.sql import SqlCheck, SqlStep
from unilinux.app.checks.tcp import TcpCheck, TcpStep
from unilinux.app.files import File
from unilinux.app.manifest import Build, Manifest
from unilinux.app.run import Run
from unilinux.app.volume import Volume
from unilinux.core.document import Model
from unilinux.core.reference import keys_table, summary_of
from unilinux.kconfig.profile import EntryDefaults, MachineDefaults, ProfileDocument
from unilinux.sources.accounts import Group, User
from unilinux.sources.deb import OwnedDirectory
from unilinux.sources.debian import ExtraTarball
from unilinux.sources.registry import KINDS

EXAMPLE_MANIFEST = """\
schema = 1
name = "server"
summary = "Serves the time of day"
version = "1"
profile = "server"

[source]
kind = "local"
files = ["server.c"]

[build]
steps = ["$CC $CFLAGS $LDFLAGS -o server server.c"]

[[files]]
path = "/bin/server"
build = "server"

[[files]]
path = "/etc/server.conf"
template = "server.conf.j2"
mode = "0600"

[vars]
workers = 1

[run]
argv = ["/bin/server", "-f", "/etc/server.conf"]
hostname = "server"
mounts = ["proc", "tmpfs:/tmp"]
memory_mib = 64
network = true
ports = [80]
stop = "SIGTERM"

[kernel]
EPOLL = "y" # its event loop

[[verify]]
kind = "http"
port = 80
body = "o'clock"

[[verify]]
kind = "http" # only read
port = 80
method = "PUT"
path = "/zone"
request_headers = { Content-Type = "text/plain" }
request_body = "Europe/Rome"
status = 405
headers = { Allow = "GET" }

[[verify]]
kind = "tcp" # bytes that are no request
port = 80
steps = [{ send_hex = "00 ff 0d 0a", expect = "HTTP/1.1 400 " }]
"""

EXAMPLE_PROFILE = """\
schema = 1
summary = "server on two CPUs, with system calls by the SYSCALL instruction"
extends = "server"
cmdline = ["sysctl.net.core.somaxconn=1024"]

[machine]
cpus = 2

[entry]
syscall = "trap"

[kernel]
PROC_SYSCTL = "y" # for the sysctl on the command line
"""

# What the entries of a check's ``steps`` are.
_STEPS: Mapping[type[Model], type[Model]] = MappingProxyType({TcpCheck: TcpStep, SqlCheck: SqlStep})

_NOTE = "<!-- Written from the models that validate these files. After a change: UNILINUX_UPDATE=1 ./x test --fast -->"

_HOW_TO = """\
## How to ask for

- **more CPUs**: a profile with `cpus` in its `[machine]`, as below in [profiles.md](profiles.md#example); a manifest
  has no say in it.
- **another Kconfig value than the profile's**: a profile that `extends` it and says so. A manifest may add symbols,
  but one that contradicts the profile is an error that names both places.
- **system calls by the SYSCALL instruction**: `--syscall trap` for one build, `syscall = "trap"` in a profile's
  `[entry]` for all of its images, or in `[[files]]` for a single program.
- **a sysctl**: `sysctl.NAME=VALUE` in a profile's `cmdline`, and `PROC_SYSCTL = "y"` in its `[kernel]`.
- **a dynamic program**: its interpreter and all libraries in `[[files]]`, which a source of kind `deb` brings along; a
  build fails and names what is missing.
- **another user**: `user` in `[run]`. Or the application starts as root and gives it up, with `MULTIUSER = "y"` in
  `[kernel]`. `/tmp` and `/dev/stdout` are open to all users. In ring 0 that keeps a program from what the kernel
  refuses to a user, but not from the kernel.
- **IPv6**: `IPV6 = "y"` in `[kernel]`; without it `listen [::]:80` fails in the guest.
- **data that stays**: `[[volume]]`, or `--volume FILE:/PATH` for an application that has none: see [data.md](data.md).
- **helpers that put themselves into the background**: the application is PID 1 and has to wait for them itself; else
  each stays a zombie until the machine ends.
- **UDP ports**: not yet."""


def reference() -> Mapping[str, str]:
    """The files of the reference, by their names in ``docs/``."""
    return MappingProxyType({"manifest.md": _manifest(), "profiles.md": _profiles()})


def _manifest() -> str:
    source = [_section(f'`[source]` of kind `"{_kind(kind)}"`', kind) for kind in KINDS]
    proofs: list[str] = []
    for check in kinds.KINDS:
        proofs.append(_section(f'`[[verify]]` of kind `"{_kind(check)}"`', check))
        if (step := _STEPS.get(check)) is not None:
            proofs.append(_section(f'`[[verify.steps]]` of kind `"{_kind(check)}"`', step))
    return _page(
        "Reference of app.toml",
        "`apps/NAME/app.toml` says what an application is. A new application is a new folder with this file, here or "
        "anywhere on the disk, where `--app` names it by its path; `./x apps` "
        "lists those that are here, and what is wrong with one. Each key is listed here with an example. Paths in the "
        "image are absolute, other paths are relative to the file's folder or to that of the build.",
        [
            _section("Top level", Manifest),
            *source,
            _section("`[[source.extra]]`", ExtraTarball),
            _section("`[[source.users]]`", User),
            _section("`[[source.groups]]`", Group),
            _section("`[[source.directories]]`", OwnedDirectory),
            _section("`[build]`", Build),
            _section("`[[files]]`", File),
            _section("`[run]`", Run),
            _section("`[[volume]]`", Volume),
            *proofs,
            "`[[workload]]` has the same kinds of checks as `[[verify]]`.",
            _HOW_TO,
            f"## Example\n\n```toml\n{EXAMPLE_MANIFEST}```",
        ],
    )


def _profiles() -> str:
    return _page(
        "Reference of profiles",
        "`configs/profiles/NAME.toml` says what kind of kernel and machine an application gets. `./x profiles` "
        "lists them; a manifest names the one that is used unless `--profile` names another. `--profile "
        "PATH/NAME.toml` takes a file from anywhere; it may extend those beside it, too. Most new profiles extend one "
        "that is there.",
        [
            _section("Top level", ProfileDocument),
            _section("`[machine]`", MachineDefaults),
            _section("`[entry]`", EntryDefaults),
            f"## Example\n\n```toml\n{EXAMPLE_PROFILE}```",
        ],
    )


def _section(title: str, model: type[Model]) -> str:
    return f"## {title}\n\n{summary_of(model)}\n\n{keys_table(model)}"


def _page(title: str, intro: str, sections: Iterable[str]) -> str:
    return "\n\n".join([_NOTE, f"# {title}", intro, *sections]) + "\n"


def _kind(model: type[Model]) -> str:
    return str(model.model_json_schema()["properties"]["kind"]["const"])
