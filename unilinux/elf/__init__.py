# SPDX-License-Identifier: GPL-2.0-only
"""ELF files: programs, objects and kernels, as far as anything here needs to know them."""
