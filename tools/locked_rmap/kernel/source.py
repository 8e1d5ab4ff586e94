# SPDX-License-Identifier: GPL-2.0-only
"""Kernel source: Debian's linux-source packages, by way of apt."""

import functools
import os
import re
import shutil
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..base import files, proc
from . import packages, releases
from ..base.console import Console
from ..base.errors import Stop, one_line

#: Bytes that a download and its unpacked tree need.
ROOM = 3 << 30
#: Seconds another run may hold the source cache before we give up.
PATIENCE = 900.0
#: The oldest line that has folios enough for the suites.
OLDEST = "6.1"

# https://bford.info/cachedir/: backups leave such a directory out.
_TAG_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
_TAG_OWNER = "# The cache of locked-rmap: kernel sources and builds, made again when missing."


class Package(NamedTuple):
    """One version of a linux-source package that apt knows.

    @apt is what apt needs to be told to know it.
    """

    name: str
    version: str
    sha256: str
    filename: str
    size: int
    apt: Tuple[str, ...] = ()

    @property
    def upstream(self) -> str:
        """The kernel's own version: 6.12.117 of 6.12.117-1~deb12u1."""
        return self.version.split("-")[0]


def cache_dir() -> Path:
    """Where sources and builds are kept."""
    own = os.environ.get("LOCKED_RMAP_CACHE")
    if own:
        return Path(own).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "locked-rmap"


def open_cache() -> Path:
    """The cache directory, made if need be.

    Raises Stop if it is somebody else's directory: what goes stale in the cache
    is deleted, and nothing but what this tool made may ever be.
    """
    cache = cache_dir()
    tag = cache / "CACHEDIR.TAG"
    cache.mkdir(parents=True, exist_ok=True)
    try:
        ours = _TAG_OWNER in tag.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        ours = not any(cache.iterdir())
    if not ours:
        raise Stop(f"{cache} is not empty and not a cache of this tool: "
                   "set LOCKED_RMAP_CACHE to a directory of its own")
    if not tag.exists():
        files.write_atomic(tag, f"{_TAG_SIGNATURE}\n{_TAG_OWNER}\n".encode())
    return cache


def check_line(line: str) -> None:
    """Raise Stop if @line does not look like a kernel line such as 6.12."""
    if not re.fullmatch(r"[0-9]+\.[0-9]+", line):
        raise Stop(f"unknown kernel line '{line}': give MAJOR.MINOR")


def parse_show(text: str, apt: Sequence[str] = ()) -> List[Package]:
    """The packages in the output of `apt-cache show`, which was given @apt too."""
    found = []
    for stanza in text.split("\n\n"):
        field: Dict[str, str] = {}
        for line in stanza.splitlines():
            match = re.match(r"([A-Za-z0-9-]+): *(.*)", line)
            if match:
                field.setdefault(match.group(1), match.group(2))
        if all(key in field for key in ("Package", "Version", "SHA256", "Filename", "Size")):
            found.append(Package(field["Package"], field["Version"], field["SHA256"],
                                 field["Filename"], int(field["Size"]), tuple(apt)))
    return found


def _compare(left: Package, right: Package) -> int:
    if left.version == right.version:
        return 0
    older = proc.output(["dpkg", "--compare-versions", left.version, "lt", right.version])
    return -1 if older.returncode == 0 else 1


def offered(line: str, apt: Sequence[str] = ()) -> List[Package]:
    """Every version of @line that apt's lists hold, the newest first.

    @apt is options for an apt state other than the machine's.
    """
    answer = proc.output(["apt-cache", "show", f"linux-source-{line}", *apt])
    unique = {package.version: package for package in parse_show(answer.stdout, apt)}
    return sorted(unique.values(), key=functools.cmp_to_key(_compare), reverse=True)


def lines_offered(apt: Sequence[str] = ()) -> List[str]:
    """Every line that apt's lists hold, in order."""
    names = proc.output(["apt-cache", "pkgnames", "linux-source-", *apt]).stdout.split()
    return sorted({name[len("linux-source-"):] for name in names
                   if re.fullmatch(r"linux-source-\d+\.\d+", name)}, key=version_key)


