"""Migrate: bring the definition of a target to that of its source, within one transaction.

Alembic proposes: columns, tables, keys and indexes come from its autogenerate comparison, and all that is done is kept
as Alembic operations, so that it can be written down as a revision. The catalogue disposes: an operation stays only if
the two databases differ in less after it, and what Alembic does not see is carried out in the source's own words. A
revision that was written has been carried out on the target before, and rolled back.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops

from dbclone.db.connect import Database
from dbclone.db.dialects.base import Definition, Dialect
from dbclone.db.drift import Key, Scope, differences, same
from dbclone.db.reflect import reflect_schema
from dbclone.errors import TargetError, at_most
from dbclone.model.flow import Difference
from dbclone.schema.model import Schema, TableKey, table_key

_FIRST = ("SCHEMA", "EXTENSION", "COLLATION", "TYPE", "DOMAIN", "FUNCTION", "PROCEDURE", "AGGREGATE", "SEQUENCE")
"""What is brought up to date before any table is."""
_LATE = {"TABLE ATTACH": 1, "INDEX ATTACH": 2, "FK CONSTRAINT": 3}
_QUERIES = ("VIEW", "MATERIALIZED VIEW", "RULE", "FUNCTION", "PROCEDURE")
"""What stands in the way of changing a column that it reads."""


_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")
"""What SQLAlchemy's text() takes for one."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a target should be: the source's definitions, and its tables as SQLAlchemy reflects them."""

    definitions: Mapping[Key, Definition]
    metadata: sa.MetaData
    scope: Scope
    default_schema: str | None


@dataclass(frozen=True, kw_only=True)
class Migration:
    """What was done, as Alembic operations, and what still differs."""

    operations: tuple[ops.MigrateOperation, ...]
    remaining: tuple[Difference, ...]


def read_wanted(source: Database, schema: Schema, scope: Scope) -> Wanted:
    """Return what a target of ``source`` should be."""
    with source.connect() as connection:
        found = source.dialect.definitions(connection, schema.default_schema)
        return Wanted(
            definitions=scope.of_source(found),
            metadata=reflect_tables(connection, schema),
            scope=scope,
            default_schema=schema.default_schema,
        )


def reflect_tables(connection: sa.Connection, schema: Schema) -> sa.MetaData:
    """Return the tables as Alembic compares them: those of the default schema have none."""
    metadata = sa.MetaData()
    by_schema: dict[str | None, list[str]] = {}
    for table in schema.tables:
        by_schema.setdefault(None if table.schema == schema.default_schema else table.schema, []).append(table.name)
    with _quiet():
        for name, tables in by_schema.items():
            metadata.reflect(connection, schema=name, only=tables, resolve_fks=False)
    for reflected in metadata.tables.values():
        # To a table that is left out, or that SQLite knows by other letters: sorting would look for it.
        reflected.constraints -= {k for k in reflected.foreign_key_constraints if _parent(k) not in metadata.tables}
    return metadata


def _parent(key: sa.ForeignKeyConstraint) -> str:
    return key.elements[0].target_fullname.rpartition(".")[0]


def migrate(connection: sa.Connection, dialect: Dialect, wanted: Wanted) -> Migration:
    """Change the target within the transaction that ``connection`` is in, and return what was done.

    Raises TargetError for what cannot be carried out; the transaction is lost then.
    """
    if not dialect.transactional_ddl:
        raise TargetError(
            "this kind of database commits each change of a definition by itself, so a migration could not be undone: "
            "carry out by hand what dbclone diff proposes, or use an empty database"
        )
    return _Migrator(connection, dialect, wanted).migrate()


def proposals(connection: sa.Connection, wanted: Wanted, found: Sequence[Difference]) -> tuple[str, ...]:
    """Return what Alembic's comparison proposes for the tables that differ, as lines of code; nothing is changed."""
    tables = {item.table for item in found if item.table is not None}
    if not tables:
        return ()
    operations = tuple(_proposed(connection, wanted, tables))
    return tuple(line.removeprefix("    ") for line in rendered(connection, operations)) if operations else ()


def rendered(connection: sa.Connection, operations: Sequence[ops.MigrateOperation]) -> Iterator[str]:
    """Yield operations as lines of a revision, but for Alembic's own comments."""
    context = MigrationContext.configure(connection)
    code = render_python_code(ops.UpgradeOps(ops=list(operations)), migration_context=context)
    yield from (line for line in ("    " + code).splitlines() if not line.lstrip().startswith("# ###"))


def rehearsed(target: Database, wanted: Wanted) -> tuple[Migration, Migration | None]:
    """Return the migration of a target and the one back, both carried out on it and rolled back.

    There is no way back (None) where a change loses what it would need.
    """
    with target.connect() as connection:
        schema = reflect_schema(connection, target.dialect)
        before = Wanted(
            definitions=wanted.scope.of_target(
                target.dialect.definitions(connection, schema.default_schema), wanted.definitions.keys()
            ),
            metadata=reflect_tables(connection, schema),
            scope=wanted.scope,
            default_schema=schema.default_schema,
        )
        connection.rollback()
        with connection.begin() as transaction:
            target.dialect.begin_load(connection)
            forth = migrate(connection, target.dialect, wanted)
            try:
                back: Migration | None = migrate(connection, target.dialect, before)
            except TargetError:
                back = None
            transaction.rollback()
    return forth, back if back is None or not back.remaining else None


