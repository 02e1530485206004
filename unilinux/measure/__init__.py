# SPDX-License-Identifier: GPL-2.0-only
"""What an image costs: instructions of its boot, bytes, memory; and budgets for all of them."""
