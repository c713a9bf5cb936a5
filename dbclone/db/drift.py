"""Drift: how the definition of one database differs from that of another.

The catalogues are the judge: every object of both, in its server's own words, made comparable by
:mod:`dbclone.db.reprint`. That includes what Alembic's comparison does not see: checks, exclusion constraints, views,
functions, triggers, rules, policies, labels of enumerations, domains, partitions, identity and generated columns,
sequences and comments. How a target is brought up to date is the business of :mod:`dbclone.db.migrate`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from dbclone.db.connect import Database
from dbclone.db.dialects.base import Definition
from dbclone.db.reflect import reflect_schema
from dbclone.db.reprint import normalised
from dbclone.model.flow import Difference
from dbclone.schema.bookkeeping import is_bookkeeping
from dbclone.schema.model import Schema, TableKey

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Scope:
    """Which definitions are compared: those of ``tables``, and what they need.

    None: all that there is. ``left_out`` are the tables of the source that are not looked at.
    """

    tables: frozenset[TableKey] | None
    left_out: frozenset[TableKey] = frozenset()

    def of_source(self, definitions: Sequence[Definition]) -> dict[Key, Definition]:
        """Return those that the target should have: all that needs no table that is left out."""
        gone: set[Key] = set()
        for item in definitions:
            if item.table in self.left_out or item.needs & gone:
                gone.add(item.key)
        return {item.key: item for item in definitions if item.key not in gone}

    def of_target(self, definitions: Sequence[Definition], wanted: Set[Key]) -> dict[Key, Definition]:
        """Return those that are held against the source's: the same ones, and what only the target has."""
        return {
            item.key: item
            for item in definitions
            if item.key in wanted
            or (
                (item.table is None or not is_bookkeeping(item.table))
                and (self.tables is None or item.table in self.tables)
            )
        }


def scope_of(whole: Schema, chosen: Schema, *, everything: bool) -> Scope:
    """Return the scope of a choice of tables; with ``everything``, what only the target has counts as well."""
    kept = frozenset(table.key for table in chosen.tables)
    return Scope(tables=None if everything else kept, left_out=frozenset(t.key for t in whole.tables) - kept)


def read_definitions(database: Database) -> tuple[Definition, ...]:
    """Return everything that the user's schemas of a database hold."""
    with database.connect() as connection:
        schema = reflect_schema(connection, database.dialect)
        return database.dialect.definitions(connection, schema.default_schema)


def differences(source: Mapping[Key, Definition], target: Mapping[Key, Definition]) -> tuple[Difference, ...]:
    """Return what differs, in the order in which objects are made."""
    found: list[Difference] = []
    for key, item in source.items():
        if key in target:
            found += _between(item, target[key])
        else:
            missing = Difference(kind=item.kind, name=item.name, change="missing", table=item.table, source=item.sql)
            found.append(missing)
    for key, item in target.items():
        if key not in source:
            found.append(Difference(kind=item.kind, name=item.name, change="extra", table=item.table, target=item.sql))
    return tuple(found)


def _between(source: Definition, target: Definition) -> Iterator[Difference]:
    if source.kind != "TABLE":
        if not same(source.sql, target.sql):
            yield Difference(
                kind=source.kind,
                name=source.name,
                change="different",
                table=source.table,
                source=source.sql,
                target=target.sql,
            )
        return
    for part in dict.fromkeys((*source.parts, *target.parts)):
        ours, theirs = source.parts.get(part, ""), target.parts.get(part, "")
        if not same(ours, theirs):
            kind, _, name = part.partition(" ")
            yield Difference(
                kind=kind.upper(),
                name=f"{source.name}.{name}" if name else source.name,
                change="different" if ours and theirs else "missing" if ours else "extra",
                table=source.table,
                source=ours,
                target=theirs,
            )


def same(one: str, other: str) -> bool:
    """Whether two texts of a catalogue say the same."""
    return one == other or normalised(one) == normalised(other)
