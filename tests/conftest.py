"""The real servers that tests run against, and fresh databases on them.

A test that asks for ``database`` runs once for every PostgreSQL server at hand: the embedded one always, and the one
named by ``DBCLONE_TEST_POSTGRESQL`` when it is set. One that asks for ``any_server`` runs once for every kind of
database: these, SQLite, and the MariaDB or MySQL server that ``DBCLONE_TEST_MARIADB`` names. Servers are started by the
first test that needs one, so
``tests/unit`` starts none. Every database is named at random and dropped at the end of its test: tests may run in any
order and side by side.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from psycopg import sql
from sqlalchemy import URL, make_url

from dbclone.db import embedded

EMBEDDED = "embedded"
SERVERS = {EMBEDDED: None, "postgresql": os.environ.get("DBCLONE_TEST_POSTGRESQL")}
"""Maintenance URL by server name; the embedded server's is known once it runs."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A PostgreSQL server on which databases are made and dropped. ``maintenance`` is the database to do so from."""

    name: str
    maintenance: URL

    def create_database(self, template: str = "template1") -> str:
        """Create a database with a random name, as a copy of ``template``, and return its SQLAlchemy URL text."""
        url = self.maintenance.set(database=f"dbclone_test_{uuid.uuid4().hex[:12]}")
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(statement.format(sql.Identifier(str(url.database)), sql.Identifier(template)))
        return url.render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Drop the database of ``url``, ending whatever sessions a failed test left in it."""
        name = sql.Identifier(str(make_url(url).database))
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def _execute(self, statement: sql.Composed) -> None:
        conninfo = self.maintenance.set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(statement)


@dataclass(frozen=True, kw_only=True)
class SQLiteFiles:
    """A folder in which databases are files."""

    folder: Path
    name: str = "sqlite"

    def create_database(self) -> str:
        """Return the URL of a file that is not there yet."""
        return f"sqlite:///{self.folder / uuid.uuid4().hex[:12]}.sqlite"

    def drop_database(self, url: str) -> None:
        """Remove the file."""
        Path(str(make_url(url).database)).unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class MariaDBServer:
    """A MariaDB or MySQL server on which databases are made and dropped."""

    maintenance: URL
    name: str = "mariadb"

    def create_database(self) -> str:
        """Create a database with a random name and return its URL."""
        url = self.maintenance.set(database=f"dbclone_test_{uuid.uuid4().hex[:12]}")
        self._execute(f"CREATE DATABASE `{url.database}` CHARACTER SET utf8mb4")
        return url.render_as_string(hide_password=False)

    def drop_database(self, url: str) -> None:
        """Drop the database of ``url``."""
        self._execute(f"DROP DATABASE IF EXISTS `{make_url(url).database}`")

    def _execute(self, statement: str) -> None:
        with contextlib.closing(mariadb_connection(self.maintenance)) as connection:
            connection.cursor().execute(statement)


def mariadb_connection(url: URL) -> Any:
    """Return a connection of PyMySQL to the database of ``url``."""
    return pymysql.connect(
        host=url.host,
        port=url.port or 3306,
        user=url.username,
        password=url.password or "",
        database=url.database,
        charset="utf8mb4",
        autocommit=True,
    )


AnyServer = Server | SQLiteFiles | MariaDBServer
MARIADB = os.environ.get("DBCLONE_TEST_MARIADB")
KINDS = [*SERVERS, "mariadb", "sqlite"]
"""Every kind of database there is a dialect for; a server that is not at hand is skipped, and pytest says so."""


@pytest.fixture(scope="module", params=KINDS)
def any_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AnyServer:
    """Each kind of database, in turn."""
    return server_called(request.param, request, tmp_path_factory)


def server_called(name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AnyServer:
    """Return one kind of database; the test is skipped where its server is not at hand."""
    if name == "sqlite":
        return SQLiteFiles(folder=tmp_path_factory.mktemp("sqlite"))
    if name == "mariadb":
        if MARIADB is None:
            pytest.skip("no MariaDB or MySQL server: DBCLONE_TEST_MARIADB names none")
        return MariaDBServer(maintenance=make_url(MARIADB).set(drivername="mysql+pymysql"))
    return _postgresql(request, name)


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[embedded.EmbeddedServer]:
    """An embedded PostgreSQL of this test run only, in a temporary folder; stopped and deleted at the end."""
    # Not pytest's tmp_path: its base folder is closed to the account that the server runs under when tests run as root.
    with tempfile.TemporaryDirectory(prefix="dbclone-test-", ignore_cleanup_errors=True) as folder:
        server = embedded.start(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session", params=[name for name, url in SERVERS.items() if name == EMBEDDED or url])
def server(request: pytest.FixtureRequest) -> Server:
    """Each PostgreSQL server at hand, in turn."""
    return _postgresql(request, request.param)


def _postgresql(request: pytest.FixtureRequest, name: str) -> Server:
    url = SERVERS[name]
    if name == EMBEDDED:
        url = request.getfixturevalue("embedded_server").url("postgres")
    if url is None:
        pytest.skip("no PostgreSQL server: DBCLONE_TEST_POSTGRESQL names none")
    return Server(name=name, maintenance=make_url(url).set(drivername="postgresql+psycopg"))


@pytest.fixture
def make_database(server: Server) -> Iterator[Callable[[], str]]:
    """Return a function that creates an empty database and returns its URL; all are dropped at the end of the test."""
    with contextlib.ExitStack() as databases:

        def make() -> str:
            url = server.create_database()
            databases.callback(server.drop_database, url)
            return url

        yield make


@pytest.fixture
def database(make_database: Callable[[], str]) -> str:
    """The SQLAlchemy URL of an empty database, dropped at the end of the test."""
    return make_database()
