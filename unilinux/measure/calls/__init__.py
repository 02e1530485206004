# SPDX-License-Identifier: GPL-2.0-only
"""What system calls and requests cost, depending on the way into the kernel."""
