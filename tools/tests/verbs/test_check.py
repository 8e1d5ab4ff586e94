# SPDX-License-Identifier: GPL-2.0-only
"""The verb check, as users call it, and what it leaves."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Sequence

from locked_rmap.guest.evidence import judge, rows
from locked_rmap.kernel.series import CONTRACTS
from locked_rmap.report import page
from locked_rmap.static.callers import PROVED, UNLOCKED
from locked_rmap.verbs.check import summary

from ..guest.test_evidence import TABLE, source_says
from ..static.trees import KBUILD, RMAP_C, small_tree
from ..support import MAKEFILE, PATCH, REPO, Case, kernel_tree, repository, snapshot, write

#: A caller that the suites have tests of, and who locks.
PAGE_IDLE_C = """#include <linux/rmap.h>
void page_idle_clear_pte_refs(unsigned long pfn)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));

	if (!folio_trylock(folio))
		return;
	rmap_walk(folio, 0);
	folio_unlock(folio);
}
"""


#: Stands in for the kernel's own kunit.py: MODE beside it says how building and running go.
KUNIT_PY = r'''
import json, os, sys
mode = open(os.path.join(os.path.dirname(__file__), "mode")).read().strip()
verb = sys.argv[1]
options = dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--") and "=" in a)
build, name = options["build_dir"], "page_idle_write_walks_a_locked_folio"
if verb == "build":
    for product in (".config", "include/config", "include/generated", "mm/rmap.o"):
        if os.path.exists(product):
            sys.exit("***\n*** The source tree is not clean: ERROR: %s" % product)
    if mode == "broken":
        print("mm/rmap.c:10:2: error: expected ';' before '}' token")
        sys.exit(1)
    for product in (".config", "vmlinux"):
        open(os.path.join(build, product), "w").close()
    sys.exit(0)
if "--list_tests" in sys.argv:
    print("rmap.one\nrmap_callers." + name)
    sys.exit(0)
good = options["kernel_args"].endswith("=locked")
first = "ok" if good else "not ok"
second = {"skip": "ok 1 %s # SKIP no such thing here", "fail": "not ok 1 %s"}.get(mode, "ok 1 %s")
with open(os.path.join(build, "test.log"), "w") as log:
    log.write("KTAP version 1\n1..2\n    KTAP version 1\n    # Subtest: rmap\n    1..1\n")
    log.write("    %s 1 one\n%s 1 rmap\n" % (first, first))
    log.write("    KTAP version 1\n    # Subtest: rmap_callers\n    1..1\n")
    if mode == "dies":
        log.write("Kernel panic - not syncing: no more\n")
    else:
        end = "not ok" if mode == "fail" else "ok"
        log.write("    %s\n%s 2 rmap_callers\n" % (second % name, end))
with open(options["json"], "w") as out:
    json.dump({"name": "g", "test_cases": [], "sub_groups": []}, out)
'''


class CommandTest(Case):
    """The verb, as users call it."""

    def tree(self) -> Path:
        """A tree that honours `locked`."""
        return small_tree(self.temp / "user")

    def test_a_good_tree_is_0_and_stays_as_it_was(self) -> None:
        tree = self.tree()
        before = snapshot(tree)
        answer = self.command(REPO, ["check", "--static", "--tree", str(tree),
                                     "--html", str(self.temp / "x.html")])
        self.assertEqual(answer.returncode, 0, answer.stderr + answer.stdout)
        self.assertIn("honours the contract 'locked'", answer.stdout)
        self.assertEqual(snapshot(tree), before)
        text = (self.temp / "x.html").read_text(encoding="utf-8")
        self.assertTrue(text.startswith("<!DOCTYPE html>"))

    def test_a_bad_tree_is_1_and_json_goes_to_stdout_alone(self) -> None:
        tree = self.tree()
        write(tree / "drivers/x.c",
              "#include <linux/rmap.h>\n"
              "void f(unsigned long pfn) { rmap_walk(page_folio(pfn_to_page(pfn)), 0); }\n")
        write(tree / "mm/rmap.c", RMAP_C.replace("*(void *volatile *)&folio->mapping != mapping",
                                                 "some()"))
        answer = self.command(REPO, ["check", "--static", "--tree", str(tree), "--json", "-"])
        self.assertEqual(answer.returncode, 1, answer.stderr)
        value = json.loads(answer.stdout)
        unlocked = [call["function"] for call in value["calls"] if call["status"] == UNLOCKED]
        self.assertEqual((value["contract"], unlocked), ("neither", ["f"]))
        self.assertIn("f()", value["look_at"][0])

    def test_sarif_has_the_guilty_call_and_the_way_to_the_walk(self) -> None:
        tree = self.tree()
        write(tree / "mm/x.c", "#include <linux/rmap.h>\nvoid f(unsigned long pfn)\n{\n"
                               "\trmap_walk(pfn_folio(pfn), 0);\n}\n")
        answer = self.command(REPO, ["check", "--static", "--tree", str(tree), "--sarif", "-"])
        self.assertEqual(answer.returncode, 0, answer.stderr)
        result, = json.loads(answer.stdout)["runs"][0]["results"]
        place = result["locations"][0]["physicalLocation"]
        self.assertEqual((result["level"], place["artifactLocation"]["uri"], place["region"]),
                         ("note", "mm/x.c", {"startLine": 4}))
        flow = result["codeFlows"][0]["threadFlows"][0]["locations"]
        self.assertIn("f() calls rmap_walk()", flow[-1]["location"]["message"]["text"])

    def test_ways_prints_what_is_proved_too(self) -> None:
        tree = self.tree()
        for word, shown in (("--ways", True), ("--static", False)):
            answer = self.command(REPO, ["check", "--static", "--tree", str(tree), word])
            self.assertEqual((answer.returncode, "locks_by_itself() calls" in answer.stdout),
                             (0, shown), answer.stderr)

    def test_quick_lists_calls_and_never_says_locked(self) -> None:
        answer = self.command(REPO, ["check", "--quick", "--tree", str(self.tree())])
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("mm/rmap.c:40  locks_by_itself() names rmap_walk()", answer.stdout)
        self.assertNotIn("honours", answer.stdout)

    def test_a_tree_that_cannot_be_configured_is_one_line(self) -> None:
        tree = self.tree()
        write(tree / "Makefile", KBUILD.replace("prepare:", "prepare:\n\t@false"))
        self.assert_one_line(self.command(REPO, ["check", "--static", "--tree", str(tree)]),
                             "cannot be configured with allmodconfig and clang-19")

    def test_the_answer_is_the_same_byte_for_byte(self) -> None:
        tree = self.tree()
        found = set()
        for _ in range(3):
            answer = self.command(REPO, ["check", "--static", "--tree", str(tree), "--json", "-"])
            found.add(re.sub(r'"seconds": [\d.]+', "", answer.stdout))
        self.assertEqual(len(found), 1)

    def test_what_cannot_be_checked_is_one_line(self) -> None:
        tree = self.tree()
        check = ["check", "--static", "--tree"]
        for path, text, parts in (
                ("mm/swap.c", "struct folio *f;\n<<<<<<< HEAD\n=======\n>>>>>>> x\n",
                 ("mm/swap.c:2", "conflict")),
                ("Makefile", "VERSION = 5\nPATCHLEVEL = 15\nSUBLEVEL = 1\nEXTRAVERSION =\n",
                 ("5.15.1", "the suites are for kernels from 6.1 on")),
                ("Makefile", "all:\n", ("not a kernel tree",))):
            with self.subTest(parts):
                write(tree / path, text)
                self.assert_one_line(self.command(REPO, [*check, str(tree)]), *parts)
        none = str(self.temp / "none")
        self.assert_one_line(self.command(REPO, [*check, none]), "no directory")
        self.assert_one_line(self.command(REPO, ["check", "--static"]), "--tree")
        tree = small_tree(self.temp / "other")
        write(tree / "mm/rmap.c", "int x;\n")
        answer = self.command(REPO, [*check, str(tree)])
        self.assert_one_line(answer, "has no call of rmap_walk()", "give the top of")
        (tree / "mm/rmap.c").unlink()
        answer = self.command(REPO, [*check, str(tree)])
        self.assert_one_line(answer, "has no mm/rmap.c", "give the top of")

    def test_an_unreadable_file_is_one_line(self) -> None:
        tree = self.tree()
        # Root without what lets it read everything.
        plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
        plain = plain if os.geteuid() == 0 else []
        if subprocess.run([*plain, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            self.skipTest("root, and setpriv cannot take its privileges away")
        for name in ("mm/rmap.c", "Makefile", "mm"):
            with self.subTest(name):
                mode = (tree / name).stat().st_mode
                (tree / name).chmod(0)
                try:
                    answer = self.command(REPO, ["check", "--static", "--tree", str(tree)],
                                          before=plain)
                finally:
                    (tree / name).chmod(mode)
                self.assert_one_line(answer, str(tree), "readable")

    def git(self, tree: Path, *arguments: str) -> None:
        """git in @tree, whatever comes of it."""
        subprocess.run(["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments],
                       cwd=tree, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL,
                       env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_EDITOR": "true"})

    def test_a_rebase_that_stopped_is_one_line_and_stays_as_it_was(self) -> None:
        for name, ours, theirs in (
                ("mm/swap.c", "struct folio *ours;\n", "struct folio *theirs;\n"),
                ("mm/Kconfig", "# ours\n", "# theirs\n"),
                ("Makefile", KBUILD.replace("99", "98"), KBUILD.replace("99", "97"))):
            with self.subTest(name):
                tree = self.temp / name.replace("/", "-")
                small_tree(tree)
                self.git(tree, "init", "-q", "-b", "one")
                write(tree / "mm/swap.c", "struct folio *f;\n")
                self.git(tree, "add", "-A")
                self.git(tree, "commit", "-qm", "base")
                for branch, start, text in (("two", "HEAD", theirs), ("one", "two~1", ours)):
                    self.git(tree, "checkout", "-q", "-B", branch, start)
                    write(tree / name, text)
                    self.git(tree, "commit", "-qam", branch)
                self.git(tree, "rebase", "-q", "two")
                self.assertTrue((tree / ".git/rebase-merge").is_dir())
                self.assertIn("<<<<<<< ", (tree / name).read_text(encoding="utf-8"))
                before = snapshot(tree)
                for words in ("--static", ""):
                    answer = self.command(REPO, ["check", "--tree", str(tree), *words.split()])
                    self.assert_one_line(answer, f"{tree / name}:", "a conflict marker", "rebase")
                self.assertEqual(snapshot(tree), before)
                # Resolved and not yet continued, it is a tree like any other.
                write(tree / name, ours)
                self.git(tree, "add", "-A")
                answer = self.command(REPO, ["check", "--static", "--tree", str(tree)])
                self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)


class RunTimeTest(Case):
    """The suites on a user's tree, whose kunit.py is the fake; the command is the real one."""

    def setUp(self) -> None:
        super().setUp()
        self.repo = repository(self.temp / "repo", {"0001-x.patch": PATCH})
        self.tree = small_tree(self.temp / "user", KUNIT_PY)
        write(self.tree / "mm/page_idle.c", PAGE_IDLE_C)
        # Left by a build in the tree.
        for name in (".config", "vmlinux", "include/config/auto.conf",
                     "include/generated/autoconf.h", "mm/rmap.o"):
            write(self.tree / name, "")
        self.mode("good")

    def mode(self, mode: str) -> None:
        """Choose what the kernel does."""
        write(self.tree / "tools/testing/kunit/mode", mode)
        self.before = snapshot(self.tree)

    def check(self, *arguments: str,
              before: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
        """`check` on the tree, which must stay as it is."""
        answer = self.command(self.repo, ["check", "--tree", str(self.tree), *arguments],
                              before=before)
        self.assertEqual(snapshot(self.tree), self.before, "the user's tree was written to")
        return answer

    def test_source_and_run_time_together(self) -> None:
        summary = write(self.repo / "build/results/summary.json", "of a run\n")
        answer = self.check("--json", str(self.temp / "x.json"))
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("honours the contract 'locked'", answer.stdout)
        value = json.loads((self.temp / "x.json").read_text(encoding="utf-8"))
        self.assertEqual(list(value["runs"]["um"]), ["locked", "revalidate"])
        row = next(row for row in value["matrix"] if row["caller"] == "page_idle")
        self.assertEqual((row["source"], row["tests"]["um"]["locked"]["passed"]), (PROVED, 1))
        self.assertEqual(value["not_seen"], {})
        self.assertEqual(summary.read_text(encoding="utf-8"), "of a run\n")
        for contract in CONTRACTS:
            self.assertTrue((self.repo / f"build/results/check/um/{contract}/kernel.log").is_file())

    def test_what_was_not_seen_is_said(self) -> None:
        self.mode("skip")
        answer = self.check()
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertIn("not seen at run time", answer.stdout)
        self.assertIn("  page_idle: no such thing here", answer.stdout.splitlines())
        self.assertIn("not seen, 1 skip", answer.stdout)

    def test_a_test_that_fails_overrules_the_source(self) -> None:
        self.mode("fail")
        answer = self.check()
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("by its source it is 'locked', but 1 test fails on um", answer.stdout)
        self.assertIn(
            "rmap_callers.page_idle_write_walks_a_locked_folio fails under 'locked' on um "
            "(page_idle, who walks at mm/page_idle.c:8)", answer.stdout)

    def test_a_guest_that_dies_is_a_result(self) -> None:
        self.mode("dies")
        answer = self.check()
        self.assertEqual(answer.returncode, 1, answer.stderr)
        self.assertIn("the guest (um) did not get to the end", answer.stdout)
        self.assertIn("Kernel panic - not syncing: no more", answer.stdout)

    def test_a_tree_that_does_not_build_is_one_line(self) -> None:
        self.mode("broken")
        self.assert_one_line(self.check(), "does not build", "mm/rmap.c:10:2: error: expected ';'",
                             "build/results/check/um/build.log")
        self.assertTrue((self.repo / "build/results/check/um/build.log").is_file())

    def test_a_full_disk_is_one_line(self) -> None:
        disk = self.temp / "disk"
        disk.mkdir()
        mount = ["unshare", "-m", "sh", "-c",
                 'mount -t tmpfs -o size=32k none "$0" && exec "$@"', str(disk)]
        if subprocess.run([*mount, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest("no disk can be mounted here")
        before = [*mount, "env", f"LOCKED_RMAP_CACHE={disk}/cache"]
        write(self.tree / "mm/big.c", "/* */\n" * 9000)
        self.before = snapshot(self.tree)
        self.assert_one_line(self.check(before=before), "no space left", str(disk))
        html = ["--static", "--html", f"{disk}/x.html"]
        fill = ["sh", "-c", 'head -c 32k /dev/zero > "$0"/x; exec "$@"', str(disk)]
        answer = self.check(*html, before=[*mount, *fill])
        self.assert_one_line(answer, "no space left", str(disk))

    def test_what_cannot_run_is_known_before_anything_is_built(self) -> None:
        self.assert_one_line(self.check("--arch", "vax"), "vax", "um")
        self.assert_one_line(self.check("--arch", "um", "--static"),
                             "--static runs nothing: drop --arch")
        for option in ("--html", "--json", "--sarif"):
            for path, part in ((self.temp / "none/x", "there is no directory"),
                               (self.temp, "is a directory")):
                with self.subTest(option, path=path):
                    answer = self.check(option, str(path))
                    self.assert_one_line(answer, part, option)
                    self.assertEqual(answer.stdout, "")
        write(self.tree / "mm/Kconfig", "config X\n\tbool\n")
        self.before = snapshot(self.tree)
        self.assert_one_line(self.check(), "mm/Kconfig")


class PageTest(Case):
    """The page that --html writes."""

    def test_the_page_stands_alone_and_escapes(self) -> None:
        static = source_says(UNLOCKED, False, 0)
        site = static.calls[0]._replace(function="<script>alert(1)</script>")
        static = static._replace(calls=[site])
        verdict = judge(static, {}, set(), TABLE)
        matrix = rows(REPO, "6.12.1", static, {}, TABLE)
        value = summary(Path("/x/<tree>"), "6.12.1", static, {}, matrix, verdict, TABLE)
        text = page.html("check", value)
        self.assertNotIn("<script>alert", text)
        self.assertIsNone(re.search(r"(?:src|href)=|url\(|@import|https?:", text))
        for needed in ("<caption>", 'scope="col"', 'scope="row"', "prefers-color-scheme:dark",
                       'lang="en"'):
            self.assertIn(needed, text)
        self.assertEqual(json.loads(json.dumps(value))["contract"], "neither")
