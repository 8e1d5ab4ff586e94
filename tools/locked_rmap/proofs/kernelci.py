# SPDX-License-Identifier: GPL-2.0-only
"""Checks of the steps of KernelCI's jobs."""

import functools
from typing import List

from ..base import files
from ..base.results import PASS, SKIP
from ..guest import build, kernelci
from ..kernel import packages, worktree
from .commits import apply_mbox, changed, export_to
from .desk import Check, Desk, Tally, tally


def job(desk: Desk, name: str, arch: str) -> Tally:
    """The steps of KernelCI's kunit job, in a tree to which git am has applied the mailbox."""
    place = desk.place(name)
    wanted = next(each for each in kernelci.read_jobs(desk.repo).values() if each.arch == arch)
    packages.need(desk.console, build.config_for(desk.repo, wanted.arch).packages())
    with desk.held() as line:
        work = worktree.WorkTree(line.work.base.with_name(f"kernelci-{wanted.arch}-{line.version}"),
                                 line.work.pristine)
        try:
            export_to(desk, line.name, place)
            apply_mbox(line, place)
            tree = place / "tree"
            work.populate(desk.console)
            work.install({path: (tree / path).read_bytes() for path in changed(tree)},
                         work.build_dir(wanted.arch, "kernelci"))
            failed, tests = kernelci.run_steps(work.tree, wanted, place, build.BUILD_LIMIT,
                                               desk.console)
        finally:
            # Built in the tree, as KernelCI does: nothing of it is of use to anybody else.
            files.remove_tree(work.base)
    results = {test: "" if status == PASS else status for test, status in tests.items()
               if status != SKIP}
    if failed or not results:
        results["the steps"] = failed or "no test ran"
    return tally(results, list(tests.values()).count(SKIP))


def checks(_desk: Desk) -> List[Check]:
    """Those of this file: a job for each architecture."""
    return [Check(f"kernelci-{arch}", f"KernelCI's job for {arch}", functools.partial(
        job, name=f"kernelci-{arch}", arch=arch), 10) for arch in build.ARCHES]
