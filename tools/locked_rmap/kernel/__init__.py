# SPDX-License-Identifier: GPL-2.0-only
"""Kernel lines, their sources, work trees, series and commits."""
