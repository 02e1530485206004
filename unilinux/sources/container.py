# SPDX-License-Identifier: GPL-2.0-only
"""What a container image says of itself: which one of a layout is for this machine, its layers, and how it starts.

Each document is verified by its digest. Nothing is unpacked here: see :mod:`unilinux.sources.imagelayers`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from unilinux.core.document import Field, Model
from unilinux.core.errors import BuildError, DownloadError
from unilinux.sources.imageplace import AGAIN, Layer, Place, require_digest

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_LAYERS = re.compile(
    r"application/vnd\.(oci\.image\.layer\.(nondistributable\.)?v1\.tar(\+gzip|\+zstd)?"
    r"|docker\.image\.rootfs\.(foreign\.)?diff\.tar(\.gzip|\.zstd)?)"
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_PORT = re.compile(r"(\d{1,5})(?:/(tcp|udp|sctp))?")
_PLATFORM = "linux/amd64"
_MOST_NESTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How an image wants to be started and stopped.

    ``env`` are names with values, ``ports`` numbers with ``tcp``, ``udp`` or ``sctp``, ``volumes`` absolute paths.
    ``user`` is as it is written there: a name or number, perhaps with ``:`` and a group's, or nothing for root.
    """

    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    user: str = ""
    ports: tuple[tuple[int, str], ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = "SIGTERM"

    @property
    def argv(self) -> tuple[str, ...]:
        """The program and its arguments."""
        return (*self.entry_point, *self.command)

    def as_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return {
            "argv": list(self.argv),
            "env": dict(self.env),
            "cwd": self.cwd,
            "user": self.user,
            "ports": [f"{number}/{protocol}" for number, protocol in self.ports],
            "volumes": list(self.volumes),
            "stop_signal": self.stop_signal,
        }


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """An image for linux/amd64. ``digest`` is that of its configuration, which names each layer by its content."""

    digest: str
    start: Start
    layers: tuple[Layer, ...]


def read_image(place: Place, tag: str | None = None) -> ContainerImage:
    """The image for linux/amd64 of a layout.

    :param tag: which one, where there are several: a tag, or a name with one.
    :raise DownloadError: something is missing or has another content than its digest promises.
    :raise BuildError: there is no image for linux/amd64, or more than one, or it isn't understood.
    """
    if place.has("index.json"):
        return _of_layout(place, tag)
    if place.has("manifest.json"):
        return _of_docker(place, tag)
    raise BuildError(
        f"the source {place.path} is no image: it has neither index.json nor manifest.json",
        hint="it must be an OCI layout, as skopeo writes it, or what docker save writes",
    )


class _Document(Model):
    """A part of what others wrote: keys that say nothing here are left alone."""

    model_config: ClassVar = {"extra": "ignore", "populate_by_name": True}


class _Platform(_Document):
    os: str
    architecture: str

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"


class _Descriptor(_Document):
    media_type: str = Field(alias="mediaType")
    digest: str
    size: int
    platform: _Platform | None = None
    annotations: dict[str, str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        known = self.annotations or {}
        keys = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
        return tuple(known[key] for key in keys if key in known)


class _Index(_Document):
    manifests: tuple[_Descriptor, ...]


class _Manifest(_Document):
    config: _Descriptor
    layers: tuple[_Descriptor, ...]


class _Saved(_Document):
    config: str = Field(alias="Config")
    layers: tuple[str, ...] = Field(alias="Layers")
    tags: tuple[str, ...] | None = Field(default=None, alias="RepoTags")

    @property
    def names(self) -> tuple[str, ...]:
        return self.tags or ()


class _SavedImages(_Document):
    images: tuple[_Saved, ...]


class _Rootfs(_Document):
    diff_ids: tuple[str, ...]


class _Settings(_Document):
    user: str | None = Field(default=None, alias="User")
    ports: dict[str, Any] | None = Field(default=None, alias="ExposedPorts")
    env: tuple[str, ...] | None = Field(default=None, alias="Env")
    entry_point: tuple[str, ...] | None = Field(default=None, alias="Entrypoint")
    command: tuple[str, ...] | None = Field(default=None, alias="Cmd")
    volumes: dict[str, Any] | None = Field(default=None, alias="Volumes")
    cwd: str | None = Field(default=None, alias="WorkingDir")
    stop_signal: str | None = Field(default=None, alias="StopSignal")


class _Config(_Document):
    os: str
    architecture: str
    rootfs: _Rootfs
    config: _Settings | None = None


AnyDocument = TypeVar("AnyDocument", bound=_Document)
AnyNamed = TypeVar("AnyNamed", _Descriptor, _Saved)


def _of_layout(place: Place, tag: str | None) -> ContainerImage:
    tops = _named(place, _parsed(place, "index.json", place.read("index.json"), _Index).manifests, tag)
    others: list[str] = []
    found: dict[str, tuple[_Descriptor, _Manifest]] = {}
    for top in tops:
        # The first that fits is the one that is meant, as everywhere; but two images of a layout are two.
        for descriptor in _manifests(place, top, others, _MOST_NESTED):
            manifest = _parsed(place, descriptor.digest, _blob(place, descriptor), _Manifest)
            platform = str(descriptor.platform or _platform(place, manifest.config))
            if platform == _PLATFORM:
                found.setdefault(descriptor.digest, (top, manifest))
                break
            others.append(platform)
    if not found:
        raise _unfit(place, others)
    if len(found) > 1:
        raise _ambiguous(place, [name for top, _ in found.values() for name in top.names])
    ((_, manifest),) = found.values()
    config = _config(place, manifest.config)
    for layer in manifest.layers:
        if _LAYERS.fullmatch(layer.media_type) is None:
            raise BuildError(
                f"{place.path}: the layer {layer.digest} is of the unknown type {layer.media_type!r}",
                hint="layers are tarballs, plain or compressed by gzip or zstd; skopeo copy converts images",
            )
    files = [(_file(place, layer.digest), layer.digest, layer.size) for layer in manifest.layers]
    return _image(place, manifest.config.digest, config, files)


def _of_docker(place: Place, tag: str | None) -> ContainerImage:
    # A list, which no model can be by itself.
    wrapped = b'{"images":' + place.read("manifest.json") + b"}"
    images = _named(place, _parsed(place, "manifest.json", wrapped, _SavedImages).images, tag)
    if not images:
        raise _unfit(place, [])
    if len(images) > 1:
        raise _ambiguous(place, [name for image in images for name in image.names])
    (saved,) = images
    content = place.read(saved.config)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    promised = saved.config.removesuffix(".json").rsplit("/", 1)[-1]
    if re.fullmatch(r"[0-9a-f]{64}", promised):
        require_digest(place.path, f"sha256:{promised}", None, digest, len(content))
    config = _parsed(place, saved.config, content, _Config)
    if f"{config.os}/{config.architecture}" != _PLATFORM:
        raise _unfit(place, [f"{config.os}/{config.architecture}"])
    return _image(place, digest, config, [(layer, None, None) for layer in saved.layers])


def _image(
    place: Place, digest: str, config: _Config, files: Sequence[tuple[str, str | None, int | None]]
) -> ContainerImage:
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) != len(files):
        raise DownloadError(f"{place.path}: its image has {len(files)} layers, but digests for {len(diff_ids)}")
    if not files:
        raise BuildError(f"{place.path}: its image is empty: it has no layers")
    for diff_id in diff_ids:
        _require_known(place, diff_id)
    layers = [Layer(file, diff_id, own, size) for (file, own, size), diff_id in zip(files, diff_ids, strict=True)]
    return ContainerImage(digest, _start(place, config.config or _Settings()), tuple(layers))


def _start(place: Place, settings: _Settings) -> Start:
    env = (line.partition("=") for line in settings.env or ())
    return Start(
        entry_point=settings.entry_point or (),
        command=settings.command or (),
        env=tuple((name, value) for name, _, value in env),
        cwd=settings.cwd or "/",
        user=settings.user or "",
        ports=tuple(sorted(_port(place, port) for port in settings.ports or ())),
        volumes=tuple(sorted(settings.volumes or ())),
        stop_signal=settings.stop_signal or "SIGTERM",
    )


def _port(place: Place, text: str) -> tuple[int, str]:
    found = _PORT.fullmatch(text)
    if found is None or not 0 < int(found[1]) < 1 << 16:
        raise BuildError(f"{place.path}: its image exposes {text!r}, which is no port")
    return int(found[1]), found[2] or "tcp"


def _manifests(place: Place, descriptor: _Descriptor, others: list[str], nested: int) -> Iterator[_Descriptor]:
    """The manifests of an index and of those in it; what they have instead goes to ``others``."""
    if descriptor.media_type in _MANIFESTS:
        if descriptor.platform is None or str(descriptor.platform) == _PLATFORM:
            yield descriptor
        else:
            others.append(str(descriptor.platform))
    elif descriptor.media_type not in _INDEXES:
        others.append(f"something of the unknown type {descriptor.media_type!r}")
    elif nested == 0:
        raise BuildError(f"{place.path}: its indexes are nested too deep")
    else:
        for inner in _parsed(place, descriptor.digest, _blob(place, descriptor), _Index).manifests:
            yield from _manifests(place, inner, others, nested - 1)


def _platform(place: Place, descriptor: _Descriptor) -> str:
    config = _config(place, descriptor)
    return f"{config.os}/{config.architecture}"


def _config(place: Place, descriptor: _Descriptor) -> _Config:
    if descriptor.media_type not in _CONFIGS:
        raise BuildError(
            f"{place.path}: its configuration is of the unknown type {descriptor.media_type!r}: it is no image of files"
        )
    return _parsed(place, descriptor.digest, _blob(place, descriptor), _Config)


def _named(place: Place, given: tuple[AnyNamed, ...], tag: str | None) -> tuple[AnyNamed, ...]:
    if tag is None:
        return given
    found = tuple(one for one in given if any(name == tag or name.endswith(f":{tag}") for name in one.names))
    if not found:
        names = sorted(name for one in given for name in one.names)
        raise BuildError(f"{place.path} has no image {tag!r}", details=names, hint="see source.tag in app.toml")
    return found


def _blob(place: Place, descriptor: _Descriptor) -> bytes:
    content = place.read(_file(place, descriptor.digest))
    algorithm = descriptor.digest.split(":")[0]
    found = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    require_digest(place.path, descriptor.digest, descriptor.size, found, len(content))
    return content


def _file(place: Place, digest: str) -> str:
    _require_known(place, digest)
    return f"blobs/{digest.replace(':', '/')}"


def _require_known(place: Place, digest: str) -> None:
    if _DIGEST.fullmatch(digest) is None:
        raise BuildError(f"{place.path}: {digest!r} is no digest that is known, which are sha256 and sha512")


def _parsed(place: Place, name: str, content: bytes, model: type[AnyDocument]) -> AnyDocument:
    try:
        return model.model_validate_json(content)
    except ValueError as error:
        raise DownloadError(
            f"{place.path}: {name} isn't what an image has there", details=str(error).splitlines()[:8], hint=AGAIN
        ) from error


def _unfit(place: Place, others: Iterable[str]) -> BuildError:
    has = ", ".join(dict.fromkeys(others))
    return BuildError(
        f"{place.path} has no image for {_PLATFORM}" + (f": it has {has}" if has else ": it has none at all"),
        hint="get that one: skopeo copy --override-arch amd64 docker://NAME oci-archive:image.tar",
    )


def _ambiguous(place: Place, names: Iterable[str]) -> BuildError:
    return BuildError(
        f"{place.path} has more than one image for {_PLATFORM}",
        details=sorted(names),
        hint="say which one by source.tag in app.toml",
    )
