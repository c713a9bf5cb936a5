"""One self-contained HTML page about a run: verdict, rows, checks, quality, schema, timings.

Owns the page. It loads nothing (a Content-Security-Policy in it says so to the browser), follows the reader's dark or
light scheme, and holds no value of the source: names, counts and distances only. Everything from outside is escaped.

Bars are inline SVG: a plotting library would add megabytes to the page for rectangles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from dbclone.model.flow import Check
from dbclone.report.diagram import mermaid
from dbclone.report.quality import Quality, measure_quality
from dbclone.schema.model import Schema, TableKey

SHOWN_DISTANCES = 40
"""Columns drawn before the rest is folded away: the farthest are what a reader looks for."""


@dataclass(frozen=True, kw_only=True)
class TableRows:
    """One line of the table of tables."""

    table: TableKey
    source_rows: int
    rows: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the page says. ``source`` and ``target`` are masked names, ``seconds`` are per stage, in order,
    ``started`` is when the run began."""

    source: str
    target: str
    schema: Schema
    tables: tuple[TableRows, ...]
    checks: tuple[Check, ...]
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    seed: int
    versions: Mapping[str, str]
    started: str = ""

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)


def render_html(report: Report) -> str:
    """Return the page."""
    quality = measure_quality(report.checks)
    sections = [
        _verdict(report, quality),
        _section("Tables", _tables(report.tables)),
        _section("Checks", _checks(report)),
        _section("Columns", _distances(quality)),
        _section("Worth knowing", _list(tuple(dict.fromkeys(report.warnings + report.notes)))),
        _section("Time", _bars([(f"{name}", s, f"{s:.1f} s") for name, s in report.seconds.items()])),
        _section("Schema", _fold("Mermaid diagram", f"<pre>{escape(mermaid(report.schema))}</pre>")),
        _section("This run", _pairs({"seed": str(report.seed), **report.versions})),
    ]
    title = escape(f"dbclone: {report.target}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{_HEAD}<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n{''.join(sections)}</main>\n</body>\n</html>\n"
    )


def _verdict(report: Report, quality: Quality) -> str:
    failed = len(report.failed)
    keys = [check for check in report.checks if check.kind != "distance"]
    if failed:
        verdict, mood = f"{failed} of {len(report.checks):,} checks failed", "bad"
    else:
        verdict, mood = f"All {len(keys):,} checks passed", "good"
    rows = sum(table.rows for table in report.tables)
    facts = {
        "rows": f"{rows:,}",
        "tables": f"{len(report.tables):,}",
        "foreign keys": f"{sum(len(table.foreign_keys) for table in report.schema.tables):,}",
        "time": f"{sum(report.seconds.values()):,.0f} s",
    }
    if quality.shapes is not None:
        facts["column shapes"] = f"{quality.shapes:.3f}"
    tiles = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in facts.items())
    return (
        f"<header><h1>{escape(report.source)} → {escape(report.target)}</h1>"
        f'<p class="verdict {mood}">{escape(verdict)}</p><div class="tiles">{tiles}</div>'
        f'<p class="quiet">{escape(report.started)}</p></header>\n'
    )


def _tables(tables: Sequence[TableRows]) -> str:
    rows = (
        (escape(item.table), f"{item.source_rows:,}", f"{item.rows:,}", _ratio(item.source_rows, item.rows))
        for item in sorted(tables, key=lambda item: (-item.rows, item.table))
    )
    return _table(("table", "source rows", "clone rows", ""), rows)


def _ratio(source: int, clone: int) -> str:
    if not source or source == clone:
        return ""
    return f"× {clone / source:.3g}"


def _checks(report: Report) -> str:
    """Return counts per kind, what failed in full, and everything folded away."""
    if not report.checks:
        return "<p>Nothing was checked.</p>"
    total, failed = Counter(c.kind for c in report.checks), Counter(c.kind for c in report.failed)
    counts = ((escape(kind), f"{total[kind]:,}", f"{failed[kind]:,}") for kind in total)
    parts = [_table(("kind", "checked", "failed"), counts)]
    if report.failed:
        parts.append(f"<h3>Failed</h3>{_check_table(report.failed)}")
    parts.append(_fold("Every check", _check_table(report.checks)))
    return "".join(parts)


