"""One self-contained HTML page about a run: verdict, rows, checks, quality, schema, timings.

Owns the page. It loads nothing (a Content-Security-Policy in it says so to the browser), follows the reader's dark or
light scheme, and holds no value of the source: names, counts and distances only. Everything from outside is escaped.

The page's style is in :mod:`dbclone.report.style`, its charts in :mod:`dbclone.report.charts`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from dbclone.model.flow import Check
from dbclone.report import charts
from dbclone.report.comparison import Comparison, Picture
from dbclone.report.diagram import mermaid
from dbclone.report.fidelity import Figure, Property
from dbclone.report.pieces import bars, fold, lines, pairs, table
from dbclone.report.privacy import EXPLAINED, NOT_PROMISED, Finding, Privacy
from dbclone.report.quality import Quality, measure_quality
from dbclone.report.style import HEAD, STYLE
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Star

SHOWN_DISTANCES = 40
SHOWN_PICTURES = 12
SHOWN_MAPS = 4
"""What is drawn before the rest is folded away: the farthest are what a reader looks for."""

_MEANS: Mapping[Property, str] = {
    "shape": "distribution of a column",
    "pair": "how two columns of a row go together",
    "fan-out": "children per parent row",
    "parent": "how a column goes with one of the parent's",
    "grandparent": "how a column goes with one of the grandparent's",
    "within parent": "how alike the rows of one parent are",
    "gap": "time between the events of a parent",
    "offset": "time from the parent to its first event",
    "weekday": "days of the week",
    "hour": "hours of the day",
}


@dataclass(frozen=True, kw_only=True)
class TableRows:
    """One line of the table of tables; ``source_rows`` is None where no source was counted."""

    table: TableKey
    source_rows: int | None
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
    comparison: Comparison | None = None
    stars: tuple[Star, ...] = ()
    privacy: Privacy | None = None

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)


def render_html(report: Report) -> str:
    """Return the page."""
    quality = measure_quality(report.checks)
    compared = report.comparison
    sections = [
        ("Quality", _quality(compared) if compared else _distances(quality) if quality.distances else ""),
        ("Columns", _columns(compared, quality) if compared else ""),
        ("Associations", _associations(compared) if compared else ""),
        ("Children per parent", _gallery(compared.pictured("children")) if compared else ""),
        ("Weekdays and hours", _gallery(compared.pictured("weekday", "hour")) if compared else ""),
        ("Privacy", _privacy(report.privacy) if report.privacy else ""),
        ("Tables", _tables(report.tables)),
        ("Checks", _checks(report)),
        ("Schema", _schema(report)),
        ("Time", bars([(f"{name}", s, f"{s:.1f} s") for name, s in report.seconds.items()])),
        ("Worth knowing", lines(tuple(dict.fromkeys(report.warnings + report.notes)))),
        ("This run", pairs({"seed": str(report.seed), **report.versions})),
    ]
    shown = [(name, content) for name, content in sections if content]
    links = "".join(f'<a href="#{_anchor(name)}">{escape(name)}</a>' for name, _ in shown)
    title = escape(f"dbclone: {report.target}")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{HEAD}<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n{_verdict(report, quality)}<nav>{links}</nav>\n"
        f"{''.join(_section(name, content) for name, content in shown)}</main>\n</body>\n</html>\n"
    )


def _verdict(report: Report, quality: Quality) -> str:
    """Return the head of the page: what it is about, the verdict, the figures that matter."""
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
    compared = report.comparison
    if compared is not None:
        facts |= {name: f"{score:.3f}" for name, score, _ in _scores(compared)}
    elif quality.shapes is not None:
        facts["column shapes"] = f"{quality.shapes:.3f}"
    tiles = "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in facts.items())
    return (
        f"<header><h1>{escape(report.source)} → {escape(report.target)}</h1>"
        f'<p class="verdict {mood}">{escape(verdict)}</p>{_gates(report.privacy)}<div class="tiles">{tiles}</div>'
        f'<p class="quiet">{escape(report.started)}</p></header>\n'
    )


# ---- Quality --------------------------------------------------------------------------------------------------------


def _scores(compared: Comparison) -> list[tuple[str, float, float | None]]:
    """Return the mean similarity per property, and that of two halves of the source where it is known."""
    named: tuple[tuple[str, Property], ...] = (
        ("column shapes", "shape"),
        ("column pairs", "pair"),
        ("children per parent", "fan-out"),
        ("across tables", "parent"),
        ("rows of one parent", "within parent"),
    )
    found = []
    for name, wanted in named:
        mean, ceiling = compared.fidelity.mean(wanted), compared.ceiling.mean(wanted)
        if mean is not None:
            found.append((name, 1.0 - mean, None if ceiling is None else 1.0 - ceiling))
    return found


def _quality(compared: Comparison) -> str:
    scores = _scores(compared)
    head = (
        f"<p>Measured on {compared.source_rows:,} rows of the source and {compared.clone_rows:,} of the clone; 1 is "
        "the same. The mark, and the second number, is what two halves of the source's rows score together.</p>"
    )
    marks = [(name, score, f"{score:.3f}" + (f" / {top:.3f}" if top else "")) for name, score, top in scores]
    tops = [top for _, _, top in scores]
    return head + bars(marks, longest=1.0, marks=tops) + f"<h3>The ten farthest</h3>{_worst(compared.worst)}"


def _worst(figures: Sequence[Figure]) -> str:
    rows = (
        (
            f"{figure.distance:.3f}",
            f"<b>{escape(figure.table)}</b> {escape(figure.name)}",
            escape(_MEANS[figure.property]),
            "" if figure.source is None or figure.clone is None else f"{figure.source:.2f} → {figure.clone:.2f}",
        )
        for figure in figures
    )
    return table(("distance", "where", "what", "source → clone"), rows)


def _columns(compared: Comparison, quality: Quality) -> str:
    legend = (
        '<p class="quiet"><span class="key clone"></span> clone <span class="key source"></span> source; the farthest '
        "first. Ranges and labels are the clone's: what only the source has is counted at the ends, or as other.</p>"
    )
    known = (
        f"<p>Over the whole tables, the columns' median distance is {quality.median:.3f}.</p>" if quality.median else ""
    )
    every = fold("Every column's distance over the whole tables", _distances(quality)) if quality.distances else ""
    return legend + known + _gallery(compared.pictured("values", "labels")) + every


def _gallery(pictures: Sequence[Picture]) -> str:
    """Return small charts, the first ones in sight."""
    cards = [
        f'<figure class="card"><figcaption><b>{escape(picture.table)}</b> {escape(picture.name)}'
        f'<span class="quiet"> {escape(_note(picture))}</span></figcaption>{charts.distribution(picture)}</figure>'
        for picture in pictures
    ]
    if not cards:
        return ""
    head = f'<div class="gallery">{"".join(cards[:SHOWN_PICTURES])}</div>'
    rest = cards[SHOWN_PICTURES:]
    return head + (fold(f"{len(rest):,} nearer", f'<div class="gallery">{"".join(rest)}</div>') if rest else "")


def _note(picture: Picture) -> str:
    nulls = f", NULL {picture.nulls[0]:.0%} → {picture.nulls[1]:.0%}" if any(picture.nulls) else ""
    kind = {"weekday": "weekday, ", "hour": "hour, "}.get(picture.of, "")
    return f"{kind}{picture.distance:.3f}{nulls}"


def _associations(compared: Comparison) -> str:
    """Return heat maps, the tables with the largest difference first."""
    means = dict.fromkeys((item.table for item in compared.associations), 0.0)
    for figure in compared.fidelity.figures:
        if figure.property == "pair":
            means[figure.table] = max(means.get(figure.table, 0.0), figure.distance)
    found = sorted(compared.associations, key=lambda item: (-means[item.table], item.table))
    maps = [f"<h3>{escape(item.table)}</h3>{charts.heat_maps(item)}" for item in found]
    if not maps:
        return ""
    head = '<p class="quiet">How each pair of columns goes together: the darker, the stronger.</p>'
    rest = maps[SHOWN_MAPS:]
    return head + "".join(maps[:SHOWN_MAPS]) + (fold(f"{len(rest):,} more tables", "".join(rest)) if rest else "")


# ---- Privacy --------------------------------------------------------------------------------------------------------


def _gates(privacy: Privacy | None) -> str:
    """Return the verdict on privacy, where it was measured."""
    if privacy is None:
        return ""
    failed = len(privacy.failed)
    text = f"{failed} privacy gates failed" if failed else f"All {len(privacy.findings):,} privacy gates passed"
    return f' <p class="verdict {"bad" if failed else "good"}">{text}</p>'


def _privacy(privacy: Privacy) -> str:
    """Return what was measured, gate by gate, and what is not promised."""
    head = (
        f"<p>{privacy.compared:,} strings of the source were searched for among {privacy.searched:,} of the target. "
        "Rows were compared with those that were learned from and, where there are any, with others of the source.</p>"
    )
    parts = [head]
    if privacy.failed:
        parts.append(f"<h3>Failed</h3>{_findings(privacy.failed)}")
    for measure, meaning in EXPLAINED.items():
        found = [finding for finding in privacy.findings if finding.measure == measure]
        if found:
            worst = sum(not finding.passed for finding in found)
            verdict = f'<span class="bad">{worst} failed</span>' if worst else '<span class="good">✓ passed</span>'
            title = f"<h3>{escape(measure.capitalize())} {verdict}</h3>"
            parts.append(
                f'{title}<p class="quiet">{escape(meaning)}</p>{fold(f"{len(found):,} measured", _findings(found))}'
            )
    parts.append(f"<h3>What is not promised</h3>{lines(NOT_PROMISED)}")
    if privacy.skipped:
        parts.append(f"<h3>What was not measured</h3>{lines(privacy.skipped)}")
    return "".join(parts)


def _findings(findings: Sequence[Finding]) -> str:
    rows = (
        (
            f'<span class="{"good" if finding.passed else "bad"}">{"✓" if finding.passed else "✗"}</span>',
            escape(finding.table + (f".{finding.column}" if finding.column else "")),
            f"{finding.value:.4g}" + (f" ± {finding.margin:.2g}" if finding.margin else ""),
            f"{finding.limit:.4g}",
            "" if finding.reference is None else f"{finding.reference:.4g}",
            escape(finding.message),
        )
        for finding in findings
    )
    return table(("", "where", "found", "limit", "other real rows", ""), rows)


# ---- The other sections ---------------------------------------------------------------------------------------------


def _schema(report: Report) -> str:
    rows = {table.table: table.rows for table in report.tables}
    text = fold("Mermaid diagram", f"<pre>{escape(mermaid(report.schema))}</pre>")
    legend = '<p class="quiet">Parents left of their children; tables of one colour were learned together.</p>'
    return legend + charts.schema_map(report.schema, report.stars, rows) + text


def _tables(tables: Sequence[TableRows]) -> str:
    rows = (
        (
            escape(item.table),
            "" if item.source_rows is None else f"{item.source_rows:,}",
            f"{item.rows:,}",
            _ratio(item.source_rows, item.rows),
        )
        for item in sorted(tables, key=lambda item: (-item.rows, item.table))
    )
    return table(("table", "source rows", "clone rows", ""), rows)


def _ratio(source: int | None, clone: int) -> str:
    if not source or source == clone:
        return ""
    return f"× {clone / source:.3g}"


def _checks(report: Report) -> str:
    """Return counts per kind, what failed in full, and everything folded away."""
    if not report.checks:
        return "<p>Nothing was checked.</p>"
    total, failed = Counter(c.kind for c in report.checks), Counter(c.kind for c in report.failed)
    counts = ((escape(kind), f"{total[kind]:,}", f"{failed[kind]:,}") for kind in total)
    parts = [table(("kind", "checked", "failed"), counts)]
    if report.failed:
        parts.append(f"<h3>Failed</h3>{_check_table(report.failed)}")
    parts.append(fold("Every check", _check_table(report.checks)))
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
    return table(("check", "table", "name", "found", ""), rows)


def _distances(quality: Quality) -> str:
    """Return a bar per column, the farthest first."""
    if quality.shapes is None:
        return "<p>No distances were measured.</p>"
    found = [(f"{item.table}.{item.column}", item.distance, f"{item.distance:.3f}") for item in quality.distances]
    head = (
        f"<p>Distance of each column's distribution from the source's: 0 is the same, 1 has nothing in common. "
        f"Median {quality.median:.3f}; mean similarity {quality.shapes:.3f} over {len(found):,} columns.</p>"
    )
    rest = found[SHOWN_DISTANCES:]
    more = fold(f"{len(rest):,} nearer columns", bars(rest, longest=1.0)) if rest else ""
    return head + bars(found[:SHOWN_DISTANCES], longest=1.0) + more


def _section(title: str, content: str) -> str:
    return f'<section id="{_anchor(title)}"><h2>{escape(title)}</h2>{content}</section>\n'


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
