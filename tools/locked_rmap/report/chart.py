# SPDX-License-Identifier: GPL-2.0-only
"""A chart of grouped bars as SVG: one file, no script, readable on light and on dark."""

import math
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple
from xml.sax.saxutils import escape

#: Fills on light and on dark: of what the chart is about, and of what it is compared with.
_KERNELS = (("#98a2ae", "#7d8894"), ("#5aaceb", "#8cc8f5"), ("#1862b8", "#3d8fe0"), ("#0a3370", "#b9a6ff"))
_OTHERS = (("#e3a12f", "#e0a93f"), ("#c6562b", "#e07a50"), ("#7a9a3a", "#9dbb5c"))

# All in pixels at the chart's own size.
_MARGIN = 24
_AXIS = 64
_BAR, _GAP, _BETWEEN = 40, 5, 44
_HEIGHT = 280
_TEXT, _SMALL, _TITLE = 13, 12, 18
_LINE = 22
#: What an average letter is wide, in parts of the size of the type; on the safe side for any sans serif.
_LETTER = 0.65
_NARROWEST = 560


class Series(NamedTuple):
    """Bars of one colour: a figure for each group, None where there is none."""

    name: str
    values: Sequence[Optional[int]]
    #: Not what the chart is about: what that is compared with.
    other: bool = False


def width(text: str, size: float) -> float:
    """About what @text takes at type of @size, in pixels."""
    return len(text) * size * _LETTER


def label(value: int) -> str:
    """@value in few letters."""
    return str(value) if value < 1000000 else f"{value / 1000000:.1f}M"


def decades(values: Sequence[int]) -> Tuple[int, int]:
    """The powers of ten between which a logarithmic axis has @values, all above the lower one."""
    positive = [value for value in values if value > 0] or [1]
    low = max(math.ceil(math.log10(min(positive))) - 1, 0)
    return low, max(math.ceil(math.log10(max(positive))), low + 1)


class _Scale(NamedTuple):
    """Where values lie between the pixels @bottom and @top."""

    low: int
    high: int
    bottom: float
    top: float

    def y(self, value: int) -> float:
        """The height of @value; nothing lies below the axis."""
        part = (math.log10(max(value, 1)) - self.low) / (self.high - self.low)
        return self.bottom - max(part, 0.0) * (self.bottom - self.top)


def _styles(series: Sequence[Series]) -> Tuple[List[str], str]:
    """The class of each of @series, and the style sheet."""
    classes: List[str] = []
    seen = {True: 0, False: 0}
    fills: Dict[str, Tuple[str, str]] = {}
    for each in series:
        palette = _OTHERS if each.other else _KERNELS
        number = seen[each.other]
        seen[each.other] += 1
        name = f"{'o' if each.other else 'k'}{number}"
        fills[name] = palette[number % len(palette)]
        classes.append(name)

    def rules(dark: int) -> str:
        back, text, faint, grid = (("#ffffff", "#1f2328", "#59636e", "#d9dee4"),
                                   ("#0d1117", "#e6edf3", "#9aa4af", "#2b323b"))[dark]
        return (f".back{{fill:{back}}}text{{fill:{text}}}.faint{{fill:{faint}}}"
                f".grid{{stroke:{grid}}}.axis{{stroke:{faint}}}"
                + "".join(f".{name}{{fill:{pair[dark]}}}" for name, pair in fills.items()))

    return classes, (f"text{{font:{_TEXT}px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}}"
                     f".title{{font-size:{_TITLE}px;font-weight:600}}.small{{font-size:{_SMALL}px}}"
                     f"{rules(0)}@media(prefers-color-scheme:dark){{{rules(1)}}}")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"' + (f' class="{kind}"' if kind else "")
            + f">{escape(text)}</text>")


