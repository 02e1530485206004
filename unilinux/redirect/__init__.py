# SPDX-License-Identifier: GPL-2.0-only
"""From system call to function call: the musl tool chain that applications are built with."""
