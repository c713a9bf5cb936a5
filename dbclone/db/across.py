"""Across kinds of databases: the definition of a target made from the schema of a source of another kind.

Made of SQLAlchemy's types and constraints, from the schema alone, so that a model file will do. docs/design.md has the
table of types. What cannot be carried is listed in ``Ddl.lost``, by kind and name, before anything is written;
conditions and defaults are only carried where they mean the same everywhere. What became of it all, the target says
itself: the definition is made there, read, and undone.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from dbclone.db.connect import Database
from dbclone.db.ddl import portable_statements, renderer
from dbclone.db.load import undone
from dbclone.db.reflect import reflect_schema
from dbclone.db.target import TargetState
from dbclone.errors import TargetError, at_most
from dbclone.model.flow import Ddl, Statement
from dbclone.schema.checks import translated, translated_default
from dbclone.schema.model import Column, ForeignKey, Schema, Table, table_key
from dbclone.schema.plan import Plan

KEY_LENGTH = 255
"""Characters of a text in a key where its type says none: as many as MySQL can index in any character set."""
LONGEST_VARCHAR = 1000
"""Longer texts are TEXT: a row of MySQL's has 65,535 bytes for all VARCHARs."""
_IN_SCHEMA = frozenset(
    {"TABLE", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "DEFAULT", "SCHEMA", "TYPE", "DOMAIN", "SEQUENCE",
     "SEQUENCE OWNED BY", "SETTINGS", "COMMENT", "EXTENSION", "TABLE ATTACH", "INDEX ATTACH", "REPLICA IDENTITY"}
)  # fmt: skip
"""Kinds of statements whose contents are in the schema, or have no meaning elsewhere."""


def is_across(schema: Schema, target: Database) -> bool:
    """Whether the target is of another kind than the source."""
    return schema.dialect != target.dialect.name


def state_across(target: Database, plan: Plan, ddl: Ddl | None, state: TargetState) -> TargetState:
    """Return the state with the tables as the target has them, or as the definition made of ``ddl`` makes them there.

    Raises TargetError for names that clash, and LoadError for what the target does not take; nothing stays there.
    """
    renamed = flat(plan.schema, target)
    if state.is_new and ddl is not None:
        made = _Carrier(source=plan.schema, target=target, renamed=renamed).ddl(ddl)
        with undone(target, dataclasses.replace(plan, schema=renamed), made, state=state) as connection:
            for statement in made.after:
                target.dialect.execute(connection, statement.sql)
            live = reflect_schema(connection, target.dialect)
        return dataclasses.replace(state, ddl=made, schema=aligned(plan.schema, renamed, live))
    moved = [
        table.key for table, other in zip(plan.schema.tables, renamed.tables, strict=True) if table.key != other.key
    ]
    if moved:
        raise TargetError(
            f"{len(moved)} tables of other schemas are called otherwise in {target.name}: use an empty database",
            details=at_most(moved),
        )
    if state.migrate is not None:
        raise TargetError("a target of another kind than its source cannot be migrated: use an empty database")
    with target.connect() as connection:
        live = reflect_schema(connection, target.dialect)
    return dataclasses.replace(state, schema=aligned(plan.schema, renamed, live))


def flat(schema: Schema, target: Database) -> Schema:
    """Return the schema as it is looked for at a target: the same, or, at one of another kind, all in one schema.

    Tables of other schemas bear their names: ``stock.tag`` → ``stock_tag``. Keys are those of the new names.
    """
    if not is_across(schema, target):
        return schema
    own = (None, schema.default_schema)
    named = {t.key: t.name if t.schema in own else f"{t.schema}_{t.name}" for t in schema.tables}
    twice = sorted({name for name in named.values() if list(named.values()).count(name) > 1})
    if twice:
        raise TargetError(
            f"tables of several schemas would have the same name in {target.name}: leave some out with --exclude",
            details=at_most(twice),
        )
    keys = {key: table_key(None, name, None) for key, name in named.items()}
    tables = [
        dataclasses.replace(
            table,
            schema=None,
            name=named[table.key],
            key=keys[table.key],
            foreign_keys=tuple(dataclasses.replace(k, parent=keys[k.parent]) for k in table.foreign_keys),
        )
        for table in schema.tables
    ]
    return dataclasses.replace(schema, default_schema=None, tables=tuple(tables))


