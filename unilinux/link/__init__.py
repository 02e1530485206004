# SPDX-License-Identifier: GPL-2.0-only
"""Putting an application and its files into the kernel image."""
