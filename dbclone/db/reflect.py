"""Reflect: a live database as a :class:`~dbclone.schema.model.Schema`.

What SQLAlchemy's Inspector says in bulk (columns, primary keys, comments; a few queries per schema, however many
tables) is put together with the dialect's catalogue, which knows types, checks, foreign keys and unique keys exactly.
Nothing is written, no row is read. Also owns the choice of tables by ``--tables`` and ``--exclude``.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from sqlalchemy import Connection, inspect
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import SAWarning

from dbclone.db.dialects.base import CheckFacts, Dialect, TableFacts
from dbclone.errors import ConfigurationError, at_most
from dbclone.schema.checks import columns_named
from dbclone.schema.model import Check, Column, Schema, Table, TableKey, table_key


def reflect_schema(connection: Connection, dialect: Dialect) -> Schema:
    """Return every table of the database that the user's schemas hold, ordered by key.

    Views, foreign tables, temporary tables and tables that belong to an extension are left out. A partitioned table is
    one table without its partitions; a table that inherits from another is a table of its own.
    """
    catalogue = dialect.catalogue(connection)
    inspector = inspect(connection)
    tables = []
    for schema in sorted({facts.schema for facts in catalogue.tables}, key=lambda name: name or ""):
        with warnings.catch_warnings():
            # Types come from the catalogue; that SQLAlchemy does not know one of them is no news to anybody.
            warnings.filterwarnings("ignore", "Did not recognize type|Could not instantiate type", SAWarning)
            columns = inspector.get_multi_columns(schema=schema)
        primary_keys = inspector.get_multi_pk_constraint(schema=schema)
        described = connection.dialect.supports_comments
        comments = inspector.get_multi_table_comment(schema=schema) if described else {}
        for facts in catalogue.tables:
            if facts.schema == schema:
                where = (schema, facts.name)
                tables.append(
                    Table(
                        schema=schema,
                        name=facts.name,
                        key=table_key(schema, facts.name, catalogue.default_schema),
                        columns=tuple(_column(column, facts) for column in columns[where]),
                        primary_key=tuple(primary_keys[where]["constrained_columns"]),
                        foreign_keys=facts.foreign_keys,
                        unique_keys=facts.unique_keys,
                        checks=_checks(facts.checks) + facts.domain_checks,
                        comment=_text(comments.get(where, {})),
                        partitioned=facts.partitioned,
                        exclusions=facts.exclusions,
                        routing=_routing(facts, columns[where], dialect.name),
                        partition_keys=facts.partition_keys,
                    )
                )
    kept = {table.key for table in tables}
    whole = Schema(
        dialect=dialect.name,
        server_version=catalogue.server_version,
        default_schema=catalogue.default_schema,
        tables=tuple(sorted(tables, key=lambda table: table.key)),
    )
    # Drops foreign keys to what was left out: a single partition, a table of an extension.
    return whole.keep(kept)


def _routing(facts: TableFacts, columns: Sequence[ReflectedColumn], dialect: str) -> Check | None:
    """Return the condition that a row belongs to a partition."""
    if facts.routing is None:
        return None
    named = columns_named(facts.routing, [column["name"] for column in columns], dialect)
    return Check(name=f"the partitions of {facts.name}", expression=facts.routing, columns=named or ())


def _text(comment: Mapping[str, Any]) -> str | None:
    return comment.get("text")


def _column(column: ReflectedColumn, facts: TableFacts) -> Column:
    found = facts.columns[column["name"]]
    return Column(
        name=column["name"],
        type=found.type,
        kind=found.kind,
        nullable=column["nullable"] and found.nullable,
        default=column["default"],
        identity=found.identity,
        generated=found.generated,
        length=found.length,
        precision=found.precision,
        scale=found.scale,
        bytes=found.bytes,
        enum_values=found.enum_values,
        parts=found.parts,
        domain=found.domain,
        comment=column.get("comment"),
    )


def _checks(facts: Mapping[str, CheckFacts]) -> tuple[Check, ...]:
    return tuple(
        Check(name=name, expression=found.expression, columns=found.columns, validated=found.validated)
        for name, found in sorted(facts.items())
    )


def select_tables(schema: Schema, include: Sequence[str], exclude: Sequence[str]) -> Schema:
    """Return the schema reduced to the tables that ``include`` matches (none given: all) and ``exclude`` does not.

    Globs match table keys (``sales.*``). Parents that a NOT NULL foreign key of a kept table needs are kept as well,
    transitively, unless excluded; a foreign key to a table left out is dropped and its columns become plain ones.

    Raises ConfigurationError for a glob that matches no table, naming those that come near.
    """
    refuse_unknown(schema, (*include, *exclude))
    left_out = {key for glob in exclude for key in _matching(schema, glob)}
    kept = {key for glob in include for key in _matching(schema, glob)} if include else {t.key for t in schema.tables}
    waiting = list(kept := kept - left_out)
    while waiting:
        table = schema.table(waiting.pop())
        needed = {key.parent for key in table.foreign_keys if not table.nullable(key)} - kept - left_out
        kept |= needed
        waiting += needed
    return schema.keep(kept)


def refuse_unknown(schema: Schema, globs: Iterable[str]) -> None:
    """Raise ConfigurationError for globs that match no table, naming those that come near."""
    problems = [_unknown(schema, glob) for glob in globs if not _matching(schema, glob)]
    if problems:
        raise ConfigurationError(problems[0], details=at_most(problems[1:]))


def _matching(schema: Schema, glob: str) -> list[TableKey]:
    return [table.key for table in schema.tables if glob == table.key or fnmatchcase(table.key, glob)]


def _unknown(schema: Schema, glob: str) -> str:
    keys = [table.key for table in schema.tables]
    near = difflib.get_close_matches(glob, keys, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(at_most(keys))}"
    return f"no table is called {glob!r}; {hint}"
