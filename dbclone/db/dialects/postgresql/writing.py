"""Writing a PostgreSQL target: rows by COPY, and everything around them within one transaction.

All that is done here is undone by a rollback, sequences included: ``ALTER SEQUENCE … RESTART`` is transactional where
``setval`` alone is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from dbclone.db.dialects.base import Fault, TriggerState
from dbclone.db.dialects.postgresql import definitions, native, portable
from dbclone.db.dialects.postgresql.copy_in import CopyIn
from dbclone.db.dialects.postgresql.entries import Entry, definition_of
from dbclone.db.dialects.postgresql.migrating import Migrating
from dbclone.db.dialects.postgresql.script import script
from dbclone.db.dialects.postgresql.verifying import name_of, raw, rows_of, tables_of
from dbclone.errors import ConfigurationError, ConnectError
from dbclone.model.flow import Batch, Ddl, Statement
from dbclone.schema.model import ForeignKey, Schema, Table, TableKey, table_key

MAINTENANCE_MEMORY_KB = 512 * 1024
"""For sorting indexes. More gains little (one million keys need 40 MB) and each index build may take it at once."""

_COPY_CONTEXT = re.compile(
    r"^COPY (?P<table>.+?), line (?P<line>\d+)(?:, column (?P<column>[^:]+?))?(?::|$)", re.MULTILINE
)
_QUOTED = re.compile(r'".*"', re.DOTALL)

_BROKEN: tuple[tuple[type[psycopg.Error], str], ...] = (
    (psycopg.errors.UniqueViolation, "two rows have the same key"),
    (psycopg.errors.ForeignKeyViolation, "a row refers to a parent that does not exist"),
    (psycopg.errors.CheckViolation, "a row does not fulfil the condition"),
    (psycopg.errors.NotNullViolation, "a row has NULL in a NOT NULL column"),
    (psycopg.errors.ExclusionViolation, "two rows exclude each other"),
    (psycopg.errors.BadCopyFileFormat, "a value is none that the column's type has"),
)
"""Constraint violations in our words: a trigger may raise the same errors with a text that holds values."""

_SAFE_CLASSES = ("08", "0A", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58", "XX")
"""SQLSTATE classes whose texts name objects, never values of rows."""


_EACH_ROW = sql.SQL("""
CREATE FUNCTION pg_temp.dbclone_refused() RETURNS SETOF integer LANGUAGE plpgsql AS $dbclone$
DECLARE
    judged integer;
BEGIN
    FOR judged IN SELECT {number} FROM pg_temp.dbclone_judged LOOP
        BEGIN
            RETURN QUERY {query} AND {number} = judged;
        EXCEPTION WHEN OTHERS THEN
            RETURN NEXT judged;
        END;
    END LOOP;
