"""Writing to MariaDB and MySQL: rows by INSERTs of a megabyte, references not enforced while they come.

Not by LOAD DATA LOCAL: to it the server answers with IGNORE, in which a row that breaks a key is left out and a value
that does not fit is cut, and a client that permits it at all would hand any file over that a server asks for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone

import pyarrow as pa
import pymysql
from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import DBAPIError

from dbclone.db.dialects.base import Fault, Holder, SequenceState, TriggerState
from dbclone.db.dialects.generic import RefusedRow
from dbclone.db.dialects.generic.writing import Writing, driver
from dbclone.db.dialects.mysql.catalogue import quoted
from dbclone.db.dialects.mysql.literals import statements
from dbclone.errors import TargetError, at_most
from dbclone.model.flow import Statement
from dbclone.schema.model import Table

STATEMENT_BYTES = 1 << 20
"""Of an INSERT: mysqldump's size. Larger ones are no faster, and the server refuses more than max_allowed_packet."""

_BROKEN: dict[int, str] = {
    **dict.fromkeys((1022, 1062, 1169, 1586), "two rows have the same key"),
    **dict.fromkeys((1048, 1364), "a row has NULL in a NOT NULL column"),
    **dict.fromkeys((1216, 1217, 1451, 1452), "a row refers to a parent that does not exist"),
    **dict.fromkeys((3819, 4025), "a row does not fulfil the condition"),
    **dict.fromkeys((1265, 1366, 1292, 1411, 1416, 1526), "a value is not of the column's type"),
    **dict.fromkeys((1264, 1690), "a number is out of the column's range"),
    **dict.fromkeys((1406,), "a value is too long for the column"),
    **dict.fromkeys((1644,), "a trigger refused a row"),
    **dict.fromkeys((1021, 1114), "the server has no disk space left"),
}
"""Violations in our words: the server's quote values."""
_SAFE = frozenset(
    {1005, 1007, 1008, 1044, 1045, 1046, 1049, 1050, 1051, 1054, 1060, 1061, 1064, 1067, 1068, 1071, 1072, 1091, 1101,
     1103, 1109, 1113, 1115, 1118, 1142, 1143, 1146, 1149, 1153, 1170, 1205, 1213, 1215, 1227, 1231, 1273, 1293, 1304,
     1305, 1356, 1418, 1419, 1478, 1792, 1822, 1824, 1901, 3105, 4006}
)  # fmt: skip
"""Errors whose texts name objects and settings, never values of rows."""
_CONNECTION_LOST = (0, 2006, 2013, 2055, 1053, 1927)


