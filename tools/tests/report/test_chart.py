# SPDX-License-Identifier: GPL-2.0-only
"""The chart."""

import re
import unittest
from typing import Dict, List, NamedTuple, Optional, Sequence
from xml.etree import ElementTree

from locked_rmap.report import chart

from ..benched import MOVES


class Box(NamedTuple):
    """A rectangle: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        """Tell whether they overlap."""
        return (self.left < other.right and other.left < self.right
                and self.top < other.bottom and other.top < self.bottom)


class ChartTest(unittest.TestCase):
    """render()."""

    series = [chart.Series(f"UFFDIO_MOVE, {stage}", values) for stage, values in MOVES.items()] + [
        chart.Series("mremap()", (16600, 1044, 66), True),
        chart.Series("mremap(), MREMAP_DONTUNMAP", (None, None, 100), True),
        chart.Series("nothing", (None, None, None), True)]
    groups = ["1 page a call", "16 pages a call", "512 pages a call"]

    def draw(self, series: Optional[Sequence[chart.Series]] = None,
             title: str = "Cost <&> \"more\"") -> ElementTree.Element:
        """The chart, parsed."""
        return ElementTree.fromstring(chart.render(title, "About it.", "instructions a page",
                                                   self.groups,
                                                   self.series if series is None else series))

    @staticmethod
    def tagged(root: ElementTree.Element, tag: str) -> List[ElementTree.Element]:
        """The elements called @tag."""
        return list(root.iter("{http://www.w3.org/2000/svg}" + tag))

    def bars(self, root: ElementTree.Element) -> Dict[str, Box]:
        """The bars by what their title says."""
        found: Dict[str, Box] = {}
        for rect in self.tagged(root, "rect"):
            for title in self.tagged(rect, "title"):
                x, y, wide, high = (float(rect.attrib[key])
                                    for key in ("x", "y", "width", "height"))
                found[title.text or ""] = Box(x, y, x + wide, y + high)
        return found

    def texts(self, root: ElementTree.Element) -> Dict[str, Box]:
        """The texts, numbered, and about where they stand."""
        sizes = {"title": 18, "small": 12}
        found: Dict[str, Box] = {}
        for number, text in enumerate(self.tagged(root, "text")):
            size = min([sizes[word] for word in text.get("class", "").split() if word in sizes]
                       or [13])
            wide = len(text.text or "") * size * 0.62
            x, y = float(text.attrib["x"]), float(text.attrib["y"])
            left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[text.attrib["text-anchor"]]
            found[f"{number}: {text.text}"] = Box(left, y - size * 0.75, left + wide, y
                                                  + size * 0.2)
        return found

    def test_a_bar_a_figure(self) -> None:
        bars = self.bars(self.draw())
        self.assertEqual(len(bars), 13)
        self.assertIn("UFFDIO_MOVE, batched, 512 pages a call: 106", bars)
        high = {title: box.bottom - box.top for title, box in bars.items()}
        ordered = sorted(bars, key=lambda title: int(title.rsplit(" ", 1)[1]))
        self.assertEqual(sorted(high, key=lambda title: high[title]), ordered)
        self.assertGreater(min(high.values()), 10, "a bar that cannot be seen")
        self.assertEqual(len({box.bottom for box in bars.values()}), 1)

    def test_every_bar_bears_its_figure_and_every_series_is_in_the_legend(self) -> None:
        texts = [name.split(": ", 1)[1] for name in self.texts(self.draw())]
        for value in (1919, 998, 938, 1703, 812, 766, 1450, 201, 106, 16600, 1044, 66, 100):
            self.assertIn(str(value), texts)
        for name in ("UFFDIO_MOVE, stock", "UFFDIO_MOVE, batched", "mremap()", *self.groups,
                     "Cost <&> \"more\""):
            self.assertIn(name, texts)
        self.assertNotIn("nothing", texts)

    def test_nothing_overlaps_or_sticks_out(self) -> None:
        many = [chart.Series(f"UFFDIO_MOVE, stage{number}", (999999, 54321, 10))
                for number in range(6)]
        for name, series in (("usual", self.series), ("many", many + self.series),
                             ("one", many[:1])):
            with self.subTest(name):
                root = self.draw(series, "What it costs to move a page, on a kernel with a rather "
                                         "long name of its own")
                _, _, wide, high = map(float, root.attrib["viewBox"].split())
                page = Box(0, 0, wide, high)
                boxes = [*self.texts(root).items(), *self.bars(root).items()]
                for number, (first, box) in enumerate(boxes):
                    self.assertTrue(box.left >= page.left and box.right <= page.right
                                    and box.top >= page.top and box.bottom <= page.bottom, first)
                    for second, other in boxes[number + 1:]:
                        self.assertFalse(box.meets(other), f"{first} meets {second}")

    def test_light_and_dark(self) -> None:
        style = self.tagged(self.draw(), "style")[0].text or ""
        light, dark = style.split("@media(prefers-color-scheme:dark)")
        for name in ("back", "k0", "k1", "k2", "o0"):
            pair = [re.search(rf"\.{name}{{fill:(#\w+)}}", part) for part in (light, dark)]
            assert pair[0] is not None and pair[1] is not None, name
            self.assertNotEqual(pair[0].group(1), pair[1].group(1), name)

    def test_every_rectangle_has_its_fill(self) -> None:
        root = self.draw()
        style = self.tagged(root, "style")[0].text or ""
        fills = [rect.get("class", "") for rect in self.tagged(root, "rect")]
        # The background, a bar each, and as many in the legend as there are series.
        self.assertEqual(len(fills), 1 + 13 + 5)
        for name in fills:
            self.assertIn(f".{name}{{fill:", style)

    def test_it_stands_alone(self) -> None:
        text = chart.render("a", "b", "c", self.groups, self.series)
        self.assertEqual(re.findall(r"(?:href|src|url\(|@import|<script|<image)", text), [])

    def test_decades(self) -> None:
        for values, limits in (([66, 16600], (1, 5)), ([100, 1000], (1, 3)), ([1], (0, 1)),
                               ([0], (0, 1)),
                               ([7, 0], (0, 1)), ([1000000], (5, 6))):
            with self.subTest(values):
                self.assertEqual(chart.decades(values), limits)
