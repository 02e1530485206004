# SPDX-License-Identifier: GPL-2.0-only
"""Kernels of distributions, measured in the same way as ours."""
