# SPDX-License-Identifier: GPL-2.0-only
"""Boots, counted and timed stage by stage."""
