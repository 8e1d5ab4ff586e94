# SPDX-License-Identifier: GPL-2.0-only
"""Exports a line's series and the suites as commits, for a git tree or for git am."""

import argparse
import re
import shlex
import tempfile
import textwrap
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

from ..base import files
from ..base.console import Console
from ..base.errors import Stop
from ..base.options import Tool, kernel, path
from ..base.results import CRASH, FAIL, PASS, SKIP, SUITES, relative, results_dir
from ..kernel import commits, maintainers, overlay, packages, series, source
from ..kernel.commits import Git, Identity, Message
from ..kernel.line import default, fingerprint, read_series
from ..kernel.steps import TEXTS, Step
from ..kernel.steps import steps as suite_steps


#: What the tool changes in a tree outside of its mm/tests, and what it has to know of it.
HOOKED = ("mm/Kconfig", "mm/Makefile")
JOINED = (f"{overlay.TESTS}/Kconfig", f"{overlay.TESTS}/Makefile")

WIDTH = 72



def _place(git: Git, step: Step, origin: Path) -> None:
    """Put the files of @step into the index, as `run` puts them into its work tree.

    @origin: what the tree itself says of mm/tests.
    """
    contents = dict(step.contents)
    overlay.keep_theirs(contents, origin)
    overlay.add_hooks(contents, origin)
    text = git.read("MAINTAINERS")
    patterns = maintainers.patterns(step.new)
    if text is not None and patterns:
        listed = text.decode(encoding="utf-8", errors="surrogateescape")
        for pattern in patterns:
            listed = maintainers.add(listed, pattern)
        contents["MAINTAINERS"] = listed.encode(encoding="utf-8", errors="surrogateescape")
    git.put(contents)


def make(repo: Path, git: Git, base: str, what: str, version: str, patches: series.Series,
         who: Identity,
         signoff: bool, console: Console) -> Tuple[str, int]:
    """Commit the series and the suites on top of @base; the last commit, and how many."""
    head, count = base, 0
    git.load(base)
    for name in patches.patches:
        assert patches.directory is not None
        console.tick(name)
        try:
            message = git.apply(patches.directory / name)
        except Stop as err:
            raise Stop(f"{err} to {what}: give --base a commit that the series is for") from err
        head, count = git.commit(message, head, who, signoff), count + 1
    origin = git.temp / "origin"
    git.save([*HOOKED, *JOINED], origin)
    for name in HOOKED:
        if not (origin / name).is_file():
            raise Stop(f"{what} has no {name}, so mm/tests cannot be hooked in: is this a kernel "
                       f"from {source.OLDEST} on?")
    planned = suite_steps(repo, version)
    there = git.run("ls-files", overlay.TESTS, new=True).split()
    for name in there:
        if name in planned[-1].contents and name not in (*JOINED, overlay.KUNITCONFIG):
            raise Stop(f"{what} has the suites already, as {name} shows: give --base a commit "
                       "without them")
    for step in planned:
        console.tick(step.message.subject)
        _place(git, step, origin)
        head, count = git.commit(step.message, head, who, signoff), count + 1
    return head, count


# The cover letter


def results(repo: Path, line: str, patches: series.Series) -> List[Dict[str, Any]]:
    """What whole runs of this line came to, with the suites and patches as they are now.

    Raises Stop, with the command that helps, if there is none.
    """
    command = f"make run KERNEL={line}"
    now = fingerprint(repo, patches)
    places = sorted(results_dir(repo).glob(f"run-{line}-*/whole.json"))
    found = [value for value in map(files.read_json, places) if value]
    current = [value for value in found if value.get("input") == now]
    if not current:
        why = "is outdated: suites or patches have changed" if found else "is missing"
        raise Stop(f"the cover letter's table of test results {why}: run {command} first, "
                   "or leave it out with --no-table")
    # UML, which everybody can run, comes first.
    return sorted(current, key=lambda value: (value["arch"] != "um", value["arch"], value["debug"]))


