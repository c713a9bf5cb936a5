"""Reading a PostgreSQL source: the snapshot, counts, and rows by COPY.

Works on a read replica and for a role with nothing but SELECT: no temporary table, no function, no advisory lock. Keys
are handed over as array literals inside the statement. Each table is read with ONLY, since tables that inherit from it
are tables of their own; a partitioned table is read with its partitions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import psycopg
import pyarrow as pa
from psycopg import sql
from sqlalchemy import Connection, text

from dbclone.db.dialects.base import Cap, Catalogue, Dialect, Keys, RandomRows, Timeouts
from dbclone.db.dialects.postgresql import catalogue, copy_out, errors
from dbclone.errors import DbcloneError
from dbclone.model.flow import arrow_type
from dbclone.schema.model import ForeignKey, Table, TableKey

SYSTEM_SAMPLE_ROWS = 30_000_000
"""Above this a Bernoulli sample, which reads every page, takes minutes; whole pages are drawn instead."""

_READ = sql.Identifier("t")


class Reading(Dialect):
    """The reading hooks."""

    name: ClassVar[str] = "postgresql"
    drivername: ClassVar[str] = "postgresql+psycopg"

    def connect_arguments(self, timeout_s: int) -> Mapping[str, Any]:
        # prepare_threshold: a pooler such as PgBouncer may hand the next statement to another session.
        return {
            "application_name": "dbclone",
            "connect_timeout": timeout_s,
            "client_encoding": "utf8",
            "prepare_threshold": None,
        }

    def explain(self, error: Exception, server: str) -> DbcloneError | None:
        return errors.explain(error, server)

    def begin_snapshot(self, connection: Connection, timeouts: Timeouts) -> None:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        settings = {
            "statement_timeout": f"{timeouts.statement_s}s",
            "lock_timeout": f"{timeouts.lock_s}s",
            "idle_in_transaction_session_timeout": f"{timeouts.idle_s}s",
            # The formats that copy_out reads, whatever the role's defaults are.
            "datestyle": "ISO, YMD",
            "intervalstyle": "postgres",
            "timezone": "UTC",
            "lc_monetary": "C",
            "bytea_output": "hex",
            "extra_float_digits": "3",
            # The same rows in the same order each time; and nothing compiled for statements that run once.
            "synchronize_seqscans": "off",
            "jit": "off",
        }
        chosen = ", ".join(f"set_config(:n{i}, :v{i}, true)" for i in range(len(settings)))
        names = {f"n{i}": name for i, name in enumerate(settings)}
        values = {f"v{i}": value for i, value in enumerate(settings.values())}
        connection.execute(text(f"SELECT {chosen}"), names | values)

    def identity(self, connection: Connection) -> str:
        """Return the cluster's system identifier, or where that is closed its start time, and the database's OID.

        The identifier is shared by a primary and its replicas, which is wanted: they hold the same database.
        """
        permitted = connection.scalar(
            text("SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')")
        )
        server = (
            "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"
            if permitted
            else "SELECT extract(epoch FROM pg_postmaster_start_time())::text || '/' || current_setting('port')"
        )
        database = "SELECT oid::text FROM pg_catalog.pg_database WHERE datname = current_database()"
        return f"{self.name}/{connection.scalar(text(server))}/{connection.scalar(text(database))}"

    def catalogue(self, connection: Connection) -> Catalogue:
        return catalogue.read_catalogue(connection)

    def forbidden_tables(self, connection: Connection, tables: Sequence[Table]) -> tuple[Table, ...]:
        statement = text("""
            SELECT n.nspname, c.relname
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) w (schema, name)
              ON n.nspname = w.schema AND c.relname = w.name
            WHERE NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, 'SELECT')
        """)
        parameters = {"schemas": [table.schema for table in tables], "names": [table.name for table in tables]}
        forbidden = {tuple(row) for row in connection.execute(statement, parameters)}
        return tuple(table for table in tables if (table.schema, table.name) in forbidden)

    def hidden_tables(self, connection: Connection, tables: Sequence[Table]) -> tuple[Table, ...]:
        statement = text("""
            SELECT n.nspname, c.relname
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            JOIN unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) w (schema, name)
              ON n.nspname = coalesce(w.schema, current_schema()) AND c.relname = w.name
            WHERE c.relkind IN ('r', 'p') AND row_security_active(c.oid)
        """)
        parameters = {"schemas": [table.schema for table in tables], "names": [table.name for table in tables]}
        hidden = {tuple(row) for row in connection.execute(statement, parameters)}
        return tuple(table for table in tables if (table.schema, table.name) in hidden)

    def grant_statement(self, connection: Connection, tables: Sequence[Table]) -> str:
        raw = _raw(connection)
        role = sql.Identifier(str(connection.scalar(text("SELECT current_user"))))
        schemas = sql.SQL(", ").join(sql.Identifier(schema) for schema in sorted({t.schema or "" for t in tables}))
        names = sql.SQL(", ").join(_name(table) for table in tables)
        grant = sql.SQL("GRANT USAGE ON SCHEMA {} TO {role}; GRANT SELECT ON {} TO {role}")
        return grant.format(schemas, names, role=role).as_string(raw)

    def count_rows(self, connection: Connection, tables: Sequence[Table]) -> dict[TableKey, int]:
        with _raw(connection).cursor() as cursor:
            counts = {}
            for table in tables:
                cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(_source(table)))
                counts[table.key] = int(_one(cursor)[0])
            return counts

    def count_null_references(self, connection: Connection, table: Table) -> dict[str, int]:
        keys = [key for key in table.foreign_keys if table.nullable(key)]
        counts = {key.name: 0 for key in table.foreign_keys}
        if keys:
            wanted = sql.SQL(", ").join(sql.SQL("count(*) FILTER (WHERE {})").format(_is_null(key)) for key in keys)
            with _raw(connection).cursor() as cursor:
                cursor.execute(sql.SQL("SELECT {} FROM {}").format(wanted, _source(table)))
                counts.update(zip((key.name for key in keys), map(int, _one(cursor)), strict=True))
        return counts

    def read_all(self, connection: Connection, table: Table) -> pa.Table:
        return _read(connection, table, sql.SQL("SELECT {} FROM {}").format(_selected(table), _source(table)))

    def read_texts(self, connection: Connection, table: Table) -> pa.Table:
        names = [column.name for column in table.written_columns]
        selected = sql.SQL(", ").join(sql.SQL("{}.{}::text").format(_READ, sql.Identifier(name)) for name in names)
        query = sql.SQL("SELECT {} FROM {}").format(selected, _source(table))
        with _raw(connection).cursor() as cursor:
            return copy_out.copy_rows(cursor, query, [(name, pa.string()) for name in names])

    def read_random(self, connection: Connection, table: Table, draw: RandomRows) -> pa.Table:
        pages = draw.table_rows > SYSTEM_SAMPLE_ROWS
        # Six deviations of margin, so that the draw practically never falls short; pages hold more or fewer rows each.
        expected = (draw.wanted + 6 * math.sqrt(draw.wanted) + 10) * (2 if pages else 1)
        query = sql.SQL("SELECT {} FROM {} TABLESAMPLE {} ({}) REPEATABLE ({}) WHERE {}").format(
            _selected(table),
            _source(table),
            sql.SQL("SYSTEM" if pages else "BERNOULLI"),
            sql.Literal(min(100.0, 100 * expected / max(draw.available, 1))),
            sql.Literal(draw.seed),
            _is_null(draw.null_in) if draw.null_in else sql.SQL("true"),
        )
        return _read(connection, table, query)

    def read_matching(
        self, connection: Connection, table: Table, columns: Sequence[str], keys: Keys, cap: Cap | None = None
    ) -> pa.Table:
        if cap is None:
            query = sql.SQL("SELECT {} FROM {} JOIN {} ON {} ORDER BY k.number").format(
                _selected(table), _keys(keys), _source(table), _equal(columns)
            )
            return _read(connection, table, query)
        # Of a key with millions of rows all but a share are left out before they are sorted.
        share = np.minimum(1, (cap.rows + 10 * math.sqrt(cap.rows) + 20) / np.maximum(cap.counts, 1))
        aliases = [sql.Identifier(f"v{number}") for number in range(len(copy_out.readable(table.columns)))]
        query = sql.SQL(
            "SELECT {aliases} FROM ("
            " SELECT {columns}, k.number,"
            " row_number() OVER (PARTITION BY k.number ORDER BY d.dice, t.tableoid) AS place"
            " FROM {keys} JOIN {table} ON {equal}"
            " CROSS JOIN LATERAL (SELECT hashtextextended(t.ctid::text, {seed}) AS dice) d"
            " WHERE (d.dice & 1073741823) < k.share * 1073741824) r "
            "WHERE place <= {rows} ORDER BY number, place"
        ).format(
            aliases=sql.SQL(", ").join(aliases),
            columns=_selected(table, aliases),
            keys=_keys(keys, share),
            table=_source(table),
            equal=_equal(columns),
            seed=sql.Literal(cap.seed),
            rows=sql.Literal(cap.rows),
        )
        return _read(connection, table, query)

    def count_matching(
        self, connection: Connection, table: Table, columns: Sequence[str], keys: Keys
    ) -> npt.NDArray[np.int64]:
        counts = np.zeros(keys.values.num_rows, dtype=np.int64)
        query = sql.SQL("SELECT k.number, count(*) FROM {} JOIN {} ON {} GROUP BY k.number").format(
            _keys(keys), _source(table), _equal(columns)
        )
        with _raw(connection).cursor() as cursor:
            found = copy_out.copy_rows(cursor, query, [("number", pa.int64()), ("count", pa.int64())])
        counts[np.asarray(found["number"]) - 1] = np.asarray(found["count"])
        return counts


def _raw(connection: Connection) -> psycopg.Connection[Any]:
    """Return psycopg's connection, within the transaction that SQLAlchemy began."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def _one(cursor: psycopg.Cursor[Any]) -> tuple[Any, ...]:
    return cast("tuple[Any, ...]", cursor.fetchone())


