# SPDX-License-Identifier: GPL-2.0-only
"""Kconfig: what is wished for, by whom, and the configuration that comes of it."""
