# SPDX-License-Identifier: GPL-2.0-only
"""How an application is proved to work: the ``[[verify]]`` tables of a manifest, one module for each kind or family."""
