# SPDX-License-Identifier: GPL-2.0-only
"""Targets and machines as data; the kernel's configuration, its command line and QEMU's words derive from it."""
