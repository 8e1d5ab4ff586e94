# SPDX-License-Identifier: GPL-2.0-only
"""Putting stages into a work tree, and the times that kbuild goes by."""

import errno
import os
import time
from pathlib import Path
from typing import Dict, List, Tuple
from unittest import mock

from locked_rmap.base import files
from locked_rmap.kernel import overlay, worktree
from locked_rmap.base.errors import Stop

from ..support import RMAP, Case, kernel_tree, snapshot, write

OLD = 1_600_000_000_000_000_000


class TreeCase(Case):
    """A pristine tree with old times and a work tree made from it."""

    def setUp(self) -> None:
        super().setUp()
        self.pristine = kernel_tree(self.temp / "pristine")
        for path in self.pristine.rglob("*"):
            os.utime(path, ns=(OLD, OLD))
        self.work = worktree.WorkTree(self.temp / "work", self.pristine)
        self.work.populate(self.console)
        self.one = self.work.build_dir("um", "one")
        self.two = self.work.build_dir("um", "two")

    def mtime(self, name: str) -> int:
        """The mtime of a file of the work tree, in ns."""
        return (self.work.tree / name).stat().st_mtime_ns

    def text(self, name: str) -> str:
        """The content of a file of the work tree."""
        return (self.work.tree / name).read_text(encoding="utf-8")


class InstallTest(TreeCase):
    """WorkTree.install()."""

    A: Dict[str, bytes] = {"mm/rmap.c": b"A\n", "mm/tests/x.c": b"x\n"}
    B: Dict[str, bytes] = {"mm/rmap.c": b"B\n"}

    def test_the_pristine_tree_never_changes(self) -> None:
        before = {name: entry[:2] + entry[3:] for name, entry in snapshot(self.pristine).items()
                  if isinstance(entry, tuple)}
        stages: List[Dict[str, bytes]] = [self.A, self.B, {}, self.A]
        for contents in stages:
            self.work.install(contents, self.one)
        after = {name: entry[:2] + entry[3:] for name, entry in snapshot(self.pristine).items()
                 if isinstance(entry, tuple)}
        self.assertEqual(after, before)

    def test_files_of_another_stage_go_back_or_away(self) -> None:
        self.work.install(self.A, self.one)
        self.work.install({}, self.two)
        self.assertEqual(self.text("mm/rmap.c"), RMAP)
        self.assertFalse((self.work.tree / "mm/tests").exists())

    def test_pristine_files_keep_their_own_time(self) -> None:
        self.work.install(self.A, self.one)
        self.work.install({}, self.two)
        self.assertEqual(self.mtime("mm/rmap.c"), OLD)

    def test_switching_between_stages_rebuilds_nothing(self) -> None:
        self.work.install(self.A, self.one)
        first = self.mtime("mm/rmap.c")
        self.work.install(self.B, self.two)
        second = self.mtime("mm/rmap.c")
        self.assertEqual(self.work.install(self.A, self.one), [])
        self.assertEqual((self.text("mm/rmap.c"), self.mtime("mm/rmap.c")), ("A\n", first))
        self.assertEqual(self.work.install(self.B, self.two), [])
        self.assertEqual((self.text("mm/rmap.c"), self.mtime("mm/rmap.c")), ("B\n", second))

    def test_an_edit_and_its_undoing_each_get_a_new_time(self) -> None:
        self.work.install(self.A, self.one)
        times = [self.mtime("mm/rmap.c")]
        for contents in (self.B, self.A):
            self.assertIn("mm/rmap.c", self.work.install(contents, self.one))
            times.append(self.mtime("mm/rmap.c"))
        self.assertEqual(times, sorted(set(times)))

    def test_going_back_to_pristine_is_a_change_too(self) -> None:
        self.work.install(self.A, self.one)
        built = time.time_ns()
        self.assertIn("mm/rmap.c", self.work.install({}, self.one))
        self.assertEqual(self.text("mm/rmap.c"), RMAP)
        self.assertGreaterEqual(self.mtime("mm/rmap.c"), built)

    def test_only_what_changed_gets_a_new_time(self) -> None:
        self.work.install(self.A, self.one)
        kept = self.mtime("mm/tests/x.c")
        self.work.install({**self.A, "mm/rmap.c": b"C\n"}, self.one)
        self.assertEqual(self.mtime("mm/tests/x.c"), kept)

    def test_a_changed_kconfig_is_configured_anew(self) -> None:
        config = write(self.one / ".config", "# CONFIG_MODULES is not set\n")
        contents = {**self.A, "mm/tests/Kconfig": b"A\n"}
        self.work.install(contents, self.one)
        self.assertFalse(config.exists())
        write(config, "CONFIG_MODULES=y\n")
        self.work.install({**contents, "mm/rmap.c": b"B\n"}, self.one)
        self.assertTrue(config.exists())

    def test_an_interrupted_install_is_finished_by_the_next(self) -> None:
        self.work.install(self.A, self.one)
        real = files.write_atomic

        def dying(path: Path, data: bytes, mode: int = 0o644) -> None:
            if path.name == "rmap.c":
                raise KeyboardInterrupt
            real(path, data, mode)

        contents = {"mm/a.c": b"new\n", **self.B}
        with mock.patch.object(files, "write_atomic", dying):
            with self.assertRaises(KeyboardInterrupt):
                self.work.install(contents, self.one)
        self.work.install({}, self.two)
        self.assertFalse((self.work.tree / "mm/a.c").exists(), "a file was forgotten")
        self.assertIn("mm/rmap.c", self.work.install(contents, self.one))
        self.assertEqual(self.text("mm/rmap.c"), "B\n")

    def test_a_full_disk_leaves_the_old_file(self) -> None:
        self.work.install(self.A, self.one)
        full = OSError(errno.ENOSPC, "No space left on device", "x")
        with mock.patch("os.replace", side_effect=full):
            with self.assertRaises(OSError):
                self.work.install(self.B, self.one)
        self.assertEqual(self.text("mm/rmap.c"), "A\n")
        self.assertEqual([path.name for path in self.work.base.iterdir() if ".tmp" in path.name],
                         [])


