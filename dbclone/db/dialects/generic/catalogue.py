"""The catalogue as SQLAlchemy's Inspector gives it: columns and references in bulk, keys and conditions by table.

Tables of the default schema have none, so that a definition means the same in a database of another name.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Inspector, types
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.exc import SAWarning

from dbclone.db.dialects.base import Catalogue, CheckFacts, ColumnFacts, Dialect, LiveConstraint, TableFacts
from dbclone.schema.checks import columns_named
from dbclone.schema.model import ForeignKey, Table, TableKey, TypeKind, UniqueKey, table_key

_KINDS: tuple[tuple[type[types.TypeEngine[Any]], TypeKind], ...] = (
    (types.Boolean, "boolean"),
    (types.Enum, "enum"),
    (types.Uuid, "uuid"),
    (types.JSON, "json"),
    (types.ARRAY, "other"),
    (types.Interval, "interval"),
    (types.DateTime, "timestamp"),
    (types.Date, "date"),
    (types.Time, "time"),
    (types.Float, "float"),
    (types.Numeric, "decimal"),
    (types.Integer, "integer"),
    (types.LargeBinary, "binary"),
    (types._Binary, "binary"),
    (types.String, "text"),
)
"""Kinds by the class of SQLAlchemy's type, the narrower class first."""
_BYTES: tuple[tuple[type[types.TypeEngine[Any]], int], ...] = ((types.SmallInteger, 2), (types.BigInteger, 8))

Names = dict[str, str]


class Reflecting(Dialect):
    """The hooks that read what there is."""

    def catalogue(self, connection: Connection) -> Catalogue:
        inspector = sa.inspect(connection)
        with quiet():
            columns = inspector.get_multi_columns()
            primary_keys = inspector.get_multi_pk_constraint()
            foreign_keys = inspector.get_multi_foreign_keys()
        wanted = self.row_tables(connection, [name for _, name in columns])
        spelled = {name: {c["name"].lower(): c["name"] for c in columns[None, name]} for name in wanted}
        tables = []
        for name in wanted:
            facts = {c["name"]: self.column_facts(c) for c in columns[None, name]}
            for column in primary_keys[None, name]["constrained_columns"] if (None, name) in primary_keys else ():
                facts[column] = _not_null(facts[column])
            tables.append(
                TableFacts(
                    schema=None,
                    name=name,
                    partitioned=False,
                    columns=facts,
                    foreign_keys=tuple(_foreign_keys(name, foreign_keys.get((None, name), ()), spelled)),
                    unique_keys=self.unique_keys(connection, inspector, name, facts),
                    checks=self.checks(connection, inspector, name, list(facts)),
                    domain_checks=(),
                )
            )
        return Catalogue(
            server_version=self.server_version(connection),
            default_schema=None,
            tables=self.seen_in_rows(connection, tables),
        )

    def server_version(self, connection: Connection) -> str:
        """Return the release of the server."""
        return ".".join(map(str, connection.dialect.server_version_info or ()))

    def row_tables(self, connection: Connection, names: Sequence[str]) -> list[str]:  # noqa: ARG002
        """Return those of the tables that rows are cloned of."""
        return sorted(names)

    def seen_in_rows(self, connection: Connection, tables: Sequence[TableFacts]) -> tuple[TableFacts, ...]:  # noqa: ARG002
        """Return the tables with kinds corrected by what the rows hold, where a declaration binds nobody."""
        return tuple(tables)

    def column_facts(self, column: ReflectedColumn) -> ColumnFacts:
        """Return what a reflected column is made of."""
        kind = column["type"]
        found = kind_of(kind)
        return ColumnFacts(
            type=self.type_text(column),
            kind=found,
            generated="computed" in column,
            identity="by default" if column.get("autoincrement") is True else None,
            length=getattr(kind, "length", None) if found in ("text", "binary") else None,
            precision=getattr(kind, "precision", None) if found == "decimal" else None,
            scale=getattr(kind, "scale", None) if found == "decimal" else None,
            bytes=next((size for cls, size in _BYTES if isinstance(kind, cls)), 4) if found == "integer" else None,
            enum_values=tuple(getattr(kind, "enums", ())) if found == "enum" else (),
        )

    def type_text(self, column: ReflectedColumn) -> str:
        """Return the type as the database spells it."""
        return str(column["type"])

    def unique_keys(
        self,
        connection: Connection,  # noqa: ARG002
        inspector: Inspector,
        table: str,
        columns: Mapping[str, ColumnFacts],  # noqa: ARG002
    ) -> tuple[UniqueKey, ...]:
        """Return the unique constraints and indexes of a table but for its primary key."""
        with quiet():
            found: dict[str | None, Sequence[str | None]] = {
                key["name"]: key["column_names"] for key in inspector.get_unique_constraints(table)
            }
            found |= {i["name"]: i["column_names"] for i in inspector.get_indexes(table) if i["unique"]}
        return tuple(
            UniqueKey(name=str(name), columns=tuple(c for c in names if c is not None))
            for name, names in sorted(found.items(), key=lambda item: str(item[0]))
            if None not in names
        )

    def checks(
        self,
        connection: Connection,  # noqa: ARG002
        inspector: Inspector,
        table: str,
        columns: Sequence[str],
    ) -> dict[str, CheckFacts]:
        """Return the CHECK constraints of a table by name."""
        found = inspector.get_check_constraints(table)
        texts = {str(c["name"] or f"{table}_check{n}"): c["sqltext"] for n, c in enumerate(found, 1)}
        return {n: CheckFacts(t, columns_named(t, columns, self.name) or (), True) for n, t in texts.items()}

    # ---- What verify asks ------------------------------------------------------------------------------------------

    def constraints(
        self, connection: Connection, tables: Sequence[Table]
    ) -> Mapping[TableKey, tuple[LiveConstraint, ...]]:
        facts = {table.name: table for table in self.catalogue(connection).tables}
        with quiet():
            primary = sa.inspect(connection).get_multi_pk_constraint()
        broken = self.broken_references(connection, tables)
        found: dict[TableKey, tuple[LiveConstraint, ...]] = {}
        for table in tables:
            columns = tuple(primary[None, table.name]["constrained_columns"]) if (None, table.name) in primary else ()
            key = [LiveConstraint(kind="primary key", name="primary key", columns=columns)] if columns else []
            there = facts.get(table.name)
            found[table.key] = (*key, *(_live(there, broken.get(table.name, frozenset())) if there else ()))
        return found

    def broken_references(
        self,
        connection: Connection,  # noqa: ARG002
        tables: Sequence[Table],  # noqa: ARG002
    ) -> Mapping[str, frozenset[str]]:
        """Return, by table, the parents to which rows refer in vain, if the database can be asked for that."""
        return {}


