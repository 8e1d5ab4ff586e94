# SPDX-License-Identifier: GPL-2.0-only
"""What every other part stands on: errors, files, processes, the console."""
