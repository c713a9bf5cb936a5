"""What ``compare`` asks, in SQLAlchemy Core: quantiles by counting rows off, histograms by comparing with the cuts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause

from dbclone.db.dialects.base import Histogram, Measure
from dbclone.db.dialects.generic.reading import Reading, rows_of
from dbclone.model.literals import typed
from dbclone.schema.model import Column, Table

CUTS = 100


class Verifying(Reading):
    """The hooks that ``compare`` asks."""

    def cut_points(self, connection: Connection, table: Table, columns: Sequence[Measure]) -> Mapping[str, list[str]]:
        return {measure.column.name: self._cuts(connection, table, measure) for measure in columns}

    def _cuts(self, connection: Connection, table: Table, measure: Measure) -> list[str]:
        source = rows_of(table)
        value = self._measured(measure, source)
        known = sa.select(value.label("v")).select_from(source).where(source.c[measure.column.name].is_not(None))
        rows = int(connection.scalar(sa.select(sa.func.count()).select_from(known.subquery("known"))) or 0)
        places = sorted({min(rows, int((number + 0.5) * rows / CUTS) + 1) for number in range(CUTS)}) if rows else []
        numbered = known.add_columns(sa.func.row_number().over(order_by=value).label("place")).subquery("numbered")
        wanted = self.selected(measure.column, numbered.c.v) if measure.of == "value" else numbered.c.v
        query = sa.select(wanted).where(numbered.c.place.in_(places)).order_by(numbered.c.place)
        return [str(cut) for cut in dict.fromkeys(connection.scalars(query)) if cut is not None] if places else []

    def histogram(self, connection: Connection, table: Table, measure: Measure, cuts: Sequence[str]) -> Histogram:
        source = rows_of(table)
        value = self._measured(measure, source)
        limits = self._limits(table, measure, cuts)
        below = [sa.func.count(sa.case((value < sa.bindparam(None, cut), 1))) for cut in limits]
        null = source.c[measure.column.name].is_(None)
        wanted = [sa.func.count(), sa.func.count(sa.case((null, 1))), *below]
        rows, nulls, *counts = connection.execute(sa.select(*wanted).select_from(source)).one()
        bins = [after - before for before, after in pairwise([0, *counts, rows - nulls])]
        return Histogram(bins=tuple(map(int, bins)), nulls=int(nulls))

    def _limits(self, table: Table, measure: Measure, cuts: Sequence[str]) -> list[Any]:
        if measure.of == "length":
            return [int(cut) for cut in cuts]
        column = table.column(measure.column.name)
        if column.kind in ("integer", "decimal", "float"):
            return [float(cut) for cut in cuts]
        values = typed(measure.column.kind, pa.array(cuts, pa.string()))
        return self.key_values(column, pa.chunked_array([values]))

    def frequencies(self, connection: Connection, table: Table, column: str, limit: int) -> Mapping[str | None, int]:
        source = rows_of(table)
        hashed = sa.func.md5(self.comparable_text(table.column(column), source.c[column])).label("hash")
        count = sa.func.count().label("n")
        query = sa.select(hashed, count).select_from(source).group_by(hashed)
        return {row[0]: int(row[1]) for row in connection.execute(query.order_by(count.desc(), hashed).limit(limit))}

    def comparable_text(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return a value as the text that PostgreSQL would print of it, so that hashes of two databases compare."""
        if column.kind == "boolean":
            return sa.case((value.is_(None), sa.null()), (value == sa.literal_column("0"), "false"), else_="true")
        return sa.cast(value, sa.Text)

    def text_length(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the length of a text in characters."""
        return sa.func.length(value)

    def _measured(self, measure: Measure, source: FromClause) -> ColumnElement[Any]:
        value: ColumnElement[Any] = source.c[measure.column.name]
        return self.text_length(value) if measure.of == "length" else value
