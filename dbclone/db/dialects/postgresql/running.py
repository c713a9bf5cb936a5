"""A load under way in PostgreSQL: the lock that keeps others off, commits that need not wait, keys in two steps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from psycopg import sql
from sqlalchemy import Connection, text

from dbclone.db.dialects.base import Dialect, Holder
from dbclone.db.dialects.postgresql.swapping import SchemaSwap
from dbclone.db.dialects.postgresql.verifying import raw
from dbclone.db.dialects.swapping import Swapping

LOCK = (0x64626300, 0)
"""The two numbers of the advisory lock: the first is "dbc"."""

_NAME = r'(?:"(?:[^"]|"")+"|[^\s".]+)'
_FOREIGN_KEY = re.compile(
    rf"ALTER TABLE (?:ONLY )?(?P<table>{_NAME}(?:\.{_NAME})?)\s+ADD CONSTRAINT (?P<name>{_NAME}) FOREIGN KEY", re.DOTALL
)


class Running(Dialect):
    """The hooks of a load under way."""

    resumable: ClassVar[bool] = True
    unlogged_tables: ClassVar[bool] = True
    swapping: ClassVar[Swapping | None] = SchemaSwap()

    def hold(self, connection: Connection) -> Holder | None:
        one, two = LOCK
        connection.execute(
            text("""
                SELECT set_config(name, '0', true) FROM pg_catalog.pg_settings
                WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')""")
        )
        if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:one, :two)"), {"one": one, "two": two}):
            return None
        # What it cannot see of other roles' sessions is NULL; the process is always shown.
        found = connection.execute(
            text("""
                SELECT l.pid, coalesce(a.application_name, 'of another role'), host(a.client_addr),
                       coalesce(a.xact_start, a.backend_start, now())
                FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
                WHERE l.locktype = 'advisory' AND l.granted AND l.classid = :one AND l.objid = :two
                  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"""),
            {"one": one, "two": two},
        ).first()
        if found is None:
            # It ended between the two statements.
            return self.hold(connection)
        process, name, host, since = found
        return Holder(process=process, name=f"{name} at {host}" if host else name, since=since)

    def relax_commit(self, connection: Connection) -> None:
        connection.execute(text("SET LOCAL synchronous_commit = off"))

    def make_unlogged(self, connection: Connection, names: Sequence[tuple[str | None, str]]) -> None:
        # A partitioned table has no rows of its own: its partitions have.
        relations = connection.execute(
            text("""
                SELECT DISTINCT rn.nspname, r.relname
                FROM unnest(CAST(:schemas AS text[]), CAST(:tables AS text[])) w (schema, name)
                JOIN pg_catalog.pg_class c ON c.relname = w.name AND c.relkind IN ('r', 'p')
                JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                    AND n.nspname = coalesce(w.schema, current_schema())
                CROSS JOIN LATERAL (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid)) t (oid)
                JOIN pg_catalog.pg_class r ON r.oid = t.oid AND r.relkind = 'r'
                JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
                ORDER BY 1, 2"""),
            {"schemas": [schema for schema, _ in names], "tables": [name for _, name in names]},
        ).all()
        for schema, name in relations:
            raw(connection).execute(sql.SQL("ALTER TABLE {} SET UNLOGGED").format(sql.Identifier(schema, name)))

    def cancel(self, connection: Connection) -> None:
        raw(connection).cancel()

    def unchecked_key(self, statement: str) -> tuple[str, str] | None:
        found = _FOREIGN_KEY.match(statement)
        rule = statement.rstrip().rstrip(";")
        if found is None or ";" in rule or rule.endswith("NOT VALID"):
            return None
        return f"{rule} NOT VALID", f"ALTER TABLE {found['table']} VALIDATE CONSTRAINT {found['name']}"
