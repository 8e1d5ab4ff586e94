# SPDX-License-Identifier: GPL-2.0-only
"""Debian suites that this machine is not configured for, read with an apt state of our own.

A kernel line may be in a suite newer (or older) than the machine's.  The mirrors
are the machine's, and so are proxies; lists and packages lie in the cache, and
apt's own state is left as it is.
"""

import time
from pathlib import Path
from typing import Dict, Tuple

from ..base import files, proc
from ..base.console import Console
from ..base.errors import Stop, one_line

#: What Debian signs its suites with.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
#: By the label that Debian gives its archives.  Code names: mirrors may be late with `stable`.
SUITES = {
    "Debian": ("bookworm", "trixie", "trixie-updates", "trixie-backports", "sid"),
    "Debian-Security": ("bookworm-security", "trixie-security"),
}
#: Seconds after which lists are worth a look at the mirror.
STALE = 7 * 86400

# Read after the machine's configuration.  Its hooks are for its own lists.
_CONFIG = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::SourceList "{base}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State::Lists "{base}/lists";
Dir::Cache "{base}/cache";
APT::Sandbox::User "root";
Acquire::AllowReleaseInfoChange "true";
"""


def mirrors(text: str) -> Dict[str, str]:
    """The first mirror of each of Debian's archives in `apt-get indextargets`.

    One `LABEL|ORIGIN|URI` a line; labels are the keys.
    """
    found: Dict[str, str] = {}
    for line in text.splitlines():
        field = line.split("|")
        if len(field) == 3 and field[1] == "Debian" and field[0] in SUITES:
            found.setdefault(field[0], field[2])
    return found


def sources(found: Dict[str, str], architecture: str) -> str:
    """sources.list for every suite, of the mirrors @found."""
    options = f"signed-by={KEYRING} arch={architecture} target=Packages lang=none pdiffs=no"
    return "".join(f"deb [{options}] {uri} {suite} main\n"
                   for label, uri in found.items() for suite in SUITES[label])


class Suites:
    """The apt state that knows every suite, below the cache."""

    def __init__(self, cache: Path, console: Console) -> None:
        self.console = console
        self.base = cache / "apt"
        self._stamp = self.base / "stamp"

    @property
    def options(self) -> Tuple[str, ...]:
        """What makes apt use this state."""
        return ("-c", str(self.base / "apt.conf"))

    def there(self) -> bool:
        """Tell whether lists were ever read."""
        return self._stamp.exists()

    def stale(self) -> bool:
        """Tell whether the lists are old."""
        return time.time() - self._stamp.stat().st_mtime > STALE

    def refresh(self) -> None:
        """Read the lists from the mirrors.

        A mirror need not have every suite.  Raises Stop if nothing can be read.
        """
        self._configure()
        log = self.base / "update.log"
        log.unlink(missing_ok=True)
        self.console.begin("reading the lists of other Debian suites")
        proc.run(["apt-get", "-q", "update", *self.options], log, tick=self.console.tick, limit=600)
        if not any((self.base / "lists").glob("*_Packages*")):
            self.console.drop()
            errors = [line[3:] for line in proc.tail(log, 50) if line.startswith(("E: ", "W: "))]
            why = one_line(errors[0], 160) if errors else "apt-get update failed"
            raise Stop(f"other Debian suites cannot be read ({why}): check the network, then run again")
        self.console.end()
        files.write_atomic(self._stamp, b"")

    def _configure(self) -> None:
        if not KEYRING.is_file():
            raise Stop(f"other Debian suites cannot be read without {KEYRING}: "
                       "install debian-archive-keyring, then run again")
        targets = proc.output(["apt-get", "indextargets", "--format", "$(LABEL)|$(ORIGIN)|$(REPO_URI)"])
        found = mirrors(targets.stdout)
        if "Debian" not in found:
            raise Stop("other Debian suites cannot be read: apt is configured for no Debian mirror, "
                       "or its lists were never read (apt-get update)")
        for name in ("lists/partial", "cache/archives/partial"):
            (self.base / name).mkdir(parents=True, exist_ok=True)
        architecture = proc.output(["dpkg", "--print-architecture"]).stdout.strip()
        files.write_atomic(self.base / "sources.list", sources(found, architecture).encode())
        files.write_atomic(self.base / "apt.conf", _CONFIG.format(base=self.base).encode())
