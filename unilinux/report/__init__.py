# SPDX-License-Identifier: GPL-2.0-only
"""How the work is shown: on a terminal, in a log, as JSON lines; tables and errors."""
