"""Verify: count again, at the target, everything that must be so.

Trusts nobody: neither what the loader counted nor that a constraint which exists is fulfilled. Each rule of the schema
is asked twice, of the catalogue (is it there, is it valid?) and of the rows (how many break it?). One pass over a table
counts rows, NULLs and broken checks; each foreign key is one anti-join, each key one grouping.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from dbclone.db.dialects.base import Dialect, LiveConstraint
from dbclone.model.flow import Check
from dbclone.schema.model import ForeignKey, Schema, Table, TableKey, UniqueKey

EXPRESSIONS_PER_QUERY = 500
"""PostgreSQL returns at most 1,664 columns, and a table may have 1,600."""


def verify(
    connection: sa.Connection,
    dialect: Dialect,
    schema: Schema,
    *,
    expected_rows: Mapping[TableKey, int] | None = None,
) -> tuple[Check, ...]:
    """Return what was found about every rule of ``schema``, table by table. Only reads."""
    live = dialect.constraints(connection, schema.tables)
    checks: list[Check] = []
    for table in schema.tables:
        verifier = _Verifier(connection, dialect, schema, table, live[table.key])
        expected = None if expected_rows is None else expected_rows.get(table.key)
        checks += [*verifier.rows(expected), *verifier.orphans(), *verifier.uniques()]
    return (*checks, *_sequences(connection, dialect, schema))


@dataclass(frozen=True)
class _Verifier:
    """The checks of one table."""

    connection: sa.Connection
    dialect: Dialect
    schema: Schema
    table: Table
    live: Sequence[LiveConstraint]

    def rows(self, expected: int | None) -> Iterator[Check]:
        """Yield the number of rows, then NULLs and broken checks, counted in one pass."""
        rules = [
            *(("not null", c.name, sa.column(c.name).is_(None)) for c in self.table.columns if not c.nullable),
            *(("check", c.name, sa.literal_column(f"({c.expression})").is_(False)) for c in self.table.checks),
        ]
        source = self._source()
        counts = [sa.func.count(), *(sa.func.count(sa.case((broken, 1))) for _, _, broken in rules)]
        found: list[int] = []
        for start in range(0, len(counts), EXPRESSIONS_PER_QUERY):
            query = sa.select().add_columns(*counts[start : start + EXPRESSIONS_PER_QUERY]).select_from(source)
            found += self.connection.execute(self._only(query, source)).one()
        passed = expected is None or found[0] == expected
        message = "" if passed else f"{found[0]:,} rows instead of {expected:,}"
        yield self._check("rows", "rows", found[0], passed=passed, expected=expected, message=message)
        for (kind, name, _), broken_rows in zip(rules, found[1:], strict=True):
            yield from self._counted(kind, name, broken_rows)

    def _counted(self, kind: str, name: str, broken: int) -> Iterator[Check]:
        said = {"not null": "rows are NULL", "check": "rows do not fulfil it"}[kind]
        yield self._check(kind, name, broken, message=f"{broken:,} {said}" if broken else "")
        if kind == "check":
            known = next(check for check in self.table.checks if check.name == name)
            yield from self._in_place(kind, name, known.validated, [c for c in self.live if _is_check(c, name)])

    def orphans(self) -> Iterator[Check]:
        """Yield, per foreign key, the rows whose parent does not exist."""
        for key in self.table.foreign_keys:
            broken = int(self.connection.scalar(self._orphans(key)) or 0)
            message = f"{broken:,} rows refer to rows of {key.parent} that do not exist" if broken else ""
            yield self._check("orphans", key.name, broken, message=message)
            parent = self.schema.table(key.parent)
            found = [c for c in self.live if _is_foreign_key(c, key, parent)]
            if not key.declared:
                yield from self._in_place("orphans", key.name, key.validated, found)

    def _orphans(self, key: ForeignKey) -> sa.Select[Any]:
        parent = self.schema.table(key.parent)
        child = self._source(key.columns).alias("child")
        rows = sa.table(parent.name, *map(sa.column, key.parent_columns), schema=parent.schema).alias("parent")
        mine = [child.c[name] for name in key.columns]
        theirs = [rows.c[name] for name in key.parent_columns]
        same = sa.select(sa.literal(1)).select_from(rows)
        same = same.where(*(a == b for a, b in zip(mine, theirs, strict=True)))
        missing = ~self.dialect.only(same, rows, parent).correlate(child).exists()
        refers = sa.and_(*(column.is_not(None) for column in mine))
        broken = sa.and_(refers, missing)
        if key.match_full:
            some = sa.or_(*(column.is_not(None) for column in mine))
            broken = sa.or_(broken, sa.and_(some, ~refers))
        return self._only(sa.select(sa.func.count()).select_from(child).where(broken), child)

    def uniques(self) -> Iterator[Check]:
        """Yield, per key, how many rows repeat the key of another."""
        if self.table.primary_key:
            primary = UniqueKey(name="primary key", columns=self.table.primary_key)
            yield from self._unique(primary, [c for c in self.live if c.kind == "primary key"])
        for key in self.table.unique_keys:
            yield from self._unique(key, [c for c in self.live if _is_unique(c, key)])

    def _unique(self, key: UniqueKey, found: Sequence[LiveConstraint]) -> Iterator[Check]:
        source = self._source()
        parts: list[sa.ColumnElement[Any]] = [sa.column(name) for name in key.columns]
        parts += [sa.literal_column(f"({expression})") for expression in key.expressions]
        groups = sa.select(sa.func.count().label("n")).select_from(source).group_by(*parts).having(sa.func.count() > 1)
        if key.predicate is not None:
            groups = groups.where(sa.literal_column(f"({key.predicate})"))
        if key.nulls_distinct:
            groups = groups.where(*(part.is_not(None) for part in parts))
        repeated = self._only(groups, source).subquery("repeated")
        query = sa.select(sa.func.coalesce(sa.func.sum(repeated.c.n - 1), 0))
        broken = int(self.connection.scalar(query) or 0)
        message = f"{broken:,} rows have the key of another row" if broken else ""
        yield self._check("unique", key.name, broken, message=message)
        yield from self._in_place("unique", key.name, True, found)

    def _in_place(self, kind: str, name: str, validated: bool, found: Sequence[LiveConstraint]) -> Iterator[Check]:
        """Yield a failed check if the constraint is missing, or not valid although it is in the schema."""
        if not found:
            yield self._check(kind, name, 0, passed=False, message="there is no such constraint at the target")
        elif validated and not all(constraint.valid for constraint in found):
            yield self._check(kind, name, 0, passed=False, message="the constraint is NOT VALID at the target")

    def _check(
        self,
        kind: str,
        name: str,
        found: float,
        *,
        passed: bool | None = None,
        expected: float | None = None,
        message: str = "",
    ) -> Check:
        wanted = expected if kind == "rows" else 0
        return Check(
            kind=kind,
            table=self.table.key,
            name=name,
            passed=found == 0 if passed is None else passed,
            found=found,
            expected=wanted,
            message=message,
        )

    def _source(self, columns: Iterable[str] = ()) -> sa.TableClause:
        return sa.table(self.table.name, *map(sa.column, columns), schema=self.table.schema)

    def _only(self, query: sa.Select[Any], source: sa.FromClause) -> sa.Select[Any]:
        return self.dialect.only(query, source, self.table)


def _is_check(constraint: LiveConstraint, name: str) -> bool:
    return constraint.kind == "check" and constraint.name == name


def _is_foreign_key(constraint: LiveConstraint, key: ForeignKey, parent: Table) -> bool:
    if constraint.kind != "foreign key" or constraint.parent is None:
        return False
    schema, name = constraint.parent
    there = set(zip(constraint.columns, constraint.parent_columns, strict=True))
    wanted = set(zip(key.columns, key.parent_columns, strict=True))
    return there == wanted and name == parent.name and parent.schema in (None, schema)


def _is_unique(constraint: LiveConstraint, key: UniqueKey) -> bool:
    return (
        constraint.kind in ("unique", "primary key")
        and constraint.plain == key.is_plain
        and set(constraint.columns) == set(key.columns)
        and (key.is_plain or constraint.name == key.name)
    )


def _sequences(connection: sa.Connection, dialect: Dialect, schema: Schema) -> Iterable[Check]:
    for state in dialect.sequences(connection, schema.tables):
        yield Check(
            kind="sequence",
            table=state.table,
            name=state.name,
            passed=state.is_past,
            found=state.next,
            expected=None,
            message="" if state.is_past else f"its next value is not after the last one of {state.column}",
        )
