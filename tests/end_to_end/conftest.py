"""The shop, filled once per server, and helpers that look into databases."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from tests.command import with_password
from tests.conftest import Server


def conninfo(url: str) -> str:
    """Return the URL as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of one query, or none if the statement returns none; committed."""
    with psycopg.connect(conninfo(url)) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def tables(url: str) -> list[str]:
    """Return the user's tables of a database."""
    rows = query(
        url,
        "SELECT schemaname || '.' || tablename FROM pg_tables "
        "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
    )
    return [str(name) for (name,) in rows]


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[str]:
    """The URL, with a password in it, of a database that holds the shop."""
    url = server.create_database()
    query(url, (Path(__file__).parent / "shop.sql").read_text())
    yield with_password(url)
    server.drop_database(url)


@pytest.fixture(scope="module")
def make_twin(server: Server) -> Iterator[Callable[[], str]]:
    """Return a function that creates an empty database and returns its URL, with a password in it."""
    with contextlib.ExitStack() as databases:

        def make() -> str:
            url = server.create_database()
            databases.callback(server.drop_database, url)
            return with_password(url)

        yield make
