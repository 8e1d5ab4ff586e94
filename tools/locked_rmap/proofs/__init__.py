# SPDX-License-Identifier: GPL-2.0-only
"""What the verb `test` runs: the project's own checks, a file for each kind."""