def _read(connection: Connection, table: Table, query: sql.Composable) -> pa.Table:
    columns = [(column.name, arrow_type(column.kind)) for column in copy_out.readable(table.columns)]
    with _raw(connection).cursor() as cursor:
        return copy_out.copy_rows(cursor, query, columns)


def _name(table: Table) -> sql.Identifier:
    return sql.Identifier(table.schema, table.name) if table.schema else sql.Identifier(table.name)


def _source(table: Table) -> sql.Composed:
    """Return the FROM item of a table, called ``t``."""
    return sql.SQL("{}{} AS {}").format(sql.SQL("" if table.partitioned else "ONLY "), _name(table), _READ)


def _selected(table: Table, aliases: Sequence[sql.Identifier] | None = None) -> sql.Composed:
    expressions: list[sql.Composable] = [copy_out.selected(c, _READ) for c in copy_out.readable(table.columns)]
    if aliases is not None:
        expressions = [sql.SQL("{} AS {}").format(e, alias) for e, alias in zip(expressions, aliases, strict=True)]
    return sql.SQL(", ").join(expressions)


def _is_null(key: ForeignKey) -> sql.Composed:
    """Return the condition that a row refers to nothing: any column NULL; under MATCH FULL all of them."""
    tests = [sql.SQL("{}.{} IS NULL").format(_READ, sql.Identifier(name)) for name in key.columns]
    return sql.SQL("({})").format(sql.SQL(" AND " if key.match_full else " OR ").join(tests))


