"""PostgreSQL, through psycopg 3: :mod:`.reading` for sources, :mod:`.writing` for targets, :mod:`.running` for both."""

from __future__ import annotations

from dbclone.db.dialects.postgresql.reading import Reading
from dbclone.db.dialects.postgresql.running import Running
from dbclone.db.dialects.postgresql.writing import Writing


class PostgreSQL(Reading, Writing, Running):
    """PostgreSQL 12 and later."""


__all__ = ["PostgreSQL"]
