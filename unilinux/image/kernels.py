# SPDX-License-Identifier: GPL-2.0-only
"""Which wishes are meant for the kernel that an image is built with."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from unilinux.core.document import read_document
from unilinux.core.errors import ManifestError
from unilinux.core.files import digest_bytes
from unilinux.core.layout import Layout
from unilinux.core.suggest import unknown
from unilinux.kconfig.wish import Layer
from unilinux.kernel.source import KERNELS, Kernels, find_kernel

_CONFIG = re.compile(r"^\+\s*(?:menu)?config (\w+)$", re.MULTILINE)
_SERIES = "linux-"  # patches/linux-6.12 is the series of Linux 6.12


def chosen_kernel(layout: Layout, name: str | None) -> str | None:
    """A kernel as the user names it; None if it is the usual one, however that was said.

    :raise ManifestError: ``configs/kernels.toml`` is malformed.
    """
    if name is None or name == read_document(layout.project / KERNELS, Kernels).default:
        return None
    return name


def kernel_word(kernel: str) -> str:
    """What tells a kernel from others in an image's name: two folders may have one name.

    >>> kernel_word("6.1")
    'linux-6.1'
    """
    path = Path(kernel)
    if os.sep not in kernel and not path.exists():
        return f"{_SERIES}{kernel}"
    return f"{_SERIES}{path.name.removeprefix(_SERIES)}-{digest_bytes(os.path.realpath(path).encode())[:8]}"


def on_kernel(layers: Sequence[Layer], layout: Layout, kernel: str | None) -> tuple[Layer, ...]:
    """The layers without the wishes that are meant for other kernels, or for symbols that this one's series hasn't.

    :param kernel: as the user names it; None is the usual one. A tarball or folder of the user's
        counts as the kernel whose patch series it gets.
    :raise UsageError: there is no such kernel.
    :raise ManifestError: wishes that are meant for a kernel that nobody knows.
    """
    series = find_kernel(layout, kernel).series
    name = series.name.removeprefix(_SERIES)
    known = {name, *(pinned.name for pinned in read_document(layout.project / KERNELS, Kernels).kernel)}
    known |= {path.name.removeprefix(_SERIES) for path in (layout.project / "patches").glob(f"{_SERIES}*")}
    problems = [
        f"{wish.origin}: {wish.symbol}: {unknown('kernel', wish.kernel, known)}"
        for layer in layers
        for wish in layer.all_wishes
        if wish.kernel and wish.kernel not in known
    ]
    if problems:
        raise ManifestError("wishes are meant for a kernel that isn't there", details=problems)
    declared = _declared(series)
    return tuple(layer.on(name).with_symbols(declared) for layer in layers)


def _declared(series: Path) -> frozenset[str]:
    """The Kconfig symbols that a series' patches bring."""
    texts = (patch.read_text(encoding="utf-8", errors="replace") for patch in series.glob("*.patch"))
    return frozenset(name for text in texts for name in _CONFIG.findall(text))
