"""What is at the target before anything is written, and whether it may be written to.

Everything that can be known beforehand is refused here, with all problems at once: better said before an hour of
training than after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Literal

import pyarrow as pa
import sqlalchemy as sa

from dbclone.db.compare import differences
from dbclone.db.connect import Database
from dbclone.db.dialects.base import Dialect, Keys
from dbclone.db.reflect import reflect_schema
from dbclone.db.reprint import normalised
from dbclone.errors import TargetError, at_most
from dbclone.model.flow import Ddl
from dbclone.schema.bookkeeping import copied_tables
from dbclone.schema.model import Column, Schema, Table, TableKey, TypeKind
from dbclone.schema.plan import Plan

OnExisting = Literal["refuse", "truncate", "append"]
OnDrift = Literal["refuse", "migrate", "ignore"]

# What COPY reads into a column of another kind without an error, whatever the value.
_ACCEPTS: Mapping[TypeKind, frozenset[TypeKind]] = {
    "decimal": frozenset({"integer"}),
    "float": frozenset({"integer", "decimal"}),
    "timestamp": frozenset({"date", "timestamptz"}),
    "timestamptz": frozenset({"date", "timestamp"}),
}
_ACCEPTS_ANYTHING: frozenset[TypeKind] = frozenset({"text", "other"})


@dataclass(frozen=True, kw_only=True)
class Script:
    """SQL of the user's own; ``name`` is its file."""

    name: str
    sql: str


@dataclass(frozen=True, kw_only=True)
class TargetState:
    """The target as it was found.

    ``is_new``: it has none of the tables. ``next_key``: per table whose primary key is one integer column, the first
    value that is free above those that stay (1 where none do); ``next_value``: the same for other columns of integers
    in a unique key. ``rows`` counts the rows that stay, per table.

    ``emptied`` are the tables whose rows are deleted first; ``kept`` those of bookkeeping that stay as they are, since
    they tell how the target itself was built. ``explained`` says, for people, what is done to what is there.
    ``migrate`` changes the definition within the loading transaction; ``ignores_drift``: the target keeps its own.
    ``swapped`` are the schemas that new ones take the place of, with all that is in them.
    ``unlogged``: new tables are made such that a crash of the server empties them.
    ``before_load`` and ``after_load`` are carried out within it, before rows are written and when all is in place.
    ``ddl`` and ``schema`` are the target's own, under the source's keys, if it is of another kind than the source.
    """

    is_new: bool
    on_existing: OnExisting
    next_key: Mapping[TableKey, int]
    next_value: Mapping[tuple[TableKey, str], int] = field(default_factory=dict)
    rows: Mapping[TableKey, int] = field(default_factory=dict)
    emptied: tuple[TableKey, ...] = ()
    kept: frozenset[TableKey] = frozenset()
    explained: tuple[str, ...] = ()
    migrate: Callable[[sa.Connection], None] | None = None
    before_load: tuple[Script, ...] = ()
    after_load: tuple[Script, ...] = ()
    ignores_drift: bool = False
    swapped: tuple[str, ...] = ()
    unlogged: bool = False
    ddl: Ddl | None = None
    schema: Schema | None = None

    def at_target(self, plan: Plan) -> Plan:
        """Return the plan with the tables as the target has them, where it is of another kind than the source."""
        return plan if self.schema is None else replace(plan, schema=self.schema)


def same_database(one: Database, other: Database) -> bool:
    """Whether both are one database, by what the servers say, not by URL; a replica counts as its primary."""
    return one.identity() == other.identity()


def prepare_target(
    target: Database, schema: Schema, on_existing: OnExisting = "refuse", on_drift: OnDrift = "refuse"
) -> TargetState:
    """Return the state of the target; nothing is changed.

    Raises TargetError if rows of ``schema`` must not or cannot be written to it.
    """
    copied = copied_tables(schema)
    with target.connect() as connection:
        live = reflect_schema(connection, target.dialect)
        existing = [live.table(table.key) for table in schema.tables if table.key in live]
        if not existing:
            return TargetState(is_new=True, on_existing=on_existing, next_key={})
        if on_drift != "migrate":
            _refuse_partial(target, schema, live)
        holding = {table.key for table in existing if _has_rows(connection, target.dialect, table)}
        filled = sorted(holding - copied)
        if filled and on_existing == "refuse":
            raise TargetError(
                f"{target.name} already has rows in {len(filled)} of {len(existing)} tables: choose an empty database, "
                "or --on-existing truncate (deletes the rows of these tables), or --on-existing append (adds to them)",
                details=at_most([f"{key} has rows" for key in filled]),
            )
        same_kind = schema.dialect == live.dialect
        if on_drift != "migrate" and same_kind:
            _refuse_differences(schema, live)
        if on_drift == "refuse" and same_kind:
            _refuse_drift(target, schema, live)
        refuse_hidden(connection, target.dialect, existing)
        kept = _kept(holding & copied, on_existing, on_drift)
        emptied = [table for table in existing if _is_emptied(table.key, copied, on_existing) and table.key not in kept]
        _refuse_foreign_children(connection, target.dialect, emptied)
        appends = on_existing == "append"
        return TargetState(
            is_new=False,
            on_existing=on_existing,
            next_key=_next_keys(connection, target.dialect, existing) if appends else {},
            next_value=_next_values(connection, target.dialect, existing) if appends else {},
            rows=target.dialect.count_rows(connection, existing) if appends else {},
            emptied=tuple(table.key for table in emptied),
            kept=kept,
            explained=tuple(_explained(existing, emptied, kept, on_existing)),
            ignores_drift=on_drift == "ignore",
        )


