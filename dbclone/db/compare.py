"""Compare a target with its source: is the schema the same, and how far apart are the distributions?

Only aggregates leave a database. Ordered columns are compared by their cumulative distribution at the source's
quantiles (Kolmogorov-Smirnov distance), categories by the frequencies of a hash of each value (total variation
distance), long texts by the distribution of their length. All distances are between 0 (alike) and 1. A distance
informs; it never fails a verification: ``passed`` is always true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import sqlalchemy as sa

from dbclone.db.connect import Database
from dbclone.db.dialects.base import Dialect, Histogram, Measure
from dbclone.db.reflect import reflect_schema
from dbclone.db.reprint import normalised
from dbclone.model.flow import Check
from dbclone.schema.model import Column, Schema, Table, TableKey, TypeKind, UniqueKey

CATEGORIES = 200
"""A column with more values than this is not a category."""

_ORDERED: frozenset[TypeKind] = frozenset(
    {"integer", "decimal", "float", "date", "time", "timestamp", "timestamptz", "interval"}
)
_NAMED: frozenset[TypeKind] = frozenset({"text", "enum", "boolean"})


def compare(source: Database, target: Database, schema: Schema) -> tuple[Check, ...]:
    """Return the differences between two databases in the tables of ``schema``: definitions, then distributions.

    The source is read in one snapshot.
    """
    with source.snapshot() as ours, target.connect() as theirs:
        there = reflect_schema(theirs, target.dialect)
        here = reflect_schema(ours, source.dialect)
        checks = list(differences(here, there, schema) if here.dialect == there.dialect else _missing(there, schema))
        both = _Both(source=(ours, source.dialect), target=(theirs, target.dialect))
        for table in schema.tables:
            if table.key in there:
                checks += both.distances(table, there.table(table.key))
    return tuple(checks)


def _missing(target: Schema, wanted: Schema) -> Iterator[Check]:
    """Yield what the target lacks of the wanted tables, if it is of another kind: no definition is the same there."""
    for table in wanted.tables:
        if table.key not in target:
            yield _difference(table.key, "table", "the target has no such table")
            continue
        there = {column.name for column in target.table(table.key).columns}
        lacking = [column.name for column in table.written_columns if column.name not in there]
        yield from (_difference(table.key, f"column {name}", "the target lacks it") for name in lacking)


def differences(source: Schema, target: Schema, wanted: Schema) -> Iterator[Check]:
    """Yield what differs between the definitions of the ``wanted`` tables; one check that passed per equal table."""
    for table in wanted.tables:
        if table.key not in target:
            yield _difference(table.key, "table", "the target has no such table")
        else:
            yield from _table_differences(source.table(table.key), target.table(table.key), wanted)


def _table_differences(source: Table, target: Table, wanted: Schema) -> Iterator[Check]:
    """Yield one check per part of the table that differs; one that passed if none does."""
    ours, theirs = _parts(source, wanted), _parts(target, wanted)
    names = [name for name in dict.fromkeys((*ours, *theirs)) if ours.get(name) != theirs.get(name)]
    for name in names:
        if name not in theirs:
            yield _difference(source.key, name, "the target lacks it")
        elif name not in ours:
            yield _difference(source.key, name, "only the target has it")
        else:
            yield _difference(source.key, name, "it differs between source and target")
    if not names:
        yield Check(kind="schema", table=source.key, name="table", passed=True, found=0, expected=0)


def _parts(table: Table, wanted: Schema) -> dict[str, object]:
    """Return what a table consists of, by a name for people. Comments and the order of columns do not count."""
    return {
        **{f"column {column.name}": _comparable_column(column) for column in table.columns},
        "primary key": table.primary_key,
        **{f"foreign key {key.name}": key for key in table.foreign_keys if key.parent in wanted and not key.declared},
        **{f"unique key {key.name}": _comparable_key(key) for key in table.unique_keys},
        **{f"check {check.name}": (normalised(check.expression), check.validated) for check in table.checks},
        **{f"exclusion {item.name}": (item.elements, normalised(item.predicate or "")) for item in table.exclusions},
        "partitions": table.routing and normalised(table.routing.expression),
    }


def _comparable_column(column: Column) -> Column:
    default = None if column.default is None else normalised(column.default)
    # The kind follows from the type, but in SQLite, where it follows from the rows.
    return replace(column, kind="other", comment=None, default=default)


def _comparable_key(key: UniqueKey) -> UniqueKey:
    predicate = None if key.predicate is None else normalised(key.predicate)
    return replace(key, predicate=predicate, expressions=tuple(map(normalised, key.expressions)))


def _difference(table: TableKey, name: str, message: str) -> Check:
    return Check(kind="schema", table=table, name=name, passed=False, found=1, expected=0, message=message)


class _Both:
    """The two databases, one connection each."""

    def __init__(self, *, source: tuple[sa.Connection, Dialect], target: tuple[sa.Connection, Dialect]) -> None:
        self.ours, self.dialect = source
        self.theirs, self.target_dialect = target

    def distances(self, table: Table, twin: Table) -> Iterator[Check]:
        """Yield one distance per column that both tables have and that can be compared.

        Keys are left out: new ones are made, and which row refers to which says nothing about a distribution.
        """
        comparable = {column.name for column in twin.columns} - _keys(table)
        shared = [c for c in table.columns if c.name in comparable and _alike(c, twin.column(c.name))]
        categories = {c.name: found for c in shared if c.kind in _NAMED and (found := self._categories(table, c))}
        measures = [
            Measure(column=column, of="value" if column.kind in _ORDERED else "length")
            for column in shared
            if column.kind in _ORDERED or (column.kind == "text" and column.name not in categories)
        ]
        cuts = self.dialect.cut_points(self.ours, table, measures) if measures else {}
        for column in shared:
            if column.name in categories:
                found = self.target_dialect.frequencies(self.theirs, twin, column.name, 10 * CATEGORIES)
                yield _distance(table, column.name, total_variation(categories[column.name], found))
        for measure in measures:
            points = cuts[measure.column.name]
            if points:
                here = self.dialect.histogram(self.ours, table, measure, points)
                there = self.target_dialect.histogram(self.theirs, twin, _of(measure, twin), points)
                name = measure.column.name + (" (length)" if measure.of == "length" else "")
                yield _distance(table, name, kolmogorov_smirnov(here, there))

    def _categories(self, table: Table, column: Column) -> Mapping[str | None, int] | None:
        """Return the frequencies of a column's values, or None if they are too many to be categories."""
        found = self.dialect.frequencies(self.ours, table, column.name, CATEGORIES + 1)
        return found if len(found) <= CATEGORIES and sum(found.values()) >= 2 * len(found) else None


