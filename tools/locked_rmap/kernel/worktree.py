# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tree that stages are put into, and its build directories.

All stages of a line share one tree, because kbuild records its absolute path,
and each has an O= directory of its own.  kbuild decides by modification time
what to rebuild; so the tool keeps, for each O= directory, a ledger of what the
managed files held and which time they bore when that directory was last built
from.  A file that comes back with the same content gets the same time back:
switching between stages rebuilds nothing, an edit rebuilds what depends on it.
"""

import contextlib
import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, is_full, one_line
from .source import OLDEST

_ABSENT = "absent"


class WorkTree:
    """One kernel tree with its O= directories, under @base.

    @pristine is where unmanaged content comes from; it is never written to.
    """

    def __init__(self, base: Path, pristine: Path) -> None:
        self.base = base
        self.pristine = pristine
        self.tree = base / "tree"
        self.builds = base / "build"

    # The tree itself

    def populate(self, console: Console) -> None:
        """Make the tree of hard links to the pristine one, if there is none."""
        if self.tree.is_dir():
            return
        self.base.mkdir(parents=True, exist_ok=True)
        temp = self.base / "tree.new"
        files.remove_tree(temp)
        files.remove_tree(self.builds)
        console.begin("making a work tree")
        log = self.base / "copy.log"
        status = proc.run(["cp", "-al", str(self.pristine), str(temp)], log, tick=console.tick)
        if status != 0:
            # A cache that spans file systems, or one without hard links.
            files.remove_tree(temp)
            log.unlink()
            _copy(["cp", "-a", str(self.pristine), str(temp)], log, console)
        with contextlib.suppress(FileNotFoundError):
            log.unlink()
        os.replace(temp, self.tree)
        console.end()

    def sync(self, console: Console) -> None:
        """Bring the tree in line with a user's tree, reading only from that.

        Takes sources alone: what git would ignore, build products above all,
        stays behind.  A changed file gets the present time, so that every O=
        directory rebuilds it, whatever time it bears in the user's tree.
        """
        self.base.mkdir(parents=True, exist_ok=True)
        console.begin(f"reading {self.pristine}")
        names = list_sources(self.pristine)
        book = self.base / "manifest.json"
        old: Dict[str, List[int]] = {}
        fresh = not self.tree.is_dir()
        target = self.tree
        if fresh:
            target = self.base / "tree.new"
            files.remove_tree(target)
            files.remove_tree(self.builds)
        else:
            old = files.read_json(book) or {}
        managed = set() if fresh else self._managed()
        if (self.base / "stamp").exists() and not fresh and self._unchanged(names, old, managed):
            console.end(f"{len(names)} files, none changed")
            return
        files.write_atomic(self.base / "stamp", str(time.time_ns()).encode())
        new: Dict[str, List[int]] = {}
        for count, name in enumerate(names):
            if count % 500 == 0:
                console.tick(f"{count} of {len(names)} files")
            source = self.pristine / name
            try:
                info = source.lstat()
            except FileNotFoundError:
                continue
            if not (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode)):
                continue
            new[name] = [info.st_size, info.st_mtime_ns, info.st_ctime_ns]
            if name not in managed and old.get(name) != new[name]:
                self._take(source, target / name, info, fresh)
        for name in set(old) - set(new) - managed:
            with contextlib.suppress(FileNotFoundError):
                (target / name).unlink()
        if fresh:
            os.replace(target, self.tree)
        files.write_json(book, new)
        console.end(f"{len(new)} files")

    def _unchanged(self, names: List[str], old: Mapping[str, List[int]], managed: Set[str]) -> bool:
        """Tell whether the user's tree is as the manifest has it, managed files apart."""
        present = set()
        for name in names:
            try:
                info = os.lstat(os.path.join(self.pristine, name))
            except FileNotFoundError:
                continue
            if not (stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode)):
                continue
            present.add(name)
            now = [info.st_size, info.st_mtime_ns, info.st_ctime_ns]
            if name not in managed and old.get(name) != now:
                return False
        return not set(old) - present - managed

    @staticmethod
    def _take(source: Path, target: Path, info: os.stat_result, fresh: bool) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if stat.S_ISLNK(info.st_mode):
                link = os.readlink(source)
                if not (target.is_symlink() and os.readlink(target) == link):
                    files.remove_tree(target)
                    os.symlink(link, target)
                return
            if fresh:
                shutil.copy2(source, target)
                return
            data = source.read_bytes()
        except PermissionError as err:
            raise Stop(f"{source} cannot be read: make the tree readable, then run again") from err
        except OSError as err:
            if is_full(err):
                # The error names the file that was read.
                raise Stop(f"no space left on the disk of {target}: free some, then run "
                           "again") from err
            raise
        mode = stat.S_IMODE(info.st_mode) | stat.S_IRUSR | stat.S_IWUSR
        if target.is_symlink() or target.is_dir():
            files.remove_tree(target)
        if not target.is_file() or target.read_bytes() != data:
            files.write_atomic(target, data, mode)
        os.chmod(target, mode)

    def stamp(self) -> str:
        """Changes whenever an unmanaged file of the tree may have."""
        try:
            return (self.base / "stamp").read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    # Stages

    def _managed(self) -> Set[str]:
        return set(files.read_json(self.base / "managed.json") or [])

    def install(self, contents: Mapping[str, bytes], build: Path,
                also: Sequence[str] = ()) -> List[str]:
        """Put a stage's @contents in place for the O= directory @build.

        Managed files that the stage does not have go back to pristine; @also are
        files that other stages have, known in advance.  May be
        interrupted anywhere: the next call finishes the job.  Returns the paths
        that changed since @build was last built from, and so will be rebuilt.
        """
        managed = self._managed() | set(contents) | set(also)
        # Before anything is written, so that no file is ever forgotten.
        files.write_json(self.base / "managed.json", sorted(managed))
        ledger = self.read_ledger(build)
        now = time.time_ns()
        changed: List[str] = []
        for name in sorted(managed):
            data, own_time = self._wanted(name, contents)
            digest = _ABSENT if data is None else hashlib.sha256(data).hexdigest()
            known = ledger.get(name)
            if known is not None and known[0] == digest:
                mtime = known[1]
            elif known is None and own_time is not None:
                mtime = own_time
            else:
                mtime = max(now, known[1] + 1 if known else 0)
                changed.append(name)
            self._put(name, data, mtime)
            ledger[name] = (digest, mtime)
        if any(Path(name).name.startswith("Kconfig") for name in changed):
            # kunit.py keeps a .config that has all it asks for, and with that old defaults.
            with contextlib.suppress(FileNotFoundError):
                (build / ".config").unlink()
        # Before the build starts: an interrupted build has seen these times.
        files.write_json(ledger_path(build), ledger)
        return changed

    def _wanted(self, name: str,
                contents: Mapping[str, bytes]) -> Tuple[Optional[bytes], Optional[int]]:
        """What @name shall hold (None: nothing) and, if pristine, its own time."""
        origin = self.pristine / name
        own: Optional[bytes] = origin.read_bytes() if origin.is_file() else None
        data = contents.get(name, own)
        pristine_time = origin.stat().st_mtime_ns if own is not None and data == own else None
        return data, pristine_time

    def _put(self, name: str, data: Optional[bytes], mtime: int) -> None:
        path = self.tree / name
        if data is None:
            files.remove_tree(path)
            # A directory of ours that is empty now would stay for ever.
            for parent in path.parents:
                if parent == self.tree or (self.pristine / parent.relative_to(self.tree)).is_dir():
                    break
                with contextlib.suppress(OSError):
                    parent.rmdir()
            return
        origin = self.pristine / name
        mode = stat.S_IMODE(origin.stat().st_mode) | stat.S_IWUSR if origin.is_file() else 0o644
        info = path.stat() if path.is_file() and not path.is_symlink() else None
        # A hard link is the pristine file itself: neither its content nor its time may change.
        if info is None or info.st_nlink > 1 or info.st_size != len(data) \
                or path.read_bytes() != data:
            files.write_atomic(path, data, mode)
            info = path.stat()
        if info.st_mtime_ns != mtime:
            os.utime(path, ns=(mtime, mtime))

    @staticmethod
    def read_ledger(build: Path) -> Dict[str, Tuple[str, int]]:
        """The ledger of an O= directory: path to (SHA256 or "absent", mtime in ns)."""
        return {name: (entry[0], entry[1])
                for name, entry in (files.read_json(ledger_path(build)) or {}).items()}

    # O= directories

    def build_dir(self, label: str, stage: str) -> Path:
        """The O= directory of one architecture and configuration at one stage."""
        return self.builds / f"{label}-{stage}"

    def open_build(self, build: Path, label: str, console: Console, copy: bool = True) -> None:
        """Make @build ready to be built in.

        A new one starts as a copy of another stage's finished one of the same
        @label, if @copy, or of the label that this one adds options to: kbuild makes
        anew what these are in.  One whose build was cut off loses what that build
        wrote: a half-written object would look up to date.
        """
        for stale in self.builds.glob(".seed-*"):
            files.remove_tree(stale)
        if build.is_dir():
            self._drop_unfinished(build)
            return
        self.builds.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            ledger_path(build).unlink()
        donor = (self._donor(build, label)
                 or self._donor(build, _OPTIONS.sub("", label))) if copy else None
        if donor is None:
            build.mkdir()
            return
        temp = self.builds / f".seed-{build.name}"
        log = self.builds / f"{build.name}.copy.log"
        console.begin(f"copying the build of {donor.name} to start {build.name} from")
        try:
            _copy(["cp", "-a", "--reflink=auto", str(donor), str(temp)], log, console)
            shutil.copyfile(ledger_path(donor), ledger_path(build))
            os.replace(temp, build)
        except BaseException:
            files.remove_tree(temp)
            raise
        finally:
            with contextlib.suppress(FileNotFoundError):
                log.unlink()
        console.end()

    def _donor(self, build: Path, label: str) -> Optional[Path]:
        found = [
            path for path in self.builds.glob(f"{label}-*")
            if path.is_dir() and path != build
            and re.fullmatch(r"[^-]+", path.name[len(label) + 1:])
            and mark_path(path, "done").exists() and not mark_path(path, "building").exists()
            and ledger_path(path).exists()
        ]
        found.sort(key=lambda path: mark_path(path, "done").stat().st_mtime)
        return found[-1] if found else None

    @staticmethod
    def _drop_unfinished(build: Path) -> None:
        mark = mark_path(build, "building")
        try:
            since = mark.stat().st_mtime_ns
        except FileNotFoundError:
            return
        for where, _, names in os.walk(build):
            for name in names:
                path = os.path.join(where, name)
                with contextlib.suppress(FileNotFoundError):
                    if os.lstat(path).st_mtime_ns >= since:
                        os.unlink(path)
        mark.unlink()