def _kept(bookkeeping: Set[TableKey], on_existing: OnExisting, on_drift: OnDrift) -> frozenset[TableKey]:
    """Return the tables of bookkeeping that keep their rows: all, unless the target becomes what the source is."""
    replaced = on_drift == "migrate" or (on_existing == "truncate" and on_drift == "refuse")
    return frozenset() if replaced and on_existing != "append" else frozenset(bookkeeping)


def _is_emptied(table: TableKey, copied: Set[TableKey], on_existing: OnExisting) -> bool:
    return on_existing == "truncate" or (on_existing == "refuse" and table in copied)


def _explained(
    existing: Sequence[Table], emptied: Sequence[Table], kept: Set[TableKey], on_existing: OnExisting
) -> Iterator[str]:
    if on_existing == "truncate":
        names = ", ".join(at_most([table.key for table in emptied], 20))
        yield (
            f"{len(emptied)} tables are emptied by one TRUNCATE, in the transaction of the load: {names}; every table "
            "that refers to one of them is among them, so their order does not matter and CASCADE is not needed"
        )
    elif on_existing == "append":
        yield f"rows are added to {len(existing)} tables; keys continue after those that are there"
    if kept:
        yield f"migration bookkeeping that is there stays as it is: {', '.join(sorted(kept))}"


def _refuse_drift(target: Database, schema: Schema, live: Schema) -> None:
    wanted = _unnamed(schema)
    found = [check for check in differences(wanted, _unnamed(live), wanted) if not check.passed]
    if found:
        tables = len({check.table for check in found})
        raise TargetError(
            f"{tables} tables of {target.name} are defined otherwise than the source's: bring them up to date with "
            "--on-drift migrate (or with the revision that dbclone diff --write-revision writes), or load them as they "
            "are with --on-drift ignore",
            details=at_most([f"{check.table} {check.name}: {check.message}" for check in found]),
        )


def _unnamed(schema: Schema) -> Schema:
    """Return the schema with keys and checks called by what they say: a constraint of another name is the same one."""
    return replace(schema, tables=tuple(map(_unnamed_table, schema.tables)))


def _unnamed_table(table: Table) -> Table:
    return replace(
        table,
        foreign_keys=tuple(
            replace(key, name=f"({', '.join(key.columns)}) to {key.parent}", validated=True)
            for key in table.foreign_keys
        ),
        unique_keys=tuple(
            replace(key, name=f"({', '.join((*key.columns, *map(normalised, key.expressions)))})")
            for key in table.unique_keys
        ),
        checks=tuple(
            replace(check, name=f"({normalised(check.expression)})", validated=True) for check in table.checks
        ),
        exclusions=tuple(replace(item, name=f"{item.elements}") for item in table.exclusions),
    )


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
            f"rows of the source's shape do not fit the target's tables ({len(problems)} differences): migrate them "
            "with --on-drift migrate, or use an empty database",
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
    # A declared type that binds nobody may mean several kinds.
    same = source.type == target.type or source.kind == target.kind or target.kind in _ACCEPTS_ANYTHING
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
            "other tables of the target refer to those that would be truncated, which would need CASCADE and empty "
            "them as well: clone them too, or drop these foreign keys, or use --on-existing append",
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
            keys[table.key] = _after_largest(connection, dialect, table, table.primary_key[0])
    return keys


def _next_values(
    connection: sa.Connection, dialect: Dialect, tables: Sequence[Table]
) -> dict[tuple[TableKey, str], int]:
    counted = {
        (table.key, name): table
        for table in tables
        for key in table.uniques()
        for name in key
        if table.column(name).kind == "integer"
        and (key != table.primary_key or len(key) > 1)
        and not any(name in foreign_key.columns for foreign_key in table.foreign_keys)
    }
    return {(key, name): _after_largest(connection, dialect, table, name) for (key, name), table in counted.items()}


def _after_largest(connection: sa.Connection, dialect: Dialect, table: Table, name: str) -> int:
    column: sa.ColumnClause[int] = sa.column(name)
    source = sa.table(table.name, column, schema=table.schema)
    largest = connection.scalar(dialect.only(sa.select(sa.func.max(column)), source, table))
    return 1 if largest is None else int(largest) + 1


def count_taken(
    connection: sa.Connection, dialect: Dialect, table: Table, columns: Sequence[str], rows: pa.Table
) -> int:
    """Return how many of ``rows`` have a key, in ``columns``, that a row of the target has already."""
    values = rows.select(list(columns)).drop_null()
    if not values.num_rows:
        return 0
    keys = Keys(columns=tuple(table.column(name) for name in columns), values=values)
    return int((dialect.count_matching(connection, table, columns, keys) > 0).sum())
