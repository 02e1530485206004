"""UniLinux's commands, for `invoke` and `./x`: each names its options and calls one function of the library."""

from __future__ import annotations

from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from unilinux.cli import boots, budget, catalogue, checks, images, measure, patches, setup
from unilinux.cli.ladder import ladder as climb

PROJECT = Path(__file__).resolve().parent

_APP = "the application: a folder of apps/ (./x apps lists them)"
_COMMON = {
    "app": _APP,
    "profile": "the kind of kernel (./x profiles lists them); the application says which is usual",
    "ring": "0 or 3: the privilege ring of the application's code; the profile says which is usual",
    "syscall": "trap, gate or lean: how the application enters the kernel; the profile says which is usual",
    "syscalls": "all, or used: leave those out of the kernel that the application never makes; the profile says which",
    "machine": "the board: microvm (usual) or q35",
    "json": "write one JSON document to standard output, all else to standard error",
    "verbose": "show the traceback of an error",
}
_KERNEL = {"kernel": "a kernel of configs/kernels.toml, or a tarball or folder of Linux"}
_BOOT = {
    "memory": "the guest's memory in MiB; the application says what is usual",
    "accel": "auto (usual), tcg or kvm",
}


@task(name="setup", help={"verbose": _COMMON["verbose"]})
def setup_task(context: Context, verbose: bool = False) -> None:
    """Install what is missing (./x does that before every command) and look at the host."""
    setup.show_host(PROJECT, verbose=verbose)


@task(help={key: _COMMON[key] for key in ("json", "verbose")})
def apps(context: Context, json: bool = False, verbose: bool = False) -> None:
    """List the applications."""
    catalogue.list_apps(PROJECT, as_json=json, verbose=verbose)


@task(help={key: _COMMON[key] for key in ("json", "verbose")})
def profiles(context: Context, json: bool = False, verbose: bool = False) -> None:
    """List the profiles."""
    catalogue.list_profiles(PROJECT, as_json=json, verbose=verbose)