def _check_table(checks: Iterable[Check]) -> str:
    rows = (
        (
            f'<span class="{"good" if check.passed else "bad"}">{"✓" if check.passed else "✗"}</span> '
            f"{escape(check.kind)}",
            escape(check.table),
            escape(check.name),
            f"{check.found:,.10g}",
            escape(check.message),
        )
        for check in checks
    )
    return _table(("check", "table", "name", "found", ""), rows)


def _distances(quality: Quality) -> str:
    """Return a bar per column, the farthest first."""
    if quality.shapes is None:
        return "<p>No distances were measured.</p>"
    bars = [(f"{item.table}.{item.column}", item.distance, f"{item.distance:.3f}") for item in quality.distances]
    head = (
        f"<p>Distance of each column's distribution from the source's: 0 is the same, 1 has nothing in common. "
        f"Median {quality.median:.3f}; mean similarity {quality.shapes:.3f} over {len(bars):,} columns.</p>"
    )
    rest = bars[SHOWN_DISTANCES:]
    more = _fold(f"{len(rest):,} nearer columns", _bars(rest, longest=1.0)) if rest else ""
    return head + _bars(bars[:SHOWN_DISTANCES], longest=1.0) + more


def _bars(bars: Sequence[tuple[str, float, str]], longest: float | None = None) -> str:
    """Return a bar chart of (name, value, text); bars are scaled to ``longest``, or to the largest value."""
    full = longest or max((value for _, value, _ in bars), default=0.0) or 1.0
    rows = "".join(
        f'<div class="bar"><span>{escape(name)}</span>'
        f'<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" '
        f'height="8"/><rect class="fill" width="{min(100 * value / full, 100):.2f}" height="8"/></svg>'
        f"<b>{escape(text)}</b></div>"
        for name, value, text in bars
    )
    return f'<div class="bars">{rows}</div>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table; cells of ``rows`` are HTML already."""
    header = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'


def _pairs(pairs: Mapping[str, str]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs.items()) + "</dl>"


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>" if lines else "<p>Nothing.</p>"


def _fold(title: str, content: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>\n"


_HEAD = """<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
"""

_STYLE = """
:root { --ground: #fbfbfa; --card: #fff; --ink: #1c2330; --quiet: #5d6675; --line: #e2e4e8; --fill: #3b6fb6;
  --good: #1a7f4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #14171c; --card: #1c2027; --ink: #e6e9ee; --quiet: #98a1b0; --line: #303641; --fill: #78a6e6;
    --good: #5fce94; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.4rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1rem 0 .5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem;
  margin-top: 1rem; }
.verdict { font-size: 1.25rem; font-weight: 650; margin: 0 0 1rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.quiet { color: var(--quiet); margin: .75rem 0 0; font-size: .875rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(7rem, 1fr)); gap: .75rem; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .6rem .8rem; }
.tiles b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--quiet); font-size: .875rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--quiet); font-weight: 500; font-size: .875rem; }
.bar { display: grid; grid-template-columns: minmax(8rem, 2fr) 3fr 4.5rem; gap: .75rem; align-items: center;
  padding: .12rem 0; }
.bar span { overflow-wrap: anywhere; font-size: .9rem; }
.bar b { font-weight: 500; text-align: right; font-variant-numeric: tabular-nums; }
.bar svg { width: 100%; height: .6rem; border-radius: .3rem; }
.track { fill: var(--line); } .fill { fill: var(--fill); }
details { margin-top: .75rem; } summary { cursor: pointer; color: var(--quiet); }
pre { overflow: auto; max-height: 30rem; padding: .75rem; background: var(--ground); border-radius: .4rem;
  font-size: .8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1.2rem; }
@media (max-width: 34rem) { .bar { grid-template-columns: 1fr 4.5rem; } .bar span { grid-column: 1 / -1; } }
@media print { section { break-inside: avoid; } details { display: none; } }
"""
