# SPDX-License-Identifier: GPL-2.0-only
"""A tarball: a file of this host, or one that a web server has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from unilinux.core.document import Field, field_validator, model_validator
from unilinux.core.errors import BuildError, DownloadError
from unilinux.core.files import digest_file, remove_tree
from unilinux.core.tree import Tree
from unilinux.fetch.fetcher import Fetcher, require_intact
from unilinux.fetch.members import require_harmless
from unilinux.fetch.unpack import unpack
from unilinux.sources.debian import Sha256
from unilinux.sources.hostfiles import require_portable, tree_of
from unilinux.sources.local import BesideFiles
from unilinux.sources.source import Materials, Source


class ArchiveSource(BesideFiles, Source):
    """A tarball, plain or compressed by gzip, bzip2, xz or zstd: what is in it, or in its single top folder, becomes
    the build folder. Owners and set-id bits are not taken over. Links stay within it; it unpacks to 8 GiB at most.
    """

    kind: Literal["archive"] = Field(description="this kind of source", examples=["archive"])
    path: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="the tarball's file, absolute or relative to the folder of `app.toml`. Either this or `url`",
        examples=["server-1.2.tar.gz"],
    )
    url: str | None = Field(
        default=None,
        description="where it is downloaded from: `https://`, or `http://`, since its SHA-256 says what it is",
        examples=["https://example.org/server-1.2.tar.gz"],
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="the tarball's SHA-256, in hexadecimal; required with `url`",
        examples=["9ebb333a9e82b952acd3e2b4aeb1d4ff6406f72491bab6cd9fe69f0dea737f31"],
    )

    @field_validator("url")
    @classmethod
    def _url_can_be_fetched(cls, url: str | None) -> str | None:
        if url is None:
            return None
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError(f"{url!r} has characters that must be written as %XX")
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise ValueError(f"{url!r} is no address: {error}") from error
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError(f"{url!r} must begin with https:// or http:// and the name of a host")
        if "@" in parts.netloc:
            raise ValueError("it must not hold a user's name or password: image.json would repeat them")
        return url

    @model_validator(mode="after")
    def _one_place(self) -> ArchiveSource:
        if (self.path is None) == (self.url is None):
            raise ValueError("it needs a path or a url, and not both")
        if self.url is not None and self.sha256 is None:
            raise ValueError(f"sha256: a url needs one, which says what must come: curl -L '{self.url}' | sha256sum")
        return self

    @property
    def beside(self) -> tuple[str, ...]:
        """See :class:`unilinux.sources.source.Source`."""
        return self.files if self.path is None else (self.path, *self.files)

    def obtain(self, folder: Path, fetcher: Fetcher) -> Materials:
        """See :class:`unilinux.sources.source.Source`.

        :raise BuildError: the path is no file.
        """
        if self.url is not None and self.sha256 is not None:
            archive, sha256, place = fetcher.web_file(self.url, self.sha256), self.sha256, {"url": self.url}
        else:
            archive = (folder / str(self.path)).resolve()
            sha256, place = self._checked(archive), {"path": str(self.path)}

        def lay_out(target: Path) -> Tree:
            if self.url is not None:
                require_intact(archive, sha256)
            require_harmless(archive)
            unpack(archive, target, hint="it may be damaged or cut off: get it once more" if self.url is None else None)
            try:
                if not any(target.iterdir()):
                    raise DownloadError(f"{archive} holds only an empty folder")
                require_portable(target)  # once more, since links can lead through each other
                self.copy_to(target, folder)
                return tree_of(target)
            except BaseException:
                remove_tree(target)
                raise

        return Materials(
            lay_out=lay_out,
            # By its content, wherever it lies: a mirror's file is the same. What is this host's may change meanwhile.
            inputs={"archive": sha256} if self.url is not None else {},
            spec=self.modes(folder),
            files={**({} if self.url is not None else {"archive": archive}), **self.origins(folder)},
            facts={"kind": self.kind, **place, "sha256": sha256},
        )

    def _checked(self, archive: Path) -> str:
        """The digest of a file of this host, which is the one that was promised."""
        if not archive.is_file():
            raise BuildError(f"the source {archive} is no file", hint='for a folder: kind = "folder"')
        found = digest_file(archive)
        if self.sha256 not in {None, found}:
            raise DownloadError(
                f"{archive} has another content than source.sha256 promises",
                details=(f"promised SHA-256 {self.sha256}", f"found SHA-256    {found}"),
                hint="get the right file, or set sha256 in app.toml to what was found",
            )
        return found
