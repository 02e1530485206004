# SPDX-License-Identifier: GPL-2.0-only
"""The Linux kernel: its source, the patch series on it, and its build."""