def table(value: Dict[str, Any], line: str) -> str:
    """What one run came to: a row a suite, then the tests that fail."""
    stages: Dict[str, Dict[str, Any]] = {name: stage[SUITES]
                                         for name, stage in value["stages"].items()}
    names = [name for stage in stages.values() for name in stage["tests"]]
    rows = list(dict.fromkeys(name.split(".")[0] for name in names))
    width = max(len("unexpected warnings"), *(len(name) for name in rows))
    command = f"make run KERNEL={line}" + ("" if value["arch"] == "um"
                                           else f" ARCH={value['arch']}") + \
        (" DEBUG=1" if value["debug"] else "")
    lines = [f"Linux {value['kernel']}, {value['arch']}, by \"{command}\":", "",
             f"  {'':<{width}}" + "".join(f"  {stage:>16}" for stage in stages),
             f"  {'':<{width}}" + "  pass  fail  skip" * len(stages)]
    for row in [*rows, "all"]:
        cells = ""
        for stage in stages.values():
            got = [status for name, status in stage["tests"].items()
                   if row in ("all", name.split(".")[0])]
            cells += f"  {got.count(PASS):>4}  {len(got) - got.count(PASS) - got.count(SKIP):>4}" \
                     f"  {got.count(SKIP):>4}"
        lines.append(f"  {row:<{width}}{cells}")
    lines.append(f"  {'unexpected warnings':<{width}}"
                 + "".join(f"  {stage['splats']:>16}" for stage in stages.values()))
    lines += ["", textwrap.fill(value["verdict"], WIDTH)]
    for key, stage in stages.items():
        failing = [name for name, status in stage["tests"].items() if status in (FAIL, CRASH)]
        if failing:
            lines += ["", f"These fail on {key}:", "", *(f"  {name}" for name in failing)]
    return "\n".join(lines) + "\n"


def cover(repo: Path, line: str, version: str, patches: series.Series,
          measured: List[Dict[str, Any]]) -> Message:
    """The cover letter: what and why, what was measured, what it applies to."""
    path = (patches.directory if patches.patches and patches.directory else repo / TEXTS) / "cover"
    message = commits.read_message(path)
    body = message.body.strip() + "\n"
    if measured:
        body += "\n" + "\n".join(table(value, line) for value in measured)
    return Message(message.subject, body + f"\nOn top of Linux {version}.\n")


# The verb


def _tree_line(git: Git, base: str, temp: Path) -> str:
    """The version that the commit @base has in its Makefile; Stop if it is none for the suites."""
    git.load(base)
    with tempfile.TemporaryDirectory(dir=temp) as place:
        git.save(["Makefile"], Path(place))
        try:
            version = source.tree_version(Path(place))
        except Stop as err:
            raise Stop("the commit --base (default: HEAD) is not a kernel tree: "
                       "correct --tree or --base") from err
    source.check_age(version, "the commit --base (default: HEAD)")
    return version


def _check(args: argparse.Namespace) -> None:
    if (args.branch is None) == (args.mbox is None):
        raise Stop("give --branch NAME with --tree DIR, or --mbox FILE; see locked-rmap export "
                   "--help")
    if args.branch is not None and args.tree is None:
        raise Stop("--branch needs --tree DIR: the git tree that gets it")
    if args.mbox is not None and (args.tree is not None or args.base is not None):
        raise Stop("--mbox uses the line's own source: drop --tree and --base, or use --branch")
    if args.branch is not None and args.cover is not None:
        raise Stop("with --branch the cover letter is the branch description: drop --cover")
    for option, path in (("--mbox", args.mbox), ("--cover", args.cover)):
        files.check_target(option, path)
    if args.kernel is not None:
        source.check_line(args.kernel)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    kernel(parser)
    parser.add_argument("--branch", metavar="NAME",
                        help="create this branch in the git tree --tree")
    parser.add_argument("--tree", type=path, metavar="DIR",
                        help="your own git tree; its work tree, index and other branches stay "
                             "untouched")
    parser.add_argument("--base", metavar="REV",
                        help="commit to build on (default: HEAD of the tree)")
    parser.add_argument("--mbox", type=path, metavar="FILE",
                        help="write a mailbox for git am")
    parser.add_argument("--cover", type=path, metavar="FILE",
                        help="with --mbox: also write the cover letter, addressed by "
                             "get_maintainer.pl")
    parser.add_argument("--signoff", action="store_true",
                        help="add your Signed-off-by, from your git configuration")
    parser.add_argument("--no-table", dest="table", action="store_false",
                        help="leave the test results out of the cover letter")


