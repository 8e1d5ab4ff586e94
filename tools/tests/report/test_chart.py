# SPDX-License-Identifier: GPL-2.0-only
"""The chart of what a move costs."""

import re
import unittest
from typing import Dict, List, Mapping, Optional
from xml.etree import ElementTree

from locked_rmap.guest.figures import Stage
from locked_rmap.guest.measure import CALLS
from locked_rmap.report import costs, page

from ..benched import counted, figure, kernels, outcome, stage

SVG = "{http://www.w3.org/2000/svg}"
#: What is compared with the moves; some figures are missing.
OTHERS = {"mremap.1": 16600, "mremap.16": 1044, "mremap.512": 66, "mremap-dontunmap.512": 100}


def stages() -> Dict[str, Stage]:
    """Three stages, and on stock what a user would pick instead."""
    told = {**counted("stock"), **{name: figure(value) for name, value in OTHERS.items()}}
    return {**kernels(), "stock": stage(*[outcome(told=told)] * 2)}


def draw(found: Optional[Mapping[str, Stage]] = None) -> ElementTree.Element:
    """The chart, parsed."""
    chart = costs.chart("6.12 <&> \"more\"", stages() if found is None else found)
    return ElementTree.fromstring(page.render("chart.svg.j2", chart=chart, width=640))


def bars(root: ElementTree.Element) -> Dict[str, float]:
    """What the title of a bar says, and the part of the room that it takes."""
    return {title.text or "": float(rect.attrib["width"].rstrip("%"))
            for rect in root.iter(f"{SVG}rect") for title in rect.iter(f"{SVG}title")}


class ChartTest(unittest.TestCase):
    """chart() and its template."""

    def test_a_bar_a_figure(self) -> None:
        found = bars(draw())
        self.assertEqual(len(found), 13)
        self.assertEqual(found["mremap(), 1 page a call: 16600"], 80)
        # A group has a scale of its own.
        self.assertEqual(found["UFFDIO_MOVE, stock, 512 pages a call: 938"], 80)
        self.assertAlmostEqual(found["UFFDIO_MOVE, batched, 512 pages a call: 106"],
                               80 * 106 / 938, 1)

    def test_every_bar_bears_its_name_and_its_figure(self) -> None:
        texts = [text.text for text in draw().iter(f"{SVG}text")]
        for told in ("1919", "106", "16600", "100", "UFFDIO_MOVE, stock", "mremap()",
                     "UFFDIO_MOVE, batched", "mremap(), MREMAP_DONTUNMAP", "16 pages a call",
                     "Linux 6.12 <&> \"more\" on x86_64, one thread"):
            self.assertIn(told, texts)
        self.assertNotIn("UFFDIO_COPY and MADV_DONTNEED", texts)

    def test_texts_stand_apart_and_inside(self) -> None:
        root = draw()
        high = float(root.attrib["height"])
        texts = [float(text.attrib["y"]) for text in root.iter(f"{SVG}text") if not text.get("dx")]
        self.assertTrue(all(after - before >= 18 for before, after in zip(texts, texts[1:])), texts)
        for rect in root.iter(f"{SVG}rect"):
            if rect.get("class") != "back":
                self.assertLessEqual(float(rect.attrib["y"]) + float(rect.attrib["height"]), high)

    def test_light_and_dark(self) -> None:
        root = draw()
        style = next(root.iter(f"{SVG}style")).text or ""
        light, dark = style.split("@media(prefers-color-scheme:dark)")
        kinds: List[str] = [rect.attrib["class"] for rect in root.iter(f"{SVG}rect")]
        self.assertEqual(len(set(kinds)), 1 + 3 + 2)
        for kind in set(kinds):
            self.assertIn(f".chart .{kind}{{fill:var(--{kind})}}", style)
            pair = [re.search(rf"--{kind}:(#\w+)", part) for part in (light, dark)]
            assert pair[0] is not None and pair[1] is not None, kind
            self.assertNotEqual(pair[0].group(1), pair[1].group(1), kind)

    def test_it_stands_alone_and_is_told(self) -> None:
        root = draw()
        self.assertEqual(root.attrib["aria-labelledby"].split(),
                         [next(root.iter(f"{SVG}{tag}")).attrib["id"] for tag in ("title", "desc")])
        self.assertIn("512 pages a call: UFFDIO_MOVE, stock 938, ",
                      next(root.iter(f"{SVG}desc")).text or "")
        text = ElementTree.tostring(root, "unicode")
        self.assertEqual(re.findall(r"(?:href|src|url\(|@import|<script|<image)", text), [])

    def test_many_stages_and_zeroes(self) -> None:
        zero = stage(outcome(told={f"move.{calls}": figure(0) for calls in CALLS}))
        found = bars(draw({f"stage{number}": zero for number in range(6)}))
        self.assertEqual((len(found), set(found.values())), (18, {0}))

    def test_no_move_no_chart(self) -> None:
        self.assertEqual(costs.chart("6.12", {"stock": stage(outcome())}), {})
