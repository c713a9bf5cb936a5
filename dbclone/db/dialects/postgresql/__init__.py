"""PostgreSQL, through psycopg 3: :mod:`.reading` for sources, :mod:`.writing` for targets."""

from __future__ import annotations

from dbclone.db.dialects.postgresql.reading import Reading
from dbclone.db.dialects.postgresql.writing import Writing


class PostgreSQL(Reading, Writing):
    """PostgreSQL 12 and later."""


__all__ = ["PostgreSQL"]
