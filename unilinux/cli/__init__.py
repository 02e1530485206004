# SPDX-License-Identifier: GPL-2.0-only
"""The edge between the library and a person at a terminal: what every task needs."""
