# SPDX-License-Identifier: GPL-2.0-only
"""The verb export, with the real git on small trees."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from locked_rmap.kernel import overlay, series, steps
from locked_rmap.kernel.line import Line, fingerprint

from ..kernel.test_maintainers import MAINTAINERS
from ..support import PATCH, Case, kernel_tree, repository, snapshot, write
from .test_command import KUNIT_PY

WHO = {"GIT_AUTHOR_NAME": "Some Body", "GIT_AUTHOR_EMAIL": "some@body.example",
       "GIT_COMMITTER_NAME": "Some Body", "GIT_COMMITTER_EMAIL": "some@body.example",
       "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
#: git could guess the rest from the login.
NOBODY = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1",
          "EMAIL": "some@body.example"}

#: Stands in for the kernel's: must know a MAINTAINERS with the suites, and be given all patches.
GET_MAINTAINER = r"""
open(my $m, '<', 'MAINTAINERS') or die; local $/;
die "not listed\n" unless <$m> =~ m{^F:\tmm/tests/two_kunit.c$}m;
my $options = join ' ', @ARGV; die "not all\n" unless 6 == grep { /\.patch$/ && -f } @ARGV;
print $options =~ /--no-l / ? qq{"O'N X." <o\@x>\n} : qq{list\@x\n};
"""

KCONFIG = """# SPDX-License-Identifier: GPL-2.0-only

config HELPERS
	bool
	help
	  Shared.

config ONE_KUNIT_TEST
	bool "One"
	select HELPERS
	help
	  The first.

	  More of it.

config TWO_KUNIT_TEST
	bool "Two"
	select HELPERS

config EXPORTS
	def_bool HELPERS && MODULES
"""
MAKEFILE = """# SPDX-License-Identifier: GPL-2.0-only

obj-$(CONFIG_HELPERS) += rmap_kunit_helpers.o
obj-$(CONFIG_EXPORTS) += rmap_exports.o
obj-$(CONFIG_ONE_KUNIT_TEST) += one_kunit.o
obj-$(CONFIG_TWO_KUNIT_TEST) += two_kunit.o

