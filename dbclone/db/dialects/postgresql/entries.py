"""A definition as entries: what each one makes, what it needs, and the SQL that makes it.

Where entries come from is the business of :mod:`.native` (``pg_dump``) and :mod:`.definitions` (the catalogue). Owns
what is done with them: leaving out what does not belong into a twin (tables that are not cloned and whatever depends
on them, and all that reaches other servers: foreign tables, user mappings, subscriptions), and making statements of
the others.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Literal

from psycopg import sql
from sqlalchemy import Connection, text

from dbclone.db.reprint import as_written
from dbclone.model.flow import Ddl, Statement
from dbclone.schema.model import Schema, TableKey, table_key

Section = Literal["pre-data", "post-data"]

_ELSEWHERE = {"SERVER", "USER MAPPING", "FOREIGN TABLE", "FOREIGN DATA WRAPPER"}
"""What reaches other servers. A user mapping holds a password, and a foreign table would show real rows in the twin."""

_REPORTED = {"FK CONSTRAINT", "VIEW", "MATERIALIZED VIEW", "FUNCTION", "PROCEDURE", "AGGREGATE", "TYPE", "DOMAIN",
             "FOREIGN TABLE", "SERVER"}  # fmt: skip

# The two options that columns have are n_distinct and n_distinct_inherited. A server may keep others for itself; its
# own release of pg_dump knows to leave them out, a later one (or another server) does not.
_INTERNAL_OPTIONS = re.compile(
    r"^ALTER (?:FOREIGN )?TABLE ONLY .+ ALTER COLUMN .+ SET \((?!n_distinct)[^()]*\);\n?", re.MULTILINE
)

# As pg_restore would: names are qualified, bodies of functions may use what is created later.
BEGIN = Statement(
    kind="SETTINGS",
    name="definition",
    sql="SET LOCAL search_path = ''; SET LOCAL check_function_bodies = off; SET LOCAL xmloption = content; "
    "SET LOCAL row_security = off; SET LOCAL client_min_messages = warning",
)
END = Statement(
    kind="SETTINGS",
    name="default",
    sql="; ".join(f"SET LOCAL {name} TO DEFAULT" for name in
                  ("search_path", "check_function_bodies", "xmloption", "row_security", "client_min_messages")),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a table of contents. ``catalogue`` and ``oid`` are those of the source; 0 if it has none.

    ``identity`` is what it is called in any database, ``parts`` are a table's columns and checks by ``column name`` and
    ``check name``: only :mod:`.definitions` knows them.
    """

    number: int
    catalogue: int
    oid: int
    dependencies: frozenset[int]
    name: str
    kind: str
    section: Section
    sql: str
    identity: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Owners:
    """What the catalogue says about OIDs.

    ``tables``: the table that a table or partition is or is part of; ``objects``: by catalogue and OID, the OID of the
    table that an object belongs to; ``names``: of tables and partitions; ``refreshed``: materialized views with rows;
    ``partitions``: tables that are one.
    """

    tables: Mapping[int, TableKey]
    objects: Mapping[tuple[int, int], int]
    names: Mapping[int, str]
    refreshed: Mapping[int, tuple[str, str]]
    partitions: Set[int] = frozenset()

    def table_of(self, entry: Entry) -> TableKey | None:
        """Return the table that the entry is or belongs to."""
        return self.tables.get(self.objects.get((entry.catalogue, entry.oid), entry.oid))


def definition_of(connection: Connection, schema: Schema, entries: Sequence[Entry]) -> Ddl:
    """Return the entries that a clone of the tables of ``schema`` has, as statements."""
    owners = owners_of(connection, schema.default_schema)
    kept, lost = _without(_whole_views(entries, owners), owners, frozenset(table.key for table in schema.tables))
    before = [_statement(entry, owners) for entry in kept if entry.section == "pre-data"]
    after = [_statement(entry, owners) for entry in kept if entry.section == "post-data"]
    # An event trigger would fire on our own statements: it comes last.
    events = [statement for statement in after if statement.kind == "EVENT TRIGGER"]
    after = [statement for statement in after if statement.kind != "EVENT TRIGGER"]
    return Ddl(
        dialect="postgresql",
        method="native",
        before=(BEGIN, *before, END),
        after=(BEGIN, *after, END, *_refreshes(kept, owners), *events),
        lost=tuple(lost),
    )


