# SPDX-License-Identifier: GPL-2.0-only
"""UniLinux: one application and a Linux kernel, made into one bootable image.

The packages are named in the order in which an application passes through
them; see docs/architecture.md.
"""

import time

# Files of this package that are changed later aren't what this process runs (unilinux.core.code).
LOADED_NS = time.time_ns()
