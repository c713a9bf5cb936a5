"""What PostgreSQL and its driver say when something fails, as one helpful line.

Two sources: SQLSTATE codes, where there is a session; and, while connecting, libpq's text, because libpq hands over no
code (psycopg: "the connection object is in an error state"). Values of rows and passwords are in neither result: only
fixed sentences, names of objects and the masked URL are.
"""

from __future__ import annotations

import re

import psycopg
from sqlalchemy.exc import DBAPIError

from dbclone.errors import ConnectError, DbcloneError

_CONNECTING: tuple[tuple[str, str], ...] = (
    (r"password authentication failed|no password supplied|fe_sendauth", "wrong user or password for {server}"),
    (r"database \"[^\n]*\" does not exist",
     "{server}: there is no such database; create it, or check the last part of the URL"),
    (r"role \"[^\n]*\" does not exist", "{server}: there is no such user"),
    (r"permission denied for database", "{server}: the user may not connect; GRANT CONNECT ON DATABASE helps"),
    (r"no pg_hba\.conf entry|pg_hba\.conf rejects",
     "{server} refuses this user from this machine (pg_hba.conf); it may accept with ?sslmode=require"),
    (r"could not translate host name|[Nn]ame or service not known|failed to resolve host|nodename nor servname",
     "{server}: there is no host of this name"),
    (r"[Cc]onnection refused", "{server} does not answer: no server listens on this host and port"),
    (r"No such file or directory", "{server} does not answer: no server listens on this socket"),
    (r"timeout expired|timed out|No route to host|Network is unreachable",
     "{server} cannot be reached: check host, port and firewall"),
    (r"too many (clients|connections)|remaining connection slots",
     "{server} has no free connection: try again later"),
    (r"the database system is (starting up|shutting down|in recovery)",
     "{server} is starting up or shutting down: try again in a moment"),
    (r"definition of service \"[^\n]*\" not found", "{server}: no such service in the service file"),
    (r"SSL|certificate", "{server}: no secure connection could be made; check sslmode and the certificates"),
)  # fmt: skip

_RUNNING: tuple[tuple[type[psycopg.Error], str], ...] = (
    (psycopg.errors.QueryCanceled, "{server} ended a statement that took too long (statement timeout)"),
    (psycopg.errors.LockNotAvailable, "{server}: a table is locked by another session; try again when it has ended"),
    (psycopg.errors.InsufficientPrivilege, "{server}: not permitted: {message}"),
    (psycopg.errors.IdleInTransactionSessionTimeout, "{server} ended the snapshot because it was idle for too long"),
    (psycopg.errors.SerializationFailure,
     "{server}: the replica ended the snapshot to follow its primary; raise max_standby_streaming_delay there"),
    (psycopg.errors.AdminShutdown, "{server} was shut down, or an administrator ended the session"),
    (psycopg.errors.DiskFull, "{server} has no disk space left"),
    (psycopg.errors.OutOfMemory, "{server} has no memory left"),
    (psycopg.errors.TooManyConnections, "{server} has no free connection: try again later"),
)  # fmt: skip


def explain(error: Exception, server: str) -> DbcloneError | None:
    """Return what ``error`` means for a user of ``server`` (a masked URL), or None if it is no such error."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return None
    message = cause.diag.message_primary or ""
    for kind, sentence in _RUNNING:
        if isinstance(cause, kind):
            return ConnectError(sentence.format(server=server, message=message))
    if isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None:
        for pattern, sentence in _CONNECTING:
            if re.search(pattern, str(cause)):
                return ConnectError(sentence.format(server=server))
        return ConnectError(f"{server} cannot be used: the connection failed or was lost")
    if isinstance(cause, psycopg.ProgrammingError) and cause.sqlstate is None and "connection" in str(cause):
        # psycopg's own check of libpq parameters: its text quotes the connection string.
        return ConnectError(f"{server}: the URL has a parameter that libpq does not know")
    return None
