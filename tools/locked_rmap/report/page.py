# SPDX-License-Identifier: GPL-2.0-only
"""The result of `check` as one HTML page that needs nothing else."""

import os
from html import escape
from typing import Any, Dict, List, Mapping, Tuple

_STYLE = """
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--fg:#1b1f24;--dim:#59626d;--line:#dfe3e8;
--good:#116329;--good-bg:#dff5e3;--bad:#a4121f;--bad-bg:#ffe2e2;--warn:#7a4d00;--warn-bg:#fff0cc;
--none:#59626d;--none-bg:#eef0f3;--link:#0b57a4}
@media (prefers-color-scheme:dark){:root{--bg:#14171b;--card:#1c2026;--fg:#e6e9ed;--dim:#a2acb8;--line:#333a43;
--good:#8fe0a3;--good-bg:#163823;--bad:#ffaaa8;--bad-bg:#4c1a1f;--warn:#ffd479;--warn-bg:#41310d;
--none:#a2acb8;--none-bg:#262c34;--link:#8cc0ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:75rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
p{margin:.4rem 0;max-width:75ch}.dim{color:var(--dim);overflow-wrap:anywhere}
.verdict{border:1px solid var(--line);border-left:.5rem solid;border-radius:.4rem;background:var(--card);
padding:.8rem 1rem;margin:1rem 0}
.verdict>strong{font-size:1.15rem}
.verdict.good{border-left-color:var(--good)}.verdict.bad{border-left-color:var(--bad)}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:.4rem;background:var(--card)}
table{border-collapse:collapse;width:100%}
caption{text-align:left;position:sticky;left:0;max-width:calc(100vw - 3rem);padding:.6rem .8rem;color:var(--dim)}
th,td{padding:.5rem .8rem;text-align:left;vertical-align:top;border-top:1px solid var(--line)}
thead th{font-size:.85rem;color:var(--dim);white-space:nowrap}
tbody th{font-weight:600;min-width:11rem}tbody th span{display:block;font-weight:400;font-size:.85rem;color:var(--dim)}
.mark{display:inline-block;padding:.05rem .55rem;border-radius:1rem;font-size:.9rem;font-weight:600;white-space:nowrap}
.good .mark,.mark.good{color:var(--good);background:var(--good-bg)}
.bad .mark,.mark.bad{color:var(--bad);background:var(--bad-bg)}
.warn .mark,.mark.warn{color:var(--warn);background:var(--warn-bg)}
.none .mark,.mark.none{color:var(--none);background:var(--none-bg)}
ul.look{overflow-wrap:anywhere;padding-left:1.2rem}
details{border:1px solid var(--line);border-radius:.4rem;background:var(--card);margin:.4rem 0}
summary{cursor:pointer;padding:.45rem .8rem;overflow-wrap:anywhere}
summary:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:.4rem}
details.names{border:0;background:none;margin:.2rem 0 0;font-size:.85rem}
details.names summary{padding:0;color:var(--dim)}details.names ul{margin:.2rem 0 0;padding-left:1.1rem}
details>div{padding:.1rem .8rem .7rem}
code{font:.87em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.way{border-top:1px solid var(--line);padding:.5rem 0}.way:first-child{border-top:0}
.chain{margin:.2rem 0}.evidence{margin:.2rem 0;padding-left:1.2rem}
@media (max-width:40rem){th,td{padding:.4rem .5rem}thead th{white-space:normal}
tbody th{min-width:7rem}tbody th span{display:none}
td .mark{white-space:normal;font-size:.82rem;border-radius:.6rem}main{padding:1rem .6rem 3rem}}
@media print{details>div{display:block}body{background:#fff}}
"""

_KIND = {"unlocked": "bad", "cannot tell": "warn", "locked": "good", "never anonymous": "good"}
_SIGN = {"good": "✓", "bad": "✗", "warn": "!", "none": "–"}
#: Ways of one call that are shown.
_SHOWN = 12