def _keys(keys: Keys, share: npt.NDArray[np.float64] | None = None) -> sql.Composed:
    """Return the FROM item ``k (c0, c1, …, [share,] number)`` that holds the keys, numbered from 1.

    Values have the type of the column they come from, so that they compare as in PostgreSQL's own check of the key.
    """
    arrays = [
        sql.SQL("{}::{}[]").format(sql.Literal(copy_out.array_literal(keys.values.column(n))), sql.SQL(column.type))
        for n, column in enumerate(keys.columns)
    ]
    names = [sql.Identifier(f"c{number}") for number in range(len(arrays))]
    if share is not None:
        arrays.append(sql.SQL("{}::float8[]").format(sql.Literal(copy_out.array_literal(pa.chunked_array([share])))))
        names.append(sql.Identifier("share"))
    return sql.SQL("unnest({}) WITH ORDINALITY AS k ({}, number)").format(
        sql.SQL(", ").join(arrays), sql.SQL(", ").join(names)
    )


def _equal(columns: Sequence[str]) -> sql.Composed:
    pairs = [
        sql.SQL("{}.{} = k.{}").format(_READ, sql.Identifier(name), sql.Identifier(f"c{number}"))
        for number, name in enumerate(columns)
    ]
    return sql.SQL(" AND ").join(pairs)