def refuse_remaining(found: Sequence[Difference]) -> None:
    """Raise TargetError if anything still differs after a migration."""
    if found:
        raise TargetError(
            f"{len(found)} differences of the target's definition cannot be migrated: change it by hand, or use an "
            "empty database",
            details=at_most([str(item) for item in found]),
        )


class _Migrator:
    """One migration under way. ``done`` are the operations that were carried out and kept."""

    def __init__(self, connection: sa.Connection, dialect: Dialect, wanted: Wanted) -> None:
        self.connection, self.dialect, self.wanted = connection, dialect, wanted
        self.ours = wanted.definitions
        self.done: list[ops.MigrateOperation] = []

    def migrate(self) -> Migration:
        theirs = self._theirs()
        if differences(self.ours, theirs):
            self._make_way(theirs)
            self._prepare()
            self._alembic()
            self._finish()
        return Migration(operations=tuple(self.done), remaining=differences(self.ours, self._theirs()))

    def _theirs(self) -> dict[Key, Definition]:
        found = self.dialect.definitions(self.connection, self.wanted.default_schema)
        return self.wanted.scope.of_target(found, self.ours.keys())

    # ---- Steps -----------------------------------------------------------------------------------------------------

    def _make_way(self, theirs: Mapping[Key, Definition]) -> None:
        """Drop what reads columns or uses types that change, and what is to be made anew; it comes back at the end."""
        tables = {key for key, item in theirs.items() if item.kind == "TABLE" and self._differs(item)}
        types = {key for key, item in theirs.items() if item.kind in ("TYPE", "DOMAIN") and self._differs(item)}
        tables |= {key for key, item in theirs.items() if item.kind == "TABLE" and item.needs & types}
        dropped: set[Key] = set()
        for key, item in theirs.items():
            blocks = item.kind in _QUERIES and item.needs & tables
            uses = item.needs & types and item.kind not in ("TABLE", "TYPE", "DOMAIN", "SEQUENCE")
            anew = item.kind in _QUERIES and self._differs(item) and not self._changes(item)
            below = item.needs & dropped and item.kind != "TABLE"
            if blocks or uses or anew or below:
                dropped.add(key)
        for item in theirs.values():
            # Checks compare with the old type, checks and defaults call the old function: they come back with the
            # table's other changes.
            if item.kind == "TABLE" and item.needs & (types | dropped):
                self._drop_expressions(item)
        self._drop(theirs, dropped)

    def _prepare(self) -> None:
        """Make schemas, types, functions and sequences that need no table, or change them where they are."""
        theirs = self._theirs()
        there = set(theirs)
        for key, item in self.ours.items():
            if item.kind in _FIRST and item.needs <= there:
                if key not in theirs:
                    self._execute(item.sql)
                elif not same(item.sql, theirs[key].sql):
                    self._change(theirs[key], item)
                there.add(key)

    def _alembic(self) -> None:
        """Carry out what Alembic proposes for the tables that differ, as far as it helps."""
        theirs = self._theirs()
        found = differences(self.ours, theirs)
        names = {item.table for item in found if item.table is not None}
        partitions = {item.table for item in (*self.ours.values(), *theirs.values()) if item.partition}
        left = len(found)
        for operation in _proposed(self.connection, self.wanted, names - partitions):
            kept = self._tried(operation, left)
            left = left if kept is None else kept

    def _tried(self, operation: ops.MigrateOperation, before: int) -> int | None:
        """Carry an operation out; undo it and return None if it fails, or does not help."""
        if "%%" in "".join(rendered(self.connection, [operation])):
            # Written as code, the percent signs of an expression would stay doubled.
            return None
        savepoint = self.connection.begin_nested()
        try:
            with _quiet():
                Operations(MigrationContext.configure(self.connection)).invoke(operation)
            after = len(differences(self.ours, self._theirs()))
        except (sa.exc.SQLAlchemyError, NotImplementedError):
            # What Alembic or SQLAlchemy cannot put into words is done in the source's own.
            savepoint.rollback()
            return None
        drops = isinstance(operation, ops.DropIndexOp | ops.DropConstraintOp | ops.DropColumnOp)
        if after > before or (after == before and not drops):
            savepoint.rollback()
            return None
        savepoint.commit()
        self.done.append(operation)
        return after

    def _finish(self) -> None:
        """Drop what only the target has, change what differs, and make what is missing, in the source's words."""
        theirs = self._theirs()
        replaced = {key for key, item in theirs.items() if key not in self.ours}
        for key, item in theirs.items():
            if key in self.ours and not self._equal(self.ours[key], item):
                changes = self.dialect.change_statements(self.connection, item, self.ours[key])
                if changes is None and item.kind not in ("TABLE", "SCHEMA", "EXTENSION", "TYPE", "DOMAIN"):
                    replaced.add(key)
            if item.needs & replaced and item.kind != "TABLE":
                replaced.add(key)
        self._drop(theirs, replaced)
        theirs = self._theirs()
        # A partition that is attached last brings its own indexes along, instead of being given new ones.
        made = []
        for key, item in sorted(self.ours.items(), key=lambda pair: _LATE.get(pair[0][0], 0)):
            if key not in theirs:
                self._execute(item.sql)
                made.append(item)
            elif not self._equal(item, theirs[key]):
                self._change(theirs[key], item)
        for item in made:
            self._execute(self.dialect.refresh_statement(item))

    # ---- Parts of steps --------------------------------------------------------------------------------------------

    def _differs(self, item: Definition) -> bool:
        return item.key not in self.ours or not self._equal(self.ours[item.key], item)

    def _changes(self, item: Definition) -> tuple[str, ...]:
        """Return what makes the target's ``item`` the source's where it is; nothing if that cannot be done."""
        wanted = self.ours.get(item.key)
        return self.dialect.change_statements(self.connection, item, wanted) or () if wanted else ()

    @staticmethod
    def _equal(one: Definition, other: Definition) -> bool:
        if one.kind == "TABLE":
            return all(same(one.parts.get(p, ""), other.parts.get(p, "")) for p in {*one.parts, *other.parts})
        return same(one.sql, other.sql)

    def _drop(self, theirs: Mapping[Key, Definition], keys: Iterable[Key]) -> None:
        chosen = set(keys)
        for key in reversed(list(theirs)):
            # What is part of a table that goes, goes with it.
            if key in chosen and not any(n in chosen and n[0] == "TABLE" for n in theirs[key].needs if n != key):
                self._execute(self.dialect.drop_statement(theirs[key]))

    def _drop_expressions(self, table: Definition) -> None:
        bare = Definition(
            kind="TABLE",
            name=table.name,
            sql=table.sql,
            parts={name: line for name, line in table.parts.items() if not name.startswith(("check ", "default "))},
        )
        for statement in self.dialect.change_statements(self.connection, table, bare) or ():
            self._execute(statement)

    def _change(self, old: Definition, new: Definition) -> None:
        for statement in self.dialect.change_statements(self.connection, old, new) or ():
            self._execute(statement)

    def _execute(self, statement: str) -> None:
        if not statement:
            return
        try:
            self.dialect.execute(self.connection, statement)
        except sa.exc.DBAPIError as error:
            fault = self.dialect.fault(error)
            reason = fault.message if fault else "it was refused"
            # Not "from error": the driver's text may quote values of rows.
            raise TargetError(f"the target cannot be migrated: {reason}", details=(statement,)) from None
        # What op.execute is given is text(), in which a word after a colon is a parameter.
        self.done.append(ops.ExecuteSQLOp(_PARAMETER.sub(r"\\:\1", statement)))