def _legend(series: Sequence[Series], classes: Sequence[str], left: float, right: float,
            top: float) -> Tuple[List[str], float]:
    """The legend between @left and @right, and where it ends."""
    found: List[str] = []
    x, y = left, top
    previous: Optional[Series] = None
    for each, name in zip(series, classes):
        need = 20 + width(each.name, _TEXT)
        # The two kinds stand in lines of their own.
        if previous is not None and (x + need > right or each.other != previous.other):
            x, y = left, y + _LINE
        found.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="13" height="13" rx="2" class="{name}"/>')
        found.append(_text(x + 20, y + 11, each.name))
        x += need + 22
        previous = each
    return found, y + _LINE


def render(title: str, subtitle: str, unit: str, groups: Sequence[str], series: Sequence[Series]) -> str:
    """The chart: for each of @groups a bar of each of @series, on a logarithmic axis of @unit.

    A series has no bar where it has no value.  There has to be one value at least.
    """
    series = [each for each in series if any(value is not None for value in each.values)]
    classes, style = _styles(series)
    shown = [[(each, name, value) for each, name in zip(series, classes)
              for value in [each.values[number]] if value is not None] for number in range(len(groups))]
    spans = [max(len(bars) * (_BAR + _GAP) - _GAP, width(group, _TEXT)) for bars, group in zip(shown, groups)]
    left = _MARGIN + _AXIS
    across = max(left + sum(spans) + _BETWEEN * len(spans) + _MARGIN, _NARROWEST,
                 *(2 * _MARGIN + width(text, size) for text, size in ((title, _TITLE), (subtitle, _TEXT))))
    between = (across - _MARGIN - left - sum(spans)) / len(spans)
    legend, top = _legend(series, classes, _MARGIN, across - _MARGIN, 78)
    # Above the axis: its unit, and the figure of the tallest bar.
    plot = top + 48
    low, high = decades([value for each in series for value in each.values if value is not None])
    scale = _Scale(low, high, plot + _HEIGHT, plot)
    bottom = scale.bottom + 28 + _MARGIN
    body = [f'<rect width="{across:.0f}" height="{bottom:.0f}" class="back"/>',
            _text(_MARGIN, 36, title, "title"), _text(_MARGIN, 58, subtitle, "faint"), *legend,
            _text(_MARGIN, plot - 26, unit, "faint small")]
    for power in range(low, high + 1):
        y = scale.y(10 ** power)
        kind = "axis" if power == low else "grid"
        body.append(f'<line x1="{left}" y1="{y:.1f}" x2="{across - _MARGIN:.1f}" y2="{y:.1f}" class="{kind}"/>')
        body.append(_text(left - 8, y + 4, label(10 ** power), "faint small", "end"))
    x = left + between / 2
    for group, bars, span in zip(groups, shown, spans):
        at = x + (span - (len(bars) * (_BAR + _GAP) - _GAP)) / 2
        for each, name, value in bars:
            y = scale.y(value)
            body.append(f'<rect x="{at:.1f}" y="{y:.1f}" width="{_BAR}" height="{scale.bottom - y:.1f}" class="{name}">'
                        f"<title>{escape(f'{each.name}, {group}: {value}')}</title></rect>")
            body.append(_text(at + _BAR / 2, y - 5, label(value), "small", "middle"))
            at += _BAR + _GAP
        body.append(_text(x + span / 2, scale.bottom + 24, group, "", "middle"))
        x += span + between
    told = "; ".join(f"{group}: " + ", ".join(f"{each.name} {value}" for each, _, value in bars)
                     for group, bars in zip(groups, shown))
    return "\n".join([
        "<!-- SPDX-License-Identifier: GPL-2.0-only -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:.0f} {bottom:.0f}" width="{across:.0f}" '
        f'height="{bottom:.0f}" role="img" aria-labelledby="t d">',
        f'<title id="t">{escape(title)}</title>', f'<desc id="d">{escape(f"{subtitle} {told}.")}</desc>',
        f"<style>{style}</style>", *body, "</svg>", ""])
