# SPDX-License-Identifier: GPL-2.0-only
"""The verb `export`: a line's series and the suites as commits."""

import re
import shlex
import tempfile
import textwrap
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ..base import files
from ..guest import kunit
from ..kernel import commits, maintainers, packages, series, source, worktree
from ..report import report
from . import run
from ..kernel.commits import Git, Identity, Message
from ..base.console import Console
from ..base.errors import Stop

#: What is said of the suites, beside the series of the lines.
TEXTS = "mm/patches/suites"
#: What the tool changes in a tree outside of its mm/tests, and what it has to know of it.
HOOKED = ("mm/Kconfig", "mm/Makefile")
JOINED = (f"{worktree.TESTS}/Kconfig", f"{worktree.TESTS}/Makefile")

#: What makes older kernels look like the one that the suites are written for, and that one's line.
COMPAT = f"{worktree.TESTS}/rmap_kunit_compat"
NEWEST = "7.3"

WIDTH = 72


class Request(NamedTuple):
    """What the user asked `export` for."""

    kernel: Optional[str] = None
    branch: Optional[str] = None
    tree: Optional[Path] = None
    base: Optional[str] = None
    mbox: Optional[Path] = None
    cover: Optional[Path] = None
    signoff: bool = False
    table: bool = True


class Part(NamedTuple):
    """A suite, or the exports for modules: @name.c, built if @option is set, and the directory @text if there is one."""

    name: str
    option: str

    @property
    def text(self) -> str:
        """The file that has its commit message; the directory with its subjects is called the same."""
        return self.name[:-len("_kunit")] if self.name.endswith("_kunit") else self.name.rpartition("_")[2]


class Step(NamedTuple):
    """A commit of the suites: what the files of @contents hold after it, and @new ones among them."""

    message: Message
    contents: worktree.Contents
    new: List[str]


# The suites as commits

def parts(makefile: str) -> List[Part]:
    """The exports and the suites, in the order of the Makefile of mm/tests."""
    return [Part(name, option) for option, name in
            re.findall(r"^obj-\$\((CONFIG_\w+)\) *\+= *(\w+_kunit|rmap_exports)\.o$", makefile, re.M)]


def _without(contents: worktree.Contents, later: List[Part]) -> worktree.Contents:
    """@contents without the @later parts: their files, options, objects, and paragraphs of the Makefile."""
    found = {name: data for name, data in contents.items()
             if name not in [f"{worktree.TESTS}/{part.name}.c" for part in later]
             and Path(name).parent not in [Path(worktree.TESTS, part.text) for part in later]}
    for part in later:
        symbol = part.option[len("CONFIG_"):]
        for name, pattern in ((f"{worktree.TESTS}/Kconfig", rf"^config {symbol}\n(?:(?:[\t #].*)?\n)*"),
                              (f"{worktree.TESTS}/Makefile",
                               rf"^obj-.*\b{part.name}\.o\n|(?:^.+\n)*^CFLAGS_{part.name}\.o.*\n(?:.+\n)*\n?"),
                              (worktree.KUNITCONFIG, rf"^{part.option}=.*\n")):
            text = found[name].decode()
            less = re.sub(pattern, "", text, flags=re.M)
            # One that is only built when asked for is not in there.
            if less == text and name != worktree.KUNITCONFIG:
                raise Stop(f"{name} says nothing of {part.option}: this clone of the repository is not whole")
            found[name] = (less.rstrip("\n") + "\n").encode()
    return found


def _without_compat(contents: worktree.Contents) -> worktree.Contents:
    """@contents without what older kernels need: its files, and the paragraph of the Makefile that names them."""
    found = {name: data for name, data in contents.items() if not name.startswith(COMPAT)}
    makefile = f"{worktree.TESTS}/Makefile"
    paragraphs = found[makefile].decode().split("\n\n")
    found[makefile] = "\n\n".join(text for text in paragraphs if Path(COMPAT).name not in text).encode()
    return found


def steps(repo: Path, version: str) -> List[Step]:
    """What the suites share, what is exported for them, then suite by suite; every step builds.

    What makes a kernel look like the newest is left out if @version is that, or newer.
    """
    whole = worktree.overlay(repo)
    if source.version_key(source.line_of(version)) >= source.version_key(NEWEST):
        whole = _without_compat(whole)
    found = parts(whole[f"{worktree.TESTS}/Makefile"].decode())
    made: List[Step] = []
    before: worktree.Contents = {}
    for count in range(len(found) + 1):
        contents = _without(whole, found[count:])
        text = found[count - 1].text if count else "helpers"
        made.append(Step(commits.read_message(repo / TEXTS / text), contents,
                         [name for name in contents if name not in before]))
        before = contents
    return made


