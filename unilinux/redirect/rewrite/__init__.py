# SPDX-License-Identifier: GPL-2.0-only
"""The system calls of programs that others have linked, rewritten to calls of the gate."""