def version_key(version: str) -> Tuple[int, ...]:
    """Order kernel versions: 6.12.9 comes before 6.12.117."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def tree_version(tree: Path) -> str:
    """The version that a tree's Makefile gives, Stop if it is no kernel tree."""
    try:
        text = (tree / "Makefile").read_text(encoding="utf-8", errors="replace")
    except OSError as err:
        raise Stop(f"{tree} is not a readable kernel tree: no Makefile "
                   f"({err.strerror}); give the top of one") from err
    field = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*) *$", text,
                            re.M))
    if not (field.get("VERSION", "").isdigit() and field.get("PATCHLEVEL", "").isdigit()):
        raise Stop(f"{tree} is not a kernel tree: its Makefile names no version; give the top of "
                   "one")
    return "{}.{}.{}{}".format(field["VERSION"], field["PATCHLEVEL"], field.get("SUBLEVEL") or "0",
                               field.get("EXTRAVERSION", ""))


def line_of(version: str) -> str:
    """The line of a version: 6.12 of 6.12.117."""
    return ".".join(version.split(".")[:2])


def check_age(version: str, what: str) -> None:
    """Raise Stop if @what, which is of @version, is too old for the suites."""
    if version_key(line_of(version)) < version_key(OLDEST):
        raise Stop(f"{what} is Linux {version}: the suites are for kernels from {OLDEST} on")


