# SPDX-License-Identifier: GPL-2.0-only
"""Memory: in use at each stage of a boot, and the least that is enough."""
