"""Charts as inline SVG: distributions side by side, heat maps, a map of the schema.

Drawn by hand: plotly would add 4 MB of JavaScript to a page that now needs none, does not print well and asks for a
looser Content-Security-Policy. Colours are the page's variables, so that a chart follows the reader's scheme; every
chart has a text for those who do not see it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import numpy.typing as npt

from dbclone.report.comparison import Picture
from dbclone.report.fidelity import Associations
from dbclone.schema.graph import edges, layers
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Star

Floats = npt.NDArray[np.float64]

_WIDTH, _HEIGHT = 320, 120
MOST_NAMES = 24
"""Columns of a heat map that are named at its side; with more, there is no room."""


def distribution(picture: Picture) -> str:
    """Return source and clone of one picture: bins as two areas, categories as two bars each."""
    name = f"{picture.table}.{picture.name}"
    title = f"{name}: source and clone differ by {picture.distance:.3f}"
    inner = _labelled(picture) if picture.of == "labels" else _columns(picture)
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {inner[1]}" role="img" aria-label="{escape(title)}">{inner[0]}</svg>'
    )


def _columns(picture: Picture) -> tuple[str, int]:
    """Return upright bars: the clone's filled, the source's as a line over them."""
    bars = len(picture.clone)
    top = max(*picture.source, *picture.clone, 1e-9)
    step, base = _WIDTH / bars, _HEIGHT - 18
    height = [[(base - 6) * share / top for share in side] for side in (picture.clone, picture.source)]
    gap = 0.5 if picture.of == "values" else step * 0.15
    filled = "".join(
        f'<rect class="clone" x="{n * step + gap:.1f}" y="{base - h:.1f}" width="{step - 2 * gap:.1f}" '
        f'height="{h:.1f}"/>'
        for n, h in enumerate(height[0])
        if h > 0
    )
    points = " ".join(
        f"{n * step:.1f},{base - h:.1f} {(n + 1) * step:.1f},{base - h:.1f}" for n, h in enumerate(height[1])
    )
    axis = f'<line class="axis" x1="0" y1="{base}" x2="{_WIDTH}" y2="{base}"/>'
    return f'{filled}<polyline class="source" points="{points}"/>{axis}{_ticks(picture, step)}', _HEIGHT


def _ticks(picture: Picture, step: float) -> str:
    y = _HEIGHT - 5
    if picture.of == "values":
        low, high = picture.labels
        return (
            f'<text x="0" y="{y}">{escape(low)}</text>'
            f'<text x="{_WIDTH}" y="{y}" text-anchor="end">{escape(high)}</text>'
        )
    every = 1 if len(picture.labels) <= 8 else 2 if len(picture.labels) <= 12 else 4
    return "".join(
        f'<text x="{(n + 0.5) * step:.1f}" y="{y}" text-anchor="middle">{escape(label)}</text>'
        for n, label in enumerate(picture.labels)
        if n % every == 0
    )


def _labelled(picture: Picture) -> tuple[str, int]:
    """Return lying bars, one pair per category."""
    pairs = [item for item in zip(picture.labels, picture.source, picture.clone, strict=True) if item[1] or item[2]]
    top = max(*picture.source, *picture.clone, 1e-9)
    left, room, row = 120, _WIDTH - 124, 17
    parts = []
    for n, (label, source, clone) in enumerate(pairs):
        y = n * row
        parts.append(
            f'<text x="{left - 6}" y="{y + 12}" text-anchor="end">{escape(label)}</text>'
            f'<rect class="clone" x="{left}" y="{y + 3}" width="{room * clone / top:.1f}" height="11"/>'
            f'<path class="source" d="M{left + room * source / top:.1f} {y + 1}v15"/>'
        )
    return "".join(parts), max(len(pairs) * row, row)


def heat_maps(found: Associations) -> str:
    """Return how the columns of a table go together: source, clone, and the difference of the two."""
    panels = (
        ("source", found.source, "heat"),
        ("clone", found.clone, "heat"),
        ("difference", np.abs(found.source - found.clone), "off"),
    )
    names = found.columns if len(found.columns) <= MOST_NAMES else ()
    maps = "".join(_heat_map(title, matrix, names, kind) for title, matrix, kind in panels)
    return f'<div class="maps">{maps}</div>'


def _heat_map(title: str, matrix: Floats, names: Sequence[str], kind: str) -> str:
    size = len(matrix)
    cell = 20 if size <= 8 else 14
    left = min(max((len(name) for name in names), default=0), 18) * 6 + 6 if names else 0
    ground = "".join(
        f'<rect class="track" x="{left}" y="{row * cell}" width="{row * cell + cell - 1}" height="{cell - 1}"/>'
        for row in range(size)
    )
    cells = "".join(
        f'<rect class="{kind}" x="{left + column * cell}" y="{row * cell}" width="{cell - 1}" height="{cell - 1}" '
        f'fill-opacity="{min(max(float(matrix[row, column]), 0.0), 1.0):.2f}"/>'
        for row in range(size)
        for column in range(row + 1)
        if row != column and np.isfinite(matrix[row, column])
    )
    words = "".join(
        f'<text x="{left - 4}" y="{(row + 0.5) * cell + 3}" text-anchor="end">{escape(name[:18])}</text>'
        for row, name in enumerate(names)
    )
    width = left + size * cell
    label = f"{title}: association of each pair of columns"
    return (
        f'<figure><figcaption>{title}</figcaption><svg class="map" viewBox="0 0 {width} {size * cell}" '
        f'style="max-width:{width * 1.2:.0f}px" role="img" aria-label="{label}">{ground}{cells}{words}</svg></figure>'
    )


# ---- The schema -----------------------------------------------------------------------------------------------------

_BOX, _ROW, _GAP, _PER_COLUMN = 170, 30, 90, 14


def schema_map(schema: Schema, stars: Sequence[Star], rows: Mapping[TableKey, int]) -> str:
    """Return all tables, parents left of their children, with a curve per foreign key and a colour per star."""
    places, width, height = _placed(schema)
    colour = {key: n % 6 for n, star in reversed(list(enumerate(stars))) for key in (star.parent, *_children(star))}
    curves = []
    for edge in edges(schema):
        (x1, y1), (x2, y2) = places[edge.parent], places[edge.child]
        start, end = (x1 + _BOX, y1 + 11), (x2, y2 + 11)
        bend = max(abs(end[0] - start[0]) / 2, 30)
        dashed = ' stroke-dasharray="4 3"' if edge.nullable else ""
        curves.append(
            f'<path class="edge"{dashed} d="M{start[0]} {start[1]}C{start[0] + bend:.0f} {start[1]} '
            f'{end[0] - bend:.0f} {end[1]} {end[0]} {end[1]}"/>'
        )
    boxes = "".join(
        f'<g><rect class="box star{colour.get(key, 6)}" x="{x}" y="{y}" width="{_BOX}" height="22" rx="4"/>'
        f'<text x="{x + 8}" y="{y + 15}">{escape(key if len(key) <= 22 else key[:21] + "…")}</text>'
        f"<title>{escape(key)}: {rows.get(key, 0):,} rows</title></g>"
        for key, (x, y) in places.items()
    )
    return (
        f'<div class="scroll"><svg class="schema" viewBox="0 0 {width} {height}" style="min-width:{min(width, 900)}px" '
        f'role="img" aria-label="The tables and their foreign keys">{"".join(curves)}{boxes}</svg></div>'
    )


def _children(star: Star) -> list[TableKey]:
    return [branch.child for branch in star.branches]


def _placed(schema: Schema) -> tuple[dict[TableKey, tuple[int, int]], int, int]:
    """Return where each table stands, and the size of the whole: a column per layer, high ones cut in several."""
    by_layer: dict[int, list[TableKey]] = {}
    for key, layer in layers(schema).items():
        by_layer.setdefault(layer, []).append(key)
    places: dict[TableKey, tuple[int, int]] = {}
    x = 10
    for layer in sorted(by_layer):
        keys = sorted(by_layer[layer], key=lambda key: _above(schema, key, places))
        for start in range(0, len(keys), _PER_COLUMN):
            for n, key in enumerate(keys[start : start + _PER_COLUMN]):
                places[key] = (x, 10 + n * _ROW)
            x += _BOX + _GAP
    return places, x - _GAP + 10, max((y for _, y in places.values()), default=0) + _ROW + 10


def _above(schema: Schema, key: TableKey, places: Mapping[TableKey, tuple[int, int]]) -> tuple[float, str]:
    """Return the mean height of a table's parents, so that curves cross less."""
    heights = [places[k.parent][1] for k in schema.table(key).foreign_keys if k.parent in places]
    return (sum(heights) / len(heights) if heights else 0.0, key)
