# SPDX-License-Identifier: GPL-2.0-only
"""Finds the smallest kernel for an application: take something away, build, boot, verify, decide."""
