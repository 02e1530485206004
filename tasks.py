# SPDX-License-Identifier: GPL-2.0-only
# long: one function for each command, with its options, which invoke reads here
"""UniLinux's commands, for `invoke` and `./x`: each names its options and calls one function of the library.

What a command does is imported when it runs: `--help` is quick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task as any_task

from unilinux.cli.choice import Choice, helps, repeatable, taking

PROJECT = Path(__file__).resolve().parent

# No short options: those that invoke makes of first letters mean something else in each command.
task = partial(any_task, auto_shortflags=False)

_IMAGE = ("app", "profile", "ring", "syscall", "syscalls", "machine", "kernel", "pack", "memory")
_MOUNTED = ("volume", "share")
_BOOT = (*_MOUNTED, "env", "arguments", "cmdline", "initrd")
_ANSWER = {
    "json": "write one JSON document to standard output, all else to standard error",
    "verbose": "show the traceback of an error",
}
_ACCEL = "auto (usual), tcg or kvm"
_TIMEOUT = "seconds that each check may take; the application says what is usual"
_MEASURED = "the guest's memory in MiB, 128 unless told"
_STOCK = "a kernel as others ship it (configs/stock-kernels.toml), to be measured beside: debian-cloud"
_IMAGE_OR_APP = "the application (./x apps lists them), or the folder of a finished image"
_APPS = f"{helps('app')['app']}; repeatable"


def _image_task(
    *options: str, name: str | None = None, iterable: tuple[str, ...] = (), help: Mapping[str, str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A task about one image: the function takes a Choice, the command line the options that make it up."""
    return lambda function: task(
        taking(*options)(function),
        name=name,
        iterable=(*iterable, *repeatable(*options)),
        help={**helps(*options), **_ANSWER, **(help or {})},
    )


@task(name="setup", help=_ANSWER)
def setup_task(context: Context, json: bool = False, verbose: bool = False) -> None:
    """Install what is missing (./x does that before every command) and look at the host."""
    from unilinux.cli.commands import project

    project.show_host(PROJECT, as_json=json, verbose=verbose)


@task(help=_ANSWER)
def apps(context: Context, json: bool = False, verbose: bool = False) -> None:
    """List the applications."""
    from unilinux.cli.commands import project

    project.list_apps(PROJECT, as_json=json, verbose=verbose)


@task(help=_ANSWER)
def profiles(context: Context, json: bool = False, verbose: bool = False) -> None:
    """List the profiles."""
    from unilinux.cli.commands import project

    project.list_profiles(PROJECT, as_json=json, verbose=verbose)


@task(
    positional=["name"],
    help={
        "name": "the application's name, for apps/NAME; or the PATH of a folder of that name",
        "from": "the PATH of a program of this host (an ELF file)",
        **_ANSWER,
    },
)
def new(context: Context, name: str, from_: str, json: bool = False, verbose: bool = False) -> None:
    """Write an app.toml for a program: what could be found out about it, to be edited."""
    from unilinux.cli.commands import project

    project.new(PROJECT, name, from_, as_json=json, verbose=verbose)


@_image_task(
    *_IMAGE, *_MOUNTED, help={"bzimage": "make a bzImage, too: compressed, for other loaders; takes some 15 s"}
)
def build(choice: Choice, bzimage: bool = False, json: bool = False, verbose: bool = False) -> None:
    """Build a bootable image of one application and Linux into build/APP-PROFILE/."""
    from unilinux.cli.commands import build as command

    command.build(PROJECT, choice, bzimage=bzimage, as_json=json, verbose=verbose)


@_image_task(*_IMAGE, *_BOOT, "forward", help={"app": _IMAGE_OR_APP, "accel": _ACCEL})
def run(choice: Choice, accel: str = "auto", json: bool = False, verbose: bool = False) -> None:
    """Boot an image here, its console on this terminal. Ctrl-C asks the application to end, twice ends the machine."""
    from unilinux.cli.commands import boots

    boots.run(PROJECT, choice, accel=accel, as_json=json, verbose=verbose)


@_image_task(*_IMAGE, *_BOOT, help={"app": _IMAGE_OR_APP, "accel": _ACCEL, "timeout": _TIMEOUT})
def verify(
    choice: Choice, accel: str = "auto", timeout: float = 0.0, json: bool = False, verbose: bool = False
) -> None:
    """Build an image, boot it, check that it does what its manifest promises, and power it off."""
    from unilinux.cli.commands import boots

    boots.verify(PROJECT, choice, accel=accel, timeout_s=timeout or None, as_json=json, verbose=verbose)


@_image_task(*_IMAGE, help={"symbol": "explain only this symbol"})
def config(choice: Choice, symbol: str = "", json: bool = False, verbose: bool = False) -> None:
    """Show the kernel's configuration, and for each symbol who asked for it."""
    from unilinux.cli.commands import build as command

    command.config(PROJECT, choice, symbol=symbol, as_json=json, verbose=verbose)


