# SPDX-License-Identifier: GPL-2.0-only
"""What is particular to a processor architecture, as one record."""