@task(help={**_COMMON, **_KERNEL})
def build(
    context: Context,
    app: str,
    profile: str = "",
    ring: str = "",
    syscall: str = "",
    syscalls: str = "",
    machine: str = "",
    kernel: str = "",
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Build a bootable image of one application and Linux into build/APP-PROFILE/."""
    choice = images.Choice(
        app=app, profile=profile, ring=ring, syscall=syscall, syscalls=syscalls, machine=machine, kernel=kernel
    )
    images.build(PROJECT, choice, as_json=json, verbose=verbose)


@task(
    help={
        **_COMMON,
        **_KERNEL,
        **_BOOT,
        "forward": "HOST:GUEST, a TCP port of this host that leads to the guest's; repeatable",
    },
    iterable=["forward"],
)
def run(
    context: Context,
    app: str,
    profile: str = "",
    ring: str = "",
    syscall: str = "",
    syscalls: str = "",
    machine: str = "",
    kernel: str = "",
    memory: int = 0,
    forward: list[str] | None = None,
    accel: str = "auto",
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Boot an image here, its console on this terminal. Ctrl-C asks the application to end, twice ends the machine."""
    choice = images.Choice(
        app=app,
        profile=profile,
        ring=ring,
        syscall=syscall,
        syscalls=syscalls,
        machine=machine,
        kernel=kernel,
        memory=memory,
        forward=tuple(forward or ()),
    )
    boots.run(PROJECT, choice, accel=accel, as_json=json, verbose=verbose)


@task(help={**_COMMON, **_KERNEL, **_BOOT, "timeout": "seconds that each check may take"})
def verify(
    context: Context,
    app: str,
    profile: str = "",
    ring: str = "",
    syscall: str = "",
    syscalls: str = "",
    machine: str = "",
    kernel: str = "",
    memory: int = 0,
    accel: str = "auto",
    timeout: float = 60.0,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Build an image, boot it, check that it does what its manifest promises, and power it off."""
    choice = images.Choice(
        app=app,
        profile=profile,
        ring=ring,
        syscall=syscall,
        syscalls=syscalls,
        machine=machine,
        kernel=kernel,
        memory=memory,
    )
    boots.verify(PROJECT, choice, accel=accel, timeout_s=timeout, as_json=json, verbose=verbose)


@task(help={**_COMMON, **_KERNEL, "symbol": "explain only this symbol"})
def config(
    context: Context,
    app: str,
    profile: str = "",
    ring: str = "",
    syscall: str = "",
    syscalls: str = "",
    machine: str = "",
    kernel: str = "",
    symbol: str = "",
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Show the kernel's configuration, and for each symbol who asked for it."""
    choice = images.Choice(
        app=app, profile=profile, ring=ring, syscall=syscall, syscalls=syscalls, machine=machine, kernel=kernel
    )
    images.config(PROJECT, choice, symbol=symbol, as_json=json, verbose=verbose)


_MEASURED = {"memory": "the guest's memory in MiB, 128 unless told"}


@task(help={**_COMMON, **_MEASURED, "runs": "how many boots are counted, and how many are timed"})
def boot(
    context: Context,
    app: str,
    profile: str = "",
    ring: str = "",
    syscall: str = "",
    syscalls: str = "",
    machine: str = "",
    memory: int = 0,
    runs: int = 3,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Count the instructions of an image's boot, stage by stage, and time it beside."""
    choice = images.Choice(
        app=app, profile=profile, ring=ring, syscall=syscall, syscalls=syscalls, machine=machine, memory=memory
    )
    measure.boot(PROJECT, choice, runs=runs, as_json=json, verbose=verbose)


@task(help={**_COMMON, "against": "the folder of another image, to see what differs"})
def size(
    context: Context,
    app: str,
    profile: str = "",
    ring: str = "",
    syscall: str = "",
    syscalls: str = "",
    machine: str = "",
    against: str = "",
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Show where an image's bytes are: by artefact, section, folder of the source and object."""
    choice = images.Choice(app=app, profile=profile, ring=ring, syscall=syscall, syscalls=syscalls, machine=machine)
    measure.size(PROJECT, choice, against=against, as_json=json, verbose=verbose)


@task(
    help={**_COMMON, "memory": "where to begin, in MiB: 128 unless told", "timeout": "seconds that each check may take"}
)
def memory(
    context: Context,
    app: str,
    profile: str = "",
    ring: str = "",
    syscall: str = "",
    syscalls: str = "",
    machine: str = "",
    memory: int = 0,
    timeout: float = 60.0,
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Find the least memory with which an image still does what its manifest promises."""
    choice = images.Choice(
        app=app, profile=profile, ring=ring, syscall=syscall, syscalls=syscalls, machine=machine, memory=memory
    )
    measure.memory(PROJECT, choice, timeout_s=timeout, as_json=json, verbose=verbose)


@task(
    name="budget",
    help={
        "app": _APP,
        "update": "what it costs now is the budget from now on",
        "timeout": "seconds that each check may take",
        "json": _COMMON["json"],
        "verbose": _COMMON["verbose"],
    },
)
def budget_task(
    context: Context, app: str, update: bool = False, timeout: float = 60.0, json: bool = False, verbose: bool = False
) -> None:
    """Hold instructions, bytes and memory against apps/NAME/budget.toml; growth beyond its tolerance fails."""
    budget.budget(PROJECT, app, update=update, timeout_s=timeout, as_json=json, verbose=verbose)


@task(
    help={**{key: _COMMON[key] for key in ("profile", "machine", "json", "verbose")}, "app": f"{_APP}; repeatable"},
    iterable=["app"],
)
def report(
    context: Context,
    app: list[str] | None = None,
    profile: str = "",
    machine: str = "",
    json: bool = False,
    verbose: bool = False,
) -> None:
    """Measure applications and write build/report.html: boot stages, sizes, and the history of budgets."""
    measure.report(PROJECT, app or (), profile=profile, machine=machine, as_json=json, verbose=verbose)


@task(help={"cache": "remove the cache folder too: downloads and all build steps", "verbose": _COMMON["verbose"]})
def clean(context: Context, cache: bool = False, verbose: bool = False) -> None:
    """Remove the images in build/."""
    setup.clean(PROJECT, cache=cache, verbose=verbose)


@task(help={"fast": "only the unit tests, which need no kernel", "all": "also those that take long"})
def test(context: Context, fast: bool = False, all: bool = False) -> None:
    """Run the tests: units, style, kernel trees, and real boots under emulation."""
    checks.test(PROJECT, fast=fast, everything=all)


@task
def check(context: Context) -> None:
    """Run the quality gates: lint, types, layers, shell, patches."""
    checks.check(PROJECT)


@task(
    help={
        **{key: _COMMON[key] for key in ("profile", "machine", "json", "verbose")},
        "app": "ladder (the system calls) or a server (its requests); repeatable; usual are ladder, nginx and redis",
        "rounds": "how often each rung is timed and each server is asked",
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
    climb(
        PROJECT, apps=tuple(app or ()), profile=profile, machine=machine, rounds=rounds, as_json=json, verbose=verbose
    )


_SERIES = {"kernel": "which kernel's series: 6.12", "verbose": _COMMON["verbose"]}


@task(help={**_SERIES, "folder": "where the git work tree goes"})
def checkout(context: Context, kernel: str = "6.12", folder: str = "build/linux", verbose: bool = False) -> None:
    """Make a git work tree with one commit per patch, to be changed there."""
    patches.checkout(PROJECT, kernel, Path(folder), verbose=verbose)


@task(help={**_SERIES, "folder": "the git work tree"})
def export(context: Context, kernel: str = "6.12", folder: str = "build/linux", verbose: bool = False) -> None:
    """Write the work tree's commits back as the series."""
    patches.export(PROJECT, kernel, Path(folder), verbose=verbose)


@task(help={**_SERIES, "source": "the kernel whose series is carried over", "folder": "where the git work tree goes"})
def port(
    context: Context, kernel: str, source: str = "6.12", folder: str = "build/linux-port", verbose: bool = False
) -> None:
    """Carry a series over to another kernel, in a new git work tree."""
    patches.port(PROJECT, source, kernel, Path(folder), verbose=verbose)


@task(name="check", help=_SERIES)
def check_patches(context: Context, kernel: str = "6.12", verbose: bool = False) -> None:
    """Check a series: it applies without fuzz, exports back identical, and checkpatch has nothing to say."""
    patches.check(PROJECT, kernel, verbose=verbose)


namespace = Collection(
    setup_task,
    apps,
    profiles,
    build,
    run,
    verify,
    config,
    boot,
    size,
    memory,
    budget_task,
    report,
    ladder,
    clean,
    test,
    check,
)
namespace.add_collection(Collection("patches", checkout, export, port, check_patches))