END $dbclone$""")


class Writing(CopyIn, Migrating):
    """The writing hooks."""

    def fault(self, error: BaseException) -> Fault | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, psycopg.Error):
            return None
        found = _COPY_CONTEXT.search(cause.diag.context or "")
        schema, table = cause.diag.schema_name, cause.diag.table_name
        return Fault(
            message=_without_values(cause),
            table=f"{schema}.{table}" if table else (found["table"] if found else None),
            column=cause.diag.column_name or (found["column"] if found else None),
            constraint=cause.diag.constraint_name,
            line=int(found["line"]) if found else None,
            disconnected=cause.sqlstate is None or cause.sqlstate.startswith(("08", "57P0")),
        )

    def native_ddl(self, connection: Connection, schema: Schema) -> Ddl:
        lost: tuple[str, ...] = ()
        try:
            entries = native.dumped(connection)
        except (ConfigurationError, ConnectError) as error:
            entries, lost = self._from_catalogue(connection, error)
        found = definition_of(connection, schema, entries)
        return replace(found, lost=(*found.lost, *lost))

    def _from_catalogue(
        self, connection: Connection, reason: ConfigurationError | ConnectError
    ) -> tuple[list[Entry], tuple[str, ...]]:
        """Return the definition that the catalogue gives, and what it leaves out, if anything, with the reason."""
        connection.rollback()
        self.qualify_names(connection)
        entries, lost = definitions.described(connection), definitions.undescribed(connection)
        connection.rollback()
        return entries, (f"the definition is read from the catalogue: {reason}", *lost) if lost else ()

    def qualify_names(self, connection: Connection) -> None:
        connection.execute(text("SET LOCAL search_path = ''"))

    def prerequisites(self, connection: Connection) -> tuple[Statement, ...]:
        return portable.extensions(connection)

    def not_portable(self, connection: Connection) -> tuple[str, ...]:
        return portable.not_portable(connection)

    def lacking(self, connection: Connection, ddl: Ddl) -> tuple[str, ...]:
        available = set(connection.scalars(text("SELECT name FROM pg_catalog.pg_available_extensions")))
        wanted = [statement.name for statement in ddl.before if statement.kind == "EXTENSION"]
        return tuple(f"extension {name}" for name in wanted if name not in available)

    def script(self, batches: Iterable[Batch], schema: Schema, ddl: Ddl | None) -> Iterator[bytes]:
        return script(batches, schema, ddl)

    def begin_load(self, connection: Connection) -> None:
        settings = {
            "statement_timeout": "0",
            "lock_timeout": "30s",
            "idle_in_transaction_session_timeout": "0",
            "transaction_timeout": "0",
            "DateStyle": "ISO, YMD",
            "TimeZone": "UTC",
            "lc_monetary": "C",
            "jit": "off",
            "max_parallel_maintenance_workers": "4",
        }
        # pg_settings knows which of them this server has: transaction_timeout came with 17.
        connection.execute(
            text("""
                SELECT set_config(s.name, w.value, true)
                FROM pg_catalog.pg_settings s
                JOIN unnest(CAST(:names AS text[]), CAST(:vals AS text[])) w (name, value) ON s.name = w.name"""),
            {"names": list(settings), "vals": list(settings.values())},
        )
        connection.execute(
            text("""
                SELECT set_config(name, CAST(:memory AS text) || 'kB', true)
                FROM pg_catalog.pg_settings
                WHERE name = 'maintenance_work_mem' AND CAST(setting AS bigint) < :memory"""),
            {"memory": MAINTENANCE_MEMORY_KB},
        )

    def judge_rows(
        self, connection: Connection, table: Table, rows: pa.Table, expressions: Sequence[str]
    ) -> list[npt.NDArray[np.bool_] | None]:
        aside = replace(table, schema=None, name="dbclone_judged", key=TableKey("aside"))
        number = next(name for name in ("n", "nn", "nnn") if name not in rows.column_names)
        # Base types: a domain would refuse the rows that are to be judged by its condition.
        columns = [(number, "integer"), *((name, table.column(name).type) for name in rows.column_names)]
        numbered = rows.append_column(number, pa.array(np.arange(rows.num_rows, dtype=np.int64)))
        raw(connection).execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ({})").format(
                name_of(aside),
                sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(kind)) for n, kind in columns),
            )
        )
        with self.send_rows(connection, aside, numbered.column_names) as send:
            send(numbered)
        passed = [self._judge(connection, table, number, expression, rows.num_rows) for expression in expressions]
        raw(connection).execute("DROP TABLE pg_temp.dbclone_judged")
        return passed

    def _judge(
        self, connection: Connection, table: Table, number: str, expression: str, rows: int
    ) -> npt.NDArray[np.bool_] | None:
        """Return which rows of the table aside an expression is not false for."""
        query = sql.SQL("SELECT {} FROM pg_temp.dbclone_judged AS {} WHERE NOT ({})").format(
            sql.Identifier(number), sql.Identifier(table.name), sql.SQL(expression)
        )
        execute = raw(connection).execute
        passed = np.ones(rows, dtype=bool)
        try:
            with raw(connection).transaction():
                execute(sql.SQL("EXPLAIN {}").format(query))
        except psycopg.Error:
            return None
        try:
            with raw(connection).transaction():
                passed[[row[0] for row in execute(query).fetchall()]] = False
        except psycopg.Error:
            # One of the rows: found by looking at each on its own.
            with raw(connection).transaction():
                execute(sql.SQL("CREATE UNIQUE INDEX ON pg_temp.dbclone_judged ({})").format(sql.Identifier(number)))
                execute("SET LOCAL enable_seqscan = off")
                execute(_EACH_ROW.format(query=query, number=sql.Identifier(number)))
                found = execute("SELECT * FROM pg_temp.dbclone_refused()").fetchall()
                passed[[row[0] for row in found]] = False
                execute("DROP FUNCTION pg_temp.dbclone_refused; SET LOCAL enable_seqscan = on")
        return passed

    def foreign_children(self, connection: Connection, tables: Sequence[Table]) -> tuple[str, ...]:
        inside = text("""
            SELECT DISTINCT format('%s (%s)', c.conrelid::regclass, c.conname)
            FROM pg_catalog.pg_constraint c
            WHERE c.contype = 'f' AND c.conparentid = 0
              AND c.confrelid = ANY (CAST(:tables AS oid[])) AND c.conrelid <> ALL (CAST(:tables AS oid[]))
            ORDER BY 1""")
        oids = [oid for oid, _ in tables_of(connection, tables)]
        return tuple(connection.scalars(inside, {"tables": oids}))

    def empty(self, connection: Connection, tables: Sequence[Table]) -> None:
        names = sql.SQL(", ").join(rows_of(table) for table in tables)
        raw(connection).execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(names))

    def disable_triggers(self, connection: Connection, tables: Sequence[Table]) -> TriggerState:
        oids = tables_of(connection, tables)
        rows = connection.execute(
            text("""
                SELECT c.oid, n.nspname, c.relname, t.tgname, t.tgenabled, pg_has_role(c.relowner, 'USAGE')
                FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgrelid = ANY (CAST(:tables AS oid[]))"""),
            {"tables": [oid for oid, _ in oids]},
        ).all()  # fmt: skip
        keys = dict(oids)
        enable = []
        for _, schema, name, trigger, state, owned in rows:
            if owned:
                parts = {"table": sql.Identifier(schema, name), "trigger": sql.Identifier(trigger)}
                raw(connection).execute(sql.SQL("ALTER TABLE ONLY {table} DISABLE TRIGGER {trigger}").format(**parts))
                word = sql.SQL("ENABLE ALWAYS" if state == "A" else "ENABLE")
                again = sql.SQL("ALTER TABLE ONLY {table} {word} TRIGGER {trigger}").format(word=word, **parts)
                enable.append(again.as_string())
        kept = dict.fromkeys(keys[oid] for oid, _, _, _, _, owned in rows if not owned)
        return TriggerState(enable=tuple(enable), kept=tuple(kept))

    def refresh_views(self, connection: Connection, tables: Sequence[Table]) -> None:
        # By OID: a materialized view cannot be replaced, so what it reads was there before it.
        views = connection.execute(
            text("""
                WITH RECURSIVE reads (oid) AS (
                    SELECT unnest(CAST(:tables AS oid[]))
                    UNION
                    SELECT r.ev_class
                    FROM reads s
                    JOIN pg_catalog.pg_depend d ON d.refobjid = s.oid AND d.refclassid = 'pg_class'::regclass
                        AND d.classid = 'pg_rewrite'::regclass AND d.deptype = 'n'
                    JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
                )
                SELECT n.nspname, c.relname
                FROM reads s JOIN pg_catalog.pg_class c ON c.oid = s.oid
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind = 'm' AND c.relispopulated AND pg_has_role(c.relowner, 'USAGE')
                ORDER BY c.oid"""),
            {"tables": [oid for oid, _ in tables_of(connection, tables)]},
        ).all()
        for schema, name in views:
            raw(connection).execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(schema, name)))

    def defer_constraints(self, connection: Connection) -> None:
        connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))

    def check_deferred(self, connection: Connection) -> None:
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))

    def suspend_foreign_key(self, connection: Connection, table: Table, foreign_key: ForeignKey) -> str:
        found = connection.execute(
            text("""
                SELECT n.nspname, r.relname, c.conname, pg_get_constraintdef(c.oid), pn.nspname, p.relname,
                       current_schema()
                FROM pg_catalog.pg_constraint c
                JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
                JOIN pg_catalog.pg_class p ON p.oid = c.confrelid
                JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                WHERE c.contype = 'f' AND c.conparentid = 0 AND c.conrelid = ANY (CAST(:tables AS oid[]))
                  AND (SELECT array_agg(a.attname::text ORDER BY k.position)
                       FROM unnest(c.conkey) WITH ORDINALITY k (number, position)
                       JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number)
                      = CAST(:columns AS text[])
                ORDER BY n.nspname, r.relname, c.conname"""),
            {"tables": [oid for oid, _ in tables_of(connection, [table])], "columns": list(foreign_key.columns)},
        ).all()
        again = []
        for schema, relation, name, definition, parent_schema, parent, default in found:
            # Partitions may each have the key on their own, under names of their own.
            if table_key(parent_schema, parent, default) == foreign_key.parent:
                parts = {"table": sql.Identifier(schema, relation), "name": sql.Identifier(name)}
                raw(connection).execute(sql.SQL("ALTER TABLE {table} DROP CONSTRAINT {name}").format(**parts))
                rule = sql.SQL(definition.removesuffix(" NOT VALID"))
                add = sql.SQL("ALTER TABLE {table} ADD CONSTRAINT {name} {rule}").format(rule=rule, **parts)
                again.append(add.as_string())
        return ";\n".join(again)

    def begin_backfill(self, connection: Connection, table: Table, columns: Sequence[str]) -> Table:
        aside = replace(table, schema=None, name=f"dbclone_{table.name}"[:40], key=TableKey(f"aside {table.key}"))
        names = sql.SQL(", ").join(map(sql.Identifier, columns))
        raw(connection).execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA").format(
                name_of(aside), names, name_of(table)
            )
        )
        return aside

    def finish_backfill(
        self, connection: Connection, table: Table, aside: Table, key: Sequence[str], columns: Sequence[str]
    ) -> None:
        raw(connection).execute(sql.SQL("ANALYZE {}").format(name_of(aside)))
        raw(connection).execute(
            sql.SQL("UPDATE {} AS t SET {} FROM {} AS s WHERE {}").format(
                rows_of(table),
                sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in columns),
                name_of(aside),
                sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(sql.Identifier(name)) for name in key),
            )
        )

    def advance_sequences(self, connection: Connection, tables: Sequence[Table]) -> None:
        for state in self.sequences(connection, tables):
            if not state.is_past:
                # RESTART gives the sequence new storage, which a rollback throws away, and with it the setval.
                self.execute(connection, f"ALTER SEQUENCE {state.name} RESTART")
                raw(connection).execute("SELECT setval(%s::regclass, %s)", (state.name, state.extreme))

    def analyze(self, connection: Connection, tables: Sequence[Table]) -> None:
        if tables:
            names = sql.SQL(", ").join(name_of(table) for table in tables)
            raw(connection).execute(sql.SQL("ANALYZE {}").format(names))


def _without_values(error: psycopg.Error) -> str:
    """Return what happened without any value of a row: the server's texts may quote them.

    ``invalid input syntax for type integer: "abc"`` → ``invalid input syntax for type integer: …``
    """
    if error.sqlstate is None:
        return "the connection was lost"
    for kind, sentence in _BROKEN:
        if isinstance(error, kind):
            return sentence
    message = error.diag.message_primary or type(error).__name__
    if error.sqlstate[:2] in _SAFE_CLASSES:
        return message
    if error.sqlstate.startswith("22"):
        return _QUOTED.sub("…", message)
    where = re.search(r"function [^(\s]+\(", error.diag.context or "")
    return f"{where[0]}) raised an error" if where else f"error {error.sqlstate} ({type(error).__name__})"