def main(args: argparse.Namespace, tool: Tool) -> int:
    """Do what @request says; the exit status.  Raises Stop if it cannot be done."""
    _check(args)
    packages.need(tool.console, packages.EXPORT)
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        if args.branch is not None:
            return _branch(tool.repo, args, Path(temp), tool.console)
        return _mbox(tool.repo, args, Path(temp), tool.console)


def _branch(repo: Path, args: argparse.Namespace, temp: Path, console: Console) -> int:
    assert args.branch is not None and args.tree is not None
    tree = args.tree.absolute()
    git = Git.of_tree(tree, temp)
    git.check_new(args.branch)
    who = commits.identity(tree)
    base = git.revision(args.base or "HEAD")
    version = _tree_line(git, base, temp)
    line = source.line_of(version)
    if args.kernel not in (None, line):
        raise Stop(f"{args.base or 'HEAD'} in {tree} is a {version} kernel, not {args.kernel}: "
                   "drop --kernel or change --base")
    patches = read_series(repo, line)
    letter = cover(repo, line, version, patches, results(repo, line, patches) if args.table else [])
    what = f"{args.base or 'HEAD'} ({version})"
    console.begin(f"committing on top of {what}")
    head, count = make(repo, git, base, what, version, patches, who, args.signoff, console)
    people = _people(git, base, head, who, temp)
    git.publish(args.branch, head, base, letter.text)
    console.end(f"{count} commits")
    short = git.run("rev-parse", "--short", base)
    options = [shlex.quote(option)
               for option in (f"--subject-prefix=PATCH {line}", *people.options())]
    console.line(f"branch {args.branch}: {count} commits on top of {short}; nothing else changed "
                 "in {tree}")
    console.line("to send them, start with: git format-patch -o DIR --cover-letter "
                 "--cover-from-description=subject "
                 f"{' '.join(options)} {short}..{args.branch}")
    return 0


def _people(git: Git, base: str, head: str, who: Identity, temp: Path) -> maintainers.People:
    """Whom the tree's own get_maintainer.pl names, when MAINTAINERS lists the new files."""
    where = temp / "people"
    git.load(head)
    git.save(maintainers.FILES, where)
    # Only what was published can be formatted by name, so by commits.
    patches = where / "patches"
    answer = git.ask("format-patch", "-q", "-o", str(patches), f"{base}..{head}", new=True,
                     env=who.environment())
    if answer.returncode != 0:
        raise Stop("git format-patch failed: " + answer.stderr.decode(errors="replace"))
    return maintainers.ask(where, sorted(patches.iterdir()))


def _mbox(repo: Path, args: argparse.Namespace, temp: Path, console: Console) -> int:
    assert args.mbox is not None
    who = commits.identity()
    line = args.kernel or default(repo)
    patches = read_series(repo, line)
    measured = results(repo, line, patches) if args.cover is not None and args.table else []
    pristine = source.Store(source.open_cache(), console).pristine(line)
    version = source.tree_version(pristine)
    what = f"Linux {version}"
    console.begin(f"committing on top of {what}")
    names = [*patches.touched(), *HOOKED, *overlay.suites(repo), *maintainers.FILES]
    git = Git.of_files(pristine, names, who, temp, what)
    base = git.revision("base")
    head, count = make(repo, git, base, what, version, patches, who, args.signoff, console)
    letter = cover(repo, line, version, patches, measured)
    git.publish("export", head, base, letter.text)
    prefix = f"--subject-prefix=PATCH {line}"
    mails = git.mails(base, "export", who, temp / "mails", prefix)
    data = b"".join(mail.read_bytes() for mail in mails)
    if args.cover is not None:
        # Who applies the patches needs no addresses, who sends them puts the cover letter on top.
        people = _people(git, base, head, who, temp)
        first = git.mails(base, "export", who, temp / "cover", prefix, "--cover-letter",
                          "--cover-from-description=subject", *people.options())[0]
        files.write_atomic(args.cover.absolute(), first.read_bytes())
    files.write_atomic(args.mbox.absolute(), data)
    console.end(f"{count} commits")
    console.line(f"mailbox: {relative(args.mbox.absolute())}, {count} patches for {what}; "
                 "apply it with git am; nothing was sent")
    if args.cover is not None:
        console.line(f"cover letter: {relative(args.cover.absolute())}")
    return 0
