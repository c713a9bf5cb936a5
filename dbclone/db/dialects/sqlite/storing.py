"""Writing an SQLite file: one transaction, one prepared INSERT per table.

References are not enforced by a session that does not ask for it, and dbclone's does not: ``PRAGMA foreign_key_check``
says afterwards which lead nowhere. The journal is left as the file has it; a new one has no write-ahead log.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from dbclone.db.dialects.base import Fault, SequenceState, TriggerState
from dbclone.db.dialects.generic import RefusedRow
from dbclone.db.dialects.generic.writing import Writing, driver, in_calendar
from dbclone.db.dialects.sqlite.catalogue import quoted
from dbclone.model.literals import text_of
from dbclone.schema.model import Column, Table

_BROKEN: tuple[tuple[str, str], ...] = (
    (r"UNIQUE constraint failed: (?:index '(?P<constraint>.*)'|(?P<table>[^.]*)\.(?P<column>[^,]*))",
     "two rows have the same key"),
    (r"NOT NULL constraint failed: (?P<table>[^.]*)\.(?P<column>.*)", "a row has NULL in a NOT NULL column"),
    (r"CHECK constraint failed: (?P<constraint>\w*)", "a row does not fulfil the condition"),
    (r"FOREIGN KEY constraint failed", "a row refers to a parent that does not exist"),
    (r"cannot store \w+ value in \w+ column (?P<table>[^.]*)\.(?P<column>.*)", "a value is not of the column's type"),
    (r"datatype mismatch", "a value is not of the column's type"),
)  # fmt: skip
_SAFE = re.compile(
    r"no such|already exists|database|disk|syntax error|table|column|misuse|locked|too (many|big)|parameters|malformed"
)
"""Texts of the library itself, which name objects; those of a trigger's RAISE may hold anything."""


class Storing(Writing):
    """The writing hooks."""

    def fault(self, error: BaseException) -> Fault | None:
        if isinstance(error, RefusedRow):
            return error.fault
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, sqlite3.Error):
            return None
        message = str(cause)
        for pattern, sentence in _BROKEN:
            found = re.match(pattern, message)
            if found:
                named = found.groupdict()
                return Fault(
                    message=sentence,
                    table=named.get("table"),
                    column=named.get("column"),
                    constraint=named.get("constraint"),
                )
        safe = not isinstance(cause, sqlite3.IntegrityError) and _SAFE.search(message)
        return Fault(message=message if safe else "a trigger or the database refused it")

    def begin_load(self, connection: Connection) -> None:
        # The lock of a writer is taken by a write, and this one changes nothing: another program is met now, not after
        # an hour of rows.
        version = connection.exec_driver_sql("PRAGMA user_version").scalar()
        connection.exec_driver_sql(f"PRAGMA user_version = {int(version or 0)}")

    @contextmanager
    def send_rows(
        self, connection: Connection, table: Table, columns: Sequence[str]
    ) -> Iterator[Callable[[pa.Table], int]]:
        names, marks = ", ".join(map(quoted, columns)), ", ".join("?" * len(columns))
        statement = f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({marks})"  # noqa: S608 - names are quoted
        cursor: sqlite3.Cursor = driver(connection).cursor()
        line = 0

        def counted(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
            nonlocal line
            for row in rows:
                line += 1
                yield row

        def send(rows: pa.Table) -> int:
            values = [_values(column) for column in rows.columns]
            try:
                cursor.executemany(statement, counted(zip(*values, strict=True)))
            except (sqlite3.Error, OverflowError) as error:
                fault = self.fault(error) or Fault(message="a number has more than 63 bits")
                # Not "from error": the text of a trigger's may quote a value.
                raise RefusedRow(replace(fault, line=line)) from None
            return int(rows.num_rows)

        try:
            yield send
        finally:
            cursor.close()

    def spelled(self, column: Column, values: pa.Array) -> pa.Array:
        texts = text_of(values)
        # 12:00:00.000000 is written 12:00:00, as everybody else does.
        return pc.replace_substring_regex(texts, r"\.0+(\+00|Z)?$", "") if column.kind in _TIMES else texts

    def disable_triggers(self, connection: Connection, tables: Sequence[Table]) -> TriggerState:
        names = {table.name for table in tables}
        found = connection.exec_driver_sql("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger'").all()
        again = []
        for name, table, sql in found:
            if table in names:
                self.execute(connection, f"DROP TRIGGER {quoted(name)}")
                again.append(sql)
        return TriggerState(enable=tuple(again), kept=())

    def empty(self, connection: Connection, tables: Sequence[Table]) -> None:
        super().empty(connection, tables)
        if _has(connection, "sqlite_sequence"):
            for table in tables:
                connection.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))

    def sequences(self, connection: Connection, tables: Sequence[Table]) -> tuple[SequenceState, ...]:
        if not _has(connection, "sqlite_sequence"):
            return ()
        counted = {row.name: row.seq for row in connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")}
        return tuple(
            SequenceState(
                name=f"AUTOINCREMENT of {table.key}",
                table=table.key,
                column=table.primary_key[0],
                next=int(counted[table.name]) + 1,
                extreme=connection.exec_driver_sql(f"SELECT max(rowid) FROM {quoted(table.name)}").scalar(),  # noqa: S608
            )
            for table in tables
            if table.name in counted
        )

    def analyze(self, connection: Connection, tables: Sequence[Table]) -> None:
        # Only where there are statistics: the tables that hold them would be part of the definition.
        if _has(connection, "sqlite_stat1"):
            super().analyze(connection, tables)


_TIMES = ("time", "timestamp", "timestamptz")


def _has(connection: Connection, table: str) -> bool:
    found = connection.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    return found.first() is not None


def _values(values: pa.ChunkedArray) -> list[Any]:
    """Return values as the driver takes them: numbers, bytes, and text for all else."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    plain = (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)
    )
    if plain or pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        return list(values.to_pylist())
    texts: list[Any] = []
    for chunk in values.chunks:
        found = text_of(chunk)
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            found = in_calendar(found)
        if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
            found = pc.replace_substring_regex(found, r"\.0+(\+00|Z)?$", "")
        texts += found.to_pylist()
    return texts
