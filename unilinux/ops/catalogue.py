# SPDX-License-Identifier: GPL-2.0-only
"""What there is to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unilinux.app.catalogue import App, Broken, Catalogue
from unilinux.app.manifest import Manifest
from unilinux.kconfig.profile import Profile, profile_names, read_profile
from unilinux.ops.workshop import Workshop


@dataclass(frozen=True, slots=True, kw_only=True)
class Applications:
    """All applications, by name."""

    manifests: tuple[Manifest, ...]
    broken: tuple[Broken, ...] = ()

    def document(self) -> list[Mapping[str, Any]]:
        """Plain JSON data."""
        held = [
            {"name": m.name, "version": m.version, "summary": m.summary, "profile": m.profile, "ports": m.run.ports}
            for m in self.manifests
        ]
        return [*held, *({"name": b.name, "error": b.error.message, "details": b.error.details} for b in self.broken)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """All profiles, by name."""

    profiles: tuple[Profile, ...]

    def document(self) -> list[Mapping[str, Any]]:
        """Plain JSON data."""
        return [{"name": p.name, "summary": p.summary, "extends": list(p.chain[:-1])} for p in self.profiles]


def applications(here: Workshop) -> Applications:
    """The applications in ``apps/``, and what is wrong with manifests that don't hold."""
    found = Catalogue(here.layout.apps).all()
    return Applications(
        manifests=tuple(one.manifest for one in found if isinstance(one, App)),
        broken=tuple(one for one in found if isinstance(one, Broken)),
    )


def profiles(here: Workshop) -> Profiles:
    """The profiles in ``configs/profiles/``.

    :raise ManifestError: one of them doesn't hold.
    """
    folder = here.layout.profiles
    names = profile_names(folder)
    return Profiles(profiles=tuple(read_profile(folder, name, root=here.layout.project) for name in names))
