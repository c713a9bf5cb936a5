"""SQLite 3.31 and later, through Python's own driver: a database is a file.

:mod:`.catalogue` reads what is in it, :mod:`.storing` writes to it. A source is opened by ``mode=ro``, in which the
library itself refuses to write. Definitions are transactional: a load that fails leaves the file as it was.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal
from urllib.parse import quote, unquote

import sqlalchemy as sa
from sqlalchemy import URL, ColumnElement, Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from dbclone.db.dialects.base import Timeouts
from dbclone.db.dialects.generic import Generic
from dbclone.db.dialects.generic.reading import LONGEST
from dbclone.db.dialects.sqlite.catalogue import Catalogued
from dbclone.db.dialects.sqlite.storing import Storing
from dbclone.errors import ConfigurationError, ConnectError, DbcloneError
from dbclone.schema.model import Column

_ERRORS: tuple[tuple[str, str], ...] = (
    (r"unable to open database file", "{server}: there is no such file, or it may not be opened"),
    (r"file is not a database|file is encrypted", "{server} is no SQLite database"),
    (r"database is locked|database table is locked", "{server} is locked by another program: try again later"),
    (r"readonly database", "{server} may not be written to"),
    (r"disk I/O error", "{server} could not be read or written: disk I/O error"),
    (r"database or disk is full", "{server}: there is no disk space left"),
    (r"malformed", "{server} is damaged: PRAGMA integrity_check says how"),
)  # fmt: skip


class SQLite(Catalogued, Storing, Generic):
    """SQLite."""

    name: ClassVar[str] = "sqlite"
    drivername: ClassVar[str] = "sqlite+pysqlite"

    def address(self, url: URL, purpose: Literal["source", "target"]) -> URL:
        if url.database in (None, "", ":memory:"):
            raise ConfigurationError("an SQLite database is a file: write it like sqlite:///path/to/file.sqlite")
        path = quote(str(Path(str(url.database)).expanduser().absolute()))
        mode = "ro" if purpose == "source" else "rwc"
        return url.set(database=f"file:{path}", query={**url.query, "mode": mode, "uri": "true"})

    def connect_arguments(self, timeout_s: int) -> Mapping[str, Any]:
        return {"timeout": timeout_s}

    def prepare_engine(self, engine: Engine) -> None:
        path = Path(unquote(str(engine.url.database).removeprefix("file:")))
        if not path.exists():
            event.listen(engine, "close", partial(_forget, path))
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)

    def explain(self, error: Exception, server: str) -> DbcloneError | None:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if not isinstance(cause, sqlite3.Error):
            return None
        found = next((sentence for pattern, sentence in _ERRORS if re.search(pattern, str(cause))), None)
        return None if found is None else ConnectError(found.format(server=server))

    def begin_snapshot(self, connection: Connection, timeouts: Timeouts) -> None:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {timeouts.lock_s * 1000}")
        connection.exec_driver_sql("PRAGMA query_only = ON")
        # The lock that keeps the rows as they are is taken by the first read.
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")

    def identity(self, connection: Connection) -> str:
        path = next(file for _, name, file in connection.exec_driver_sql("PRAGMA database_list") if name == "main")
        status = Path(path).stat()
        return f"{self.name}/{status.st_dev}/{status.st_ino}"

    def as_text(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[Any]:
        if column.kind == "timestamp":
            # Whatever the spelling: a T between date and time, no seconds, a time zone.
            return sa.func.strftime("%Y-%m-%d %H:%M:%f", value)
        if column.kind == "time":
            return sa.func.strftime("%H:%M:%f", value)
        if column.kind == "decimal":
            return sa.case((value.is_not(None), sa.func.printf(f"%.{column.scale or 0}f", value)))
        return sa.func.substr(sa.cast(value, sa.Text), 1, LONGEST)

    def comparable_text(self, column: Column, value: ColumnElement[Any]) -> ColumnElement[Any]:
        # As bytes: a text may be no UTF-8, and would not be handed to a function then.
        return sa.cast(super().comparable_text(column, value), sa.LargeBinary)


def _prepare(connection: sqlite3.Connection, _: Any) -> None:
    """Leave transactions to the engine, and texts that are no UTF-8 readable; offer md5, as other databases do."""
    connection.isolation_level = None
    connection.text_factory = _decoded
    connection.create_function("md5", 1, _md5, deterministic=True)
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA cache_size = -65536")


def _forget(path: Path, *_: Any) -> None:
    """Remove the file that SQLite made when it was opened, if nothing was written to it."""
    if path.exists() and path.stat().st_size == 0:
        path.unlink()


def _decoded(text: bytes) -> str:
    return text.decode(errors="replace")


def _md5(data: bytes | None) -> str | None:
    return None if data is None else hashlib.md5(data, usedforsecurity=False).hexdigest()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


__all__ = ["SQLite"]
