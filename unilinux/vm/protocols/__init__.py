# SPDX-License-Identifier: GPL-2.0-only
"""What servers and their clients say to each other: requests as bytes, and answers read from a stream.

Those who verify an application and those who measure it under load use the same.
"""
