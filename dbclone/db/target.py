"""What is at the target before anything is written, and whether it may be written to.

Everything that can be known beforehand is refused here, with all problems at once: better said before an hour of
training than after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from dbclone.db.connect import Database
from dbclone.db.dialects.base import Dialect
from dbclone.db.reflect import reflect_schema
from dbclone.errors import TargetError, at_most
from dbclone.schema.model import Column, Schema, Table, TableKey, TypeKind

OnExisting = Literal["refuse", "truncate", "append"]

# What COPY reads into a column of another kind without an error, whatever the value.
_ACCEPTS: Mapping[TypeKind, frozenset[TypeKind]] = {
    "decimal": frozenset({"integer"}),
    "float": frozenset({"integer", "decimal"}),
    "timestamp": frozenset({"date", "timestamptz"}),
    "timestamptz": frozenset({"date", "timestamp"}),
}
_ACCEPTS_ANYTHING: frozenset[TypeKind] = frozenset({"text", "other"})


@dataclass(frozen=True, kw_only=True)
class TargetState:
    """The target as it was found.

    ``is_new``: it has none of the tables. ``next_key``: per table whose primary key is one integer column, the first
    value that is free above those that stay (1 where none do).
    """

    is_new: bool
    on_existing: OnExisting
    next_key: Mapping[TableKey, int]


def same_database(one: Database, other: Database) -> bool:
    """Whether both are one database, by what the servers say, not by URL; a replica counts as its primary."""
    return one.identity() == other.identity()


def prepare_target(target: Database, schema: Schema, on_existing: OnExisting = "refuse") -> TargetState:
    """Return the state of the target; nothing is changed.

    Raises TargetError if rows of ``schema`` must not or cannot be written to it.
    """
    with target.connect() as connection:
        live = reflect_schema(connection, target.dialect)
        existing = [live.table(table.key) for table in schema.tables if table.key in live]
        if not existing:
            return TargetState(is_new=True, on_existing=on_existing, next_key={})
        _refuse_partial(target, schema, live)
        filled = [table.key for table in existing if _has_rows(connection, target.dialect, table)]
        if filled and on_existing == "refuse":
            raise TargetError(
                f"{target.name} already has rows in {len(filled)} of {len(existing)} tables: choose an empty database, "
                "or --on-existing truncate (deletes the rows of these tables), or --on-existing append (adds to them)",
                details=at_most([f"{key} has rows" for key in filled]),
            )
        _refuse_differences(schema, live)
        refuse_hidden(connection, target.dialect, existing)
        if on_existing == "truncate":
            _refuse_foreign_children(connection, target.dialect, existing)
        next_key = _next_keys(connection, target.dialect, existing) if on_existing == "append" else {}
    return TargetState(is_new=False, on_existing=on_existing, next_key=next_key)


def _refuse_partial(target: Database, schema: Schema, live: Schema) -> None:
    missing = [table.key for table in schema.tables if table.key not in live]
    if missing:
        there = [table.key for table in schema.tables if table.key in live]
        raise TargetError(
            f"{target.name} has {len(there)} of {len(schema.tables)} tables: use an empty database, or one that has "
            "them all, or choose the tables with --tables",
            details=at_most([f"{key} is missing" for key in missing] + [f"{key} is there" for key in there]),
        )


def _has_rows(connection: sa.Connection, dialect: Dialect, table: Table) -> bool:
    source = sa.table(table.name, schema=table.schema)
    query = dialect.only(sa.select(sa.literal(1)).select_from(source), source, table).limit(1)
    return connection.execute(query).first() is not None


def _refuse_differences(schema: Schema, live: Schema) -> None:
    problems = [
        f"{table.key}.{problem}" for table in schema.tables for problem in _differences(table, live.table(table.key))
    ]
    if problems:
        raise TargetError(
            f"rows of the source's shape do not fit the target's tables ({len(problems)} differences): migrate the "
            "target, or use an empty database",
            details=at_most(problems),
        )


def _differences(source: Table, target: Table) -> Iterator[str]:
    """Yield ``column: what differs``, for what makes rows of the source's shape fail at the target."""
    written = {column.name: column for column in source.written_columns}
    there = {column.name: column for column in target.columns}
    for name, column in written.items():
        if name not in there:
            yield f"{name}: the target has no such column"
        elif there[name].generated:
            yield f"{name}: the target generates this column"
        else:
            yield from (f"{name}: {problem}" for problem in _misfits(column, there[name]))
    for name, column in there.items():
        filled = column.nullable or column.generated or column.default is not None or column.filled_by_sequence
        if name not in written and not filled:
            yield f"{name}: the source has no such column, and it is NOT NULL without a default"


def _misfits(source: Column, target: Column) -> Iterator[str]:
    same = source.kind == target.kind or target.kind in _ACCEPTS_ANYTHING
    if not same and source.kind not in _ACCEPTS.get(target.kind, ()):
        yield f"{source.type} at the source, {target.type} at the target"
        return
    if target.length is not None and (source.length is None or source.length > target.length):
        yield f"{source.type} at the source is longer than {target.type} at the target"
    if target.kind == "integer" and (target.bytes or 8) < (source.bytes or 8):
        yield f"{source.type} at the source is wider than {target.type} at the target"
    missing = [value for value in source.enum_values if value not in target.enum_values]
    if target.kind == "enum" and missing:
        yield f"the target's type {target.type} lacks {len(missing)} of {len(source.enum_values)} values"
    if source.nullable and not target.nullable:
        yield "NULL at the source, NOT NULL at the target"


def _refuse_foreign_children(connection: sa.Connection, dialect: Dialect, tables: Sequence[Table]) -> None:
    children = dialect.foreign_children(connection, tables)
    if children:
        raise TargetError(
            "other tables of the target refer to those that would be truncated: clone them as well, or drop these "
            "foreign keys, or use --on-existing append",
            details=at_most(children),
        )


def refuse_hidden(connection: sa.Connection, dialect: Dialect, tables: Sequence[Table]) -> None:
    """Raise TargetError if row-level security keeps the role from writing or counting rows of ``tables``."""
    hidden = dialect.hidden_tables(connection, tables)
    if hidden:
        raise TargetError(
            f"row-level security of {len(hidden)} tables of the target applies to this role, which can neither load "
            "nor count their rows: connect as their owner (where it is FORCEd on owners, as a role with BYPASSRLS)",
            details=at_most([table.key for table in hidden]),
        )


def _next_keys(connection: sa.Connection, dialect: Dialect, tables: Sequence[Table]) -> dict[TableKey, int]:
    keys = {}
    for table in tables:
        if len(table.primary_key) == 1 and table.column(table.primary_key[0]).kind == "integer":
            column: sa.ColumnClause[int] = sa.column(table.primary_key[0])
            source = sa.table(table.name, column, schema=table.schema)
            largest = connection.scalar(dialect.only(sa.select(sa.func.max(column)), source, table))
            keys[table.key] = 1 if largest is None else int(largest) + 1
    return keys