def _context(connection: sa.Connection, wanted: Wanted, tables: Iterable[TableKey]) -> MigrationContext:
    names = frozenset(tables)

    def is_compared(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
        if kind == "table" and name is not None:
            return table_key(parents.get("schema_name"), name, wanted.default_schema) in names
        return kind != "schema" or name is None or not name.startswith("pg_")

    def is_included(element: Any, _: str | None, kind: str, *__: Any) -> bool:
        return kind != "table" or table_key(element.schema, element.name, wanted.default_schema) in names

    return MigrationContext.configure(
        connection,
        opts={
            "target_metadata": wanted.metadata,
            "include_schemas": True,
            "include_name": is_compared,
            "include_object": is_included,
            "compare_type": True,
            # Defaults are compared in the server's words: Alembic would have the server evaluate them.
            "compare_server_default": False,
        },
    )


def _proposed(connection: sa.Connection, wanted: Wanted, tables: Iterable[TableKey]) -> Iterator[ops.MigrateOperation]:
    """Yield what Alembic proposes for these tables."""
    with _quiet():
        script = produce_migrations(_context(connection, wanted, tables), wanted.metadata)
    for operation in _flat(script.upgrade_ops.ops if script.upgrade_ops else ()):
        if isinstance(operation, ops.AlterColumnOp):
            # MySQL's; elsewhere Alembic warns of what it says itself.
            for name in ("autoincrement", "existing_autoincrement"):
                operation.kw.pop(name, None)
        yield operation


def _flat(operations: Iterable[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    for operation in operations:
        if isinstance(operation, ops.OpContainer):
            yield from _flat(operation.ops)
        else:
            yield operation


@contextmanager
def _quiet() -> Iterator[None]:
    """Do without SQLAlchemy's warnings of what it cannot reflect: the catalogue says what is done about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sa.exc.SAWarning)
        yield
