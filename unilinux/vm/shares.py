# SPDX-License-Identifier: GPL-2.0-only
"""The folders of the host behind a machine's shares: seen to be what the guest's file server needs."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from unilinux.core.errors import HostError, UsageError
from unilinux.machine.spec import Share, SharedFolder

# An attribute of a file to whose owner the guest has seen (QEMU's hw/9pfs/9p-xattr-user.c, 9p-local.c).
_OWNER = "user.virtfs.uid"


def require_folders(shares: Iterable[Share]) -> None:
    """See that each share has a folder, which can be read, and written to unless it is shared read-only.

    :raise UsageError: there is none.
    :raise HostError: it can't be used so.
    """
    for share in shares:
        if share.folder is None:
            raise UsageError(f"the image mounts a folder of the host at {share.path}: which?", hint=SharedFolder.HINT)
        _require(share.folder, share)


def _require(folder: Path, share: Share) -> None:
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise UsageError(f"the folder {folder}, to be shared at {share.path}, {what}", hint=f"mkdir {folder}")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise HostError(f"the folder {folder}, to be shared at {share.path}, can't be read", hint=f"ls -ld {folder}")
    if share.read_only:
        return
    read_only = f"share it read-only: --share {folder}:{share.path}:ro"
    if not os.access(folder, os.W_OK):
        raise HostError(f"the folder {folder}, to be shared at {share.path}, can't be written to", hint=read_only)
    try:
        os.getxattr(folder, _OWNER)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            raise HostError(
                f"the folder {folder} lies on a file system without extended attributes, which keep the guest's owners",
                hint=f"take a folder of another file system, or {read_only}",
            ) from error
