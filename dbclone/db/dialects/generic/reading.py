"""Rows by queries in SQLAlchemy Core: samples, and the rows that have given keys.

Nothing is written, not even a temporary table: keys are handed over inside the statement, some hundred at a time. Their
list begins with a query of the looked-up columns that returns nothing, so that its values get the types and collations
of these columns, and compare as the database itself would compare a reference.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, FromClause, Select

from dbclone.db.dialects.base import Cap, Dialect, Keys, RandomRows
from dbclone.errors import ConnectError
from dbclone.model.flow import arrow_type
from dbclone.model.literals import typed
from dbclone.schema.model import Column, ForeignKey, Table, TableKey, TypeKind

KEYS_PER_QUERY = 400
"""SQLite takes 500 terms in a UNION."""
LONGEST = 1 << 16
"""Values are cut after so many characters or bytes. No key is as long."""
_AS_THEY_ARE: frozenset[TypeKind] = frozenset({"boolean", "integer", "float", "binary"})
_ODD, _ROUNDS = 48_271, ((2_147_483_647, 69_621), (2_147_483_629, 39_373))
"""Multipliers and prime moduli of random number generators that fit into 63 bits."""


def readable(table: Table) -> list[Column]:
    """Return the columns that are sampled: those that a loader writes and whose values can be generated."""
    return [column for column in table.columns if column.kind != "other" and not column.generated]


class Reading(Dialect):
    """The reading hooks."""

    def forbidden_tables(self, connection: Connection, tables: Sequence[Table]) -> tuple[Table, ...]:  # noqa: ARG002
        return ()

    def hidden_tables(self, connection: Connection, tables: Sequence[Table]) -> tuple[Table, ...]:  # noqa: ARG002
        return ()

    def grant_statement(self, connection: Connection, tables: Sequence[Table]) -> str:
        quote = connection.dialect.identifier_preparer.quote
        return "; ".join(f"GRANT SELECT ON {quote(table.name)} TO {connection.engine.url.username}" for table in tables)

    def only(self, statement: Select[Any], source: FromClause, table: Table) -> Select[Any]:  # noqa: ARG002
        return statement

    # ---- How values are read ---------------------------------------------------------------------------------------

    def selected(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the expression that reads a column: booleans, numbers and bytes as they are, else text."""
        if column.kind == "binary":
            return sa.func.substr(value, 1, LONGEST)
        if column.kind in _AS_THEY_ARE:
            return value
        return self.as_text(column, value)

    def as_text(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[Any]:  # noqa: ARG002
        """Return the expression that spells a value as :mod:`dbclone.model.literals` reads it."""
        return sa.cast(value, sa.Text)

    def read_all(self, connection: Connection, table: Table) -> pa.Table:
        source = rows_of(table)
        return self._read(connection, table, sa.select(*self._selected(table, source)).select_from(source))

    def read_texts(self, connection: Connection, table: Table) -> pa.Table:
        source, names = rows_of(table), [column.name for column in table.written_columns]
        query = sa.select(*(sa.cast(source.c[name], sa.Text) for name in names)).select_from(source)
        found = connection.execute(query).all()
        return pa.table({name: pa.array([row[n] for row in found], pa.string()) for n, name in enumerate(names)})

    def _selected(self, table: Table, source: FromClause) -> list[ColumnElement[Any]]:
        return [self.selected(c, source.c[c.name]).label(f"v{n}") for n, c in enumerate(readable(table))]

    def _read(self, connection: Connection, table: Table, query: Select[Any]) -> pa.Table:
        columns = readable(table)
        found = list(zip(*connection.execute(query).all(), strict=True))
        empty: tuple[Any, ...] = ()
        arrays = [_array(table, column, found[n] if found else empty) for n, column in enumerate(columns)]
        return pa.table(arrays, names=[column.name for column in columns])

    # ---- Counts ----------------------------------------------------------------------------------------------------

    def count_rows(self, connection: Connection, tables: Sequence[Table]) -> dict[TableKey, int]:
        count = sa.select(sa.func.count())
        return {t.key: int(connection.scalar(count.select_from(rows_of(t))) or 0) for t in tables}

    def count_null_references(self, connection: Connection, table: Table) -> dict[str, int]:
        source, counts = rows_of(table), {key.name: 0 for key in table.foreign_keys}
        keys = [key for key in table.foreign_keys if table.nullable(key)]
        if keys:
            wanted = [sa.func.count(sa.case((_is_null(key, source), 1))) for key in keys]
            found = connection.execute(sa.select(*wanted).select_from(source)).one()
            counts.update(zip((key.name for key in keys), map(int, found), strict=True))
        return counts

    # ---- Random rows -----------------------------------------------------------------------------------------------

    def row_order(self, table: Table, source: FromClause) -> list[ColumnElement[Any]]:
        """Return what puts the rows of a table into one order: the same each time while they stay the same."""
        return [source.c[name] for name in table.primary_key or [column.name for column in table.columns]]

    def read_random(self, connection: Connection, table: Table, draw: RandomRows) -> pa.Table:
        source = rows_of(table)
        expected = draw.wanted + 6 * math.sqrt(draw.wanted) + 10
        share = min(1.0, expected / max(draw.available, 1))
        place = sa.func.row_number().over(order_by=self.row_order(table, source)).label("place")
        inner = sa.select(*self._selected(table, source), place).select_from(source)
        if draw.null_in is not None:
            inner = inner.where(_is_null(draw.null_in, source))
        numbered = inner.subquery("numbered")
        query = sa.select(*(c for c in numbered.c if c.name != "place")).where(
            _dice(numbered.c.place, sa.literal_column("0"), draw.seed) < int(share * _ROUNDS[-1][0])
        )
        return self._read(connection, table, query.order_by(numbered.c.place))

    # ---- Rows by key -----------------------------------------------------------------------------------------------

    def read_matching(
        self, connection: Connection, table: Table, columns: Sequence[str], keys: Keys, cap: Cap | None = None
    ) -> pa.Table:
        source = rows_of(table)
        parts = [
            self._read(connection, table, self._matching(table, source, chunk, equal, cap, start))
            for start, chunk, equal in self._chunks(table, source, columns, keys)
        ]
        empty = pa.schema([(column.name, arrow_type(column.kind)) for column in readable(table)]).empty_table()
        return pa.concat_tables([empty, *parts])

    def _matching(
        self,
        table: Table,
        source: FromClause,
        chunk: FromClause,
        equal: ColumnElement[bool],
        cap: Cap | None,
        start: int,
    ) -> Select[Any]:
        order = self.row_order(table, source)
        selected = self._selected(table, source)
        joined = chunk.join(source, equal)
        if cap is None:
            return sa.select(*selected).select_from(joined).order_by(chunk.c.number, *order)
        # Of a key with more rows than that some are drawn by their place among them.
        place = sa.func.row_number().over(partition_by=chunk.c.number, order_by=order).label("place")
        placed = sa.select(*selected, chunk.c.number, place).select_from(joined).subquery("placed")
        dice = _dice(placed.c.place, placed.c.number, cap.seed + start).label("dice")
        ranked = sa.func.row_number().over(partition_by=placed.c.number, order_by=(dice, placed.c.place))
        drawn = sa.select(placed, ranked.label("drawn")).subquery("ranked")
        values = [drawn.c[f"v{n}"] for n in range(len(selected))]
        return sa.select(*values).where(drawn.c.drawn <= cap.rows).order_by(drawn.c.number, drawn.c.drawn)

    def count_matching(
        self, connection: Connection, table: Table, columns: Sequence[str], keys: Keys
    ) -> npt.NDArray[np.int64]:
        counts, source = np.zeros(keys.values.num_rows, dtype=np.int64), rows_of(table)
        for start, chunk, equal in self._chunks(table, source, columns, keys):
            query = sa.select(chunk.c.number, sa.func.count()).select_from(chunk.join(source, equal))
            for number, count in connection.execute(query.group_by(chunk.c.number)):
                counts[start + number] = count
        return counts

    def key_values(self, column: Column, values: pa.ChunkedArray) -> list[Any]:
        """Return the values of a key as parameters that compare with a column like ``column``."""
        if column.kind in _AS_THEY_ARE:
            return list(values.to_pylist())
        return list(pa.chunked_array([self.spelled(column, chunk) for chunk in values.chunks], pa.string()).to_pylist())

    def _chunks(
        self, table: Table, source: FromClause, columns: Sequence[str], keys: Keys
    ) -> Iterator[tuple[int, FromClause, ColumnElement[bool]]]:
        """Yield the keys, some hundred at a time: position of the first, ``k (number, c0, …)``, the condition."""
        described = [table.column(name) for name in columns]
        values = [self.key_values(c, keys.values.column(n)) for n, c in enumerate(described)]
        rows = list(zip(*values, strict=True))
        for start in range(0, len(rows), KEYS_PER_QUERY):
            typed_none = sa.select(
                sa.literal_column("0").label("number"),
                *(source.c[name].label(f"c{n}") for n, name in enumerate(columns)),
            ).where(sa.literal_column("1 = 0"))
            lines: list[Select[Any]] = [
                sa.select().add_columns(sa.literal_column(str(number)), *(sa.bindparam(None, v) for v in row))
                for number, row in enumerate(rows[start : start + KEYS_PER_QUERY])
            ]
            chunk = sa.union_all(typed_none, *lines).subquery("k")
            equal = sa.and_(*(source.c[name] == chunk.c[f"c{n}"] for n, name in enumerate(columns)))
            yield start, chunk, equal

    @abstractmethod
    def spelled(self, column: Column, values: pa.Array) -> pa.Array:
        """Return values as the text that this database reads."""


def rows_of(table: Table) -> sa.TableClause:
    """Return the table for a query; the types of its columns are left to the database."""
    return sa.table(table.name, *(sa.column(column.name) for column in table.columns), schema=table.schema)


def _is_null(key: ForeignKey, source: FromClause) -> ColumnElement[bool]:
    """Return the condition that a row refers to nothing."""
    return sa.or_(*(source.c[name].is_(None) for name in key.columns))


def _dice(place: ColumnElement[Any], key: ColumnElement[Any], seed: int) -> ColumnElement[Any]:
    """Return a pseudo-random number below 2,147,483,629 of a place and a key: the same for the same ``seed``."""
    found: ColumnElement[Any] = (place + key * _ODD + seed * _ODD % _ROUNDS[0][0]) % _ROUNDS[0][0]
    for prime, factor in _ROUNDS:
        found = found * factor % prime
    return found


def _array(table: Table, column: Column, values: Sequence[Any]) -> pa.Array:
    """Return what a driver gave for a column as its Arrow type."""
    kind = column.kind
    try:
        if kind == "boolean":
            return pa.array([None if value is None else bool(value) for value in values], pa.bool_())
        if kind in _AS_THEY_ARE:
            return pa.array(values, arrow_type(kind))
        return typed(kind, pa.array(values, pa.string()))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError, ValueError):
        # Not "from error": its text quotes a value.
        raise ConnectError(
            f"{table.key}.{column.name} holds values that are none of its type {column.type} (or beyond 63 bits): "
            "mend them at the source, or leave the table out with --exclude"
        ) from None
