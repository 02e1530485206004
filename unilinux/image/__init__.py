# SPDX-License-Identifier: GPL-2.0-only
"""Where all parts meet: from a request to an image, as one cached graph of steps."""
