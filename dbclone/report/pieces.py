"""Pieces that the report's sections are made of: tables, bars, lists, what is folded away.

Text is escaped here; the cells of a table and what is folded are HTML already.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape


def bars(
    named: Sequence[tuple[str, float, str]], longest: float | None = None, marks: Sequence[float | None] = ()
) -> str:
    """Return a bar chart of (name, value, text); bars are scaled to ``longest``, or to the largest value.

    ``marks`` are values to compare with, one per bar.
    """
    full = longest or max((value for _, value, _ in named), default=0.0) or 1.0
    rows = "".join(
        f'<div class="bar"><span>{escape(name)}</span>'
        f'<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" '
        f'height="8"/><rect class="fill" width="{min(100 * value / full, 100):.2f}" height="8"/>'
        f"{_mark(mark, full)}</svg><b>{escape(text)}</b></div>"
        for (name, value, text), mark in zip(named, marks or [None] * len(named), strict=True)
    )
    return f'<div class="bars">{rows}</div>'


def _mark(value: float | None, full: float) -> str:
    return "" if value is None else f'<rect class="mark" x="{100 * value / full - 0.4:.2f}" width="0.8" height="8"/>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table; cells of ``rows`` are HTML already."""
    header = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table></div>'


def pairs(named: Mapping[str, str]) -> str:
    """Return names with what each stands for."""
    return "<dl>" + "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in named.items()) + "</dl>"


def lines(texts: Sequence[str]) -> str:
    """Return a list."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in texts) + "</ul>" if texts else "<p>Nothing.</p>"


def fold(title: str, content: str) -> str:
    """Return what is shown when its title is clicked on."""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"
