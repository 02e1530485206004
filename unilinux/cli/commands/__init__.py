# SPDX-License-Identifier: GPL-2.0-only
"""The commands: each parses what was said, calls one use case, and shows its document."""