def _mark(kind: str, text: str) -> str:
    return f'<span class="mark {kind}"><span aria-hidden="true">{_SIGN[kind]}</span> {escape(text)}</span>'


def _cell(passed: int, failed: List[str], skipped: int, kind: str) -> str:
    if failed:
        names = "".join(f"<li><code>{escape(name)}</code></li>" for name in failed[:4])
        more = f"<li>and {len(failed) - 4} more</li>" if len(failed) > 4 else ""
        # Names take the room of the matrix: folded.
        return (f'<td>{_mark(kind, f"{len(failed)} fail, {passed} pass")}<details class="names">'
                f'<summary>which</summary><ul>{names}{more}</ul></details></td>')
    if passed:
        return f'<td>{_mark("good", f"{passed} pass")}</td>'
    if skipped:
        return f'<td>{_mark("warn", f"not seen, {skipped} skip")}</td>'
    return f'<td>{_mark("none", "no test")}</td>'


def _matrix(value: Mapping[str, Any]) -> str:
    columns: List[Tuple[str, str]] = []
    for row in value["matrix"]:
        for arch, by_contract in row["tests"].items():
            for contract in by_contract:
                if (arch, contract) not in columns:
                    columns.append((arch, contract))
    # The contract that the tree honours first.
    columns.sort(key=lambda column: bool(column[1] != value["contract"]))
    heads = "".join(f'<th scope="col">run time: {escape(arch)}, {escape(contract)}</th>'
                    for arch, contract in columns) or '<th scope="col">run time</th>'
    lines = []
    for row in value["matrix"]:
        status = row["source"]
        kind = "warn" if status == "unlocked" and value["contract"] == "revalidate" else _KIND.get(status, "none")
        text = f"{status}, revalidated" if kind == "warn" and status == "unlocked" else status or "no call of its own"
        cells = f"<td>{_mark(kind, text)}</td>"
        for arch, contract in columns:
            cell = row["tests"].get(arch, {}).get(contract, {"passed": 0, "failed": [], "skipped": 0})
            # A tree honours one contract: that it fails the other's tests is how it should be.
            kind = "bad" if value["contract"] in (contract, "neither") else "warn"
            cells += _cell(cell["passed"], cell["failed"], cell["skipped"], kind)
        if not columns:
            cells += f'<td>{_mark("none", "not run")}</td>'
        count = row["seeded_defects"]
        seeded = _mark("good", str(count)) if count else _mark("none", "none")
        lines.append(f'<tr><th scope="row">{escape(row["caller"])}<span>{escape(row["what"])}</span></th>'
                     f"{cells}<td>{seeded}</td></tr>")
    return ('<div class="scroll" tabindex="0" role="region" aria-label="Callers against evidence"><table>'
            "<caption>Each caller that walks the reverse map of a folio, and what is known of it. "
            "Source: is the folio locked at every call? Run time: the tests of that caller, under each contract; "
            "a tree that honours one may fail tests of the other. "
            "Not seen: every test of it was skipped. "
            "Seeded defects: mistakes that the authors of the tests made on purpose, in a kernel of theirs, "
            "for these tests to catch.</caption>"
            f'<thead><tr><th scope="col">caller</th><th scope="col">source</th>{heads}'
            '<th scope="col">seeded defects</th></tr></thead>'
            f'<tbody>{"".join(lines)}</tbody></table></div>')


def _place(place: Mapping[str, Any]) -> str:
    where = f'<code>{escape(place["file"])}:{place["line"]}</code> ' if place["line"] else ""
    text = f'<br><code>{escape(place["text"])}</code>' if place["text"] else ""
    return f'<li>{where}{escape(place["says"])}{text}</li>'


