# SPDX-License-Identifier: GPL-2.0-only
"""Pages: what they say, and that they do so in a browser, on a phone too."""

import json
import re
import shutil
import subprocess
import sys
import unittest
from html import escape, unescape
from typing import Any, Callable, Dict, List
from unittest import mock

from locked_rmap.base.errors import Stop
from locked_rmap.base.options import Tool
from locked_rmap.base.results import CRASH, FAIL, PASS, SKIP, Outcome
from locked_rmap.guest import bounds
from locked_rmap.kernel.series import Series
from locked_rmap.report import costs, page
from locked_rmap.verbs import bench

from ..benched import kernels
from ..support import REPO, Case, write

BAD = "<script>alert(1)</script>"
LONG = "a_test_with_a_name_that_is_much_longer_than_any_phone_is_wide_at_this_size_of_type"


def run_value() -> Dict[str, Any]:
    """What `run` hands on: a defect that is known, one that is not, and skips."""
    stock = Outcome({"rmap.shows": FAIL, "rmap.same": PASS, "rmap.thp": SKIP, f"x.{LONG}": PASS},
                    {"rmap.thp": "needs CONFIG_X"}, {"rmap.shows": ["EXPECTATION FAILED", BAD]})
    last = Outcome({"rmap.shows": PASS, "rmap.same": PASS, "rmap.thp": SKIP, f"x.{LONG}": CRASH},
                   {"rmap.thp": "needs CONFIG_X"}, died="the guest died")
    return {"kernel": "6.12.99", "arch": "um", "contract": "locked", "debug": True, "status": 1,
            "verdict": "Not shown to hold.", "must_fail": {"stock": ["rmap.shows"]},
            "stages": {"stock": {"suites": stock.value()}, "locked": {"suites": last.value()}},
            "runs": {"locked": {"runs": 5, "bad_runs": 2}}}


def check_value(contract: str = "revalidate") -> Dict[str, Any]:
    """What `check` hands on, of a tree that honours @contract."""
    place = {"file": f"mm/{LONG}.c", "line": 2, "says": "is not locked", "text": BAD}
    outcome = Outcome({"rmap.bad": FAIL, "rmap.skips": SKIP}, {"rmap.skips": "needs CONFIG_X"})
    cell = {"passed": 0, "failed": ["rmap.bad"], "skipped": 0}
    unseen = {"passed": 0, "failed": [], "skipped": 1}
    return {"kernel": "6.12.99", "tree": "/x/<tree>", "contract": contract, "verdict": "So it is.",
            "reasons": ["a reason"], "aside": ["an aside"], "look_at": ["here"],
            "not_seen": {"page_idle": "needs CONFIG_X"},
            "counts": {"unlocked": 1, "proved": 2}, "trusted_functions": ["folio_put"],
            "calls": [{"file": "mm/x.c", "line": 2, "function": BAD, "callee": "rmap_walk",
                       "status": "unlocked", "test_code": False, "caller": "reclaim",
                       "needs": ["folio if locked"], "note": "look again",
                       "ways": [{"calls": [{"function": LONG, "callee": "rmap_walk"}],
                                 "status": "unlocked",
                                 "evidence": [place]}] * 13}],
            "movers": [{"function": "move", "place": place, "lock": None}], "looks_again": [place],
            "matrix": [{"caller": "reclaim", "what": "page reclaim", "source": "unlocked",
                        "tests": {"um": {"locked": cell, "revalidate": unseen}},
                        "seeded_defects": 3}],
            "runs": {"um": {"locked": outcome.value(), "revalidate": outcome.value()}}}


def bench_value() -> Dict[str, Any]:
    """What `bench` hands on."""
    found = kernels()
    held = bounds.bounds(found, Series(REPO / "mm/patches/linux-6.12"), True)
    verdict = bounds.judge("6.12.99", found, held)
    return {"kernel": "6.12.99", "arch": "x86_64", "status": verdict.status,
            "verdict": verdict.sentence, **bench.summary(found, held),
            "tables": list(costs.tables(found)), "chart": costs.chart("6.12.99", found)}


VALUES: Dict[str, Callable[[], Dict[str, Any]]] = {
    "run": run_value, "check": check_value, "bench": bench_value}


def rows(text: str) -> List[str]:
    """The rows of a page's tables, without marks, in single spaces."""
    return [" ".join(unescape(re.sub(r"<[^>]*>", " ", row.replace("<wbr>", ""))).split())
            for row in re.findall(r"<tr.*?</tr>", text, re.S)]