def owners_of(connection: Connection, default_schema: str | None) -> Owners:
    """Return what the catalogue says about OIDs."""
    relations = connection.execute(
        text("""
        SELECT c.oid, c.relname, n.nspname, r.relname, c.relispartition
        FROM pg_class c
        JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid)
        JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE c.relkind IN ('r', 'p')""")
    ).all()
    objects = connection.execute(
        text("""
        SELECT 'pg_constraint'::regclass::oid, oid, conrelid FROM pg_constraint WHERE conrelid <> 0
        UNION ALL SELECT 'pg_class'::regclass, indexrelid, indrelid FROM pg_index
        UNION ALL SELECT 'pg_trigger'::regclass, oid, tgrelid FROM pg_trigger
        UNION ALL SELECT 'pg_rewrite'::regclass, oid, ev_class FROM pg_rewrite
        UNION ALL SELECT 'pg_attrdef'::regclass, oid, adrelid FROM pg_attrdef
        UNION ALL SELECT 'pg_policy'::regclass, oid, polrelid FROM pg_policy
        UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxrelid FROM pg_statistic_ext""")
    )
    refreshed = connection.execute(
        text("""
        SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'm' AND c.relispopulated""")
    )
    return Owners(
        tables={oid: table_key(namespace, root, default_schema) for oid, _, namespace, root, _ in relations},
        objects={(catalogue, oid): table for catalogue, oid, table in objects},
        names={oid: name for oid, name, _, _, _ in relations},
        refreshed={oid: (namespace, name) for oid, namespace, name in refreshed},
        partitions=frozenset(oid for oid, _, _, _, is_partition in relations if is_partition),
    )


def _whole_views(entries: Sequence[Entry], owners: Owners) -> list[Entry]:
    """Return the entries such that every view depends on what its query reads.

    A view that groups by a primary key is dumped twice: as a dummy, which depends on nothing, and, once the key is
    there, as a rule that replaces its query.
    """
    queries = {
        owners.objects[entry.catalogue, entry.oid]: entry.dependencies
        for entry in entries
        if entry.kind == "RULE" and entry.name.endswith(" _RETURN")
    }
    return [
        replace(entry, dependencies=(entry.dependencies | queries.get(entry.oid, frozenset())) - {entry.number})
        if entry.kind == "VIEW"
        else entry
        for entry in entries
    ]


def _without(entries: Sequence[Entry], owners: Owners, wanted: Set[TableKey]) -> tuple[list[Entry], list[str]]:
    """Return the entries that a clone of the ``wanted`` tables has, and for people what goes with the other tables."""
    by_number = {entry.number: entry for entry in entries}
    tables = {entry.number for entry in entries if entry.kind == "TABLE"}
    cloned = {entry.number for entry in entries
              if entry.kind in ("TABLE", "DEFAULT") and owners.table_of(entry) in wanted}  # fmt: skip
    # A table that a cloned one inherits from is needed all the same; it stays empty.
    left_out = tables - _reachable(cloned, {entry.number: entry.dependencies for entry in entries})
    dependents: dict[int, set[int]] = defaultdict(set)
    for entry in entries:
        for number in entry.dependencies:
            dependents[number].add(entry.number)
    elsewhere = {entry.number for entry in entries if entry.kind in _ELSEWHERE}
    dropped = _reachable(left_out | elsewhere, dependents)
    gone = {owners.table_of(by_number[number]) for number in left_out}
    lost = []
    for entry in entries:
        if entry.number in dropped and entry.kind in _REPORTED and owners.table_of(entry) not in gone:
            needs = sorted({by_number[number].name for number in entry.dependencies & dropped})
            reason = "it reaches another server" if entry.kind in _ELSEWHERE else f"it needs {', '.join(needs)}"
            lost.append(f"{entry.kind.lower()} {entry.name}: {reason}")
    return [entry for entry in entries if entry.number not in dropped and not _is_extension_comment(entry)], lost


def _reachable(start: Iterable[int], onward: Mapping[int, Iterable[int]]) -> set[int]:
    found = set(start)
    waiting = list(found)
    while waiting:
        new = set(onward.get(waiting.pop(), ())) - found
        found |= new
        waiting += new
    return found


def _is_extension_comment(entry: Entry) -> bool:
    # CREATE EXTENSION sets the comment itself, and only the extension's owner could set it again.
    return entry.kind == "COMMENT" and entry.name.startswith("EXTENSION ")


def _statement(entry: Entry, owners: Owners) -> Statement:
    table = owners.table_of(entry)
    own = owners.names.get(owners.objects.get((entry.catalogue, entry.oid), 0), "")
    definition = as_written(_INTERNAL_OPTIONS.sub("", entry.sql).strip())
    if entry.kind == "SCHEMA":
        definition = definition.replace("CREATE SCHEMA ", "CREATE SCHEMA IF NOT EXISTS ", 1)
    # The TOC calls a constraint "table constraint".
    return Statement(kind=entry.kind, name=entry.name.removeprefix(own + " "), sql=definition, table=table)


def _refreshes(entries: Sequence[Entry], owners: Owners) -> list[Statement]:
    """Return what fills the materialized views that are filled in the source: first those that others read."""
    refresh = sql.SQL("REFRESH MATERIALIZED VIEW {}")
    views = [entry for entry in entries if entry.kind == "MATERIALIZED VIEW" and entry.oid in owners.refreshed]
    return [
        Statement(
            kind="MATERIALIZED VIEW DATA",
            name=entry.name,
            sql=refresh.format(sql.Identifier(*owners.refreshed[entry.oid])).as_string(),
        )
        for entry in views
    ]
