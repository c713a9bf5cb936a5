"""Rows into PostgreSQL: one COPY for all blocks of a table, in binary if its columns allow, as CSV otherwise.

Which it is depends on the columns that the table really has, not on those of the source: the target may have been
defined by somebody else, with a ``bigint`` for an ``integer``. Text is read as either, binary is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.copy import Copy, QueuedLibpqWriter
from sqlalchemy import Connection

from dbclone.db.dialects.base import Dialect
from dbclone.db.dialects.postgresql.binary import HEADER, TRAILER, binary_blocks, is_binary
from dbclone.db.dialects.postgresql.verifying import name_of, raw
from dbclone.db.encode import csv_block
from dbclone.schema.model import Table

_RECEIVERS = """
WITH RECURSIVE made_of (name, type) AS (
    SELECT attname::text, atttypid FROM pg_catalog.pg_attribute
    WHERE attrelid = CAST(%s AS regclass) AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT m.name, t.typbasetype FROM made_of m JOIN pg_catalog.pg_type t ON t.oid = m.type WHERE t.typtype = 'd'
)
SELECT m.name, CASE WHEN t.typtype = 'e' THEN 'enum'
                    WHEN n.nspname = 'pg_catalog' OR t.typname = 'citext' THEN t.typname::text ELSE '' END
FROM made_of m JOIN pg_catalog.pg_type t ON t.oid = m.type JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
WHERE t.typtype <> 'd'"""
"""The types that read the values of a table's columns: those below domains, and one name for all enumerations."""


class CopyIn(Dialect):
    """The hook that writes rows."""

    @contextmanager
    def send_rows(
        self, connection: Connection, table: Table, columns: Sequence[str]
    ) -> Iterator[Callable[[pa.Table], int]]:
        with ExitStack() as stack:
            sending: list[Callable[[pa.Table], int]] = []

            def send(rows: pa.Table) -> int:
                if not sending:
                    sending.append(_opened(stack, connection, table, columns, rows.schema))
                return sending[0](rows)

            yield send


def _opened(
    stack: ExitStack, connection: Connection, table: Table, columns: Sequence[str], types: pa.Schema
) -> Callable[[pa.Table], int]:
    """Begin a COPY, to be ended by ``stack``; return what sends rows by it and says how many lines these were."""
    session = raw(connection)
    receivers = dict(session.execute(_RECEIVERS, [name_of(table).as_string(session)]).fetchall())
    found = [receivers.get(name, "") for name in columns]
    binary = bool(columns) and all(map(is_binary, found, types.types)) and session.info.encoding == "utf-8"
    names = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Identifier, columns))) if columns else sql.SQL("")
    options = sql.SQL("FORMAT binary" if binary else "FORMAT csv, ENCODING 'UTF8'")
    statement = sql.SQL("COPY {} {} FROM STDIN WITH ({})").format(name_of(table), names, options)
    cursor = stack.enter_context(session.cursor())
    copy = stack.enter_context(_copying(cursor, statement, binary=binary))

    def send_binary(rows: pa.Table) -> int:
        for block in binary_blocks(rows, found):
            copy.write(block)
        return int(rows.num_rows)

    def send_csv(rows: pa.Table) -> int:
        block = csv_block(rows)
        copy.write(block)
        return block.count(b"\n")

    return send_binary if binary else send_csv


@contextmanager
def _copying(cursor: psycopg.Cursor[object], statement: sql.Composed, *, binary: bool) -> Iterator[Copy]:
    """Run a COPY. The writer sends on a thread of its own: the next block is made while the server reads this one."""
    with cursor.copy(statement, writer=QueuedLibpqWriter(cursor)) as copy:
        if binary:
            copy.write(HEADER)
        yield copy
        if binary:
            copy.write(TRAILER)
