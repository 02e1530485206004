# SPDX-License-Identifier: GPL-2.0-only
"""Use cases: each command's work as one function that takes values and a workshop, and returns a typed document.

Nothing here prints, exits, or touches what is the process's: any of them runs in any thread, several at once.
"""