def aligned(schema: Schema, renamed: Schema, live: Schema) -> Schema:
    """Return what is at the target under the keys of the source's tables, foreign keys by the source's names."""
    pairs = list(zip(schema.tables, renamed.tables, strict=True))
    keys = {other.key: table.key for table, other in pairs}
    tables = []
    for table, other in pairs:
        there = live.table(other.key)
        names = {(key.columns, key.parent): key.name for key in table.foreign_keys}
        foreign_keys = [
            dataclasses.replace(k, parent=keys[k.parent], name=names.get((k.columns, keys[k.parent]), k.name))
            for k in there.foreign_keys
            if k.parent in keys
        ]
        tables.append(dataclasses.replace(there, key=table.key, foreign_keys=tuple(foreign_keys)))
    return dataclasses.replace(live, tables=tuple(tables))


@dataclass(frozen=True, kw_only=True)
class _Carrier:
    """One definition being made: the source's schema, and the same under the target's names."""

    source: Schema
    target: Database
    renamed: Schema
    lost: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def ddl(self, native: Ddl) -> Ddl:
        keys = {key.name for table in self.source.tables for key in table.unique_keys}
        keys |= {exclusion.name for table in self.source.tables for exclusion in table.exclusions}
        for statement in (*native.before, *native.after):
            if statement.kind not in _IN_SCHEMA and statement.name not in keys:
                self.lost[statement.kind.lower()].append(statement.name)
        metadata = sa.MetaData()
        for table in self.renamed.tables:
            self._table(metadata, table)
        with self.target.connect() as connection:
            if self.target.dialect.adds_constraints:
                # All keys are in the metadata, under names of their own.
                bare = [dataclasses.replace(table, foreign_keys=()) for table in self.renamed.tables]
                schema = dataclasses.replace(self.renamed, tables=tuple(bare))
                before, after = portable_statements(connection, metadata, schema)
            else:
                before, after = list(self._whole(connection, metadata)), []
        lost = tuple(f"{kind}: {', '.join(at_most(names))}" for kind, names in self.lost.items())
        return Ddl(
            dialect=self.target.dialect.name, method="portable", before=tuple(before), after=tuple(after), lost=lost
        )

    def _whole(self, connection: sa.Connection, metadata: sa.MetaData) -> Iterator[Statement]:
        render = renderer(connection)
        for table in self.renamed.tables:
            made = metadata.tables[table.name]
            yield Statement(kind="TABLE", name=table.name, sql=render(CreateTable(made)), table=table.key)
        for table in self.renamed.tables:
            for index in sorted(metadata.tables[table.name].indexes, key=lambda index: str(index.name)):
                yield Statement(kind="INDEX", name=str(index.name), sql=render(CreateIndex(index)), table=table.key)

    def _table(self, metadata: sa.MetaData, table: Table) -> None:
        columns = [made for column in table.columns if (made := self._column(table, column)) is not None]
        there = {column.name for column in columns}
        items: list[Any] = [*columns, *self._keys(table, there), *self._checks(table, there)]
        # Compared byte by byte, as elsewhere: by default, MySQL would find keys equal that are not.
        sa.Table(
            table.name, metadata, *items, comment=table.comment, mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin"
        )

    def _column(self, table: Table, column: Column) -> sa.Column[Any] | None:
        extras: list[Any] = []
        if column.generated:
            self.lost["generated column"].append(f"{table.key}.{column.name}")
            return None
        numbered = table.primary_key == (column.name,) and column.filled_by_sequence and column.kind == "integer"
        if numbered and self.target.dialect.adds_constraints:
            extras.append(sa.Identity(always=False))
        return sa.Column(
            column.name,
            self._type(table, column),
            *extras,
            nullable=column.nullable and column.name not in table.primary_key,
            autoincrement=numbered,
            server_default=None if numbered else self._default(table, column),
            comment=column.comment,
        )

    def _default(self, table: Table, column: Column) -> Any:
        if column.default is None or column.generated or column.filled_by_sequence:
            return None
        found = translated_default(column.default, self.source.dialect, self.target.dialect.name)
        if found is None or column.kind in ("json", "binary", "bits") or found.startswith("'0000"):
            self.lost["default"].append(f"{table.key}.{column.name}")
            return None
        if column.kind == "boolean":
            return sa.true() if found.lower() in ("1", "true") else sa.false()
        return sa.text(found.replace(":", "\\:"))

    # ---- Types -----------------------------------------------------------------------------------------------------

    def _type(self, table: Table, column: Column) -> Any:
        """Return the type of a column; one that refers has the type of what it refers to."""
        seen = {(table.key, column.name)}
        while True:
            step = next(
                (
                    (key.parent, key.parent_columns[key.columns.index(column.name)])
                    for key in table.foreign_keys
                    if column.name in key.columns
                ),
                None,
            )
            if step is None or step in seen:
                break
            seen.add(step)
            table = self.renamed.table(step[0])
            column = table.column(step[1])
        in_key = any(column.name in names for names in _key_columns(table))
        return type_of(column, in_key=in_key, name=f"{table.name}_{column.name}")

    # ---- Constraints -----------------------------------------------------------------------------------------------

    def _keys(self, table: Table, there: set[str]) -> Iterator[Any]:
        if table.primary_key:
            yield sa.PrimaryKeyConstraint(*table.primary_key)
        for number, key in enumerate(table.unique_keys):
            if key.is_plain and key.nulls_distinct and set(key.columns) <= there:
                yield sa.UniqueConstraint(*key.columns, name=_own_name(table, number, "key"))
            else:
                self.lost["unique key"].append(f"{key.name} of {table.key}")
        for number, reference in enumerate(table.foreign_keys):
            yield self._reference(table, reference, number)
            if not any(names[: len(reference.columns)] == reference.columns for names in _key_columns(table)):
                yield sa.Index(_own_name(table, number, "ref"), *reference.columns)
        for exclusion in table.exclusions:
            self.lost["exclusion constraint"].append(f"{exclusion.name} of {table.key}")
        if table.partitioned:
            self.lost["partitions of"].append(str(table.key))

    def _reference(self, table: Table, key: ForeignKey, number: int) -> sa.ForeignKeyConstraint:
        parent = self.renamed.table(key.parent).name
        rule = key.on_delete if key.on_delete in ("CASCADE", "SET NULL", "RESTRICT") else None
        return sa.ForeignKeyConstraint(
            key.columns,
            [f"{parent}.{name}" for name in key.parent_columns],
            name=_own_name(table, number, "fk"),
            ondelete=rule,
        )

    def _checks(self, table: Table, there: set[str]) -> Iterator[sa.CheckConstraint]:
        for number, check in enumerate(table.checks):
            found = translated(check.expression, self.source.dialect, self.target.dialect.name)
            if found is None or not set(check.columns) <= there:
                self.lost["check"].append(f"{check.name} of {table.key}")
            else:
                name = _own_name(table, number, "check")
                yield sa.CheckConstraint(sa.text(found.replace(":", "\\:")), name=name)


