# SPDX-License-Identifier: GPL-2.0-only
"""The native engine: QEMU as a process of this host. Nothing else knows its arguments, its monitor or its ports."""
