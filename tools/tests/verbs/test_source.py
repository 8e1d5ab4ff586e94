# SPDX-License-Identifier: GPL-2.0-only
"""Getting the kernel's source, as `run` does; apt is a program that a test puts first on PATH."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import List

from ..support import MAKEFILE, PATCH, kernel_tree, write
from .test_command import KUNIT_PY, CommandCase

#: Stands in for apt-get and apt-cache: what it does is in files beside it.
APT = """#!/bin/sh
here=$(dirname "$0")
echo "$(basename "$0") $*" >> "$here/calls"
for last; do :; done
case "$(basename "$0") $*" in
"apt-get indextargets"*) cat "$here/targets" ;;
"apt-cache show"*" -c "*) cat "$here/show.others" ;;
"apt-cache pkgnames"*" -c "*) echo linux-source-7.3 ;;
*update*" -c "*) test -e "$here/online" || { echo "W: Failed to fetch the lists"; exit 0; }
	touch "$(dirname "$last")/lists/x_Packages" ;;
*download*" -c "*) cp "$here/deb.others" ./linux-source-7.3_7.3.4-1_all.deb ;;
"apt-cache show"*) cat "$here/show" ;;
"apt-cache pkgnames"*) echo linux-source-6.1; echo linux-source-6.12 ;;
*update*) test -e "$here/online" || { echo "E: Failed to fetch the lists"; exit 100; } ;;
*download*) test -e "$here/online" || {
		echo "E: Failed to fetch the package  Could not resolve host"; exit 100; }
	cp "$here/deb" ./linux-source-6.12_6.12.99-1_all.deb ;;
