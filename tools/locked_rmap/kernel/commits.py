# SPDX-License-Identifier: GPL-2.0-only
"""Commits made beside a git tree: no working tree, index or branch of the user's is touched.

Every object goes to a directory of our own first; what a repository gets in the
end is one pack's worth of objects and one ref, or nothing.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence

from ..base import proc
from ..base.errors import Stop, one_line

#: A user's configuration may not change what is committed, nor run anything.
_SETTINGS = ("core.hooksPath=/dev/null", "core.autocrlf=false", "core.abbrev=12", "gc.auto=0",
             "i18n.commitEncoding=UTF-8", "apply.ignoreWhitespace=no", "diff.noprefix=false",
             "diff.mnemonicPrefix=false")
#: No configuration but the repository's own.
_ALONE = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}

LIMIT = 300.0


class Identity(NamedTuple):
    """Who makes the commits, and when."""

    name: str
    email: str
    date: str

    def environment(self) -> Dict[str, str]:
        """What makes git use it."""
        return {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
                for key, value in (("NAME", self.name), ("EMAIL", self.email), ("DATE", self.date))}

    @property
    def signature(self) -> str:
        """As it stands after Signed-off-by."""
        return f"{self.name} <{self.email}>"


def identity(where: Optional[Path] = None) -> Identity:
    """The user's own, as git has it in @where; Stop if it has none.

    Nothing is guessed from the login and host: git am refuses a mail without an
    author, and a made-up one would end up in somebody's history.
    """
    answer = proc.output(["git", "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"], cwd=where)
    match = re.fullmatch(r"(.+) <(.+)> (\d+ [+-]\d+)", answer.stdout.strip())
    if match is None:
        raise Stop("git does not know who you are, and commits have an author: "
                   "git config --global user.name and user.email, then run again")
    return Identity(match.group(1), match.group(2), match.group(3))


class Message(NamedTuple):
    """A commit's message."""

    subject: str
    body: str

    @property
    def text(self) -> str:
        """As git keeps it."""
        return f"{self.subject}\n\n{self.body.strip()}\n" if self.body.strip() else f"{self.subject}\n"


def read_message(path: Path) -> Message:
    """A message from a file that begins with `Subject: `; Stop if it does not."""
    try:
        head, _, body = path.read_text(encoding="utf-8").partition("\n\n")
    except FileNotFoundError as err:
        raise Stop(f"{path} is missing: this clone of the repository is not whole") from err
    if not head.startswith("Subject: "):
        raise Stop(f"{path} does not begin with 'Subject: '; correct it")
    return Message(" ".join(head[len("Subject: "):].split()), body)


