# SPDX-License-Identifier: GPL-2.0-only
"""Reading a tree: who walks, and is the folio locked there?"""