def _place(git: Git, step: Step, origin: Path) -> None:
    """Put the files of @step into the index, as `run` puts them into its work tree.

    @origin: what the tree itself says of mm/tests.
    """
    contents = dict(step.contents)
    worktree.keep_theirs(contents, origin)
    worktree.add_hooks(contents, origin)
    text = git.read("MAINTAINERS")
    patterns = maintainers.patterns(step.new)
    if text is not None and patterns:
        listed = text.decode(encoding="utf-8", errors="surrogateescape")
        for pattern in patterns:
            listed = maintainers.add(listed, pattern)
        contents["MAINTAINERS"] = listed.encode(encoding="utf-8", errors="surrogateescape")
    git.put(contents)


def make(repo: Path, git: Git, base: str, what: str, version: str, patches: series.Series, who: Identity,
         signoff: bool, console: Console) -> Tuple[str, int]:
    """Commit the series and the suites on top of @base, @what of Linux @version; the last commit, and how many."""
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
            raise Stop(f"{what} has no {name}, so mm/tests cannot be hooked in: is this a kernel from 6.1 on?")
    planned = steps(repo, version)
    there = git.run("ls-files", worktree.TESTS, new=True).split()
    for name in there:
        if name in planned[-1].contents and name not in (*JOINED, worktree.KUNITCONFIG):
            raise Stop(f"{what} has the suites already, as {name} shows: give --base a commit without them")
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
    now = run.fingerprint(repo, patches)
    places = sorted(run.results_dir(repo).glob(f"{line}-*/summary.json"))
    found = [value for value in map(files.read_json, places) if value]
    current = [value for value in found if value.get("input") == now]
    if not current:
        why = "is of other suites or patches than these" if found else "is missing"
        raise Stop(f"the measured table of the cover letter {why}: {command} first, "
                   "or leave it out with --no-table")
    # UML, which everybody can run, comes first.
    return sorted(current, key=lambda value: (value["arch"] != "um", value["arch"], value["debug"]))


def table(value: Dict[str, Any], line: str) -> str:
    """What one run came to: a row a suite, then the tests that fail."""
    stages: Dict[str, Dict[str, Any]] = value["stages"]
    names = [name for stage in stages.values() for name in stage["tests"]]
    rows = list(dict.fromkeys(name.split(".")[0] for name in names))
    width = max(len("unexpected warnings"), *(len(name) for name in rows))
    command = f"make run KERNEL={line}" + ("" if value["arch"] == "um" else f" ARCH={value['arch']}") + \
        (" DEBUG=1" if value["debug"] else "")
    lines = [f"Linux {value['kernel']}, {value['arch']}, by \"{command}\":", "",
             f"  {'':<{width}}" + "".join(f"  {stage:>16}" for stage in stages),
             f"  {'':<{width}}" + "  pass  fail  skip" * len(stages)]
    for row in [*rows, "all"]:
        cells = ""
        for stage in stages.values():
            got = [status for name, status in stage["tests"].items() if row in ("all", name.split(".")[0])]
            cells += f"  {got.count(kunit.PASS):>4}  {len(got) - got.count(kunit.PASS) - got.count(kunit.SKIP):>4}" \
                     f"  {got.count(kunit.SKIP):>4}"
        lines.append(f"  {row:<{width}}{cells}")
    lines.append(f"  {'unexpected warnings':<{width}}" + "".join(f"  {stage['splats']:>16}" for stage in stages.values()))
    lines += ["", textwrap.fill(value["verdict"], WIDTH)]
    for key, stage in stages.items():
        failing = [name for name, status in stage["tests"].items() if status in (kunit.FAIL, kunit.CRASH)]
        if failing:
            lines += ["", f"These fail on {key}:", "", *(f"  {name}" for name in failing)]
    return "\n".join(lines) + "\n"


def cover(repo: Path, line: str, version: str, patches: series.Series, measured: List[Dict[str, Any]]) -> Message:
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
            raise Stop("the commit that --base names (default: HEAD) is not of a kernel tree: "
                       "give --tree and --base one") from err
    source.check_age(version, "the commit that --base names (default: HEAD)")
    return version


def _patches(repo: Path, line: str) -> series.Series:
    directory = repo / "mm" / "patches" / f"linux-{line}"
    return series.Series(directory if directory.is_dir() else None)


