"""How far a clone's rows are from the source's, property by property: columns, fan-outs, associations, time.

Owns what is measured and how; needs nothing but two sets of rows of one schema, so that a clone is measured by the same
yardstick as a second sample of the source. Every distance is 0 where both are the same and at most 1. Values are
compared by rank or by share, never by size, so that one extreme row decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.model.matching import parent_positions
from dbclone.report.distances import (
    Series,
    association,
    association_matrix,
    intraclass_correlation,
    ks_distance,
    series_pair,
    total_variation,
)
from dbclone.schema.model import ForeignKey, Schema, TableKey

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Rows = Mapping[TableKey, pa.Table]
Columns = Mapping[TableKey, tuple[str, ...]]

Property = Literal[
    "shape", "pair", "fan-out", "parent", "grandparent", "within parent", "gap", "offset", "weekday", "hour"
]
"""What is compared. ``shape``: a column's distribution, NULL included. ``pair``: the association of two columns of a
row; ``parent`` and ``grandparent``: of a row's column with one of a row that it refers to, directly or through one
other. ``fan-out``: children per parent, none included. ``within parent``: the share of a column's variance that lies
between the parents (intraclass correlation). ``gap``: time between a parent's events; ``offset``: from the parent's
own time to its first event. ``weekday`` and ``hour``: profiles of times."""

MOST_ROWS = 50_000
"""Associations are measured on so many rows, evenly spread."""
FEWEST = 30
"""Rows below which nothing is said of an association, or of time within a parent."""
LEAST_ASSOCIATION = 0.1
"""Pairs across tables that are weaker in both are left out: of hundreds, most have nothing to do with each other."""
TIMES = ("date", "timestamp", "timestamptz")
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One comparison. ``name`` says of what within the table; ``source`` and ``clone`` are what was compared, where
    that is one number each: an association, an intraclass correlation.
    """

    property: Property
    table: TableKey
    name: str
    distance: float
    source: float | None = None
    clone: float | None = None


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """All figures of one clone."""

    figures: tuple[Figure, ...]

    def mean(self, wanted: Property) -> float | None:
        """Return the mean distance in one property; None where there is nothing to compare."""
        found = [figure.distance for figure in self.figures if figure.property == wanted]
        return sum(found) / len(found) if found else None

    def worst(self, number: int = 10) -> tuple[Figure, ...]:
        """Return the figures farthest off, first the farthest."""
        return tuple(sorted(self.figures, key=lambda f: (-f.distance, f.property, f.table, f.name))[:number])


@dataclass(frozen=True, kw_only=True, eq=False)
class Associations:
    """How the columns of one table go together, in source and clone: matrices of numbers in [0, 1], NaN if unknown."""

    table: TableKey
    columns: tuple[str, ...]
    source: Floats
    clone: Floats


def measure_fidelity(schema: Schema, source: Rows, clone: Rows, columns: Columns) -> Fidelity:
    """Return how far ``clone`` is from ``source`` in the given columns, and in all foreign keys of ``schema``.

    Columns are those that are learned: keys, and values that are made anew for each row, have nothing to compare.
    """
    return Fidelity(figures=tuple(_Comparison(schema, source, clone, columns).figures()))


def compare_associations(schema: Schema, source: Rows, clone: Rows, columns: Columns) -> tuple[Associations, ...]:
    """Return, per table of two columns or more, how they go together on both sides."""
    return tuple(_Comparison(schema, source, clone, columns).associations())


@dataclass(frozen=True, kw_only=True)
class _Edge:
    """A foreign key, and on each side the position of every row's parent (−1: none)."""

    table: TableKey
    key: ForeignKey
    sides: tuple[Integers, Integers]
    parents: tuple[int, int]

    @property
    def name(self) -> str:
        return ", ".join(self.key.columns)


