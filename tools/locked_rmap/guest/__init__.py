# SPDX-License-Identifier: GPL-2.0-only
"""Building and running kernels, and reading what they say."""