def _check(request: Request) -> None:
    if (request.branch is None) == (request.mbox is None):
        raise Stop("give --branch NAME with --tree DIR, or --mbox FILE; see locked-rmap export --help")
    if request.branch is not None and request.tree is None:
        raise Stop("--branch needs --tree DIR: the git tree that gets it")
    if request.mbox is not None and (request.tree is not None or request.base is not None):
        raise Stop("--mbox is made from the line's own source: leave --tree and --base out, or use --branch")
    if request.branch is not None and request.cover is not None:
        raise Stop("with --branch the cover letter is the branch's description: leave --cover out")
    for option, path in (("--mbox", request.mbox), ("--cover", request.cover)):
        files.check_target(option, path)
    if request.kernel is not None:
        source.check_line(request.kernel)


def export(repo: Path, request: Request, console: Console) -> int:
    """Do what @request says; the exit status.  Raises Stop if it cannot be done."""
    _check(request)
    packages.need(console, packages.EXPORT)
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        if request.branch is not None:
            return _branch(repo, request, Path(temp), console)
        return _mbox(repo, request, Path(temp), console)


def _branch(repo: Path, request: Request, temp: Path, console: Console) -> int:
    assert request.branch is not None and request.tree is not None
    tree = request.tree.absolute()
    git = Git.of_tree(tree, temp)
    git.check_new(request.branch)
    who = commits.identity(tree)
    base = git.revision(request.base or "HEAD")
    version = _tree_line(git, base, temp)
    line = source.line_of(version)
    if request.kernel not in (None, line):
        raise Stop(f"{request.base or 'HEAD'} in {tree} is a {version} kernel, not {request.kernel}: "
                   "leave --kernel out, or give --base another commit")
    patches = _patches(repo, line)
    letter = cover(repo, line, version, patches, results(repo, line, patches) if request.table else [])
    what = f"{request.base or 'HEAD'} ({version})"
    console.begin(f"committing on top of {what}")
    head, count = make(repo, git, base, what, version, patches, who, request.signoff, console)
    people = _people(git, base, head, who, temp)
    git.publish(request.branch, head, base, letter.text)
    console.end(f"{count} commits")
    short = git.run("rev-parse", "--short", base)
    options = [shlex.quote(option) for option in (f"--subject-prefix=PATCH {line}", *people.options())]
    console.line(f"branch {request.branch}: {count} commits on top of {short}; nothing else in {tree} was changed")
    console.line("to mail them, first: git format-patch -o DIR --cover-letter --cover-from-description=subject "
                 f"{' '.join(options)} {short}..{request.branch}")
    return 0


def _people(git: Git, base: str, head: str, who: Identity, temp: Path) -> maintainers.People:
    """Whom the tree's own get_maintainer.pl names, when MAINTAINERS lists the new files."""
    where = temp / "people"
    git.load(head)
    git.save(maintainers.FILES, where)
    # Only what was published can be formatted by name, so by commits.
    patches = where / "patches"
    answer = git.ask("format-patch", "-q", "-o", str(patches), f"{base}..{head}", new=True, env=who.environment())
    if answer.returncode != 0:
        raise Stop("git format-patch failed: " + answer.stderr.decode(errors="replace"))
    return maintainers.ask(where, sorted(patches.iterdir()))


def _mbox(repo: Path, request: Request, temp: Path, console: Console) -> int:
    assert request.mbox is not None
    who = commits.identity()
    line = request.kernel or run.DEFAULT_LINE
    patches = _patches(repo, line)
    measured = results(repo, line, patches) if request.cover is not None and request.table else []
    pristine = source.Store(source.open_cache(), console).pristine(line)
    version = source.tree_version(pristine)
    what = f"Linux {version}"
    console.begin(f"committing on top of {what}")
    names = [*patches.touched(), *HOOKED, *worktree.overlay(repo), *maintainers.FILES]
    git = Git.of_files(pristine, names, who, temp, what)
    base = git.revision("base")
    head, count = make(repo, git, base, what, version, patches, who, request.signoff, console)
    letter = cover(repo, line, version, patches, measured)
    git.publish("export", head, base, letter.text)
    prefix = f"--subject-prefix=PATCH {line}"
    mails = git.mails(base, "export", who, temp / "mails", prefix)
    data = b"".join(mail.read_bytes() for mail in mails)
    if request.cover is not None:
        # Who applies the patches needs no addresses, who sends them puts the cover letter on top.
        people = _people(git, base, head, who, temp)
        first = git.mails(base, "export", who, temp / "cover", prefix, "--cover-letter",
                          "--cover-from-description=subject", *people.options())[0]
        files.write_atomic(request.cover.absolute(), first.read_bytes())
    files.write_atomic(request.mbox.absolute(), data)
    console.end(f"{count} commits")
    console.line(f"mailbox: {run.relative(request.mbox.absolute())}, {count} patches for {what}; "
                 "git am takes it, nothing was mailed")
    if request.cover is not None:
        console.line(f"cover letter: {run.relative(request.cover.absolute())}")
    return 0