class _Comparison:
    def __init__(self, schema: Schema, source: Rows, clone: Rows, columns: Columns) -> None:
        self.schema, self.columns = schema, columns
        self.sides = (source, clone)
        self.tables = [t.key for t in schema.tables if all(key_has_rows(rows, t.key) for rows in self.sides)]
        self._series: dict[TableKey, dict[str, tuple[Series, Series]]] = {}

    def series(self, table: TableKey) -> dict[str, tuple[Series, Series]]:
        """Return the compared columns of a table as numbers, on both sides."""
        if table not in self._series:
            described = self.schema.table(table)
            self._series[table] = {
                name: series_pair(described.column(name).kind, *(rows[table][name] for rows in self.sides))
                for name in self.columns.get(table, ())
                if all(name in rows[table].column_names for rows in self.sides)
            }
        return self._series[table]

    @cached_property
    def edges(self) -> dict[TableKey, list[_Edge]]:
        """The foreign keys of each table whose two sides have rows."""
        found: dict[TableKey, list[_Edge]] = {}
        for table in self.tables:
            for key in self.schema.table(table).foreign_keys:
                if key.parent not in self.tables or any(_lacks(rows, table, key) for rows in self.sides):
                    continue
                sides = [
                    parent_positions(rows[table], rows[key.parent], key.columns, key.parent_columns)
                    for rows in self.sides
                ]
                parents = [rows[key.parent].num_rows for rows in self.sides]
                edge = _Edge(table=table, key=key, sides=(sides[0], sides[1]), parents=(parents[0], parents[1]))
                found.setdefault(table, []).append(edge)
        return found

    def figures(self) -> Iterator[Figure]:
        for table in self.tables:
            for name, (one, two) in self.series(table).items():
                yield Figure(property="shape", table=table, name=name, distance=_distance(one, two))
            yield from self._pairs(table)
            yield from self._profiles(table)
            for edge in self.edges.get(table, []):
                yield from self._edge(edge)

    def associations(self) -> Iterator[Associations]:
        for table in self.tables:
            series = self.series(table)
            if len(series) > 1:
                one, two = (
                    association_matrix([pair[n].some(_spread(len(pair[n].values))) for pair in series.values()])
                    for n in (0, 1)
                )
                yield Associations(table=table, columns=tuple(series), source=one, clone=two)

    def _pairs(self, table: TableKey) -> Iterator[Figure]:
        names = list(self.series(table))
        if any(rows[table].num_rows < FEWEST for rows in self.sides):
            return
        for n, first in enumerate(names):
            for second in names[:n]:
                both = (self.series(table)[first], self.series(table)[second])
                places = [_spread(rows[table].num_rows) for rows in self.sides]
                a, b = (association(both[0][s].some(places[s]), both[1][s].some(places[s])) for s in (0, 1))
                yield Figure(property="pair", table=table, name=f"{second}, {first}",
                             distance=min(abs(a - b), 1.0), source=a, clone=b)  # fmt: skip

    def _profiles(self, table: TableKey) -> Iterator[Figure]:
        for name, (one, two) in self.series(table).items():
            kind = self.schema.table(table).column(name).kind
            if kind not in TIMES or min(len(one.known), len(two.known)) < FEWEST:
                continue
            days = [(np.floor(s.known / (1 if kind == "date" else _DAY)) + 3) % 7 for s in (one, two)]
            yield Figure(property="weekday", table=table, name=name, distance=total_variation(days[0], days[1]))
            if kind != "date":
                hours = [np.floor(s.known / _HOUR) % 24 for s in (one, two)]
                yield Figure(property="hour", table=table, name=name, distance=total_variation(hours[0], hours[1]))

    # ---- Foreign keys ----------------------------------------------------------------------------------------------

    def _edge(self, edge: _Edge) -> Iterator[Figure]:
        counts = [_counts(edge, side).astype(float) for side in (0, 1)]
        yield Figure(
            property="fan-out", table=edge.table, name=edge.name, distance=ks_distance(counts[0], counts[1]),
            source=float(counts[0].mean()), clone=float(counts[1].mean()),
        )  # fmt: skip
        yield from self._across("parent", edge.table, edge.name, edge.key.parent, edge.sides)
        for above in self.edges.get(edge.key.parent, []):
            if above.key.parent == edge.table:
                continue
            sides = tuple(
                np.where(mine >= 0, theirs[np.maximum(mine, 0)], -1)
                for mine, theirs in zip(edge.sides, above.sides, strict=True)
            )
            name = f"{edge.name} → {above.name}"
            yield from self._across("grandparent", edge.table, name, above.key.parent, (sides[0], sides[1]))
        yield from self._within(edge)
        yield from self._times(edge)

    def _across(
        self, wanted: Property, table: TableKey, name: str, parent: TableKey, sides: tuple[Integers, Integers]
    ) -> Iterator[Figure]:
        places = [np.flatnonzero(side >= 0) for side in sides]
        if min(len(p) for p in places) < FEWEST or table == parent:
            return
        places = [p[_spread(len(p))] for p in places]
        for theirs, upper in self.series(parent).items():
            above = [upper[s].some(sides[s][places[s]]) for s in (0, 1)]
            for mine, lower in self.series(table).items():
                a, b = (association(above[s], lower[s].some(places[s])) for s in (0, 1))
                if max(a, b) >= LEAST_ASSOCIATION:
                    yield Figure(property=wanted, table=table, name=f"{mine} with {theirs} ({name})",
                                 distance=min(abs(a - b), 1.0), source=a, clone=b)  # fmt: skip

    def _within(self, edge: _Edge) -> Iterator[Figure]:
        repeated = [len(side) - len(np.unique(side)) for side in edge.sides]
        if min(repeated) < FEWEST:
            return
        for name, pair in self.series(edge.table).items():
            if not pair[0].is_category:
                a, b = (intraclass_correlation(pair[s], edge.sides[s]) for s in (0, 1))
                yield Figure(property="within parent", table=edge.table, name=f"{name} ({edge.name})",
                             distance=min(abs(a - b), 1.0), source=a, clone=b)  # fmt: skip

    def _times(self, edge: _Edge) -> Iterator[Figure]:
        child, parent = self.schema.table(edge.table), self.schema.table(edge.key.parent)
        for name, pair in self.series(edge.table).items():
            if child.column(name).kind not in TIMES:
                continue
            events = [_events(pair[s].values * _microseconds(child.column(name).kind), edge.sides[s]) for s in (0, 1)]
            gaps = [np.diff(at)[np.diff(of) == 0] for of, at in events]
            if min(len(g) for g in gaps) >= FEWEST:
                yield Figure(property="gap", table=edge.table, name=f"{name} ({edge.name})",
                             distance=ks_distance(gaps[0], gaps[1]))  # fmt: skip
            for theirs, upper in self.series(edge.key.parent).items():
                kind = parent.column(theirs).kind
                if kind in TIMES and min(len(of) for of, _ in events) >= FEWEST:
                    offsets = []
                    for (of, at), above in zip(events, upper, strict=True):
                        first = np.unique(of, return_index=True)[1]
                        offset = at[first] - above.values[of[first]] * _microseconds(kind)
                        offsets.append(offset[~np.isnan(offset)])
                    if min(len(o) for o in offsets) >= FEWEST:
                        yield Figure(property="offset", table=edge.table, name=f"{name} after {theirs} ({edge.name})",
                                     distance=ks_distance(offsets[0], offsets[1]))  # fmt: skip


def key_has_rows(rows: Rows, table: TableKey) -> bool:
    """Whether there are rows of a table."""
    return table in rows and rows[table].num_rows > 0


def _lacks(rows: Rows, table: TableKey, key: ForeignKey) -> bool:
    mine, theirs = set(rows[table].column_names), set(rows[key.parent].column_names)
    return not (set(key.columns) <= mine and set(key.parent_columns) <= theirs)


def _distance(one: Series, two: Series) -> float:
    return total_variation(one.values, two.values) if one.is_category else ks_distance(one.values, two.values)


def _spread(rows: int) -> Integers:
    return np.arange(rows) if rows <= MOST_ROWS else np.linspace(0, rows - 1, MOST_ROWS).astype(np.int64)


def _counts(edge: _Edge, side: int) -> Integers:
    at = edge.sides[side]
    return np.bincount(at[at >= 0], minlength=edge.parents[side])


def _microseconds(kind: str) -> int:
    return _DAY if kind == "date" else 1


def _events(at: Floats, parent: Integers) -> tuple[Integers, Floats]:
    """Return the parents and the times of all rows that have both, in this order."""
    known = (parent >= 0) & ~np.isnan(at)
    order = np.lexsort((at[known], parent[known]))
    return parent[known][order], at[known][order]