def _site(site: Mapping[str, Any], contract: str) -> str:
    kind = "none" if site["test_code"] else _KIND[site["status"]]
    if kind == "bad" and contract == "revalidate":
        kind = "warn"
    word = "test code" if site["test_code"] else site["status"]
    ways = ""
    for way in site["ways"][:_SHOWN]:
        chain = " → ".join(f'<code>{escape(hop["function"])}()</code>' for hop in way["calls"] if hop["function"])
        evidence = "".join(_place(place) for place in way["evidence"])
        ways += (f'<div class="way">{_mark(kind if way["status"] == "unlocked" else _KIND[way["status"]], way["status"])}<p class="chain">{chain} → '
                 f'<code>{escape(site["callee"])}()</code></p><ul class="evidence">{evidence}</ul></div>')
    rest = len(site["ways"]) - _SHOWN
    if rest > 0:
        ways += f'<p class="dim">and {rest} more ways; --json has them all.</p>'
    call = (f'<code>{escape(site["function"])}()</code> calls <code>{escape(site["callee"])}()</code>'
            if site["function"] else f'<code>{escape(site["callee"])}()</code> is handed on')
    is_open = " open" if kind in ("bad", "warn") else ""
    return (f'<details{is_open}><summary>{_mark(kind, word)} <code>{escape(site["file"])}:{site["line"]}</code> '
            f'{call}</summary>'
            f"<div>{ways}</div></details>")


def _movers(value: Mapping[str, Any]) -> str:
    lines = []
    for mover in value["movers"]:
        place, lock = mover["place"], mover["lock"]
        text = (f'takes the anon_vma\'s lock for writing, <code>{escape(lock["file"])}:{lock["line"]}</code>'
                if lock else "takes no anon_vma lock: it relies on the folio lock")
        lines.append(f'<li><code>{escape(mover["function"])}()</code>, '
                     f'<code>{escape(place["file"])}:{place["line"]}</code>: {text}</li>')
    if not lines:
        lines.append("<li>This tree has no UFFDIO_MOVE.</li>")
    again = value["looks_again"]
    where = ", ".join(f'<code>{escape(place["file"])}:{place["line"]}</code>' for place in again)
    lines.append(f"<li>folio_lock_anon_vma_read() looks at folio-&gt;mapping again under the rwsem: {where}</li>"
                 if again else "<li>folio_lock_anon_vma_read() does not look at folio-&gt;mapping again "
                 "under the rwsem.</li>")
    return f'<ul>{"".join(lines)}</ul>'


def render(value: Dict[str, Any]) -> str:
    """The page for the value of --json."""
    good = value["contract"] != "neither"
    reasons = "".join(f"<p>{escape(text)}</p>" for text in value["reasons"])
    look = "".join(f"<li>{escape(text)}</li>" for text in value["look_at"])
    aside = "".join(f"<p>{escape(text)}</p>" for text in value["aside"])
    unseen = "".join(f"<li><strong>{escape(name)}</strong>: {escape(text)}</li>"
                     for name, text in value["not_seen"].items())
    if unseen:
        aside += f'<p>Not seen at run time, the source alone speaks for them:</p><ul class="look">{unseen}</ul>'
    look = f'<h2>Where to look</h2><ul class="look">{look}</ul>' if look else ""
    return ('<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f'<title>Linux {escape(value["kernel"])}: {escape(value["contract"])}</title>'
            f"<style>{_STYLE}</style></head><body><main>"
            "<h1>Which contract do its rmap walks honour?</h1>"
            f'<p class="dim">Linux {escape(value["kernel"])}, <code>{escape(os.path.basename(value["tree"]))}</code></p>'
            f'<div class="verdict {"good" if good else "bad"}"><strong>'
            f'{_mark("good" if good else "bad", value["contract"])}</strong>'
            f'<p>{escape(value["verdict"])}</p>{reasons}{aside}</div>'
            f"{look}<h2>Callers and evidence</h2>{_matrix(value)}"
            f"<h2>The mover</h2>{_movers(value)}"
            f'<h2>Every call, and what shows it</h2>{"".join(_site(site, value["contract"]) for site in value["sites"])}'
            "</main></body></html>\n")
