# SPDX-License-Identifier: GPL-2.0-only
"""Checks of what `export` makes: mailboxes that git am takes, and commits that stand alone."""

import functools
import re
import shutil
import sys
from pathlib import Path
from typing import Dict, List

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line
from ..base.parallel import side_by_side
from ..base.results import some
from ..guest import kunit
from ..guest.build import config_for, kunit_py, make
from ..kernel import line as lines
from ..kernel import overlay, series, steps
from ..kernel.line import Line
from ..kernel.series import LOCKED
from .desk import Check, Desk, Tally, jobs, tally
from .patches import CHECKPATCH, broken, warnings_in

#: Whose commits the check of export makes.
_SOMEBODY = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
             for key, value in (("NAME", "Some Body"), ("EMAIL", "somebody@example.org"),
                                ("DATE", "2024-01-01T00:00:00Z"))}


def export(desk: Desk) -> Tally:
    """The mailboxes: git am, the same files as in a run, checkpatch --strict, get_maintainer."""
    place = desk.place("export")
    results: Dict[str, str] = {}
    for name in lines.names(desk.repo):
        with desk.held(name) as line:
            desk.console.begin(f"exporting {name}, signed and not")
            try:
                mails: Dict[str, List[Path]] = {}
                for kind, option in (("signed", "--signoff"), ("unsigned", "--no-table")):
                    target = place / f"{name}-{kind}"
                    target.mkdir()
                    export_to(desk, name, target, option)
                    desk.console.tick()
                    mails[kind] = apply_mbox(line, target)
                    for what, why in _exported(desk, line, target).items():
                        results[f"{name} {kind}: {what}"] = why
                pairs = zip(mails["signed"], mails["unsigned"])
                results[f"{name}: --signoff adds a line to each mail"] = some(
                    [signed.name for signed, unsigned in pairs
                     if _signed(unsigned) != _mail(signed)])
                # The others take long, and say what the signed ones said.
                mails["unsigned"] = [mail for mail in mails["unsigned"]
                                     if mail.stat().st_size < 32 << 10]
                for what, why in _checkpatch(line, place / name, mails, desk.console).items():
                    results[f"{name} {what}"] = why
            except Stop as err:
                results[f"{name} export"] = str(err)
            desk.console.end()
    return tally(results)


def export_to(desk: Desk, line: str, place: Path, *options: str) -> None:
    """Export @line to `mbox` and `cover` in @place."""
    # In a process of its own: the command is what people have.
    answer = proc.output([sys.executable, str(desk.repo / "tools/locked-rmap"), "export",
                          "--kernel", line,
                          "--mbox", str(place / "mbox"), "--cover", str(place / "cover"),
                          "--no-table", *options],
                         env=_SOMEBODY, limit=300)
    if answer.returncode != 0:
        raise Stop(f"export of {line}: {answer.stderr}")


