# SPDX-License-Identifier: GPL-2.0-only
"""A finished image: its files, and ``image.json``, which says how it came to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unilinux.core.files import digest_file
from unilinux.core.store import Output
from unilinux.image.request import Plan
from unilinux.machine.compose import compose
from unilinux.machine.spec import RootDisk

SCHEMA = 3
ROOT = "root"
"""The artefact that is the disk with the root file system; there only if the files are on one."""
RECORD_FILE = "image.json"
REWRITTEN_FILE = "rewritten.json"

# What an image's folder holds, by the names under which image.json lists them.
ARTIFACTS: Mapping[str, str] = {
    "vmlinux": "vmlinux",
    "bzImage": "bzImage",
    "vmlinux_debug": "vmlinux.debug",
    "system_map": "System.map",
    "config": "config",
    ROOT: "root.erofs",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A built image in its folder. ``record`` is the content of ``image.json``."""

    plan: Plan
    folder: Path
    record: Mapping[str, Any]
    steps: tuple[Output, ...]

    @property
    def vmlinux(self) -> Path:
        """The stripped PVH kernel with the application inside: what QEMU boots."""
        return self.folder / ARTIFACTS["vmlinux"]

    @property
    def bzimage(self) -> Path:
        """The same for other loaders: compressed, and at a random address if the kernel has KASLR.

        There only if it was asked for.
        """
        return self.folder / ARTIFACTS["bzImage"]

    def to_json(self) -> dict[str, Any]:
        """``image.json`` with full paths, and how each step went in this run."""
        steps = [
            {"name": step.name, "key": step.key, "cached": step.cached, "seconds": round(step.seconds, 3)}
            for step in self.steps
        ]
        return {**record_document(self.record, self.folder), "steps": steps}

    def summary(self) -> str:
        """A few lines for people."""
        record = self.record
        rows = [
            f"{record['name']}: {record['summary']}",
            f"  kernel   Linux {record['kernel']['version']}, {record['config']['symbols']} symbols configured",
        ]
        if record["system_calls"] != "all":
            rows.append(f"  kept     {len(record['system_calls'])} system calls, those that its programs make")
        rows += [
            f"  {name:8} {record['artifacts'][name]['size']:>10,} bytes  {_near(self.folder / name)}"
            for name in ("vmlinux", "bzImage")
            if name in record["artifacts"]
        ]
        if ROOT in record["artifacts"]:
            size = record["artifacts"][ROOT]["size"]
            rows.append(f"  root     {size:>10,} bytes  {_near(self.folder / ARTIFACTS[ROOT])}, a disk")
        if "bzImage" not in record["artifacts"]:
            rows.append(f"  bzImage  for other loaders, made by {self.plan.command} --bzimage")
        return "\n".join([*rows, f"  boot it  {self.plan.command_to('run')}"])


def record_document(record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """``image.json`` with full paths."""
    artifacts = {name: {**entry, "path": str(folder / entry["path"])} for name, entry in record["artifacts"].items()}
    return {**record, "folder": str(folder), "artifacts": artifacts}


def _near(path: Path) -> Path:
    """The path as seen from the current folder, if it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def make_record(
    plan: Plan,
    *,
    name: str,
    source: Mapping[str, Any],
    kernel: Mapping[str, Any],
    symbols: int,
    files: Mapping[str, Path],
    parts: Mapping[str, int],
    inputs: Mapping[str, str],
    inspection: Mapping[str, Any],
) -> dict[str, Any]:
    """The content of ``image.json``: the same for the same inputs.

    ``source`` tells where the application came from; ``files`` are the artefacts by their names
    in :data:`ARTIFACTS`; ``parts`` are sizes in bytes; ``inputs`` digests by role;
    ``inspection`` is what was seen in the programs.
    """
    manifest = plan.app.manifest
    # Which ports of the host lead to it, and what of the host it mounts, is no property of the image.
    volumes = tuple(replace(volume, file=None) for volume in plan.machine.spec.volumes)
    shares = tuple(replace(share, folder=None) for share in plan.machine.spec.shares)
    root = RootDisk() if plan.machine.spec.root else None
    machine = compose(replace(plan.machine.spec, forwards=(), root=root, volumes=volumes, shares=shares))
    return {
        "schema": SCHEMA,
        "name": name,
        "summary": manifest.summary,
        "app": manifest.name,
        "app_version": manifest.version,
        "profile": plan.profile.name,
        "ring": plan.entry.ring,
        "syscall": plan.entry.syscall,
        "main_syscall": plan.entry.syscall_of(plan.app.manifest.main),
        "machine": machine.describe(),
        "cmdline": " ".join((*machine.cmdline, *plan.own_cmdline)),
        "source": dict(source),
        "kernel": dict(kernel),
        "config": {"symbols": symbols},
        "artifacts": {
            artifact: {"path": ARTIFACTS[artifact], "size": path.stat().st_size, "sha256": digest_file(path)}
            for artifact, path in files.items()
        },
        "sizes": dict(parts),
        **inspection,
        "inputs": dict(sorted(inputs.items())),
        "reproduce": plan.command,
        # How it is run and checked: with this and the machine the image needs nothing else to be booted.
        "manifest": manifest.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
