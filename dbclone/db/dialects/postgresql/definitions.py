"""PostgreSQL's definition of a database out of its catalogue: the words of ``pg_get_viewdef``, ``pg_get_indexdef`` and
their like, put together where there is no such function (tables, types, sequences).

Used where no ``pg_dump`` can be run, and to compare two databases: it takes no locks, and two servers say the same
thing in the same words. All names are qualified. What it does not describe is named by :func:`undescribed`.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from dbclone.db.dialects.postgresql import queries
from dbclone.db.dialects.postgresql.entries import Entry

Address = tuple[int | str, int]
"""Catalogue and OID of an object; a word for a catalogue where one object takes two statements."""

_ORDER = (
    "SCHEMA", "EXTENSION", "COLLATION", "TYPE", "DOMAIN", "FUNCTION", "PROCEDURE", "AGGREGATE", "SEQUENCE", "TABLE",
    "TABLE ATTACH", "DEFAULT", "SEQUENCE OWNED BY", "VIEW", "MATERIALIZED VIEW", "CHECK CONSTRAINT", "CONSTRAINT",
    "INDEX", "INDEX ATTACH", "STATISTICS", "REPLICA IDENTITY", "RULE", "TRIGGER", "POLICY", "ROW SECURITY", "COMMENT",
    "FK CONSTRAINT", "EVENT TRIGGER",
)  # fmt: skip
"""What comes first where nothing else decides: roughly the order of pg_dump."""

_NEEDED_BY_ROWS = ("TABLE", "TABLE ATTACH", "DEFAULT")


@dataclass
class _Item:
    """An entry in the making."""

    address: Address
    kind: str
    name: str
    identity: str
    sql: str
    needs: set[Address]
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def rank(self) -> tuple[int, str, str]:
        return _ORDER.index(self.kind), self.identity, str(self.address)


def described(connection: Connection) -> list[Entry]:
    """Return what the catalogue says about the database, each entry after those that it needs."""
    items: dict[Address, _Item] = {}
    needs, aliases = _dependencies(connection)
    for catalogue, oid, kind, name, identity, statement in _rows(connection, queries.OBJECTS):
        address = (catalogue, oid)
        items[address] = _Item(address, kind, name, identity, statement, needs[address])
    for item in [*_tables(connection, needs), *_extras(connection)]:
        items[item.address] = item
    for item in items.values():
        item.needs = {aliases.get(address, address) for address in item.needs} & items.keys() - {item.address}
    ordered = _ordered(items)
    before = _reachable([item.address for item in ordered if item.kind in _NEEDED_BY_ROWS], items)
    number = {item.address: place for place, item in enumerate(ordered, 1)}
    return [
        Entry(
            number=number[item.address],
            catalogue=int(item.address[0]) if not isinstance(item.address[0], str) else 0,
            oid=item.address[1],
            dependencies=frozenset(number[address] for address in item.needs),
            name=item.name,
            kind=item.kind,
            section="pre-data" if item.address in before else "post-data",
            sql=item.sql,
            identity=item.identity,
            parts=item.parts,
        )
        for item in ordered
    ]


def undescribed(connection: Connection) -> tuple[str, ...]:
    """Return, for people, what :func:`described` leaves out: ``kind: name, name``."""
    return tuple(f"{kind}: {names}" for kind, names in _rows(connection, queries.UNDESCRIBED))


def _rows(connection: Connection, query: str) -> Sequence[Any]:
    return connection.exec_driver_sql(query, execution_options={"no_parameters": True}).all()


def _dependencies(connection: Connection) -> tuple[defaultdict[Address, set[Address]], dict[Address, Address]]:
    """Return what each object needs, and by which other object one is meant: a row's type is its table."""
    needs: defaultdict[Address, set[Address]] = defaultdict(set)
    part_of = {(one, number): (other, oid) for one, number, other, oid in _rows(connection, queries.ALIASES)}
    aliases = {address: _whole(address, part_of) for address in part_of}
    for catalogue, oid, other, needed in _rows(connection, queries.DEPENDENCIES):
        address = (catalogue, oid)
        needs[aliases.get(address, address)].add((other, needed))
    return needs, aliases


def _whole(address: Address, part_of: Mapping[Address, Address]) -> Address:
    """Return what an object is part of in the end: the array of an extension's type belongs to the extension."""
    seen = {address}
    while address in part_of and part_of[address] not in seen:
        address = part_of[address]
        seen.add(address)
    return address


def _tables(connection: Connection, needs: Mapping[Address, set[Address]]) -> Iterable[_Item]:
    """Yield tables with their columns, checks and parents by inheritance, without keys."""
    parts: defaultdict[int, dict[str, str]] = defaultdict(dict)
    local: defaultdict[int, list[str]] = defaultdict(list)
    settings: defaultdict[int, list[str]] = defaultdict(list)
    for table, kind, name, is_local, line, setting in _rows(connection, queries.TABLE_PARTS):
        parts[table][f"{kind if is_local else 'inherited ' + kind} {name}"] = line
        if is_local:
            local[table].append(line)
        if setting:
            parts[table][f"setting {name}"] = setting
            settings[table].append(setting)
    for catalogue, oid, name, identity, begin, end in _rows(connection, queries.TABLES):
        body = "\n    " + ",\n    ".join(local[oid]) + "\n" if local[oid] else ""
        statement = ";\n".join([f"{begin} ({body}){end}", *settings[oid]])
        whole = {**parts[oid], **({"options": end} if end else {})}
        yield _Item((catalogue, oid), "TABLE", name, identity, statement, needs[catalogue, oid], whole)


def _extras(connection: Connection) -> Iterable[_Item]:
    """Yield what is said about objects in a second statement: whose a sequence or a partition is, comments."""
    for word, oid, kind, name, identity, statement, catalogue, first, other, second in _rows(
        connection, queries.SECOND_STATEMENTS
    ):
        needed = {(catalogue, first)} | ({(other, second)} if second else set())
        yield _Item((word, oid), kind, name, identity, statement, needed)


def _ordered(items: Mapping[Address, _Item]) -> list[_Item]:
    """Return the items, each after those that it needs; of several that could be next, by :data:`_ORDER`."""
    waiting = {address: set(item.needs) for address, item in items.items()}
    needed_by: defaultdict[Address, list[Address]] = defaultdict(list)
    for address, item in items.items():
        for needed in item.needs:
            needed_by[needed].append(address)
    ready = [(items[address].rank, address) for address, needed in waiting.items() if not needed]
    heapq.heapify(ready)
    ordered: list[_Item] = []
    done: set[Address] = set()
    while len(ordered) < len(items):
        if not ready:
            # A circle, as of a function and a table whose check calls it: function bodies are not looked at when they
            # are created, so the first by order goes ahead.
            first = min((a for a in items if a not in done), key=lambda address: items[address].rank)
            ready = [(items[first].rank, first)]
        _, address = heapq.heappop(ready)
        if address in done:
            continue
        done.add(address)
        ordered.append(items[address])
        for other in needed_by[address]:
            waiting[other].discard(address)
            if not waiting[other] and other not in done:
                heapq.heappush(ready, (items[other].rank, other))
    return ordered


def _reachable(start: Iterable[Address], items: Mapping[Address, _Item]) -> set[Address]:
    found = set(start)
    waiting = list(found)
    while waiting:
        new = items[waiting.pop()].needs - found
        found |= new
        waiting += new
    return found
