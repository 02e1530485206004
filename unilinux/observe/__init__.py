# SPDX-License-Identifier: GPL-2.0-only
"""What an application uses of the kernel: its system calls, the functions that ran, and the symbols that they need."""
