# SPDX-License-Identifier: GPL-2.0-only
"""What has no domain in it: errors, progress events, commands, files, the store."""
