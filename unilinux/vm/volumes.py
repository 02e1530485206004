# SPDX-License-Identifier: GPL-2.0-only
"""The files of a machine's volumes: made when they are first used, and looked at before the guest gets them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from unilinux.core.command import run
from unilinux.core.errors import CommandError, HostError, UsageError
from unilinux.core.files import explained_disk_errors
from unilinux.machine.spec import Volume
from unilinux.vm.engine import Boot
from unilinux.vm.ext4 import make_ext4, require_ext4
from unilinux.vm.outcome import InitFailed, Outcome
from unilinux.vm.qcow2 import is_qcow2, read_qcow2

_MIB = 1 << 20
# As init says it.
_UNMOUNTED = re.compile(r"cannot mount the volume (\S+) at ")
_WRITING = os.O_WRONLY | os.O_RDWR


@contextmanager
def with_volumes(boot: Boot) -> Iterator[Boot]:
    """The boot with a file for each volume. Those of volumes that have none of their own are gone in the end.

    :raise UsageError: a file is no such volume: too small, in another form, without or with another file system.
    :raise HostError: it is in use or damaged, or can't be made or read.
    """
    with ExitStack() as stack:
        volumes = tuple(stack.enter_context(_ready(volume, boot.evidence)) for volume in boot.machine.spec.volumes)
        yield replace(boot, machine=boot.machine.with_volumes(volumes)) if volumes else boot


@contextmanager
def _ready(volume: Volume, evidence: Path) -> Iterator[Volume]:
    if volume.file is None:
        own = replace(volume, file=evidence / f"{volume.name}.img")
        assert own.file is not None
        try:
            make_volume(own)
            yield own
        finally:
            own.file.unlink(missing_ok=True)
        return
    if volume.file.exists():
        require_volume(volume)
    else:
        make_volume(volume)
    yield volume


def make_volume(volume: Volume) -> None:
    """Make the file of a volume, with an empty file system. One that is there in the meantime is left alone.

    :raise HostError: it can't be written, or a tool is missing.
    """
    file = volume.file
    assert file is not None
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    plain = file.with_name(f".{file.name}.{os.getpid()}.raw")
    with explained_disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            make_ext4(plain, size_mib=volume.size_mib, label=volume.name)
            if volume.format == "qcow2":
                run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", plain, beside])
            else:
                plain.rename(beside)
            # Unlike a rename, a link replaces nothing: another process may have been as quick.
            os.link(beside, file)
        except FileExistsError:
            require_volume(volume)
        except CommandError as error:
            raise HostError(f"the volume {file} could not be made: {error.message}", details=error.tail) from error
        finally:
            beside.unlink(missing_ok=True)
            plain.unlink(missing_ok=True)


def require_volume(volume: Volume) -> None:
    """See that a file is what the guest needs: nobody else's, large enough, and with a sound file system.

    :raise UsageError: it is something else.
    :raise HostError: it is in use, damaged, or may not be used.
    """
    file = volume.file
    assert file is not None
    if not file.is_file():
        raise UsageError(
            f"the volume {file} is no file", hint="--volume FILE:/PATH: a disk image, or a name for a new one"
        )
    with explained_disk_errors(file):
        file.open("r+b").close()
        if _writer_of(file) is not None:
            raise volume_in_use(file)
        if volume.format == "qcow2":
            size_bytes, begin = read_qcow2(file)
        elif is_qcow2(file):
            raise UsageError(
                f"the volume {file} is a qcow2 image, and its name doesn't end in .qcow2",
                hint="rename it: what a file holds is up to the guest, so only its name says its form",
            )
        else:
            size_bytes, begin = _raw(file)
    if size_bytes < volume.size_mib * _MIB:
        raise UsageError(
            f"the volume {file} has {size_bytes // _MIB:,} MiB; "
            f"the application wants {volume.size_mib:,} at {volume.path}",
            hint=f"qemu-img resize -f {volume.format} {file} {volume.size_mib}M, then resize2fs; or take another file",
        )
    if begin is not None:
        require_ext4(file, begin, size_bytes=size_bytes, is_raw=volume.format == "raw")


def hint_about_volume(boot: Boot, outcome: Outcome) -> str | None:
    """What to do about a volume that the guest can't mount; None if it isn't that."""
    found = _UNMOUNTED.match(outcome.text) if isinstance(outcome, InitFailed) else None
    files = {volume.name: volume.file for volume in boot.machine.spec.volumes}
    if found is None or found[1] not in files:
        return None
    return f"the data is in {files[found[1]]}; to check and mend it, if it is damaged: e2fsck -f {files[found[1]]}"


def volume_in_use(file: Path) -> HostError:
    """The error for a volume that another process has, most likely another machine."""
    user = _writer_of(file)
    who = "another process" if user is None else f"process {user[0]} ({user[1]})"
    return HostError(
        f"the volume {file} is in use by {who}", hint="end that machine first, or take another file: --volume"
    )


def _raw(file: Path) -> tuple[int, bytes]:
    with file.open("rb") as opened:
        return os.fstat(opened.fileno()).st_size, opened.read(_MIB)


def _writer_of(file: Path) -> tuple[int, str] | None:
    """A process that has a file open to write to it, as far as this user may see: its number and its program."""
    wanted = file.stat()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for link in (process / "fd").iterdir():
                if os.path.samestat(link.stat(), wanted) and _is_written(process / "fdinfo" / link.name):
                    return int(process.name), (process / "comm").read_text().strip()
        except OSError:  # somebody else's, or it has just ended
            continue
    return None


def _is_written(fdinfo: Path) -> bool:
    flags = next(line for line in fdinfo.read_text().splitlines() if line.startswith("flags:"))
    return bool(int(flags.split()[1], 8) & _WRITING)