def _alike(column: Column, other: Column) -> bool:
    """Whether values of both can be compared; a label may be a text elsewhere."""
    kinds = {column.kind, other.kind}
    return len(kinds) == 1 or kinds <= _ORDERED - {"date", "time", "interval"} or kinds <= {"text", "enum"}


def _of(measure: Measure, table: Table) -> Measure:
    return replace(measure, column=table.column(measure.column.name))


def _keys(table: Table) -> set[str]:
    """Return the columns of a table that are keys: primary, foreign, or numbers that are unique."""
    unique = {key.columns[0] for key in table.unique_keys if key.is_plain and len(key.columns) == 1}
    numbers = {name for name in unique if table.column(name).kind in ("integer", "uuid")}
    return {*table.primary_key, *numbers, *(name for key in table.foreign_keys for name in key.columns)}


def _distance(table: Table, name: str, value: float) -> Check:
    return Check(kind="distance", table=table.key, name=name, passed=True, found=round(value, 4))


def total_variation(one: Mapping[str | None, int], other: Mapping[str | None, int]) -> float:
    """Return half the sum of the differences between two frequency distributions, 1 if one has no rows."""
    rows, other_rows = sum(one.values()), sum(other.values())
    if not rows or not other_rows:
        return float(rows != other_rows)
    return sum(abs(one.get(v, 0) / rows - other.get(v, 0) / other_rows) for v in {*one, *other}) / 2


def kolmogorov_smirnov(one: Histogram, other: Histogram) -> float:
    """Return the largest difference of two cumulative distributions at the cuts, or of the shares of NULL if larger."""
    rows, other_rows = sum(one.bins) + one.nulls, sum(other.bins) + other.nulls
    if not rows or not other_rows:
        return float(rows != other_rows)
    largest = abs(one.nulls / rows - other.nulls / other_rows)
    known, other_known = max(sum(one.bins), 1), max(sum(other.bins), 1)
    below = other_below = 0
    for count, other_count in zip(one.bins, other.bins, strict=True):
        below += count
        other_below += other_count
        largest = max(largest, abs(below / known - other_below / other_known))
    return largest