#: What the label of a configuration with options of its own ends in.
_OPTIONS = re.compile(r"-[0-9a-f]{8}$")


def ledger_path(build: Path) -> Path:
    """Where the ledger of an O= directory lies: beside it, kbuild owns its inside."""
    return build.with_name(build.name + ".ledger.json")


def mark_path(build: Path, mark: str) -> Path:
    """A mark beside an O= directory: `building` while make runs, `done` after."""
    return build.with_name(f"{build.name}.{mark}")


def _copy(argv: List[str], log: Path, console: Console) -> None:
    if proc.run(argv, log, tick=console.tick) != 0:
        text = " ".join(proc.tail(log, 2))
        console.drop()
        if files.full(Path(argv[-1]).parent, text):
            raise Stop(f"no space left on the disk of {argv[-1]}: free some, then run again")
        raise Stop(f"cannot copy to {argv[-1]}: {one_line(text, 160)}")


#: What a build leaves in a source tree that even a tree without .gitignore files must not bring.
_PRODUCTS = re.compile(
    r"(?:^|/)(?:\.config(?:\.old)?|vmlinux|System\.map|Module\.symvers|modules\.order|"
    r"\.[^/]*\.cmd|[^/]+\.(?:o|ko|a|mod|mod\.c|order|su|gcno|gcda))$|"
    r"^(?:include/(?:config|generated)|arch/[^/]+/include/generated|build)/|(?:^|/)\.kunit/")


