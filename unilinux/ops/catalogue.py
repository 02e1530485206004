"""What there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unilinux.app.catalogue import Catalogue
from unilinux.app.manifest import Manifest
from unilinux.kconfig.profile import Profile, profile_names, read_profile
from unilinux.ops.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Applications:
    """All applications, by name."""

    manifests: tuple[Manifest, ...]

    def document(self) -> list[Mapping[str, Any]]:
        """Plain JSON data."""
        return [
            {"name": m.name, "version": m.version, "summary": m.summary, "profile": m.profile, "ports": m.run.ports}
            for m in self.manifests
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """All profiles, by name."""

    profiles: tuple[Profile, ...]

    def document(self) -> list[Mapping[str, Any]]:
        """Plain JSON data."""
        return [{"name": p.name, "summary": p.summary, "extends": list(p.chain[:-1])} for p in self.profiles]


def applications(here: Workshop) -> Applications:
    """The applications in ``apps/``.

    :raise ManifestError: one of them doesn't hold.
    """
    return Applications(manifests=tuple(app.manifest for app in Catalogue(here.layout.apps).all()))


def profiles(here: Workshop) -> Profiles:
    """The profiles in ``configs/profiles/``.

    :raise ManifestError: one of them doesn't hold.
    """
    folder = here.layout.profiles
    names = profile_names(folder)
    return Profiles(profiles=tuple(read_profile(folder, name, root=here.layout.project) for name in names))
