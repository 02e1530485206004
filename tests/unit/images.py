# SPDX-License-Identifier: GPL-2.0-only
"""Container images made by hand: any members, any layers, each part as right or wrong as a test wants it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tests.unit.debs import Member, tarball
from unilinux.core.tree import Entry
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.oci import OciSource
from unilinux.sources.source import Materials

OCI = "application/vnd.oci.image"
CONFIG, MANIFEST, INDEX = f"{OCI}.config.v1+json", f"{OCI}.manifest.v1+json", f"{OCI}.index.v1+json"
PACKINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "+gzip": lambda data: gzip.compress(data, mtime=0),
    "+zstd": lambda data: subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout,
}


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def whiteout(name: str) -> Member:
    folder, _, last = name.rpartition("/")
    return Member(f"{folder}/.wh.{last}".lstrip("/"))


@dataclass(frozen=True)
class Layer:
    """A layer: members, or the content of its tarball; ``packing`` is the end of its media type."""

    members: Sequence[Member] = ()
    packing: str = "+gzip"
    content: bytes | None = None

    @property
    def tar(self) -> bytes:
        return tarball(self.members) if self.content is None else self.content


@dataclass
class Layout:
    """An OCI layout that is filled part by part; ``files`` are what it has, by name."""

    files: dict[str, bytes] = field(default_factory=lambda: {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}'})

    def blob(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        """Keep these bytes; the descriptor of them."""
        self.files[f"blobs/{digest(data).replace(':', '/')}"] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}

    def document(self, data: Any, media_type: str, **more: Any) -> dict[str, Any]:
        return self.blob(json.dumps(data).encode(), media_type, **more)

    def image(
        self, *layers: Layer, settings: Mapping[str, Any] | None = None, architecture: str = "amd64", **more: Any
    ) -> dict[str, Any]:
        """The descriptor of an image's manifest."""
        config = config_of(layers, settings, architecture)
        blobs = [self.blob(PACKINGS[one.packing](one.tar), f"{OCI}.layer.v1.tar{one.packing}") for one in layers]
        parts = {"schemaVersion": 2, "config": self.document(config, CONFIG), "layers": blobs}
        return self.document(parts, MANIFEST, **more)

    def index(self, *descriptors: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """The descriptor of an index of these."""
        return self.document({"schemaVersion": 2, "manifests": descriptors}, INDEX, **more)

    def top(self, *descriptors: Mapping[str, Any]) -> Layout:
        self.files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": descriptors}).encode()
        return self

    def folder(self, place: Path) -> Path:
        for name, data in self.files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
        return place

    def archive(self, place: Path) -> Path:
        with tarfile.open(place, "w") as tar:
            for name, data in self.files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return place


def config_of(
    layers: Sequence[Layer], settings: Mapping[str, Any] | None = None, architecture: str = "amd64"
) -> dict[str, Any]:
    rootfs = {"type": "layers", "diff_ids": [digest(layer.tar) for layer in layers]}
    return {"os": "linux", "architecture": architecture, "config": settings, "rootfs": rootfs}


def saved(*layers: Layer, tags: Sequence[str] = ("server:1",), settings: Mapping[str, Any] | None = None) -> Layout:
    """What ``docker save`` wrote for long."""
    config = json.dumps(config_of(layers, settings)).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    files = {name: config, **{f"{number}/layer.tar": layer.tar for number, layer in enumerate(layers)}}
    listed = [{"Config": name, "RepoTags": list(tags), "Layers": [f"{i}/layer.tar" for i in range(len(layers))]}]
    return Layout({**files, "manifest.json": json.dumps(listed).encode()})


def materials(place: Path, **keys: Any) -> Materials:
    return OciSource(kind="oci", path=str(place), **keys).obtain(place.parent, cast("Fetcher", None))


def laid_out(home: Path, layout: Layout, **keys: Any) -> dict[str, Entry]:
    tree = materials(layout.folder(home / "image"), **keys).lay_out(home / "out")
    return {entry.path: entry for entry in tree.entries}


def of_layers(home: Path, *layers: Layer) -> dict[str, Entry]:
    layout = Layout()
    return laid_out(home, layout.top(layout.image(*layers)))


def nothing_is_left(home: Path) -> bool:
    """Neither below the folder that was to be filled, nor beside it."""
    return sorted(path.name for path in home.iterdir()) == ["image"]