esac
"""


class SourceTest(CommandCase):
    """Getting the kernel's source."""

    def setUp(self) -> None:
        super().setUp()
        self.bin = self.temp / "bin"
        for name in ("apt-get", "apt-cache"):
            write(self.bin / name, APT, executable=True)
        self.good = self.package("6.12", "6.12.99-1", self.tree, "")
        for name in ("show.others", "targets"):
            write(self.bin / name, "")
        self.online(True)

    def package(self, line: str, version: str, tree: Path, suffix: str) -> bytes:
        """A .deb with @tree in it, and what apt says of it, in files with @suffix."""
        base = self.temp / f"package{suffix}"
        (base / "usr/src").mkdir(parents=True)
        write(base / "DEBIAN/control", f"Package: linux-source-{line}\nVersion: "
                                       f"{version}\nArchitecture: all\n"
                                       "Maintainer: x <x@example.org>\nDescription: x\n")
        subprocess.run(["tar", "-cJf", str(base / f"usr/src/linux-source-{line}.tar.xz"),
                        "--transform",
                        f"s,^{tree.name},linux-source-{line},", "-C", str(tree.parent), tree.name],
                       check=True)
        subprocess.run(["dpkg-deb", "-b", str(base), str(self.bin / f"deb{suffix}")], check=True,
                       stdout=subprocess.DEVNULL)
        good = (self.bin / f"deb{suffix}").read_bytes()
        write(self.bin / f"show{suffix}",
              f"Package: linux-source-{line}\nVersion: {version}\nFilename: pool/x.deb\n"
              f"Size: {len(good)}\nSHA256: {hashlib.sha256(good).hexdigest()}\n")
        return good

    def other_suites(self) -> None:
        """Another suite has a 7.3 in which nothing needs a patch."""
        tree = kernel_tree(self.temp / "tree73", KUNIT_PY)
        write(tree / "Makefile", MAKEFILE.replace("6", "7").replace("12", "3").replace("99", "4"))
        write(tree / "mm/rmap.c", "line ten\n")
        write(tree / "mm/tests/own_kunit.c", "int own;\n")
        write(tree / "tools/testing/kunit/mode", "good")
        write(self.bin / "targets", "Debian|Debian|http://mirror.example/debian/\n")
        self.package("7.3", "7.3.4-1", tree, ".others")
        write(self.bin / "show", "")

    def online(self, there: bool) -> None:
        """Plug the network in or out."""
        if there:
            (self.bin / "online").touch()
        else:
            (self.bin / "online").unlink()

    def fetch(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`run` on the line that apt has."""
        return self.command(self.repo, ["run", *arguments], path=self.bin)

    def calls(self) -> str:
        """What apt was asked for since the last time."""
        log = self.bin / "calls"
        text = log.read_text(encoding="utf-8")
        log.unlink()
        return text

    def leftovers(self) -> List[str]:
        """What must not be left in the cache."""
        return [path.name for path in (self.temp / "cache").glob("tmp-*")]

    def test_fetched_once_then_the_network_is_left_alone(self) -> None:
        answer = self.fetch()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("download", self.calls())
        self.online(False)
        answer = self.fetch()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertNotIn("apt-get", self.calls())

    def test_no_network(self) -> None:
        self.online(False)
        self.assert_one_line(self.fetch(), "cannot download", "Could not resolve host", "network")
        self.assertEqual(self.leftovers(), [])
        self.online(True)
        self.assertEqual(self.fetch().returncode, 0)

    def test_no_network_and_a_newer_version_goes_on_with_the_cached_one(self) -> None:
        self.fetch()
        self.online(False)
        show = (self.bin / "show").read_text(encoding="utf-8")
        write(self.bin / "show", show.replace("6.12.99-1", "6.12.100-1"))
        answer = self.fetch()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("going on with linux-6.12.99", answer.stdout)

    def test_a_damaged_download_is_tried_twice(self) -> None:
        (self.bin / "deb").write_bytes(self.good[:-1])
        self.assert_one_line(self.fetch(), "damaged twice")
        self.assertEqual(self.calls().count("download"), 2)
        self.assertEqual(self.leftovers(), [])
        (self.bin / "deb").write_bytes(self.good)
        self.assertEqual(self.fetch().returncode, 0)

    def test_a_damaged_copy_in_the_cache_is_fetched_again(self) -> None:
        self.command(self.repo, ["run", "--tree", str(self.tree)])
        write(self.temp / "cache/debs/linux-source-6.12_6.12.99-1_all.deb", "rubbish")
        answer = self.fetch()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("is damaged: fetching it again", answer.stdout)

    def test_a_line_that_debian_does_not_have(self) -> None:
        self.other_suites()
        write(self.bin / "show.others", "")
        self.assert_one_line(self.fetch("--kernel", "6.99"), "unknown kernel line 6.99",
                             "6.1, 6.12, 7.3")

    def test_a_line_of_another_suite_is_fetched_once(self) -> None:
        self.other_suites()
        answer = self.fetch("--kernel", "7.3")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertEqual(self.stages("run-7.3-um")["stock"],
                         {"s.one": "PASS", "s.two": "PASS", "s.three": "SKIP"})
        self.assertEqual(list(self.stages("run-7.3-um")), ["stock"])
        updates = [call for call in self.calls().splitlines() if "update" in call]
        self.assertEqual(len(updates), 1)
        self.assertIn("-c " + str(self.temp / "cache/apt/apt.conf"), updates[0])
        tree = self.temp / "cache/trees/7.3.4/tree/mm/tests"
        self.assertTrue((tree / "own_kunit.c").exists() and (tree / "x_kunit.c").exists())
        self.online(False)
        answer = self.fetch("--kernel", "7.3")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertNotIn("apt-get", self.calls())

    def test_stale_lists_of_other_suites_do_for_want_of_network(self) -> None:
        self.other_suites()
        self.fetch("--kernel", "7.3")
        self.online(False)
        os.utime(self.temp / "cache/apt/stamp", (1, 1))
        (self.temp / "cache/apt/lists/x_Packages").unlink()
        answer = self.fetch("--kernel", "7.3")
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("other Debian suites cannot be read", answer.stdout)

    def test_other_suites_cannot_be_read(self) -> None:
        self.other_suites()
        self.online(False)
        self.assert_one_line(self.fetch("--kernel", "7.3"), "have no linux-source-7.3", "6.1, 6.12",
                             "Failed to fetch", "network")
        write(self.bin / "targets", "Ubuntu|Ubuntu|http://mirror.example/ubuntu/\n")
        self.assert_one_line(self.fetch("--kernel", "7.3"), "no Debian mirror")

    def test_a_patch_that_does_not_apply_to_the_line(self) -> None:
        write(self.repo / "mm/patches/linux-6.12/0001-x.patch",
              PATCH.replace("line 9", "line nine"))
        self.assert_one_line(self.fetch(), "0001-x.patch does not apply", "6.12.99", "refresh")

    def test_the_users_makefile_is_read_for_the_version(self) -> None:
        self.assertIn("SUBLEVEL = 99", MAKEFILE)
        self.fetch()
        self.assertTrue((self.temp / "cache/source/linux-6.12.99").is_dir())
        self.assertFalse(list(Path(self.temp / "cache/debs").glob("*.deb")))
