# SPDX-License-Identifier: GPL-2.0-only
"""Budgets: what images may cost, what they cost now, and what they cost before."""