class BuildDirTest(TreeCase):
    """WorkTree.open_build(): where an O= directory starts from."""

    def built(self, build: Path) -> None:
        """Make @build look like a finished build."""
        self.work.open_build(build, "um", self.console)
        self.work.install({"mm/rmap.c": b"A\n"}, build)
        write(build / "rmap.o", "object")
        worktree.mark_path(build, "done").touch()

    def test_a_new_one_is_a_copy_of_a_finished_one_with_its_ledger(self) -> None:
        self.built(self.one)
        self.work.open_build(self.two, "um", self.console)
        self.assertEqual((self.two / "rmap.o").read_text(encoding="utf-8"), "object")
        self.assertEqual(self.work.install({"mm/rmap.c": b"A\n"}, self.two), [])
        self.assertEqual(self.work.install({"mm/rmap.c": b"B\n"}, self.two), ["mm/rmap.c"])

    def test_an_unfinished_one_is_no_start(self) -> None:
        self.built(self.one)
        worktree.mark_path(self.one, "building").touch()
        self.work.open_build(self.two, "um", self.console)
        self.assertEqual(list(self.two.iterdir()), [])

    def test_another_configuration_is_no_start(self) -> None:
        self.built(self.one)
        other = self.work.build_dir("x86_64", "one")
        self.work.open_build(other, "x86_64", self.console)
        self.assertEqual(list(other.iterdir()), [])
        self.built(self.work.build_dir("um-debug", "one"))
        worktree.mark_path(self.one, "done").unlink()
        self.work.open_build(self.two, "um", self.console)
        self.assertEqual(list(self.two.iterdir()), [])

    def test_more_options_start_from_a_build_without(self) -> None:
        self.built(self.one)
        other = self.work.build_dir("um-0123abcd", "one")
        self.work.open_build(other, "um-0123abcd", self.console)
        self.assertEqual((other / "rmap.o").read_text(encoding="utf-8"), "object")
        self.work.open_build(self.two, "um-clang", self.console)
        self.assertEqual(list(self.two.iterdir()), [])

    def test_what_a_cut_off_build_wrote_is_dropped(self) -> None:
        self.built(self.one)
        os.utime(self.one / "rmap.o", ns=(OLD, OLD))
        worktree.mark_path(self.one, "building").touch()
        write(self.one / "half.o", "ha")
        self.work.open_build(self.one, "um", self.console)
        self.assertEqual([path.name for path in self.one.iterdir()], ["rmap.o"])