def kind_of(kind: types.TypeEngine[Any]) -> TypeKind:
    """Return what values of an SQLAlchemy type are made of."""
    return next((found for cls, found in _KINDS if isinstance(kind, cls)), "other")


def _not_null(facts: ColumnFacts) -> ColumnFacts:
    return replace(facts, nullable=False)


def _foreign_keys(table: str, reflected: Sequence[Any], spelled: Mapping[str, Names]) -> Iterator[ForeignKey]:
    """Yield the foreign keys of a table, names as their tables spell them, which need not be as the keys do."""
    parents = {name.lower(): name for name in spelled}
    for number, key in enumerate(reflected, 1):
        referred = key["referred_table"]
        parent = referred if referred in spelled else parents.get(referred.lower())
        if parent is None or key.get("referred_schema") is not None:
            continue
        options = key.get("options") or {}
        own, theirs = spelled[table], spelled[parent]
        yield ForeignKey(
            name=str(key["name"] or f"{table}_fkey{number}"),
            columns=tuple(own.get(c.lower(), c) for c in key["constrained_columns"]),
            parent=table_key(None, parent, None),
            parent_columns=tuple(theirs.get(c.lower(), c) for c in key["referred_columns"]),
            deferrable=bool(options.get("deferrable")),
            initially_deferred=str(options.get("initially", "")).upper() == "DEFERRED",
            on_delete=options.get("ondelete"),
        )


def _live(table: TableFacts, broken: frozenset[str]) -> Iterator[LiveConstraint]:
    for key in table.foreign_keys:
        yield LiveConstraint(
            kind="foreign key",
            name=key.name,
            columns=key.columns,
            parent=("", _name_of(key.parent)),
            parent_columns=key.parent_columns,
            valid=_name_of(key.parent) not in broken,
        )
    for unique in table.unique_keys:
        yield LiveConstraint(kind="unique", name=unique.name, columns=unique.columns, plain=unique.is_plain)
    for name, check in table.checks.items():
        yield LiveConstraint(kind="check", name=name, columns=check.columns, valid=check.validated)


def _name_of(key: TableKey) -> str:
    """Return the name of a table of the default schema."""
    return key[1:-1].replace('""', '"') if key.startswith('"') else str(key)


@contextmanager
def quiet() -> Iterator[None]:
    """Do without SQLAlchemy's warnings of types and indexes that it cannot reflect."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)
        yield
