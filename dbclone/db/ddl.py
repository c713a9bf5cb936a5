"""The definition of a target, taken from its source, as statements that a model file can carry.

*Native* is the database's own words (:meth:`~dbclone.db.dialects.base.Dialect.native_ddl`): everything survives.
*Portable* is what SQLAlchemy can reflect and render: tables, keys, checks, indexes, comments, enumerations and domains;
what cannot be carried is listed in ``Ddl.lost``. Either way tables come ``before`` the rows; keys, indexes and
constraints ``after``, because they are made five times faster from loaded rows than they are kept up row by row.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.schema import (
    AddConstraint,
    CreateIndex,
    CreateSchema,
    CreateSequence,
    ExecutableDDLElement,
)

from dbclone.db.connect import Database
from dbclone.errors import ConfigurationError, ConnectError, TargetError
from dbclone.model.flow import Ddl, Statement
from dbclone.schema.model import Schema, Table, TableKey, table_key

Method = Literal["auto", "native", "portable"]
Render = Callable[[ExecutableDDLElement], str]


def target_ddl(database: Database, schema: Schema, *, prefer: Method = "auto") -> Ddl:
    """Return what builds a database like ``database`` with the tables of ``schema``.

    ``auto`` is native where that works, else portable with the reason in ``lost``. Raises ConfigurationError or
    ConnectError when the native definition was asked for and cannot be had.
    """
    reason: ConfigurationError | ConnectError | None = None
    if prefer != "portable":
        try:
            with database.connect() as connection:
                return database.dialect.native_ddl(connection, schema)
        except (ConfigurationError, ConnectError) as error:
            if prefer == "native":
                raise
            reason = error
    ddl = _portable_ddl(database, schema)
    return replace(ddl, lost=(f"what only the database's own definition holds: {reason}", *ddl.lost)) if reason else ddl


def check_ddl(target: Database, ddl: Ddl) -> None:
    """Raise TargetError if the target's server cannot take ``ddl``: another kind of database, a missing extension."""
    with target.connect() as connection:
        refuse_ddl(target, connection, ddl)


def refuse_ddl(target: Database, connection: sa.Connection, ddl: Ddl) -> None:
    """Do what :func:`check_ddl` does, on an open connection."""
    if ddl.dialect != target.dialect.name:
        raise TargetError(f"the definition is for {ddl.dialect}, the target is {target.dialect.name}")
    lacking = target.dialect.lacking(connection, ddl)
    if lacking:
        raise TargetError(
            f"the source uses what the target's server does not have: {', '.join(lacking)}; install it on the server, "
            "or leave out the tables that need it with --exclude",
        )


def _portable_ddl(database: Database, schema: Schema) -> Ddl:
    with database.connect() as connection:
        database.dialect.qualify_names(connection)
        metadata = _reflect(connection, schema)
        render = renderer(connection)
        before = [
            *_schemas(render, schema),
            *database.dialect.prerequisites(connection),
            *_sequences(connection, render, metadata),
            *_tables(connection, render, metadata, schema),
        ]
        after = list(_constraints(render, metadata, schema))
        lost = database.dialect.not_portable(connection)
    return Ddl(dialect=schema.dialect, method="portable", before=tuple(before), after=tuple(after), lost=lost)


def portable_statements(
    connection: sa.Connection, metadata: sa.MetaData, schema: Schema
) -> tuple[list[Statement], list[Statement]]:
    """Return what makes the tables of ``metadata`` before their rows, and their keys and constraints after them."""
    render = renderer(connection)
    return _tables(connection, render, metadata, schema), list(_constraints(render, metadata, schema))


def _schemas(render: Render, schema: Schema) -> list[Statement]:
    names = sorted({table.schema for table in schema.tables if table.schema} - {schema.default_schema})
    return [Statement(kind="SCHEMA", name=name, sql=render(CreateSchema(name, if_not_exists=True))) for name in names]


def _reflect(connection: sa.Connection, schema: Schema) -> sa.MetaData:
    metadata = sa.MetaData()
    by_schema: dict[str | None, list[str]] = {}
    for table in schema.tables:
        by_schema.setdefault(table.schema, []).append(table.name)
    with warnings.catch_warnings():
        # Types that SQLAlchemy does not know are rendered as the database spells them. And it warns of its own words
        # for a check that is NOT VALID, which has no meaning where all rows are new.
        for message in ("Did not recognize type", "Can't validate argument 'dialect_options'"):
            warnings.filterwarnings("ignore", message=message, category=sa.exc.SAWarning)
        for name, tables in by_schema.items():
            metadata.reflect(connection, schema=name, only=tables, resolve_fks=False)
    return metadata


def renderer(connection: sa.Connection) -> Render:
    """Return a function that renders DDL as text to be executed without parameters."""
    dialect = connection.dialect
    doubled = dialect.paramstyle in ("format", "pyformat")

    def render(element: ExecutableDDLElement) -> str:
        text = str(element.compile(dialect=dialect)).strip()
        # For a driver that formats the text, SQLAlchemy doubles every percent sign.
        return text.replace("%%", "%") if doubled else text

    return render


def _sequences(connection: sa.Connection, render: Render, metadata: sa.MetaData) -> Iterator[Statement]:
    """Yield the sequences that a default of a column names."""
    defaults = [
        str(column.server_default.arg)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.server_default, sa.DefaultClause)
    ]
    inspector = sa.inspect(connection)
    for schema in sorted({table.schema for table in metadata.tables.values()}, key=lambda name: name or ""):
        for name in inspector.get_sequence_names(schema=schema):
            quoted = connection.dialect.identifier_preparer.quote(name)
            if any(quoted in default for default in defaults):
                sequence = CreateSequence(sa.Sequence(name, schema=schema))
                yield Statement(kind="SEQUENCE", name=name, sql=render(sequence))


