# SPDX-License-Identifier: GPL-2.0-only
"""Virtual machines: started, watched, talked to and ended, with evidence of each run."""
