# SPDX-License-Identifier: GPL-2.0-only
"""A container image of this host: an OCI layout, or a tarball of one, or what ``docker save`` wrote."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Literal

from unilinux.core.document import Field
from unilinux.core.files import explained_disk_errors, remove_tree
from unilinux.core.tree import Tree
from unilinux.fetch.fetcher import Fetcher
from unilinux.sources.container import read_image
from unilinux.sources.imagelayers import Layers
from unilinux.sources.imageplace import opened
from unilinux.sources.source import Materials, Source


class OciSource(Source):
    """A container image: an OCI layout in a folder or a tarball, or what `docker save` wrote. Its image for linux/amd64
    is verified by its digests and unpacked to one folder. Owners, modes with set-id bits, and links are as in the
    image; extended attributes, such as file capabilities, are not taken over. What is below `/dev` as a device or pipe
    is left out: the guest has its own. An entry of `[[files]]` with `path = "/"` and `source = "."` takes all of it.
    `image.json` tells how the image wants to be started.
    """

    kind: Literal["oci"] = Field(description="this kind of source", examples=["oci"])
    path: str = Field(
        min_length=1,
        description="the layout's folder or the tarball, absolute or relative to the folder of `app.toml`",
        examples=["image.tar"],
    )
    tag: str | None = Field(
        default=None,
        description="which image, where the layout has several: a tag, or a name with one",
        examples=["server:1.2"],
    )

    @property
    def beside(self) -> tuple[str, ...]:
        """See :class:`unilinux.sources.source.Source`."""
        return (self.path,)

    def obtain(self, folder: Path, fetcher: Fetcher) -> Materials:
        """See :class:`unilinux.sources.source.Source`.

        :raise BuildError: there is no image for linux/amd64, or more than one, or it isn't understood.
        """
        del fetcher  # it is here
        origin = (folder / self.path).resolve()
        with opened(origin) as place:
            image = read_image(place, self.tag)

        def lay_out(target: Path) -> Tree:
            with explained_disk_errors(target), opened(origin) as place:
                target.parent.mkdir(parents=True, exist_ok=True)
                with TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as contents:
                    layers = Layers(Path(contents))
                    for layer in image.layers:
                        with TemporaryFile(dir=contents) as file:
                            place.copy(layer, file)
                            layers.apply(file, layer.diff_id)
                    try:
                        return layers.lay_out(target)
                    except BaseException:
                        remove_tree(target)
                        raise

        return Materials(
            lay_out=lay_out,
            # The configuration has the digest of each layer's content, so it stands for all, wherever the image lies.
            inputs={"image": image.digest},
            facts={
                "kind": self.kind,
                "path": self.path,
                "image": image.digest,
                "layers": [layer.diff_id for layer in image.layers],
                "start": image.start.as_json(),
            },
        )