class HookTest(TreeCase):
    """Hooking mm/tests in."""

    def test_hooks_stand_once(self) -> None:
        contents: overlay.Contents = {}
        overlay.add_hooks(contents, self.pristine)
        overlay.add_hooks(contents, self.pristine)
        kconfig = contents["mm/Kconfig"].decode()
        self.assertEqual(kconfig.count(overlay.KCONFIG_HOOK), 1)
        self.assertLess(kconfig.index(overlay.KCONFIG_HOOK), kconfig.rindex("endmenu"))
        self.assertEqual(contents["mm/Makefile"].decode().count("tests/"), 1)

    def test_the_trees_own_hooks_do(self) -> None:
        write(self.pristine / "mm/Kconfig", 'menu "M"\nsource "mm/tests/Kconfig"\nendmenu\n')
        write(self.pristine / "mm/Makefile", "obj-$(CONFIG_KUNIT) += tests/\n")
        contents: overlay.Contents = {}
        overlay.add_hooks(contents, self.pristine)
        for name in ("mm/Kconfig", "mm/Makefile"):
            self.assertEqual(contents[name], (self.pristine / name).read_bytes())

    def test_one_object_of_tests_is_no_hook(self) -> None:
        write(self.pristine / "mm/Makefile", "obj-$(CONFIG_Y) += tests/lazy.o\n")
        contents: overlay.Contents = {}
        overlay.add_hooks(contents, self.pristine)
        self.assertIn(overlay.MAKEFILE_HOOK, contents["mm/Makefile"].decode())


class KeepTheirsTest(Case):
    """keep_theirs(): a tree's own mm/tests beside the suites."""

    OURS = {"mm/tests/Kconfig": b"# SPDX-License-Identifier: GPL-2.0-only\n\nconfig X\n\tbool\n",
            "mm/tests/Makefile": b"# SPDX-License-Identifier: GPL-2.0-only\n\n"
                                 b"obj-$(CONFIG_X) += x.o\n"}

    def joined(self, kconfig: str = "", makefile: str = "") -> Tuple[str, str]:
        """The two files, in a tree that has these; an empty text is no file."""
        tree = self.temp / "tree"
        for name, text in (("Kconfig", kconfig), ("Makefile", makefile)):
            if text:
                write(tree / "mm/tests" / name, text)
        found = dict(self.OURS)
        overlay.keep_theirs(found, tree)
        return found["mm/tests/Kconfig"].decode(), found["mm/tests/Makefile"].decode()

    def test_a_tree_without_them_gets_ours(self) -> None:
        self.assertEqual(self.joined(), tuple(text.decode() for text in self.OURS.values()))

    def test_theirs_come_first(self) -> None:
        kconfig, makefile = self.joined("# theirs\nconfig LAZY\n\tbool\n",
                                        "obj-$(CONFIG_LAZY) += lazy.o\n")
        self.assertEqual(kconfig, "# theirs\nconfig LAZY\n\tbool\n\nconfig X\n\tbool\n")
        self.assertEqual(makefile, "obj-$(CONFIG_LAZY) += lazy.o\n\nobj-$(CONFIG_X) += x.o\n")

    def test_an_older_copy_of_ours_is_replaced(self) -> None:
        kconfig, makefile = self.joined("config X\n\ttristate\n\tdefault y\n",
                                        "obj-y += \\\n\tx.o\n")
        self.assertEqual((kconfig, makefile), tuple(text.decode() for text in self.OURS.values()))
        kconfig, makefile = self.joined("config X\n\tint\n\nif Y\nconfig Z\n\tbool\nendif\n",
                                        "obj-y += x.o\nobj-y += y.o\n")
        self.assertEqual(kconfig, "if Y\nconfig Z\n\tbool\nendif\n\nconfig X\n\tbool\n")
        self.assertEqual(makefile, "obj-y += y.o\n\nobj-$(CONFIG_X) += x.o\n")


