"""Databases: from what a user writes to an open connection, without a password ever being shown.

Owns URLs, engines, the read-only snapshot and what people are told when a database cannot be reached. What differs
between databases is asked of the :class:`~dbclone.db.dialects.base.Dialect`.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from dbclone.db.dialects import dialect_for
from dbclone.db.dialects.base import Dialect, Timeouts
from dbclone.errors import ConfigurationError, ConnectError

EXAMPLE = "postgresql://user@host:5432/database"
CONNECT_TIMEOUT_S = 10

_SECRET = re.compile(r"pass(word|wd|phrase)?$|secret|token", re.IGNORECASE)
"""Query parameters that hold a secret (``password``, ``sslpassword``); ``passfile`` is a path and does not match."""


def resolve_url(text: str) -> URL:
    """Return the URL that a user means by ``text``, its driver set to the one that dbclone uses.

    ``postgres://host/shop`` → ``postgresql+psycopg://host/shop``; ``@path`` → the URL in the first line of that file;
    ``embedded:NAME`` → the embedded server's, started if need be. Query parameters pass through to the driver, but for
    ``password_command``: what that program prints first is the password, as tokens of a single sign-on are got.

    Raises ConfigurationError; the message never repeats ``text``, which may hold a password.
    """
    text = text.strip()
    if text.startswith("@"):
        text = _first_line(Path(text[1:]).expanduser())
    if text.startswith("embedded:"):
        # Lazily: finding the server's programs is of no use to anybody else.
        from dbclone.db import embedded

        text = embedded.resolve(text)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"this is not a database URL: write it like {EXAMPLE}, with special characters of the password "
            "percent-encoded (@ is %40, : is %3A, / is %2F)"
        ) from None
    dialect = dialect_for(url.drivername)
    driver = url.drivername.partition("+")[2]
    wanted = dialect.drivername.partition("+")[2]
    if driver not in ("", wanted):
        raise ConfigurationError(
            f"driver {driver!r} is not used by dbclone: write {dialect.name}:// (it uses {wanted})"
        )
    return _with_password(url).set(drivername=dialect.drivername)


PASSWORD_COMMAND = "password_command"  # noqa: S105 - the name of a parameter
COMMAND_TIMEOUT_S = 60


def _with_password(url: URL) -> URL:
    """Return ``url`` with the password that its ``password_command`` prints, if it has one.

    The command is run without a shell, and neither its words nor what it prints are ever shown but for its first word.
    """
    command = url.query.get(PASSWORD_COMMAND)
    if command is None:
        return url
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        words = []
    if not words:
        raise ConfigurationError(f"{PASSWORD_COMMAND} in the URL must be one command, percent-encoded: a%20b for a b")
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        # Not chained: the error of subprocess shows the whole command.
        raise ConfigurationError(f"{PASSWORD_COMMAND} {words[0]} took longer than {COMMAND_TIMEOUT_S} s") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it printed no text"
        raise ConfigurationError(f"{PASSWORD_COMMAND} {words[0]} cannot be run: {reason}") from None
    password = done.stdout.splitlines()[0].strip() if done.stdout.strip() else ""
    if done.returncode or not password:
        raise ConfigurationError(
            f"{PASSWORD_COMMAND} {words[0]} printed no password (exit code {done.returncode}): try it by hand"
        )
    return url.difference_update_query([PASSWORD_COMMAND]).set(password=password)


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            line = file.readline().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"cannot read the database URL from {path}: {reason}") from error
    if not line or line.startswith("@"):
        raise ConfigurationError(f"the first line of {path} must be a database URL like {EXAMPLE}")
    return line


def masked(url: URL) -> str:
    """Return ``url`` for people: every password replaced by ``***``, the driver left out.

    ``postgresql+psycopg://ann:s3cret@host/shop`` → ``postgresql://ann:***@host/shop``
    """
    hidden = {
        name: "***" if _SECRET.search(name) or name == PASSWORD_COMMAND else value for name, value in url.query.items()
    }
    text = url.set(drivername=url.get_backend_name(), query=hidden).render_as_string(hide_password=True)
    return text.replace("%2A%2A%2A", "***")


def name_of(text: str) -> str:
    """Return what to call the database that a user means by ``text``, without looking for it."""
    return text if text.startswith("embedded:") else masked(resolve_url(text))


class Database:
    """One database and how to talk to it. Closed by :meth:`close` or at the end of its ``with`` block.

    ``purpose`` begins every error about it: a run has two of them.
    """

    def __init__(self, url: URL, dialect: Dialect, purpose: Literal["source", "target"] = "source") -> None:
        self.url = url
        self.dialect = dialect
        self.purpose = purpose
        # Stages open a connection each and hold it for long: a pool would only keep idle sessions at the server.
        # hide_parameters: values of rows must not show up in the text of an error.
        self.engine: Engine = create_engine(
            dialect.address(url, purpose),
            poolclass=NullPool,
            hide_parameters=True,
            connect_args=dict(dialect.connect_arguments(CONNECT_TIMEOUT_S)),
        )
        dialect.prepare_engine(self.engine)

    @property
    def name(self) -> str:
        """The URL for people, without the password."""
        return masked(self.url)

    def __repr__(self) -> str:
        return f"<Database {self.name}>"

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()

    def connect(self) -> AbstractContextManager[Connection]:
        """Return a new connection, closed at the end of its ``with`` block; driver errors in it are translated."""
        return self._connected()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._translated(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self, timeouts: Timeouts | None = None) -> Iterator[Connection]:
        """Return a connection to one unchanging, read-only state of the database; nothing can be written through it."""
        with self._connected() as connection:
            self.dialect.begin_snapshot(connection, timeouts or Timeouts())
            yield connection

    def identity(self) -> str:
        """Return a text that is equal for two databases exactly if they are the same one, however their URLs differ."""
        with self._connected() as connection:
            return self.dialect.identity(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            explained = self.dialect.explain(error, self.name)
            if explained is None:
                raise
            raise type(explained)(f"{self.purpose}: {explained}", details=explained.details) from error


def open_database(text: str, *, purpose: Literal["source", "target"] = "source") -> Database:
    """Return the database that ``text`` names (see :func:`resolve_url`), after a first connection has succeeded.

    Raises ConfigurationError for a bad URL and ConnectError for a database that cannot be used, each beginning with
    ``purpose``.
    """
    try:
        url = resolve_url(text)
        database = Database(url, dialect_for(url.drivername), purpose)
    except (ConfigurationError, ConnectError) as error:
        raise type(error)(f"{purpose}: {error}", details=error.details) from error.__cause__
    with database.connect():
        return database
