# SPDX-License-Identifier: GPL-2.0-only
"""Where the bytes of an image are."""
