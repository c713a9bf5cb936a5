"""Make the kitchen sink in an empty SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from dbclone.examples import LoadReport

FOLDER = Path(__file__).parent


def load(url: str, *, full: bool = False, progress: Callable[[str], None] | None = None) -> LoadReport:  # noqa: ARG001
    """Create and fill it; there is one size only."""
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        for name in ("schema.sql", "rows.sql"):
            if progress:
                progress(name)
            connection.executescript(f"BEGIN;\n{(FOLDER / name).read_text(encoding='utf-8')}\nCOMMIT;")
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counted = {n: connection.execute(f'SELECT count(*) FROM "{n}"').fetchone()[0] for n in names}  # noqa: S608
    rows = {name: count for name, count in counted.items() if not name.startswith("sqlite_")}
    return LoadReport(rows=rows, duplicates_dropped={}, notes=())
