"""Fill the kitchen sink: every construct of PostgreSQL that dbclone knows of, with a few rows each.

A section is an SQL file that makes its own schema and needs no other section. Those in ``sections`` run on any server
from PostgreSQL 15 on, those in ``releases`` from the release that they are named for, those in ``extensions`` where the
server has the extension of that name, those in ``features`` where it was built with what they need. Rows are made by
SQL from a fixed seed; everything happens in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from dbclone.errors import ConfigurationError, ConnectError, TargetError
from dbclone.examples import LoadReport

FOLDER = Path(__file__).parent
FIRST_RELEASE = 15


def load(
    connection_url: str,
    *,
    full: bool = False,
    progress: Callable[[str], None] | None = None,
    sections: Collection[str] = (),
) -> LoadReport:
    """Create and fill the tables in the database at ``connection_url``, an SQLAlchemy URL of a PostgreSQL.

    ``sections`` names those to load, by the names of their files; none given: all that the server can take. ``full``
    changes nothing.

    Raises :class:`ConfigurationError` for a section that there is not, :class:`ConnectError` when the database can't be
    reached, and :class:`TargetError` when it is not empty or its release too old.
    """
    del full
    say = progress or (lambda _: None)
    conninfo = make_url(connection_url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        with psycopg.connect(conninfo) as connection:
            loaded, notes = [], []
            for name, file in _sections(connection, sections).items():
                try:
                    _run(connection, file)
                except psycopg.errors.FeatureNotSupported as error:
                    if file.parent.name != "features":
                        raise
                    notes.append(f"{name}: left out, {error.diag.message_primary}")
                else:
                    loaded.append(name)
                    say(f"{name}: loaded")
            connection.execute("ANALYZE")
            rows = dict(_counts(connection))
    except (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateSchema) as error:
        raise TargetError(f"{error.diag.message_primary}: the kitchen sink needs an empty database") from error
    except psycopg.OperationalError as error:
        raise ConnectError(f"the kitchen sink was not loaded, nothing was written: {error}") from error
    return LoadReport(rows=rows, duplicates_dropped={}, notes=(f"sections: {', '.join(loaded)}", *notes))


def _run(connection: psycopg.Connection, file: Path) -> None:
    """Run a section, whole or not at all."""
    with connection.transaction():
        # Each section alone makes the rows that it makes among the others.
        connection.execute("SELECT setseed(0.5)")
        connection.execute(file.read_bytes())
        connection.execute("RESET search_path")


def _sections(connection: psycopg.Connection, asked: Collection[str]) -> dict[str, Path]:
    """Return the files to run by the names of their sections."""
    release = connection.info.server_version // 10_000
    if release < FIRST_RELEASE:
        raise TargetError(f"the kitchen sink needs PostgreSQL {FIRST_RELEASE} or later, not {release}")
    there = {name for (name,) in connection.execute("SELECT name FROM pg_available_extensions")}
    files = [
        *sorted(FOLDER.glob("sections/*.sql")),
        *(file for file in sorted(FOLDER.glob("releases/*.sql")) if int(file.stem) <= release),
        *(file for file in sorted(FOLDER.glob("extensions/*.sql")) if file.stem in there),
        *sorted(FOLDER.glob("features/*.sql")),
    ]
    sections = {file.stem: file for file in files}
    if unknown := sorted(set(asked) - set(sections)):
        raise ConfigurationError(f"this server can take no section {', '.join(unknown)}: {', '.join(sections)}")
    return {name: file for name, file in sections.items() if not asked or name in asked}


def _counts(connection: psycopg.Connection) -> Iterator[tuple[str, int]]:
    """Yield the number of rows by table, those of the schema public without its name."""
    tables = connection.execute(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') "
        "ORDER BY 1, 2"
    ).fetchall()
    for schema, table in tables:
        counted = connection.execute(sql.SQL("SELECT count(*) FROM ONLY {}").format(sql.Identifier(schema, table)))
        ((rows,),) = counted.fetchall()
        yield (table if schema == "public" else f"{schema}.{table}"), rows