class Storing(Writing):
    """The writing hooks."""

    transactional_ddl = False

    def fault(self, error: BaseException) -> Fault | None:
        if isinstance(error, RefusedRow):
            return error.fault
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, pymysql.err.Error):
            return None
        code = cause.args[0] if cause.args and isinstance(cause.args[0], int) else 0
        message = str(cause.args[1]) if len(cause.args) > 1 else ""
        if code in _CONNECTION_LOST:
            return Fault(message="the connection was lost", disconnected=True)
        column = re.search(r"[Cc]olumn '([^']*)'|column (?:`[^`]*`\.)*`([^`]*)`|Field '([^']*)'", message)
        constraint = re.search(r"for key '(?:[^'.]*\.)?([^']*)'|(?:CONSTRAINT|constraint) [`']([^`']*)[`']", message)
        row = re.search(r"at row (\d+)$", message)
        sentence = _BROKEN.get(code) or (message if code in _SAFE else f"error {code}")
        return Fault(
            message=sentence,
            column=next(filter(None, column.groups()), None) if column and code in _BROKEN else None,
            constraint=next(filter(None, constraint.groups()), None) if constraint and code in _BROKEN else None,
            line=int(row[1]) if row else None,
        )

    def hold(self, connection: Connection) -> Holder | None:
        # A session's lock: there are no others, and poolers in front of this server keep sessions that hold one.
        connection.exec_driver_sql("SET SESSION wait_timeout = 31536000")
        name = connection.exec_driver_sql("SELECT concat('dbclone/', md5(database()))").scalar()
        if connection.scalar(text("SELECT get_lock(:name, 0)"), {"name": name}) == 1:
            return None
        holder = text("""
            SELECT id, concat_ws(' at ', user, host), now() - INTERVAL time SECOND
            FROM information_schema.processlist WHERE id = is_used_lock(:name)""")
        found = connection.execute(holder, {"name": name}).first()
        if found is None:
            # It ended between the two statements, or is of a user whose sessions are not shown.
            return Holder(process=0, name="of another user", since=datetime.now(timezone.utc))
        process, user, since = found
        return Holder(process=process, name=user, since=since.replace(tzinfo=timezone.utc))

    def begin_load(self, connection: Connection) -> None:
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0, lock_wait_timeout = 30")

    @contextmanager
    def send_rows(
        self, connection: Connection, table: Table, columns: Sequence[str]
    ) -> Iterator[Callable[[pa.Table], int]]:
        raw = driver(connection)
        described = [table.column(name) for name in columns]
        start = f"INSERT INTO {quoted(table.name)} ({', '.join(map(quoted, columns))}) VALUES "  # noqa: S608
        limit = int(connection.exec_driver_sql("SELECT @@max_allowed_packet").scalar() or 0)
        sent = 0

        def send(rows: pa.Table) -> int:
            nonlocal sent
            for count, statement in statements(start, rows, described, min(STATEMENT_BYTES, limit // 2)):
                try:
                    raw.query(statement)
                except pymysql.err.Error as error:
                    fault = self.fault(error) or Fault(message="the row was refused")
                    line = None if fault.line is None else sent + fault.line
                    # Not "from error": the server's text quotes values.
                    raise RefusedRow(replace(fault, line=line)) from None
                sent += count
            return int(rows.num_rows)

        yield send

    def remove(self, connection: Connection, made: Sequence[Statement]) -> None:
        connection.exec_driver_sql("SET SESSION foreign_key_checks = 0, lock_wait_timeout = 30")
        for statement in reversed(made):
            connection.exec_driver_sql(f"DROP {statement.kind} IF EXISTS {quoted(statement.name)}")

    def disable_triggers(self, connection: Connection, tables: Sequence[Table]) -> TriggerState:
        """Refuse tables with triggers: they cannot be disabled, and to drop them would commit what is under way."""
        self._refuse_untransactional(connection, tables)
        query = text("""
            SELECT concat(event_object_table, '.', trigger_name) FROM information_schema.triggers
            WHERE trigger_schema = database() AND event_object_table IN :names ORDER BY 1""")
        found = list(connection.scalars(query.bindparams(bindparam("names", expanding=True)), _names(tables)))
        if found:
            raise TargetError(
                f"{len(found)} triggers of the target would fire for every row, and this server cannot disable them: "
                "drop them for the load, or use an empty database",
                details=at_most(found),
            )
        return TriggerState(enable=(), kept=())

    def empty(self, connection: Connection, tables: Sequence[Table]) -> None:
        # By DELETE: a TRUNCATE cannot be undone.
        self._refuse_untransactional(connection, tables)
        super().empty(connection, tables)

    def _refuse_untransactional(self, connection: Connection, tables: Sequence[Table]) -> None:
        query = text("""
            SELECT concat(t.table_name, ': ', t.engine)
            FROM information_schema.tables t JOIN information_schema.engines e ON e.engine = t.engine
            WHERE t.table_schema = database() AND t.table_name IN :names AND coalesce(e.transactions, 'NO') <> 'YES'
            ORDER BY 1""")
        found = list(connection.scalars(query.bindparams(bindparam("names", expanding=True)), _names(tables)))
        if found:
            raise TargetError(
                f"the engine of {len(found)} tables of the target has no transactions, so a load that failed could not "
                "be undone: use an empty database, or alter them to InnoDB",
                details=at_most(found),
            )

    def sequences(self, connection: Connection, tables: Sequence[Table]) -> tuple[SequenceState, ...]:
        query = text("""
            SELECT t.table_name, c.column_name, t.auto_increment
            FROM information_schema.tables t JOIN information_schema.columns c
              ON c.table_schema = t.table_schema AND c.table_name = t.table_name AND c.extra LIKE '%auto_increment%'
            WHERE t.table_schema = database() AND t.auto_increment IS NOT NULL""")
        keys = {table.name: table.key for table in tables}
        return tuple(
            SequenceState(
                name=f"AUTO_INCREMENT of {keys[table]}",
                table=keys[table],
                column=column,
                next=int(position),
                extreme=connection.exec_driver_sql(f"SELECT max({quoted(column)}) FROM {quoted(table)}").scalar(),  # noqa: S608
            )
            for table, column, position in connection.execute(query).all()
            if table in keys
        )

    def analyze(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Do nothing: it would commit, and InnoDB takes statistics by itself."""

    def _drop_aside(self, connection: Connection, aside: Table) -> None:
        connection.exec_driver_sql(f"DROP TEMPORARY TABLE {quoted(aside.name)}")


def _names(tables: Sequence[Table]) -> dict[str, list[str]]:
    return {"names": [table.name for table in tables]}
