# SPDX-License-Identifier: GPL-2.0-only
"""The first process of an image: its source, its plan, and how it is compiled."""