# Looked up.
ifdef CONFIG_EXPORTS
CFLAGS_rmap_exports.o += -DEXPORTED
endif
"""
OPTIONS = "CONFIG_KUNIT=y\nCONFIG_ONE_KUNIT_TEST=y\nCONFIG_TWO_KUNIT_TEST=y\nCONFIG_MORE=y\n"

SECOND = PATCH.replace("change a line",
                       "change another\n line\n\nWhy so: because.\n\nFixes: 123456789abc (\"x\")") \
    .replace("line ten", "line ten, again").replace("-line 10\n", "-line ten\n")


class ExportCase(Case):
    """A repository with two suites and a series of two, and a git tree of a kernel."""

    def setUp(self) -> None:
        super().setUp()
        self.repo = repository(self.temp / "repo", {"0001-a.patch": PATCH, "0002-b.patch": SECOND})
        tests = self.repo / overlay.TESTS
        (tests / "x_kunit.c").unlink()
        for name, text in (("Kconfig", KCONFIG), ("Makefile", MAKEFILE),
                           ("rmap_kunit_helpers.c", "int h;\n"),
                           ("rmap_exports.c", "int e;\n"), ("one_kunit.c", "int one;\n"),
                           ("two_kunit.c", "int two;\n"),
                           ("two/part.c", "int part;\n")):
            write(tests / name, text)
        write(self.repo / ".kunitconfig", OPTIONS)
        for name in ("helpers", "exports", "one", "two"):
            write(self.repo / steps.TEXTS / name, f"Subject: mm/tests: {name}\n\nAbout {name}.\n")
        write(self.repo / steps.TEXTS / steps.NEWEST, "9.9\n")
        for place in (steps.TEXTS, "mm/patches/linux-6.12"):
            write(self.repo / place / "cover", f"Subject: all of it\n\nCover of {place}.\n")
        self.tree = kernel_tree(self.temp / "tree")
        write(self.tree / "MAINTAINERS", MAINTAINERS)
        self.git("init", "-q", "-b", "main")
        self.commit()

    def git(self, *arguments: str, where: Optional[Path] = None,
            env: Mapping[str, str] = WHO) -> str:
        """Run git in the tree; what it printed."""
        done = subprocess.run(["git", *arguments], cwd=where or self.tree,
                              env={**os.environ, **env}, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return done.stdout.strip()

    def commit(self) -> None:
        """Commit the tree as it is."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "base")

    def export(self, *arguments: str,
               env: Mapping[str, str] = WHO) -> "subprocess.CompletedProcess[str]":
        """Run the verb."""
        return self.command(self.repo, ["export", *arguments], env)

    def branch(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Export to the branch `new`, without a table; it must succeed."""
        answer = self.export("--branch", "new", "--tree", str(self.tree), "--no-table", *arguments)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        return answer

    def refuse(self, *parts: str, arguments: Optional[List[str]] = None,
               env: Mapping[str, str] = WHO) -> None:
        """Export to the branch `new` must fail with @parts, and leave every file as it was."""
        before = snapshot(self.tree)
        whole = ["--branch", "new", "--tree", str(self.tree),
                 "--no-table"] if arguments is None else arguments
        self.assert_one_line(self.export(*whole, env=env), *parts)
        self.assertEqual(snapshot(self.tree), before)

    def subjects(self, *revisions: str) -> List[str]:
        """The subjects of commits, the oldest first."""
        return self.git("log", "--reverse", "--format=%s", *revisions).splitlines()

    def show(self, name: str, commit: str = "new") -> str:
        """What a file holds."""
        return self.git("show", f"{commit}:{name}")

    def line_source(self) -> None:
        """Let the tree, without git, be the line's source in the cache."""
        cache = self.temp / "cache"
        write(cache / "CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# The cache of "
                                      "locked-rmap: "
              "kernel sources and builds, made again when missing.\n")
        (cache / "source").mkdir()
        subprocess.run(["cp", "-r", str(self.tree), str(cache / "source/linux-6.12.99")],
                       check=True)
        subprocess.run(["rm", "-r", str(cache / "source/linux-6.12.99/.git")], check=True)
        for name in ("apt-cache", "apt-get"):
            write(self.temp / "bin" / name, "#!/bin/sh\nexit 1\n", executable=True)

    def mbox(self, *arguments: str,
             env: Mapping[str, str] = WHO) -> "subprocess.CompletedProcess[str]":
        """Export to the mailbox `m`."""
        full = {**env, "PATH": f"{self.temp / 'bin'}:{os.environ['PATH']}"}
        return self.export("--mbox", str(self.temp / "m"), *arguments, env=full)


class BranchTest(ExportCase):
    """Commits in a tree of the user's."""

    def test_series_then_suites_one_commit_each(self) -> None:
        self.branch()
        self.assertEqual(self.subjects("main..new"),
                         ["change a line", "change another line", "mm/tests: helpers",
                                                      "mm/tests: exports", "mm/tests: one",
                          "mm/tests: two"])
        self.assertEqual(self.git("log", "-1", "--format=%B", "new~4"),
                         'change another line\n\nWhy so: because.\n\nFixes: 123456789abc ("x")')
        self.assertEqual(self.git("log", "-1", "--format=%an <%ae> %cn", "new"),
                         "Some Body <some@body.example> Some Body")

    def test_a_suite_comes_with_its_option_and_its_object(self) -> None:
        self.branch()
        self.assertEqual(self.show("mm/tests/Makefile", "new~1").count("_kunit.o"), 1)
        self.assertIn("one_kunit.o", self.show("mm/tests/Makefile", "new~1"))
        self.assertNotIn("config TWO", self.show("mm/tests/Kconfig", "new~1"))
        self.assertIn("More of it.", self.show("mm/tests/Kconfig", "new~1"))
        self.assertEqual(self.show("mm/tests/.kunitconfig", "new~3"),
                         "CONFIG_KUNIT=y\nCONFIG_MORE=y")
        self.assertIn(overlay.KCONFIG_HOOK, self.show("mm/Kconfig", "new~3"))
        self.assertEqual(self.git("ls-tree", "--name-only", "new~3", "mm/tests/").split(),
                         ["mm/tests/.kunitconfig", "mm/tests/Kconfig", "mm/tests/Makefile",
                          "mm/tests/rmap_kunit_helpers.c"])

    def test_exports_come_alone_with_what_looks_them_up(self) -> None:
        self.branch()
        self.assertEqual(self.git("diff", "--name-only", "new~3", "new~2").split(),
                         ["MAINTAINERS", "mm/tests/Kconfig", "mm/tests/Makefile",
                          "mm/tests/rmap_exports.c"])
        self.assertNotIn("EXPORTS", self.show("mm/tests/Makefile", "new~3"))
        self.assertIn("CFLAGS_rmap_exports.o", self.show("mm/tests/Makefile", "new~2"))
        self.assertNotIn("config EXPORTS", self.show("mm/tests/Kconfig", "new~3"))

    def test_files_end_as_a_run_has_them(self) -> None:
        self.branch()
        line = Line(self.repo, self.temp / "cache", self.console, None, self.tree)
        for name, data in line.contents(line.series.patches).items():
            self.assertEqual(self.show(name) + "\n", data.decode(), name)

    def test_only_the_branch_is_new(self) -> None:
        write(self.tree / "mm/rmap.c", "changed and not committed\n")
        write(self.tree / "mm/staged.c", "staged\n")
        self.git("add", "mm/staged.c")
        before = {name: what for name, what in snapshot(self.tree).items()
                  if not name.startswith(".git")}
        index = (self.tree / ".git/index").read_bytes()
        self.branch()
        self.assertEqual({name: what for name, what in snapshot(self.tree).items()
                          if not name.startswith(".git")}, before)
        self.assertEqual((self.tree / ".git/index").read_bytes(), index)
        self.assertEqual(self.git("rev-parse", "--abbrev-ref", "HEAD"), "main")
        self.assertEqual(self.git("for-each-ref", "--format=%(refname)"),
                         "refs/heads/main\nrefs/heads/new")
        self.assertEqual(self.git("fsck", "--strict"), "")

    def test_another_base_than_head(self) -> None:
        self.git("tag", "v6.12")
        write(self.tree / "Makefile", "VERSION = 7\nPATCHLEVEL = 3\n")
        self.commit()
        self.branch("--base", "v6.12")
        self.assertEqual(len(self.subjects("v6.12..new")), 6)

    def test_sign_off_goes_behind_what_is_there(self) -> None:
        self.branch("--signoff")
        self.assertTrue(self.git("log", "-1", "--format=%B", "new~4").endswith(
            '\n\nFixes: 123456789abc ("x")\nSigned-off-by: Some Body <some@body.example>'))
        self.assertTrue(self.git("log", "-1", "--format=%B", "new").endswith(
            "\n\nAbout two.\n\nSigned-off-by: Some Body <some@body.example>"))

    def test_cover_letter_is_what_format_patch_takes(self) -> None:
        self.branch()
        text = self.git("format-patch", "--stdout", "--cover-letter",
                        "--cover-from-description=subject", "main..new")
        self.assertIn("Subject: [PATCH 0/6] all of it\n", text)
        self.assertIn("Cover of mm/patches/linux-6.12.\n", text)

    def test_a_line_without_a_series_gets_the_suites(self) -> None:
        write(self.tree / "Makefile", "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n")
        write(self.tree / "mm/tests/Kconfig", "config THEIRS\n\tbool\n")
        write(self.tree / "mm/tests/Makefile", "obj-$(CONFIG_THEIRS) += theirs_kunit.o\n")
        write(self.tree / "mm/tests/theirs_kunit.c", "int t;\n")
        self.commit()
        self.branch()
        self.assertEqual(self.subjects("main..new"),
                         ["mm/tests: helpers", "mm/tests: exports", "mm/tests: one",
                                                      "mm/tests: two"])
        self.assertEqual(self.show("mm/tests/Makefile").count("rmap_kunit_helpers.o"), 1)
        self.assertIn("theirs_kunit.o", self.show("mm/tests/Makefile"))
        self.assertIn("config THEIRS", self.show("mm/tests/Kconfig", "new~3"))
        self.assertIn("int t;", self.show("mm/tests/theirs_kunit.c"))
        self.assertIn(f"Cover of {steps.TEXTS}", self.git("config", "branch.new.description"))

    def test_a_bare_repository_and_a_linked_worktree_will_do(self) -> None:
        self.git("clone", "-q", "--bare", str(self.tree), str(self.temp / "bare"))
        self.git("worktree", "add", "-q", "-b", "side", str(self.temp / "linked"))
        for where in (self.temp / "bare", self.temp / "linked"):
            answer = self.export("--branch", "new", "--tree", str(where), "--no-table")
            self.assertEqual(answer.returncode, 0, answer.stderr)
            self.assertEqual(self.git("rev-list", "--count", "main..new", where=where), "6")

    def test_a_shallow_clone_will_do(self) -> None:
        self.git("commit", "-q", "--allow-empty", "-m", "later")
        self.git("clone", "-q", "--depth=1", f"file://{self.tree}", str(self.temp / "shallow"))
        answer = self.export("--branch", "new", "--tree", str(self.temp / "shallow"), "--no-table")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertEqual(self.git("rev-list", "--count", "main..new", where=self.temp / "shallow"),
                         "6")


class RefusalTest(ExportCase):
    """One line, and the tree with its repository as it was."""

    def test_a_conflict_names_patch_and_place(self) -> None:
        write(self.tree / "mm/rmap.c",
              "".join(f"line {number}\n" for number in range(1, 21)).replace("line 8", "other"))
        self.commit()
        self.refuse("patch 0001-a.patch does not apply (mm/rmap.c:7) to HEAD (6.12.99)")

    def test_a_conflict_in_a_later_patch_leaves_nothing(self) -> None:
        write(self.repo / "mm/patches/linux-6.12/0002-b.patch",
              SECOND.replace("mm/rmap.c", "mm/absent.c"))
        self.refuse("patch 0002-b.patch does not apply (mm/absent.c)")

    def test_a_branch_that_is_there(self) -> None:
        self.git("branch", "new")
        self.refuse("there is a branch new already")

    def test_a_branch_in_the_way(self) -> None:
        self.git("branch", "new/er")
        self.refuse("there is a branch new/er, so there cannot be new")
        self.refuse("there is a branch main",
                    arguments=["--branch", "main/x", "--tree", str(self.tree), "--no-table"])

    def test_no_name_for_a_branch(self) -> None:
        for name in ("a..b", "-x", "a b", ""):
            self.refuse("is no name for a branch",
                        arguments=[f"--branch={name}", "--tree", str(self.tree), "--no-table"])

    def test_nobody_to_be_the_author(self) -> None:
        self.refuse("git does not know who you are", "user.name", env=NOBODY)

    def test_another_line_than_asked_for(self) -> None:
        self.refuse("HEAD", "6.12.99 kernel, not 6.1",
                    arguments=["--branch", "new", "--tree", str(self.tree), "--kernel", "6.1"])

    def test_no_such_base(self) -> None:
        self.refuse("no commit 'v1'",
                    arguments=["--branch", "new", "--tree", str(self.tree), "--base", "v1"])

    def test_the_suites_are_there_already(self) -> None:
        self.branch()
        self.git("checkout", "-q", "-b", "more", "new")
        write(self.repo / "mm/patches/linux-6.12/series", "# stage: locked contract=locked\n")
        self.refuse("has the suites already", "give --base",
                    arguments=["--branch", "again", "--tree", str(self.tree), "--no-table"])

    def test_no_git_tree_and_a_part_of_one(self) -> None:
        plain = kernel_tree(self.temp / "plain")
        self.refuse("is not a git tree", arguments=["--branch", "new", "--tree", str(plain)])
        self.refuse("is not the top of a git tree, but mm/",
                    arguments=["--branch", "new", "--tree", str(self.tree / "mm")])
        self.refuse("there is no directory",
                    arguments=["--branch", "new", "--tree", str(self.temp / "none")])

    def test_no_kernel(self) -> None:
        self.git("rm", "-q", "Makefile")
        self.git("commit", "-q", "-m", "none")
        self.refuse("not a kernel tree")

    def test_a_kernel_that_is_too_old(self) -> None:
        write(self.tree / "Makefile",
              "VERSION = 5\nPATCHLEVEL = 15\nSUBLEVEL = 1\nEXTRAVERSION =\n")
        self.commit()
        self.refuse("--base", "is Linux 5.15.1: the suites are for kernels from 6.1 on")
        self.assertNotIn("new", self.git("branch"))

    def test_options_that_do_not_go_together(self) -> None:
        self.refuse("--branch NAME", arguments=[])
        self.refuse("--branch NAME",
                    arguments=["--branch", "new", "--tree", str(self.tree), "--mbox", "m"])
        self.refuse("--branch needs --tree", arguments=["--branch", "new"])
        self.refuse("drop --tree and --base",
                    arguments=["--mbox", "m", "--tree", str(self.tree)])
        self.refuse("drop --cover",
                    arguments=["--branch", "new", "--tree", str(self.tree), "--cover", "c"])
        self.refuse("there is no directory", arguments=["--mbox", str(self.temp / "none/m")])
        self.refuse("is a directory", arguments=["--mbox", str(self.temp)])

    def test_no_measured_table(self) -> None:
        self.refuse("table", "is missing", "make run KERNEL=6.12", "--no-table",
                    arguments=["--branch", "new", "--tree", str(self.tree)])


class MailboxTest(ExportCase):
    """What git am takes."""

    def test_git_am_takes_it(self) -> None:
        self.line_source()
        answer = self.mbox()
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.git("checkout", "-q", "-b", "mailed")
        self.git("am", "-q", str(self.temp / "m"))
        self.branch("--base", "main")
        self.assertEqual(self.git("diff", "mailed", "new"), "")
        self.assertEqual(self.subjects("main..mailed"), self.subjects("main..new"))
        text = (self.temp / "m").read_text(encoding="utf-8")
        self.assertIn("Subject: [PATCH 6.12 1/6] change a line\n", text)
        self.assertNotIn("\nTo: ", text)

    def test_a_users_git_configuration_does_not_matter(self) -> None:
        self.line_source()
        config = write(self.temp / "config",
                       "[user]\nname = Con Fig\nemail = c@f\n[format]\nsubjectPrefix = X\n"
                       "attach = true\nsignOff = true\n[diff]\nnoprefix = true\n[core]\nautocrlf = "
                       "true\n"
                       "[commit]\ngpgSign = true\n")
        answer = self.mbox(env={"GIT_CONFIG_GLOBAL": str(config)})
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.git("am", "-q", str(self.temp / "m"))
        text = (self.temp / "m").read_text(encoding="utf-8")
        self.assertIn("From: Con Fig <c@f>\n", text)
        self.assertNotIn("Signed-off-by", text)

    def test_cover_letter_is_a_mail_of_its_own(self) -> None:
        self.line_source()
        answer = self.mbox("--cover", str(self.temp / "c"), "--no-table")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        text = (self.temp / "c").read_text(encoding="utf-8")
        self.assertIn("Subject: [PATCH 6.12 0/6] all of it\n", text)
        self.assertIn("On top of Linux 6.12.99.\n", text)
        self.assertRegex(text, r"mm/tests/one_kunit\.c +\| +1 \+")

    def test_cover_letter_is_addressed_and_the_patches_are_not(self) -> None:
        write(self.tree / "scripts/get_maintainer.pl", GET_MAINTAINER)
        self.line_source()
        self.assertEqual(self.mbox("--cover", str(self.temp / "c"), "--no-table").returncode, 0)
        text = (self.temp / "c").read_text(encoding="utf-8")
        self.assertIn("\nTo: \"O'N X.\" <o@x>\nCc: list@x\n", text)
        self.assertNotRegex((self.temp / "m").read_text(encoding="utf-8"), r"\n(?:To|Cc): ")
        self.commit()
        answer = self.branch()
        self.assertIn("""'--to="O'"'"'N X." <o@x>' --cc=list@x """, answer.stdout)

    def test_a_failure_leaves_the_old_mailbox(self) -> None:
        self.line_source()
        write(self.temp / "m", "old")
        write(self.repo / "mm/patches/linux-6.12/0002-b.patch", PATCH)
        self.assert_one_line(self.mbox(),
                             "patch 0002-b.patch does not apply (mm/rmap.c:7) to Linux 6.12.99")
        self.assertEqual((self.temp / "m").read_text(encoding="utf-8"), "old")
        self.assertEqual(sorted(path.name for path in self.temp.iterdir()),
                         ["bin", "cache", "m", "repo", "tree"])

    def test_nobody_to_be_the_author(self) -> None:
        self.line_source()
        self.assert_one_line(self.mbox(env=NOBODY), "git does not know who you are")


class CoverTest(ExportCase):
    """What is said of measurements."""

    def value(self, **more: Any) -> Dict[str, Any]:
        """A summary of a run with the suites and the series as they are."""
        patches = series.Series(self.repo / "mm/patches/linux-6.12")
        tests = {"one.a": "PASS", "one.b": "FAIL", "two.c": "CRASH", "two.d": "SKIP"}
        return {"kernel": "6.12.99", "arch": "um", "contract": "locked", "debug": False,
                "status": 0,
                "verdict": "The contract holds.", "input": fingerprint(self.repo, patches),
                "stages": {"stock": {"suites": {"tests": tests, "splats": 2}},
                           "locked": {"suites": {
                    "tests": {**tests, "one.b": "PASS", "two.c": "PASS"}, "splats": 0}}}, **more}

    def keep(self, name: str, value: Dict[str, Any]) -> None:
        """Leave @value as the summary of a run."""
        write(self.repo / f"build/results/run-{name}/whole.json", json.dumps(value))

    def letter(self) -> str:
        """The cover letter of an export to a branch."""
        answer = self.export("--branch", "new", "--tree", str(self.tree))
        self.assertEqual(answer.returncode, 0, answer.stderr)
        return self.git("config", "branch.new.description")

    def test_table_counts_what_the_run_saw(self) -> None:
        self.keep("6.12-um", self.value())
        text = self.letter()
        self.assertIn('Linux 6.12.99, um, by "make run KERNEL=6.12":', text)
        rows = {line.split()[0]: line.split()[1:] for line in text.splitlines()
                if re.match(r"  (?:one|two|all) +\d", line)}
        self.assertEqual(rows,
                         {"one": "1 1 0 2 0 0".split(), "two": "0 1 1 1 0 1".split(),
                          "all": "1 2 1 3 0 1".split()})
        self.assertRegex(text, r"unexpected warnings +2 +0\n")
        self.assertIn("These fail on stock:\n\n  one.b\n  two.c\n", text)
        self.assertNotIn("fail on locked", text)

    def test_a_whole_run_leaves_what_the_table_needs(self) -> None:
        kernel_tree(self.tree, KUNIT_PY)
        write(self.tree / "tools/testing/kunit/mode", "good")
        self.commit()
        self.line_source()
        env = {**WHO, "PATH": f"{self.temp / 'bin'}:{os.environ['PATH']}"}
        self.command(self.repo, ["run", "s"], env)
        self.command(self.repo, ["run", "--stage", "locked"], env)
        self.command(self.repo, ["run", "--tree", str(self.tree)], env)
        self.refuse("is missing", arguments=["--branch", "new", "--tree", str(self.tree)])
        answer = self.command(self.repo, ["run"], env)
        self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
        self.assertRegex(self.letter(), r"\n  s +1 +1 +1 +2 +0 +1\n")

    def test_every_architecture_that_was_measured(self) -> None:
        self.keep("6.12-x86_64-debug", self.value(arch="x86_64", debug=True))
        self.keep("6.12-um", self.value())
        self.keep("6.1-um", self.value(kernel="6.1.1"))
        text = self.letter()
        self.assertLess(text.index("um, by"),
                        text.index('x86_64, by "make run KERNEL=6.12 ARCH=x86_64 DEBUG=1"'))
        self.assertNotIn("6.1.1", text)

    def test_results_of_other_suites_do_not_count(self) -> None:
        self.keep("6.12-um", self.value())
        write(self.repo / "mm/tests/one_kunit.c", "int changed;\n")
        self.refuse("is outdated", "make run KERNEL=6.12",
                    arguments=["--branch", "new", "--tree", str(self.tree)])