def _git(where: Path, *arguments: str) -> str:
    env = {**_SOMEBODY, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    answer = proc.output(["git", *arguments], cwd=where, env=env, limit=120)
    if answer.returncode != 0:
        raise Stop(f"git {arguments[0]} in {where}: {one_line(answer.stdout + answer.stderr, 200)}")
    return answer.stdout


def apply_mbox(line: Line, place: Path) -> List[Path]:
    """git am the mailbox on the files that it touches, in @place/tree; the mails, one by one."""
    tree = place / "tree"
    tree.mkdir()
    _git(tree, "init", "-q")
    for name in series.touched((place / "mbox").read_text(encoding="utf-8")):
        if (line.work.pristine / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(line.work.pristine / name, tree / name)
    _git(tree, "add", "-f", "-A")
    _git(tree, "commit", "-q", "-m", "base")
    _git(tree, "tag", "base")
    _git(tree, "am", "-q", str(place / "mbox"))
    mails = place / "mails"
    mails.mkdir()
    _git(place, "mailsplit", "-o" + str(mails), str(place / "mbox"))
    return sorted(mails.iterdir())


def changed(tree: Path) -> List[str]:
    """The files that the mailbox applied in @tree has changed."""
    return _git(tree, "diff", "--name-only", "base").splitlines()


def _mail(path: Path) -> str:
    """The text of a mail, less its first line, which has the commit's id."""
    return path.read_text(encoding="utf-8").split("\n", 1)[1]


def _signed(mail: Path) -> str:
    """The text of an unsigned @mail with the line that --signoff adds."""
    head, rest = _mail(mail).split("\n---\n", 1)
    trailers = re.fullmatch(r"[A-Z][a-z-]+: .*", head.splitlines()[-1])
    signed = "Signed-off-by: Some Body <somebody@example.org>"
    return f"{head}\n" + ("" if trailers else "\n") + f"{signed}\n---\n{rest}"


def _exported(desk: Desk, line: Line, place: Path) -> Dict[str, str]:
    """What is wrong with the commits in @place/tree, by what was looked at."""
    tree = place / "tree"
    wanted = line.contents(line.series.patches)
    there = set(changed(tree))
    differ = [name for name, data in wanted.items()
              if not (tree / name).is_file() or (tree / name).read_bytes() != data]
    more = sorted(there - set(wanted) - {"MAINTAINERS"})
    count = int(_git(tree, "rev-list", "--count", "base..HEAD"))
    planned = steps.steps(desk.repo, line.version)
    found = {
        "files are those of a run": f"{some(differ)} differ" if differ else "",
        "nothing else is touched": some(more),
        "one commit a patch and suite": "" if count == len(line.series.patches) + len(planned)
        else f"{count} commits",
    }
    for number, step in enumerate(planned):
        # kbuild would stop at an object without a source, kunit.py at an option without an entry.
        commit = f"HEAD~{len(planned) - 1 - number}"
        files_there = set(_git(tree, "ls-tree", "-r", "--name-only", commit, overlay.TESTS
                               + "/").splitlines())
        make, kconfig, options = (_git(tree, "show", f"{commit}:{overlay.TESTS}/{name}")
                                  for name in ("Makefile", "Kconfig", ".kunitconfig"))
        sources = steps.sources(files_there)
        built = steps.built(make)
        entries = set(re.findall(r"^config (\w+)", kconfig, re.M))
        asked = {name for name in re.findall(r"^CONFIG_(\w+)=", options, re.M) if "_KUNIT_" in name}
        wrong = sorted((sources ^ built) | (asked - entries))
        found[f"commit {number + 1} of the suites is whole"] = some(wrong)
    for name in re.findall(r"^\+F:\t(.*)$", _git(tree, "diff", "base", "--", "MAINTAINERS"), re.M):
        found[f"MAINTAINERS: {name}"] = "" if list(tree.glob(name)) else "no such file"
    head = (place / "cover").read_text(encoding="utf-8").split("\n\n", 1)[0]
    for field in ("To", "Cc"):
        told = re.search(rf"^{field}: (?:.*\n )*.*@.*$", head, re.M)
        found[f"{field}: of the cover letter"] = "" if told else "get_maintainer.pl named nobody"
    return found


def _checkpatch(line: Line, place: Path, mails: Dict[str, List[Path]],
                console: Console) -> Dict[str, str]:
    """What checkpatch --strict says of each mail, but that nobody signed the unsigned ones."""
    place.mkdir()
    every = [(kind, mail) for kind, paths in mails.items() for mail in paths]
    options = [option for option in CHECKPATCH if option != "--no-signoff"]
    parts = [every[number::jobs()] for number in range(min(jobs(), len(every)))]

    def part(side: Console, number: int) -> None:
        argv = ["perl", "scripts/checkpatch.pl", *options,
                *(str(mail) for _, mail in parts[number])]
        proc.run(argv, place / f"{number}.log", cwd=line.work.tree, limit=600, tick=side.tick)

    side_by_side([functools.partial(part, number=number) for number in range(len(parts))], console)
    told = [text for number in range(len(parts))
            for text in proc.tail(place / f"{number}.log", 1000)]
    found: Dict[str, str] = {}
    for kind, mail in every:
        own = [text for text in told if text.startswith(f"{mail}:")]
        if kind == "unsigned":
            unsigned = [text for text in own if "Missing Signed-off-by" in text]
            own = [text for text in own if text not in unsigned] or ([] if unsigned
                                                                     else ["it does not miss a "
                                                                           "sign-off"])
        found[f"checkpatch {kind} {mail.name}"] = one_line(own[0], 200) if own else ""
    stray = [text for text in told if not any(text.startswith(f"{mail}:") for _, mail in every)]
    found["checkpatch runs"] = one_line(stray[0], 200) if stray else ""
    return found


def commits(desk: Desk, name: str, which: str) -> Tally:
    """Each commit of an exported mailbox builds, and kunit.py passes in the last."""
    results: Dict[str, str] = {}
    place = desk.place(name)
    config = config_for(desk.repo, "um", False)
    with desk.held(which) as line:
        export_to(desk, which, place)
        apply_mbox(line, place)
        tree = place / "tree"
        touched = changed(tree)
        build = line.work.build_dir(config.label, "commits")
        line.work.open_build(build, config.label, desk.console)
        # Before there are suites, with what they will ask for besides.
        files.write_atomic(place / "kunitconfig", b"".join(
            text for text in (desk.repo / ".kunitconfig").read_bytes().splitlines(True)
            if b"_KUNIT_TEST=" not in text))
        commits = _git(tree, "rev-list", "--reverse", "base..HEAD").split()
        for count, commit in enumerate(commits, 1):
            _git(tree, "checkout", "-q", "--detach", commit)
            subject = _git(tree, "log", "-1", "--format=%s").strip()
            what = f"{line.version} um at commit {count} of {len(commits)}"
            logs = place / f"{count:02d}"
            logs.mkdir()
            line.work.install({path: (tree / path).read_bytes() for path in touched
                               if (tree / path).is_file()},
                              build, touched)
            try:
                options = [option if (tree / overlay.KUNITCONFIG).is_file()
                           or option != f"--kunitconfig={overlay.TESTS}"
                           else f"--kunitconfig={place / 'kunitconfig'}"
                           for option in config.options(build)]
                command = [*kunit_py(line.work.tree), "build", *options, f"--jobs={jobs()}"]
                make(line.work, build, config.label, [command], command, what, logs / "build.log",
                     desk.console)
                results[subject] = some(warnings_in(logs / "build.log", set(touched)))
            except Stop as err:
                results[subject] = str(err)
        outcome = kunit.run(line, build, config, LOCKED, "", kunit.TIMEOUT["um"],
                            f"{line.version} um as exported", place, desk.console)
        results["kunit.py passes"] = broken(outcome, set())
    return tally(results)


def checks(desk: Desk) -> List[Check]:
    """Those of this file."""
    return [Check("export", "what `export` makes is what a run has, and git am takes it", export, 4,
                  on_request=False)] + [
        Check(f"commits-{line}", f"each exported commit of {line} builds", functools.partial(
            commits, name=f"commits-{line}", which=line), 6) for line in lines.names(desk.repo)]
