# SPDX-License-Identifier: GPL-2.0-only
"""What can end a verb early, and the exit statuses."""

import errno

#: Everything that was asked for holds.
HOLDS = 0
#: A test failed, the contract is broken, or a guest died.
BROKEN = 1
#: The tool could not do what it was asked to.
COULD_NOT_RUN = 2


class Stop(Exception):
    """The tool cannot go on.

    The text is the one line that the user sees: what happened and what to do.
    """


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived.

    Not an Exception, so that no handler of ordinary errors swallows it.
    """


def is_full(err: OSError) -> bool:
    """Tell whether @err says that a disk (or a quota) is full."""
    return err.errno in (errno.ENOSPC, errno.EDQUOT)


def one_line(text: str, limit: int = 400) -> str:
    """Fold @text into one line of at most @limit characters."""
    folded = " ".join(text.split())
    return folded if len(folded) <= limit else folded[: limit - 1] + "…"
