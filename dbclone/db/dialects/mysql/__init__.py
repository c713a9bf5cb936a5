"""MariaDB 10.5 and MySQL 8, and later, through PyMySQL.

:mod:`.catalogue` reads what there is, :mod:`.literals` spells values, :mod:`.storing` writes. Every session is in UTC
and in strict mode, whatever the server's defaults are. A statement that defines something commits by itself here: what
a failed load had made in an empty database is dropped again, and what is there already is never redefined.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import pyarrow as pa
import pymysql
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection
from sqlalchemy.exc import DBAPIError

from dbclone.db.dialects.base import Timeouts
from dbclone.db.dialects.generic import Generic
from dbclone.db.dialects.mysql import literals
from dbclone.db.dialects.mysql.catalogue import Catalogued
from dbclone.db.dialects.mysql.storing import Storing
from dbclone.errors import ConnectError, DbcloneError
from dbclone.schema.model import Column

_SQL_MODE = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO"
"""Refuse what does not fit, take 0 as a key and zeros in dates, and quote names in definitions by backticks."""

_ERRORS: Mapping[int, str] = {
    1044: "{server}: the user may not use this database; GRANT helps",
    1045: "wrong user or password for {server}",
    1698: "wrong user or password for {server}",
    1049: "{server}: there is no such database; create it, or check the last part of the URL",
    1040: "{server} has no free connection: try again later",
    1203: "{server} has no free connection: try again later",
    1205: "{server}: a table is locked by another session; try again when it has ended",
    1213: "{server}: another session was in the way (deadlock); try again",
    **dict.fromkeys((1142, 1143, 1227), "{server}: not permitted: {message}"),
    1792: "{server}: the source is opened for reading only",
    1969: "{server} ended a statement that took too long (max_statement_time)",
    3024: "{server} ended a statement that took too long (max_execution_time)",
    1021: "{server} has no disk space left",
    1114: "{server} has no disk space left",
    2006: "{server} has closed the connection",
    2013: "{server} has closed the connection",
}


class MySQL(Catalogued, Storing, Generic):
    """MariaDB and MySQL."""

    name: ClassVar[str] = "mysql"
    drivername: ClassVar[str] = "mysql+pymysql"

    def connect_arguments(self, timeout_s: int) -> Mapping[str, Any]:
        return {
            "connect_timeout": timeout_s,
            "charset": "utf8mb4",
            "program_name": "dbclone",
            "init_command": f"SET sql_mode = '{_SQL_MODE}', time_zone = '+00:00', sql_quote_show_create = 1",
        }

    def explain(self, error: Exception, server: str) -> DbcloneError | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, pymysql.err.Error):
            return None
        code = cause.args[0] if cause.args and isinstance(cause.args[0], int) else 0
        if code == 2003:
            unknown = re.search(r"not known|getaddrinfo|resolution", str(cause))
            said = "there is no host of this name" if unknown else "no server listens on this host and port"
            return ConnectError(f"{server} does not answer: {said}")
        found = _ERRORS.get(code)
        return None if found is None else ConnectError(found.format(server=server, message=cause.args[-1]))

    def begin_snapshot(self, connection: Connection, timeouts: Timeouts) -> None:
        execute = connection.exec_driver_sql
        is_mariadb = "mariadb" in str(execute("SELECT version()").scalar()).lower()
        limit = "max_statement_time" if is_mariadb else "max_execution_time"
        execute(f"SET SESSION {limit} = {timeouts.statement_s * (1 if is_mariadb else 1000)}")
        execute(f"SET SESSION lock_wait_timeout = {timeouts.lock_s or 31_536_000}")
        execute(f"SET SESSION wait_timeout = {timeouts.idle_s or 31_536_000}")
        execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def identity(self, connection: Connection) -> str:
        found = "SELECT concat_ws('/', @@hostname, @@port, @@datadir, database())"
        return f"{self.name}/{connection.exec_driver_sql(found).scalar()}"

    def as_text(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[Any]:
        if column.kind == "bits":
            return sa.func.lpad(sa.func.bin(value.op("+")(0)), column.length or 1, "0")
        if column.kind == "time":
            # A TIME may be of several days, or negative; a time of day is not.
            value = sa.func.least(sa.func.greatest(value, "00:00:00"), "23:59:59.999999")
        text = sa.cast(value, sa.Text)
        if column.kind in ("date", "timestamp"):
            # The zero date comes before all others: it is this server's minus infinity. A month or day 0 is the first.
            zero = sa.func.left(text, 10) == literals.ZERO_DATE
            return sa.case((zero, "-infinity"), else_=sa.func.replace(text, "-00", "-01"))
        return text

    def text_length(self, value: ColumnElement[Any]) -> ColumnElement[Any]:
        return sa.func.char_length(value)

    def spelled(self, column: Column, values: pa.Array) -> pa.Array:
        return literals.spelled(column, values)


__all__ = ["MySQL"]
