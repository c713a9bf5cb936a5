"""Make the kitchen sink in an empty database of a MariaDB or MySQL server."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pymysql
from sqlalchemy import make_url

from dbclone.examples import LoadReport

FOLDER = Path(__file__).parent


def load(url: str, *, full: bool = False, progress: Callable[[str], None] | None = None) -> LoadReport:  # noqa: ARG001
    """Create and fill it; there is one size only."""
    made = make_url(url)
    with closing(
        pymysql.connect(
            host=made.host, port=made.port or 3306, user=made.username, password=made.password or "",
            database=made.database, charset="utf8mb4", init_command="SET sql_mode = 'NO_ENGINE_SUBSTITUTION'",
        )
    ) as connection, connection.cursor() as cursor:  # fmt: skip
        for name in ("schema.sql", "rows.sql"):
            if progress:
                progress(name)
            for paragraph in (FOLDER / name).read_text(encoding="utf-8").split("\n\n"):
                if not paragraph.startswith("--"):
                    cursor.execute(paragraph.rstrip().rstrip(";"))
        connection.commit()
        cursor.execute("SHOW FULL TABLES WHERE table_type = 'BASE TABLE'")
        rows = {}
        for name, _ in cursor.fetchall():
            cursor.execute(f"SELECT count(*) FROM `{name}`")  # noqa: S608 - the schema's own names
            rows[name] = cursor.fetchone()[0]
    return LoadReport(rows=rows, duplicates_dropped={}, notes=())