def _own_name(table: Table, number: int, what: str) -> str:
    """Return a name for a constraint that no other table's has: here and there all share one space of names."""
    return f"{table.name[:40]}_{what}{number + 1}"


def _key_columns(table: Table) -> Sequence[tuple[str, ...]]:
    return [*table.uniques(), *(key.columns for key in table.foreign_keys)]


def type_of(column: Column, *, in_key: bool, name: str) -> Any:
    """Return SQLAlchemy's type for a column, in words for each kind of database."""
    kind, text = column.kind, sa.Text().with_variant(mysql.LONGTEXT(), "mysql")
    if kind == "text" or kind not in _TYPES:
        length = column.length or (KEY_LENGTH if in_key else None)
        return sa.String(length) if length and length <= LONGEST_VARCHAR else text
    if kind == "integer":
        size = column.bytes or 8
        return sa.SmallInteger() if size <= 2 else sa.Integer() if size <= 4 else _BIG
    if kind == "decimal":
        precision, scale = column.precision or 38, column.scale if column.precision else 10
        return sa.Numeric(min(precision, 65), min(scale or 0, 30))
    if kind == "enum":
        named = f"{name}_values"[-60:]
        return sa.Enum(*column.enum_values, name=named).with_variant(
            sa.Enum(*column.enum_values, name=named, native_enum=False, create_constraint=True), "sqlite"
        )
    if kind == "bits":
        return sa.String(column.length or KEY_LENGTH).with_variant(
            postgresql.BIT(column.length, varying=column.length is None), "postgresql"
        )
    if kind == "binary" and in_key:
        return sa.LargeBinary().with_variant(mysql.VARBINARY(column.length or KEY_LENGTH), "mysql")
    return _TYPES[kind]


_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TYPES: Mapping[str, Any] = {
    "boolean": sa.Boolean(),
    "integer": _BIG,
    "decimal": sa.Numeric(),
    "float": sa.Double(),
    "enum": sa.Enum(),
    "bits": sa.String(),
    "date": sa.Date(),
    "time": sa.Time().with_variant(mysql.TIME(fsp=6), "mysql"),
    "timestamp": sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql"),
    "timestamptz": sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql"),
    "interval": sa.String(64).with_variant(postgresql.INTERVAL(), "postgresql"),
    "uuid": sa.String(36).with_variant(sa.Uuid(), "postgresql"),
    "binary": sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql"),
    "json": sa.JSON(),
}
"""Kinds that have a type of their own everywhere; all others are text, as their database spells them."""