class UserTreeTest(Case):
    """A tree of the user's own."""

    def setUp(self) -> None:
        super().setUp()
        self.user = kernel_tree(self.temp / "user")
        write(self.user / ".gitignore", "*.o\n.*\n/vmlinux\n")
        write(self.user / "mm/rmap.o", "object")
        write(self.user / ".config", "CONFIG_X=y\n")
        write(self.user / "include/generated/x.h", "x")
        self.work = worktree.WorkTree(self.temp / "work", self.user)

    def test_it_is_copied_without_build_products_and_never_written(self) -> None:
        before = snapshot(self.user)
        self.work.sync(self.console)
        self.work.install({"mm/rmap.c": b"A\n", "mm/tests/x.c": b"x"},
                          self.work.build_dir("um", "one"))
        self.work.sync(self.console)
        self.assertEqual(snapshot(self.user), before)
        self.assertTrue((self.work.tree / "mm/Makefile").is_file())
        for name in ("mm/rmap.o", ".config", "include/generated/x.h"):
            self.assertFalse((self.work.tree / name).exists(), name)
        self.assertEqual((self.work.tree / "mm/rmap.c").read_bytes(), b"A\n")

    def test_a_gitignore_that_names_everything_is_not_obeyed(self) -> None:
        write(self.user / ".gitignore", "*.o\n.*\n/vmlinux\n/*\n!/debian/\n")
        self.work.sync(self.console)
        self.assertTrue((self.work.tree / "mm/rmap.c").is_file())
        for name in ("mm/rmap.o", ".config", "include/generated/x.h"):
            self.assertFalse((self.work.tree / name).exists(), name)

    def test_a_change_with_an_old_time_is_seen_and_looks_new(self) -> None:
        write(self.user / "mm/util.c", "one\n")
        os.utime(self.user / "mm/util.c", ns=(OLD, OLD))
        self.work.sync(self.console)
        stamp = self.work.stamp()
        built = time.time_ns()
        write(self.user / "mm/util.c", "two\n")
        os.utime(self.user / "mm/util.c", ns=(OLD, OLD))
        self.work.sync(self.console)
        self.assertEqual((self.work.tree / "mm/util.c").read_bytes(), b"two\n")
        self.assertGreaterEqual((self.work.tree / "mm/util.c").stat().st_mtime_ns, built)
        self.assertNotEqual(self.work.stamp(), stamp)

    def test_an_unchanged_tree_keeps_its_stamp(self) -> None:
        self.work.sync(self.console)
        stamp = self.work.stamp()
        self.work.sync(self.console)
        self.assertEqual(self.work.stamp(), stamp)

    def test_a_file_that_went_away_goes(self) -> None:
        write(self.user / "mm/util.c", "one\n")
        self.work.sync(self.console)
        (self.user / "mm/util.c").unlink()
        self.work.sync(self.console)
        self.assertFalse((self.work.tree / "mm/util.c").exists())

    def test_what_is_no_kernel_is_refused(self) -> None:
        (self.user / "mm/rmap.c").unlink()
        with self.assertRaisesRegex(Stop, "has no mm/rmap.c"):
            self.work.sync(self.console)