class EveryTest(Case):
    """All pages."""

    def test_they_stand_alone_escape_and_can_be_read_by_machines(self) -> None:
        for name, value in VALUES.items():
            with self.subTest(name):
                text = page.html(name, value())
                self.assertTrue(text.startswith("<!DOCTYPE html>"))
                self.assertNotIn(BAD, text)
                alone = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
                self.assertIsNone(re.search(r"(?:src|href)=|url\(|@import|https?:", alone))
                for needed in ('scope="col"', 'scope="row"', "prefers-color-scheme:dark",
                               'lang="en"', "@media print", 'aria-live="polite"',
                               escape(value()["verdict"], quote=False)):
                    self.assertIn(needed, text)

    def test_what_was_said_is_there(self) -> None:
        self.assertIn(escape(BAD), page.html("run", run_value()))
        self.assertIn(escape(BAD), page.html("check", check_value()).replace("<wbr>", ""))

    def test_a_file_is_replaced_and_told(self) -> None:
        target = write(self.temp / "x.html", "old")
        with mock.patch("locked_rmap.kernel.packages.need") as need:
            page.write(Tool(REPO, self.console), target, "run", run_value())
        need.assert_called_once_with(self.console, ("python3-jinja2",))
        self.assertIn("not shown to hold", target.read_text(encoding="utf-8"))
        self.assertEqual(self.said.getvalue(), f"page: {target}\n")

    def test_a_python_without_jinja_is_told(self) -> None:
        with mock.patch.dict(sys.modules, {"jinja2": None}), \
                self.assertRaisesRegex(Stop, "python3-jinja2: run the tool with /usr/bin/python3"):
            page.html("run", run_value())


class RunTest(unittest.TestCase):
    """The page of `run`."""

    def test_a_row_a_test_with_its_reasons(self) -> None:
        found = rows(page.html("run", run_value()))
        for row in (f"shows stock EXPECTATION FAILED {BAD} ! FAIL ✓ pass",
                    "same ✓ pass ✓ pass",
                    "thp skipped: needs CONFIG_X – skip – skip"):
            self.assertIn(row, found)
        self.assertIn(f"{LONG} locked no result: the guest ended or hung before this test did "
                      "✓ pass ✗ CRASH", found)

    def test_what_the_filter_goes_by(self) -> None:
        text = page.html("run", run_value())
        self.assertEqual(re.findall(r'data-status="([^"]*)"', text),
                         ["differs failed", "", "skipped", "differs failed"])

    def test_bars_of_suites(self) -> None:
        text = page.html("run", run_value())
        self.assertEqual(re.findall(r'aria-label="(\d[^"]*)"', text),
                         ["1 pass, 1 fail as they may, 1 skipped", "2 pass, 1 skipped", "1 pass",
                          "1 wrong"])

    def test_what_the_verdict_says_more(self) -> None:
        text = page.html("run", run_value())
        for told in ("<b>locked</b>: the guest died", "<b>locked</b>: 5 runs, 2 with a failure",
                     "um, contract locked, with debugging"):
            self.assertIn(told, text)

    def test_what_is_wrong(self) -> None:
        outcome = Outcome({"s.fails": FAIL, "s.passes": PASS, "s.skips": SKIP}).value()
        kinds = {"last": ["bad", "good", "none", "none"], "known": ["warn", "bad", "none", "none"],
                 "lenient": ["warn", "good", "none", "none"]}
        for column in (page.Column("last", outcome),
                       page.Column("known", outcome, ["s.fails", "s.passes"]),
                       page.Column("lenient", outcome, lenient=True)):
            self.assertEqual([column.kind(f"s.{test}") for test in
                              ("fails", "passes", "skips", "absent")], kinds[column.name])

    def test_a_stage_without_a_list_may_fail_unless_it_is_the_last(self) -> None:
        value: Dict[str, Any] = {**run_value(), "must_fail": {}}
        self.assertEqual([column.lenient for column in page.columns("run", value)], [True, False])


