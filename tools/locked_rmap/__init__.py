# SPDX-License-Identifier: GPL-2.0-only
"""locked-rmap: KUnit suites for the rmap walk of anonymous folios, on any kernel line."""
