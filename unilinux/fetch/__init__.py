# SPDX-License-Identifier: GPL-2.0-only
"""Sources from Debian's archives, by apt's own client without root, and from web servers; all verified."""
