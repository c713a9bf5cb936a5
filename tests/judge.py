"""What a database itself says about its rows, asked by SQL that shares nothing with dbclone's own verification.

Everything is asked of the live catalogue: a constraint that a clone lost is found by comparing definitions
(:func:`definition`), a constraint that rows break by asking about the rows.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from dbclone.db.dialects.postgresql.native import find_client

USERS = "n.nspname !~ '^(pg_|information_schema$)'"
"""The condition that keeps the user's schemas."""


def conninfo(url: str) -> str:
    """Return the URL as psycopg takes it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


# ---- Definitions ----------------------------------------------------------------------------------------------------


def definition(url: str) -> list[str]:
    """Return the lines of ``pg_dump --schema-only``, without what says when, from which server and by whom."""
    given = make_url(url)
    environment = {**os.environ, **({"PGPASSWORD": given.password} if given.password else {})}
    with psycopg.connect(conninfo(url)) as connection:
        # The server's own release where it is at hand: a later one may show what the server keeps for itself.
        program = find_client(connection.info.server_version // 10_000).pg_dump
    command = [str(program), "--schema-only", "--no-owner", "--no-privileges", "--dbname", conninfo(url)]
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    changing = re.compile(r"\\(un)?restrict |-- Dumped |-- Started |-- Completed ")
    return [line for line in done.stdout.decode().splitlines() if not changing.match(line)]


def difference(source: str, target: str) -> str:
    """Return how the definitions of two databases differ, as lines of a unified diff; nothing if they are equal."""
    one, other = definition(source), definition(target)
    return "\n".join(difflib.unified_diff(one, other, "source", "target", lineterm="", n=2))


# ---- Rows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judge:
    """Asks one database. Every list returned is empty when all is well, and names what is not."""

    connection: psycopg.Connection

    def rows(self, query: str | sql.Composed) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.connection.execute(query.encode() if isinstance(query, str) else query).fetchall()

    def value(self, query: str | sql.Composed) -> Any:
        """Return the one value of a query."""
        ((value,),) = self.rows(query)
        return value

    def counts(self) -> dict[tuple[str, str], int]:
        """Return the rows of every table by schema and name: of itself alone, and of all partitions together."""
        found = self.rows(
            f"SELECT n.nspname, relname, relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE relkind IN ('r', 'p') AND NOT relispartition AND {USERS} ORDER BY 1, 2"
        )
        return {(schema, name): self.value(_count(schema, name, kind)) for schema, name, kind in found}

    def orphans(self) -> list[str]:
        """Return the valid foreign keys that rows break: no such parent, or a half of a pair under MATCH FULL."""
        keys = self.rows(f"""
            SELECT o.conname, n.nspname, c.relname, c.relkind::text, pn.nspname, p.relname, p.relkind::text,
                   ARRAY(SELECT attname::text FROM unnest(conkey) WITH ORDINALITY k (m, i)
                         JOIN pg_attribute ON attrelid = conrelid AND attnum = m ORDER BY i),
                   ARRAY(SELECT attname::text FROM unnest(confkey) WITH ORDINALITY k (m, i)
                         JOIN pg_attribute ON attrelid = confrelid AND attnum = m ORDER BY i),
                   confmatchtype = 'f'
            FROM pg_constraint o
            JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_class p ON p.oid = confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
            WHERE contype = 'f' AND convalidated AND NOT (conparentid <> 0 AND p.relispartition) AND {USERS}""")
        return [f"{name} of {key[1]}: {found}" for name, *key in keys if (found := self.value(_orphans(key)))]

    def broken_checks(self) -> list[str]:
        """Return the valid CHECKs, partition bounds and NOT NULLs that rows break."""
        rules = self.rows(f"""
            SELECT n.nspname, c.relname, c.relkind::text, conname::text, pg_get_expr(conbin, conrelid)
            FROM pg_constraint JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE contype = 'c' AND convalidated AND {USERS}
            UNION ALL
            SELECT n.nspname, c.relname, c.relkind::text, 'bounds', pg_get_partition_constraintdef(c.oid)
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE relispartition AND relkind = 'r' AND pg_get_partition_constraintdef(c.oid) IS NOT NULL AND {USERS}
            UNION ALL
            SELECT n.nspname, c.relname, c.relkind::text, 'not null', format('%I IS NOT NULL', attname)
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE relkind IN ('r', 'p') AND attnum > 0 AND attnotnull AND NOT attisdropped AND {USERS}
              AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conrelid = attrelid AND NOT o.convalidated
                              AND o.contype::text = 'n' AND o.conkey = ARRAY[attnum])""")
        return [
            f"{rule} of {name}: {broken}"
            for schema, name, kind, rule, expression in rules
            if (broken := self.value(_count(schema, name, kind, f"NOT ({expression})")))
        ]

    def broken_domains(self) -> list[str]:
        """Return the columns with values that their domain refuses: read as text and cast to it again."""
        columns = self.rows(f"""
            SELECT n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
            FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid AND typtype = 'd'
            JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped AND {USERS}""")
        broken = []
        for schema, table, column, domain in columns:
            query = sql.SQL("SELECT count(CAST({}::text AS {})) FROM {}").format(
                sql.Identifier(column), sql.SQL(domain), sql.Identifier(schema, table)
            )
            try:
                with self.connection.transaction():
                    self.rows(query)
            except psycopg.errors.IntegrityError as error:
                broken.append(f"{table}.{column}: {error}")
        return broken

    def broken_indexes(self) -> list[str]:
        """Build every unique and excluding index again, and return those that the rows do not allow."""
        indexes = self.rows(f"""
            SELECT n.nspname, c.relname FROM pg_index JOIN pg_class c ON c.oid = indexrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE (indisunique OR indisexclusion) AND relkind = 'i' AND {USERS}""")
        broken = []
        for schema, name in indexes:
            try:
                with self.connection.transaction():
                    self.connection.execute(sql.SQL("REINDEX INDEX {}").format(sql.Identifier(schema, name)))
            except psycopg.errors.IntegrityError as error:
                broken.append(f"{name}: {error}")
        return broken

    def constraints(self) -> list[tuple[str, str, str, bool]]:
        """Return schema and table, name, kind and validity of every constraint."""
        return self.rows(f"""
            SELECT n.nspname || '.' || c.relname, conname::text, contype::text, convalidated
            FROM pg_constraint JOIN pg_class c ON c.oid = conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE {USERS} ORDER BY 1, 2, 3""")

    def late_sequences(self) -> list[str]:
        """Draw from every sequence that fills a column, and return those whose value is there or not past the last."""
        columns = self.rows(f"""
            SELECT DISTINCT s.oid::regclass::text, n.nspname, c.relname, a.attname, seqincrement > 0
            FROM pg_depend d
            JOIN pg_sequence ON seqrelid = CASE WHEN d.classid = 'pg_attrdef'::regclass THEN refobjid ELSE objid END
            JOIN pg_class s ON s.oid = seqrelid
            LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
            JOIN pg_attribute a ON a.attrelid = coalesce(f.adrelid, d.refobjid)
                               AND a.attnum = coalesce(f.adnum, d.refobjsubid)
            JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE (d.classid = 'pg_attrdef'::regclass OR d.deptype IN ('a', 'i')) AND {USERS}""")
        late = []
        for sequence, schema, table, column, upwards in columns:
            last = self.value(
                sql.SQL("SELECT {}({}) FROM {}").format(
                    sql.SQL("max" if upwards else "min"), sql.Identifier(column), sql.Identifier(schema, table)
                )
            )
            drawn = self.value(sql.SQL("SELECT nextval({})").format(sequence))
            if last is not None and (drawn <= last if upwards else drawn >= last):
                late.append(f"{sequence} gave {drawn}, {table}.{column} ends with {last}")
        return late

    def violations(self) -> list[str]:
        """Return everything that rows break."""
        return [*self.orphans(), *self.broken_checks(), *self.broken_domains(), *self.broken_indexes()]


def _count(schema: str, name: str, kind: str, condition: str = "true") -> sql.Composed:
    return sql.SQL("SELECT count(*) FROM {} {} WHERE {}").format(
        _only(kind), sql.Identifier(schema, name), sql.SQL(condition)
    )


def _only(kind: str) -> sql.SQL:
    """A constraint is about the rows of a table itself, not about those of tables that inherit from it."""
    return sql.SQL("" if kind == "p" else "ONLY")


def _orphans(key: Sequence[Any]) -> sql.Composed:
    child_schema, child, child_kind, parent_schema, parent, parent_kind, columns, parent_columns, full = key
    theirs = [sql.Identifier("p", name) for name in parent_columns]
    mine = [sql.Identifier("c", name) for name in columns]
    same = sql.SQL(" AND ").join(sql.SQL("{} = {}").format(a, b) for a, b in zip(mine, theirs, strict=True))
    some, every = (sql.SQL(word).join(_given(mine)) for word in (" OR ", " AND "))
    refers = some if full else every
    return sql.SQL(
        "SELECT count(*) FROM {} {} c WHERE ({}) AND NOT EXISTS (SELECT FROM {} {} p WHERE {})"
    ).format(
        _only(child_kind),
        sql.Identifier(child_schema, child),
        refers,
        _only(parent_kind),
        sql.Identifier(parent_schema, parent),
        same,
    )  # fmt: skip


def _given(columns: Sequence[sql.Identifier]) -> Iterator[sql.Composed]:
    return (sql.SQL("{} IS NOT NULL").format(column) for column in columns)