class Git:
    """A repository, in @database, with an index and new objects of our own in @temp."""

    def __init__(self, database: Path, temp: Path) -> None:
        self.database = database
        self.temp = temp
        self._base = {key: value for key, value in proc.environment(_ALONE).items()
                      if not re.fullmatch(r"GIT_(DIR|INDEX_FILE|WORK_TREE|COMMON_DIR|PREFIX|NAMESPACE|"
                                          r"OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|CONFIG_COUNT|"
                                          r"LITERAL_PATHSPECS|EXTERNAL_DIFF)", key)}
        self._base["GIT_DIR"] = str(database)
        objects = self.run("rev-parse", "--git-path", "objects")
        self._own = {"GIT_INDEX_FILE": str(temp / "index"), "GIT_OBJECT_DIRECTORY": str(temp / "objects"),
                     "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.path.join(os.path.abspath(temp), objects)}
        (temp / "objects").mkdir()

    @classmethod
    def of_tree(cls, tree: Path, temp: Path) -> "Git":
        """The repository that @tree is the top of; Stop if it is no git tree."""
        if not tree.is_dir():
            raise Stop(f"there is no directory {tree}: give --tree the top of a kernel tree in git")
        # Empty in a bare repository and at the top of a working tree.
        answer = proc.output(["git", "rev-parse", "--absolute-git-dir", "--show-prefix"], cwd=tree)
        lines = answer.stdout.splitlines()
        if answer.returncode != 0:
            raise Stop(f"{tree} is not a git tree that can be used ({_why(answer.stderr)}): "
                       "give --tree one, or use --mbox")
        if "".join(lines[1:]):
            raise Stop(f"{tree} is not the top of a git tree, but {lines[1]} in one: give --tree its top")
        return cls(Path(lines[0]), temp)

    @classmethod
    def of_files(cls, origin: Path, names: Sequence[str], who: Identity, temp: Path, message: str) -> "Git":
        """A new repository in @temp with one commit: those of @names that @origin has."""
        database = temp / "git"
        status = proc.output(["git", "init", "-q", "--bare", "--template=", str(database)], env=_ALONE)
        if status.returncode != 0:
            raise Stop(f"git cannot make a repository in {temp}: {_why(status.stderr)}")
        git = cls(database, temp)
        there = [name for name in sorted(set(names)) if (origin / name).is_file()]
        git.put({name: (origin / name).read_bytes() for name in there},
                [name for name in there if os.access(origin / name, os.X_OK)])
        git.publish("base", git.commit(Message(message, ""), None, who), None)
        return git

    def ask(self, *arguments: str, data: bytes = b"", new: bool = False,
            env: Optional[Mapping[str, str]] = None) -> "subprocess.CompletedProcess[bytes]":
        """Run git; @new: on our own index and with new objects in our own place."""
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        full = {**self._base, **(self._own if new else {}), **(env or {})}
        try:
            return subprocess.run(["git", *settings, *arguments], cwd=self.temp, env=full, input=data,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT, check=False)
        except FileNotFoundError as err:
            raise Stop("cannot start git: no such command; install it") from err
        except subprocess.TimeoutExpired as err:
            raise Stop(f"git {arguments[0]} gave no answer within {LIMIT:.0f} s; try again") from err

    def run(self, *arguments: str, data: bytes = b"", new: bool = False,
            env: Optional[Mapping[str, str]] = None) -> str:
        """As ask(), what it printed; Stop if it failed."""
        answer = self.ask(*arguments, data=data, new=new, env=env)
        if answer.returncode != 0:
            raise Stop(f"git {arguments[0]} failed in {self.database}: "
                       f"{_why(answer.stderr.decode(errors='replace'))}")
        return answer.stdout.decode(errors="replace").strip()

    def revision(self, name: str) -> str:
        """The commit called @name; Stop if there is none."""
        answer = self.ask("rev-parse", "-q", "--verify", "--end-of-options", f"{name}^{{commit}}")
        if answer.returncode != 0:
            raise Stop(f"there is no commit '{name}' in {self.database}: give --base one")
        return answer.stdout.decode().strip()

    def check_new(self, branch: str) -> None:
        """Raise Stop unless @branch can be made."""
        if self.ask("check-ref-format", f"refs/heads/{branch}").returncode != 0 or branch.startswith("-"):
            raise Stop(f"'{branch}' is no name for a branch; choose another one")
        parts = branch.split("/")
        prefixes = [f"refs/heads/{'/'.join(parts[:count])}" for count in range(1, len(parts) + 1)]
        for ref in self.run("for-each-ref", "--format=%(refname)", *prefixes).splitlines():
            if ref == prefixes[-1]:
                raise Stop(f"there is a branch {branch} already: choose another name, or remove it")
            if ref in prefixes or ref.startswith(f"{prefixes[-1]}/"):
                raise Stop(f"there is a branch {ref[len('refs/heads/'):]}, so there cannot be {branch}: "
                           "choose another name")

    # The index

    def load(self, revision: str) -> None:
        """Begin with what @revision has."""
        self.run("read-tree", revision, new=True)

    def read(self, name: str) -> Optional[bytes]:
        """What the file @name holds, None if there is none."""
        answer = self.ask("cat-file", "blob", f":{name}", new=True)
        return answer.stdout if answer.returncode == 0 else None

    def save(self, names: Sequence[str], into: Path) -> None:
        """Write those of @names that are there below @into."""
        for name in names:
            data = self.read(name)
            if data is not None:
                (into / name).parent.mkdir(parents=True, exist_ok=True)
                (into / name).write_bytes(data)

    def put(self, contents: Mapping[str, bytes], executable: Sequence[str] = ()) -> None:
        """Let the files of @contents hold what it says."""
        with tempfile.TemporaryDirectory(dir=self.temp) as place:
            paths = [f"{place}/{number}" for number in range(len(contents))]
            for path, data in zip(paths, contents.values()):
                Path(path).write_bytes(data)
            blobs = self.run("hash-object", "-w", "--no-filters", "--stdin-paths",
                             data="".join(f"{path}\n" for path in paths).encode(), new=True).split()
        entries = [f"{'100755' if name in executable else '100644'} {blob}\t{name}\0"
                   for name, blob in zip(contents, blobs)]
        self.run("update-index", "-z", "--index-info", data=os.fsencode("".join(entries)), new=True)

    def apply(self, patch: Path) -> Message:
        """Apply @patch as it is, without fuzz; its message.  Stop says which file is in the way."""
        message, diff = self.temp / "message", self.temp / "diff"
        told = self.run("mailinfo", "-k", "--encoding=UTF-8", "--no-scissors", str(message), str(diff),
                        data=patch.read_bytes())
        subject = re.search(r"^Subject: (.+)$", told, re.M)
        if subject is None:
            raise Stop(f"{patch} has no Subject: line; correct it")
        answer = self.ask("apply", "--cached", "--whitespace=nowarn", str(diff), new=True)
        if answer.returncode != 0:
            text = answer.stderr.decode(errors="replace")
            where = (re.search(r"^error: patch failed: (.+)$", text, re.M)
                     or re.search(r"^error: ([^:]+): (?:does not exist|already exists)", text, re.M))
            raise Stop(f"patch {patch.name} does not apply ({where.group(1) if where else _why(text)})")
        return Message(subject.group(1), message.read_text(encoding="utf-8"))

    def commit(self, message: Message, parent: Optional[str], who: Identity, signoff: bool = False) -> str:
        """A commit of what the index holds."""
        text = message.text.encode()
        if signoff:
            text = self.ask("interpret-trailers", "--no-divider", "--if-exists", "addIfDifferent",
                            "--trailer", f"Signed-off-by: {who.signature}", data=text).stdout
        tree = self.run("write-tree", new=True)
        parents = ["-p", parent] if parent else []
        return self.run("commit-tree", tree, *parents, "-F", "-", data=text, new=True, env=who.environment())

    # The end

    def publish(self, branch: str, head: str, base: Optional[str], description: str = "") -> None:
        """Give the repository what @head has more than @base, and the new @branch that points there."""
        wanted = f"{head}\n" + (f"^{base}\n" if base else "")
        pack = self.ask("pack-objects", "--revs", "--stdout", "-q", data=wanted.encode(), new=True)
        if pack.returncode != 0:
            raise Stop(f"git cannot pack the commits: {_why(pack.stderr.decode(errors='replace'))}")
        self.run("unpack-objects", "-q", data=pack.stdout)
        # An empty old value: the branch must not be there.
        self.run("update-ref", "-m", "locked-rmap: export", f"refs/heads/{branch}", head, "")
        if description:
            try:
                self.run("config", f"branch.{branch}.description", description)
            except BaseException:
                self.ask("update-ref", "-d", f"refs/heads/{branch}", head)
                raise

    def mails(self, base: str, branch: str, who: Identity, into: Path, *options: str) -> List[Path]:
        """The commits after @base up to @branch, which was published, as mails below @into."""
        shutil.rmtree(into, ignore_errors=True)
        self.run("format-patch", "-q", "-n", "-o", str(into), *options, f"{base}..{branch}",
                 env=who.environment())
        return sorted(into.iterdir())


def _why(text: str) -> str:
    """The line of git's errors that says most."""
    lines = [line for line in text.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(("fatal: ", "error: "))] or lines or ["no reason given"]
    return one_line(re.sub(r"^(?:fatal|error): ", "", told[0]), 160)