@_image_task(
    *_IMAGE,
    *_MOUNTED,
    help={
        "app": _IMAGE_OR_APP,
        "memory": _MEASURED,
        "runs": "how many boots are counted, and how many are timed",
        "against": _STOCK,
    },
)
def boot(choice: Choice, runs: int = 3, against: str = "", json: bool = False, verbose: bool = False) -> None:
    """Count the instructions of an image's boot, stage by stage, and time it beside."""
    from unilinux.cli.commands import measuring

    measuring.boot(PROJECT, choice, runs=runs, against=against, as_json=json, verbose=verbose)


@_image_task(*_IMAGE, help={"app": _IMAGE_OR_APP, "against": "the folder of another image, to see what differs"})
def size(choice: Choice, against: str = "", json: bool = False, verbose: bool = False) -> None:
    """Show where an image's bytes are: by artefact, section, folder of the source and object."""
    from unilinux.cli.commands import measuring

    measuring.size(PROJECT, choice, against=against, as_json=json, verbose=verbose)


@_image_task(
    *_IMAGE,
    help={
        "symbol": "the Kconfig symbol, without CONFIG_",
        "build": "build and measure the image without it, which is usual; --no-build leaves that out",
        "timeout": _TIMEOUT,
    },
)
def why(
    choice: Choice,
    symbol: str,
    build: bool = True,
    timeout: float = 0.0,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Say who asked for a Kconfig symbol, what was seen of its use, and what it costs."""
    from unilinux.cli.commands import kernel

    kernel.why(PROJECT, choice, symbol=symbol, build=build, timeout_s=timeout or None, as_json=json, verbose=verbose)


@task(
    help={
        "a": "an image: its folder, its name below build/, or an application's for its usual one",
        "b": "another one",
        "boots": "count a boot of each, which is usual; --no-boots leaves that out",
        **_ANSWER,
    }
)
def diff(context: Context, a: str, b: str, boots: bool = True, json: bool = False, verbose: bool = False) -> None:
    """Show two images side by side: configurations, sizes and boots."""
    from unilinux.cli.commands import measuring

    measuring.diff(PROJECT, (a, b), boots=boots, as_json=json, verbose=verbose)


@_image_task(
    *_IMAGE, help={"app": _IMAGE_OR_APP, "memory": "where to begin, in MiB: 128 unless told", "timeout": _TIMEOUT}
)
def memory(choice: Choice, timeout: float = 0.0, json: bool = False, verbose: bool = False) -> None:
    """Find the least memory with which an image still does what its manifest promises."""
    from unilinux.cli.commands import measuring

    measuring.memory(PROJECT, choice, timeout_s=timeout or None, as_json=json, verbose=verbose)


@task(
    name="budget",
    help={
        "app": f"{_APPS}; without it all that have a budget",
        "update": "save the current costs as the budget",
        "timeout": _TIMEOUT,
        **_ANSWER,
    },
    iterable=["app"],
)
def budget_task(
    context: Context,
    app: list[str] | None = None,
    update: bool = False,
    timeout: float = 0.0,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Hold instructions, bytes and memory against apps/NAME/budget.toml; growth beyond its tolerance fails."""
    from unilinux.cli.commands import measuring

    measuring.budget(PROJECT, app or (), update=update, timeout_s=timeout or None, as_json=json, verbose=verbose)


@task(help={**helps("profile", "machine"), "app": _APPS, "against": _STOCK, **_ANSWER}, iterable=["app"])
def report(
    context: Context,
    app: list[str] | None = None,
    profile: str = "",
    machine: str = "",
    against: str = "",
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Measure applications and write build/report.html: boot stages, sizes, and the history of budgets."""
    from unilinux.cli.commands import measuring

    measuring.report(
        PROJECT, app or (), profile=profile, machine=machine, against=against, as_json=json, verbose=verbose
    )


@task(
    help={"app": _APPS, "output": "the file that gets the page (Markdown), such as docs/catalogue.md", **_ANSWER},
    iterable=["app"],
)
def catalogue(
    context: Context, app: list[str] | None = None, output: str = "", json: bool = False, verbose: bool = False
) -> None:
    """Verify and measure applications in ring 0 and ring 3, and show a row for each; without --app all of them."""
    from unilinux.cli.commands import measuring

    measuring.catalogue(PROJECT, app or (), output=output, as_json=json, verbose=verbose)


@_image_task(
    "app",
    "profile",
    name="minimise",
    help={
        "profile": "the profile to start from; the application says which is usual",
        "keep": "a symbol that is not to be taken away; repeatable",
        "evidence": "what ./x observe wrote; usual is what it left beside the image, if it did",
        "budget-minutes": "when to stop and write the best so far; 0 (usual): when nothing more can be removed",
    },
    iterable=("keep",),
)
def minimise_task(
    choice: Choice,
    keep: list[str] | None = None,
    evidence: str = "",
    budget_minutes: float = 0.0,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Find the smallest kernel on which an application passes its checks, and write it as a profile."""
    from unilinux.cli.commands import kernel

    kernel.minimise(
        PROJECT,
        choice,
        keep=tuple(keep or ()),
        evidence=evidence,
        budget_minutes=budget_minutes,
        as_json=json,
        verbose=verbose,
    )


@_image_task(
    "app",
    "profile",
    "machine",
    "kernel",
    "memory",
    help={
        "profile": "the kernel that it is observed on, server unless told; always in ring 3",
        "symbol": "show what was seen of this symbol only",
    },
)
def observe(choice: Choice, symbol: str = "", json: bool = False, verbose: bool = False) -> None:
    """Boot an application under a debugger, and show what it uses of the kernel: calls, functions, Kconfig symbols."""
    from unilinux.cli.commands import kernel

    kernel.observe(PROJECT, choice, symbol=symbol, as_json=json, verbose=verbose)


@task(help={"cache": "empty the cache too: downloads and all build steps", **_ANSWER})
def clean(context: Context, cache: bool = False, json: bool = False, verbose: bool = False) -> None:
    """Remove the images in build/."""
    from unilinux.cli.commands import project

    project.clean(PROJECT, cache=cache, as_json=json, verbose=verbose)


@task(help={"fast": "only the unit tests, which need no kernel", "all": "also those that take long", **_ANSWER})
def test(context: Context, fast: bool = False, all: bool = False, json: bool = False, verbose: bool = False) -> None:
    """Run the tests: units, style, kernel trees, and real boots under emulation."""
    from unilinux.cli.commands import project

    project.test(PROJECT, fast=fast, everything=all, as_json=json, verbose=verbose)


@task(help=_ANSWER)
def check(context: Context, json: bool = False, verbose: bool = False) -> None:
    """Run the quality gates: lint, types, layers, shell, patches."""
    from unilinux.cli.commands import project

    project.check(PROJECT, as_json=json, verbose=verbose)


@task(
    help={
        **helps("profile", "machine"),
        "app": "ladder (the system calls) or a server (its requests); repeatable; usual are ladder, nginx and redis",
        "rounds": "how often each rung is timed and each server is asked",
        **_ANSWER,
    },
    iterable=["app"],
)
def ladder(
    context: Context,
    app: list[str] | None = None,
    profile: str = "",
    machine: str = "",
    rounds: int = 3,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Measure what system calls and requests cost, in ring 3 and ring 0, by SYSCALL, gate and lean gate."""
    from unilinux.cli.commands import measuring

    measuring.ladder(
        PROJECT, tuple(app or ()), profile=profile, machine=machine, rounds=rounds, as_json=json, verbose=verbose
    )


_SERIES = {"kernel": "which kernel's series; the usual kernel's unless told", **_ANSWER}


@task(help={**_SERIES, "folder": "where the git work tree goes"})
def checkout(
    context: Context, kernel: str = "", folder: str = "build/linux", json: bool = False, verbose: bool = False
) -> None:
    """Make a git work tree with one commit per patch, to be changed there."""
    from unilinux.cli.commands import project

    project.checkout(PROJECT, kernel, Path(folder), as_json=json, verbose=verbose)


@task(help={**_SERIES, "folder": "the git work tree"})
def export(
    context: Context, kernel: str = "", folder: str = "build/linux", json: bool = False, verbose: bool = False
) -> None:
    """Write the work tree's commits back as the series."""
    from unilinux.cli.commands import project

    project.export(PROJECT, kernel, Path(folder), as_json=json, verbose=verbose)


@task(
    help={
        **_SERIES,
        "kernel": "the kernel that gets a series",
        "source": "the kernel whose series is carried over; the usual one unless told",
        "folder": "where the git work tree goes",
    }
)
def port(
    context: Context,
    kernel: str,
    source: str = "",
    folder: str = "build/linux-port",
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Carry a series over to another kernel, in a new git work tree."""
    from unilinux.cli.commands import project

    project.port(PROJECT, source, kernel, Path(folder), as_json=json, verbose=verbose)


@task(name="check", help=_SERIES)
def check_patches(context: Context, kernel: str = "", json: bool = False, verbose: bool = False) -> None:
    """Check a series: it applies without fuzz, exports back identical, and checkpatch has nothing to say."""
    from unilinux.cli.commands import project

    project.check_patches(PROJECT, kernel, as_json=json, verbose=verbose)


namespace = Collection(
    setup_task,
    apps,
    new,
    profiles,
    build,
    run,
    verify,
    config,
    boot,
    size,
    diff,
    why,
    memory,
    budget_task,
    report,
    catalogue,
    ladder,
    minimise_task,
    observe,
    clean,
    test,
    check,
)
namespace.add_collection(Collection("patches", checkout, export, port, check_patches))
