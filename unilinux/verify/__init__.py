# SPDX-License-Identifier: GPL-2.0-only
"""Proof that an image does what its manifest promises: the ``[[verify]]`` tables, by kind."""