class CheckTest(unittest.TestCase):
    """The page of `check`."""

    def test_the_matrix(self) -> None:
        found = rows(page.html("check", check_value()))
        self.assertIn("caller source um, revalidate um, locked seeded defects",
                      found)
        self.assertIn("reclaim page reclaim ! unlocked, revalidated ! not seen, 1 skip "
                      "! 1 fail, 0 pass which rmap.bad ✓ 3", found)
        found = rows(page.html("check", check_value("neither")))
        self.assertIn("reclaim page reclaim ✗ unlocked ✗ 1 fail, 0 pass which rmap.bad "
                      "! not seen, 1 skip ✓ 3", found)

    def test_a_tree_whose_source_alone_was_read(self) -> None:
        value: Dict[str, Any] = {**check_value(), "runs": {}}
        value["matrix"][0]["tests"] = {}
        text = page.html("check", value)
        self.assertIn("reclaim page reclaim ! unlocked, revalidated – not run ✓ 3", rows(text))
        self.assertNotIn("<h2>Tests</h2>", text)

    def test_what_the_filter_goes_by(self) -> None:
        text = page.html("check", check_value())
        self.assertEqual(re.findall(r'data-status="([^"]*)"', text),
                         ["failed skipped", "failed", "failed", "skipped"])
        self.assertEqual(text.count('<form class="filter"'), 1)

    def test_all_that_was_found(self) -> None:
        text = page.html("check", check_value()).replace("<wbr>", "")
        for told in ("<p>a reason</p>", "<p>an aside</p>", "<li>here</li>", "needs CONFIG_X",
                     "and 1 more ways", "relies on the folio lock", "is not locked", "look again",
                     "folio if locked", "1 unlocked,\n2 proved."):
            self.assertIn(told, text)


class BenchTest(unittest.TestCase):
    """The page of `bench`."""

    def test_tables_and_bounds(self) -> None:
        value = bench_value()
        value["bounds"][0].update(holds=False, value=9999)
        value["bounds"][1].update(holds=None, value=None, why="nobody asked")
        value["wrong"] = ["the guest died"]
        text = page.html("bench", value)
        found = rows(text)
        for row in ("UFFDIO_MOVE, 1 page a call instructions/page 1919 1703 1450",
                    "one CPU, instructions counted stock locked batched",
                    "two CPUs, the anon_vma's lock stock locked batched",
                    "move.1 locked ✗ 9999 at most 1919 (stock's 1919)",
                    "move.16 nobody asked locked ! not measured at most 998 (stock's 998)"):
            self.assertIn(row, found)
        self.assertIn("<code>move.1</code> on locked: 9999,\nmust be at most 1919", text)
        self.assertIn("<li>the guest died</li>", text)
        self.assertIn('<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="100%"', text)

    def test_no_chart(self) -> None:
        self.assertNotIn("<svg", page.html("bench", {**bench_value(), "chart": {}}))


@unittest.skipUnless(shutil.which("chromium"), "no chromium")
class BrowserTest(Case):
    """Pages in a browser."""

    def load(self, text: str, width: int, then: str = "") -> Dict[str, str]:
        """What a page of @text notes down when it is @width pixels wide, after @then."""
        # Chromium has no window below 500 pixels: a frame has.
        frame = write(self.temp / "frame.html", f"""<!DOCTYPE html>
            <iframe width="{width}" height="900" style="border:0" srcdoc="{escape(text)}"></iframe>
            <script>onload = () => {{
              const page = document.querySelector("iframe").contentDocument; {then};
              document.body.textContent = JSON.stringify(page.documentElement.dataset);
            }}</script>""")
        answer = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", f"--user-data-dir={self.temp / 'browser'}", "--dump-dom",
             frame.as_uri()], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            timeout=120, check=True)
        found: Dict[str, str] = json.loads(re.sub(r"<[^>]*>", "", answer.stdout))
        return found

    def test_the_script_runs_and_nothing_is_too_wide(self) -> None:
        shown = {"run": "4 of 4 shown", "check": "4 of 4 shown", "bench": "86 of 86 shown"}
        for name, value in VALUES.items():
            text = page.html(name, value())
            for width in (375, 1280):
                with self.subTest(name, width=width):
                    self.assertEqual(self.load(text, width),
                                     {"shown": shown[name], "overflow": "0"})

    def test_filters(self) -> None:
        text = page.html("run", run_value())
        for kind, words, shown in (("failed", "", 2), ("skipped", "", 1), ("", "config_x", 1),
                                   ("failed", "config_x", 0)):
            with self.subTest(kind, words=words):
                then = (f'const form = page.querySelector(".filter"); form.kind.value = "{kind}";'
                        f'form.text.value = "{words}"; form.dispatchEvent(new Event("input"))')
                self.assertEqual(self.load(text, 800, then)["shown"], f"{shown} of 4 shown")