def _tables(connection: sa.Connection, render: Render, metadata: sa.MetaData, schema: Schema) -> list[Statement]:
    """Return types and tables without any key, with their comments, in the order that ``create_all`` makes them."""
    bare = sa.MetaData()
    for table in schema.tables:
        reflected = metadata.tables[_metadata_key(table)]
        columns = [_bare_column(column, table.column(column.name).type) for column in reflected.columns]
        sa.Table(table.name, bare, *columns, schema=table.schema, comment=reflected.comment)
    statements: list[Statement] = []

    def collect(element: Any, *_: Any, **__: Any) -> None:
        made = element.element
        key = _key(made, schema) if isinstance(made, sa.Table) else None
        kind = element.__visit_name__.removeprefix("create_").replace("_", " ").upper()
        statement = Statement(kind=kind, name=made.name, sql=render(element), table=key)
        # create_all makes the enumerations once more.
        if statement not in statements:
            statements.append(statement)

    engine = sa.create_mock_engine(connection.engine.url, collect)
    # The mock has never seen the server, and would leave out what only later releases can do.
    engine._dialect = connection.dialect
    for named in _named_types(bare):
        named.create(engine, checkfirst=False)
    bare.create_all(engine, checkfirst=False)
    return statements


def _named_types(metadata: sa.MetaData) -> list[sa.types.SchemaType]:
    """Return the enumerations and domains of all columns, each once. ``create_all`` leaves out reflected domains."""
    types = [column.type for table in metadata.tables.values() for column in table.columns]
    items = [item.item_type if isinstance(item, sa.ARRAY) else item for item in types]
    named = [item for item in items if isinstance(item, sa.types.SchemaType) and item.name]
    return list({(item.schema, item.name): item for item in named}.values())


class _Verbatim(sa.types.UserDefinedType[Any]):
    """A type that SQLAlchemy does not know, as the database spells it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_col_spec(self, **_: Any) -> str:
        return self.text


def _bare_column(column: sa.Column[Any], type_text: str) -> sa.Column[Any]:
    kind: Any = _Verbatim(type_text) if isinstance(column.type, sa.types.NullType) else column.type
    if hasattr(kind, "data_type"):
        # The base type of a domain is reflected without its length, and with the collation of the domain once more.
        kind.data_type, kind.collation = _Verbatim(type_text), None
    extras = [item._copy() for item in (column.computed, column.identity) if item is not None]
    return sa.Column(
        column.name,
        kind,
        *extras,
        server_default=None if extras else column.server_default,
        nullable=bool(column.nullable),
        autoincrement="auto" if column.identity is not None else False,
        comment=column.comment,
    )


def _key(table: sa.Table, schema: Schema) -> TableKey:
    return table_key(table.schema, table.name, schema.default_schema)


def _constraints(render: Render, metadata: sa.MetaData, schema: Schema) -> Iterator[Statement]:
    """Yield keys, then uniques and checks, then indexes, and foreign keys last, over all tables."""
    tables = [metadata.tables[_metadata_key(table)] for table in schema.tables]

    def add(kind: str, items: Iterable[sa.Constraint], table: sa.Table) -> Iterator[Statement]:
        for item in sorted(items, key=lambda item: str(item.name)):
            definition = render(AddConstraint(item))
            yield Statement(kind=kind, name=str(item.name), sql=definition, table=_key(table, schema))

    for table in tables:
        if table.primary_key.columns:
            yield from add("CONSTRAINT", [table.primary_key], table)
    for table in tables:
        yield from add("CONSTRAINT", [c for c in table.constraints if isinstance(c, sa.UniqueConstraint)], table)
        yield from add("CHECK CONSTRAINT", [c for c in table.constraints if isinstance(c, sa.CheckConstraint)], table)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            definition = render(CreateIndex(index))
            yield Statement(kind="INDEX", name=str(index.name), sql=definition, table=_key(table, schema))
    for table, known in zip(tables, schema.tables, strict=True):
        parents = {key: key.elements[0].target_fullname.rpartition(".")[0] for key in table.foreign_key_constraints}
        keys = [key for key, parent in parents.items() if parent in metadata]
        yield from add("FK CONSTRAINT", [*keys, *_keys_of_partitions(table, known, schema)], table)


def _keys_of_partitions(reflected: sa.Table, table: Table, schema: Schema) -> Iterator[sa.ForeignKeyConstraint]:
    """Yield the foreign keys that only the partitions of a table have: here they are one table."""
    there = {str(key.name) for key in reflected.foreign_key_constraints}
    for key in table.foreign_keys:
        if key.name in there or key.declared:
            continue
        parent = _metadata_key(schema.table(key.parent))
        made = sa.ForeignKeyConstraint(
            key.columns,
            [f"{parent}.{name}" for name in key.parent_columns],
            name=key.name,
            ondelete=key.on_delete,
            deferrable=key.deferrable or None,
            initially="DEFERRED" if key.initially_deferred else None,
            match="FULL" if key.match_full else None,
        )
        reflected.append_constraint(made)
        yield made


def _metadata_key(table: Table) -> str:
    return f"{table.schema}.{table.name}" if table.schema else table.name
