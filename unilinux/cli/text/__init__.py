# SPDX-License-Identifier: GPL-2.0-only
"""What commands answer, as text for people."""