def list_sources(tree: Path) -> List[str]:
    """The source files of a kernel tree, as git sees them; it need not be a git tree.

    Paths are relative to @tree.  git decides by the tree's own .gitignore
    files; its database lies in a temporary directory, so nothing is written to
    the tree, not even a refreshed index.
    """
    for needed in ("Makefile", "mm/rmap.c", "mm/Kconfig", "tools/testing/kunit/kunit.py"):
        if not (tree / needed).is_file():
            raise Stop(f"{tree} has no {needed}: give the top of a kernel tree, "
                       f"{OLDEST} or newer")
    env = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_OPTIONAL_LOCKS": "0"}
    with tempfile.TemporaryDirectory(prefix="locked-rmap-") as temp:
        database = str(Path(temp) / "git")
        _git(["git", "init", "-q", "--bare", database], tree, env)
        listing = ["git", f"--git-dir={database}", f"--work-tree={tree}", "ls-files", "-z",
                   "--others"]
        names = _git([*listing, "--exclude-standard"], tree, env)
        if "mm/rmap.c" not in names:
            # Debian's source packages come with a .gitignore that names every file.
            names = _git(listing, tree, env)
        if (tree / ".git").exists():
            # Some files are tracked although a .gitignore names them.
            with contextlib.suppress(Stop):
                names |= _git(["git", "-c", "safe.directory=*", "ls-files", "-z"], tree, env)
    return sorted(name for name in names if not _PRODUCTS.search(name))


def _git(argv: List[str], tree: Path, env: Mapping[str, str]) -> Set[str]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        status = subprocess.run(argv, cwd=tree, env=proc.environment(env), stdin=subprocess.DEVNULL,
                                stdout=out, stderr=errors, timeout=300, check=False).returncode
        out.seek(0)
        errors.seek(0)
        if status != 0:
            raise Stop(f"git cannot list the files of {tree}: "
                       f"{one_line(errors.read().decode(errors='replace'), 160)}")
        return {os.fsdecode(name) for name in out.read().split(b"\0") if name}