class Store:
    """The cache's part that holds kernel sources."""

    def __init__(self, cache: Path, console: Console) -> None:
        self.cache = cache
        self.console = console
        self.sources = cache / "source"
        self.others = releases.Suites(cache, console)

    def pristine(self, line: str) -> Path:
        """The newest tree of @line, fetched if need be.  Never write to it.

        Raises Stop when there is neither a tree in the cache nor a way to get one.
        """
        check_line(line)
        with files.locked(self.cache / "source.lock", "the kernel source cache",
                          self.console, PATIENCE):
            self._sweep()
            return self._pristine(line)

    def _cached(self, line: str) -> Optional[Path]:
        trees = [path for path in self.sources.glob(f"linux-{line}.*") if path.is_dir()]
        trees.sort(key=lambda path: version_key(path.name))
        return trees[-1] if trees else None

    def _sweep(self) -> None:
        """Remove what an interrupted run left: nobody else is here, we hold the lock."""
        for stale in self.cache.glob("tmp-*"):
            files.remove_tree(stale)

    def _pristine(self, line: str) -> Path:
        cached = self._cached(line)
        try:
            known = self._known(line, cached is not None)
        except Stop as err:
            if cached is None:
                raise
            self.console.line(f"apt is not usable ({err}): going on with {cached.name}")
            return cached
        if not known:
            if cached is not None:
                self.console.line(f"apt's lists do not know linux-source-{line}: "
                                  f"going on with {cached.name} from the cache")
                return cached
            raise Stop(self._unknown(line))
        newest = known[0]
        tree = self.sources / f"linux-{newest.upstream}"
        if tree.is_dir():
            return tree
        self.room()
        try:
            archive = self.archive(newest)
        except Stop as err:
            # The lists may name a version that the mirror no longer has.
            again = self._refreshed(line, newest.apt)
            if again and again.version != newest.version:
                newest, tree = again, self.sources / f"linux-{again.upstream}"
                archive = self.archive(newest)
            elif cached is not None:
                self.console.line(f"{err}: going on with {cached.name} from the cache")
                return cached
            else:
                raise
        self._unpack(newest, archive, tree)
        archive.unlink()
        return tree

    def _known(self, line: str, cached: bool) -> List[Package]:
        """Versions of @line that the machine's suites have, or else other ones.

        The network is asked only if need be: not for what is @cached already.
        """
        known = offered(line)
        if not known and not cached and not lines_offered():
            # A fresh image, whose lists were never read.
            self._update()
            known = offered(line)
        if known:
            return known
        there = self.others.there()
        if there:
            known = offered(line, self.others.options)
        if (there and self.others.stale()) or not (known or cached):
            try:
                self.others.refresh()
            except Stop as err:
                if known or cached:
                    self.console.line(f"{err}; going on with what is known")
                    return known
                have = ", ".join(lines_offered()) or "none"
                raise Stop(f"this machine's Debian suites have no linux-source-{line} "
                           f"(they have {have}), "
                           f"and {err}") from err
            known = offered(line, self.others.options)
        return known

    def _refreshed(self, line: str, apt: Sequence[str]) -> Optional[Package]:
        try:
            if apt:
                self.others.refresh()
            else:
                self._update()
        except Stop:
            return None
        known = offered(line, apt)
        return known[0] if known else None

    def _unknown(self, line: str) -> str:
        lines = set(lines_offered())
        if self.others.there():
            lines.update(lines_offered(self.others.options))
        if not lines:
            return (f"apt offers no linux-source package at all, so not linux-source-{line}: "
                    "check the network and apt's sources, then run again")
        return (f"unknown kernel line {line}: Debian offers no linux-source-{line}; "
                f"it offers {', '.join(sorted(lines, key=version_key))}")

    def _update(self) -> None:
        """apt-get update; Stop if it fails or cannot be tried."""
        log = self._temp() / "update.log"
        prefix = packages.as_root()
        self.console.begin("refreshing apt's package lists")
        status = proc.run([*prefix, "apt-get", "-q", "update", "-o", "APT::Update::Error-Mode=any"],
                          log, tick=self.console.tick, limit=600)
        errors = [text[3:] for text in proc.tail(log, 50) if text.startswith("E: ")]
        files.remove_tree(log.parent)
        if status != 0:
            self.console.drop()
            why = one_line(errors[0], 160) if errors else "apt-get update failed"
            raise Stop(f"apt's package lists cannot be refreshed ({why}): "
                       "check the network, then run again")
        self.console.end()

    def _temp(self) -> Path:
        temp = self.cache / f"tmp-{os.getpid()}-{os.urandom(4).hex()}"
        temp.mkdir(parents=True)
        return temp

    def room(self) -> None:
        """Raise Stop if the cache's disk cannot hold a download and a tree."""
        self.cache.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.cache).free
        if free < ROOM:
            raise Stop(f"no space: {self.cache} has {free >> 20} MiB free and a kernel needs "
                       f"{ROOM >> 20} MiB: free some, or set LOCKED_RMAP_CACHE")

    def archive(self, package: Package) -> Path:
        """The package's .deb, whole and with the right SHA256; Stop if it cannot be had.

        A copy that lies in the cache is used if it is undamaged.
        """
        self.room()
        version = package.version.replace(":", "%3a")
        place = self.cache / "debs" / f"{package.name}_{version}_all.deb"
        if place.is_file():
            if files.sha256(place) == package.sha256:
                return place
            self.console.line(f"{place.name} in the cache is damaged: fetching it again")
            place.unlink()
        for attempt in (1, 2):
            got = self._download(package, place)
            if got:
                return place
            if attempt == 1:
                self.console.line(f"the download of {package.name} {package.version} is damaged: "
                                  "fetching it again")
        raise Stop(f"the download of {package.name} {package.version} is damaged twice over "
                   "(its SHA256 is not the one in apt's index): check the mirror or proxy")

    def _download(self, package: Package, place: Path) -> bool:
        temp = self._temp()
        log = temp / "download.log"
        whole = max(package.size >> 20, 1)

        def tick() -> None:
            if self.console.wants_tick():
                have = sum(part.stat().st_size for part in temp.rglob("*.deb*") if part.is_file())
                self.console.tick(f"{have >> 20} of {whole} MiB")

        self.console.begin(f"downloading {package.name} {package.version}")
        try:
            # As root apt would hand the download to its sandbox user, who may not write here.
            status = proc.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download",
                               f"{package.name}={package.version}", *package.apt], log, cwd=temp,
                              tick=tick)
            debs = list(temp.glob("*.deb"))
            text = log.read_text(encoding="utf-8", errors="replace")
            if re.search(r"hash sum mismatch|unexpected size", text, re.I):
                self.console.drop()
                return False
            if status != 0 or len(debs) != 1:
                self.console.drop()
                errors = [line[3:] for line in text.splitlines() if line.startswith("E: ")]
                why = one_line(errors[0], 160) if errors else "apt-get download failed"
                raise Stop(f"cannot download {package.name} {package.version} ({why}): "
                           "check the network, then run again")
            if files.sha256(debs[0]) != package.sha256:
                self.console.drop()
                return False
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(debs[0], place)
            self.console.end()
            return True
        finally:
            files.remove_tree(temp)

    def _extract(self, package: Package, archive: Path, into: Path, log: Path,
                 members: str = "") -> int:
        """Unpack the tree in @archive, or only @members of it; tar's exit status."""
        script = ('set -o pipefail; dpkg-deb --fsys-tarfile "$1" | '
                  'tar -xOf - "./usr/src/$2.tar.xz" | xz -dc -T0 | '
                  'tar -x --strip-components=1 --no-same-owner -C "$3" -f - ' + members)
        return proc.run(["bash", "-c", script, "bash", str(archive), package.name, str(into)], log,
                        tick=self.console.tick)

    def _unpack(self, package: Package, archive: Path, tree: Path) -> None:
        temp = self._temp()
        log = temp / "unpack.log"
        into = temp / "tree"
        into.mkdir()
        self.console.begin(f"unpacking {package.name} {package.version}")
        try:
            status = self._extract(package, archive, into, log)
            if status != 0:
                self._cannot_unpack(package, archive, log)
            tree_version(into)
            tree.parent.mkdir(parents=True, exist_ok=True)
            os.replace(into, tree)
        finally:
            files.remove_tree(temp)
        self.console.end()

    def _cannot_unpack(self, package: Package, archive: Path, log: Path) -> None:
        text = " ".join(proc.tail(log, 5))
        self.console.drop()
        if files.full(self.cache, text):
            raise Stop(f"no space left on the disk of {self.cache} while unpacking "
                       f"{package.name}: free some, or set LOCKED_RMAP_CACHE")
        archive.unlink()
        raise Stop(f"{package.name} {package.version} cannot be unpacked ({one_line(text, 160)}): "
                   "it was removed from the cache, run again")

    def some_files(self, package: Package, paths: List[str]) -> Path:
        """A directory with just @paths of that version's tree, kept in the cache.

        Paths that the version does not have are left out.  Raises Stop if the
        package cannot be had.
        """
        whole = self.sources / f"linux-{package.upstream}"
        if whole.is_dir():
            return whole
        place = self.cache / "source-files" / package.version
        wanted = sorted(set(paths))
        with files.locked(self.cache / "source.lock", "the kernel source cache",
                          self.console, PATIENCE):
            if files.read_json(place / ".paths") == wanted:
                return place
            archive = self.archive(package)
            temp = self._temp()
            into = temp / "tree"
            into.mkdir()
            self.console.begin(f"reading files of {package.name} {package.version}")
            try:
                # tar complains about members that are not there: new files of a patch.
                members = " ".join(f"'linux-source-*/{path}'" for path in wanted)
                self._extract(package, archive, into, temp / "log",
                              f"--wildcards --no-wildcards-match-slash {members}")
                if not (into / "mm" / "rmap.c").exists() and "mm/rmap.c" in wanted:
                    self._cannot_unpack(package, archive, temp / "log")
                files.write_json(into / ".paths", wanted)
                files.remove_tree(place)
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(into, place)
            finally:
                files.remove_tree(temp)
            archive.unlink()
            self.console.end()
            return place
