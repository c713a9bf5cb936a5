"""What is in an SQLite file: tables by their pragmas, conditions from their own text, kinds from what the rows hold.

A declared type binds nobody here: a DATETIME column may hold text, seconds or days. So every column is asked, in one
pass over each table, whether all its values are of the kind that its declaration says; where not, what is stored
counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Inspector, Row

from dbclone.db.dialects.base import CheckFacts, ColumnFacts, Definition, TableFacts
from dbclone.db.dialects.generic.catalogue import Reflecting
from dbclone.db.dialects.generic.statements import check_conditions, index_parts, names_in, table_parts
from dbclone.errors import at_most
from dbclone.model.flow import Ddl, Statement
from dbclone.schema.checks import columns_named
from dbclone.schema.model import Schema, Table, TypeKind, UniqueKey, table_key

_DIGITS = "[0-9]"
_DATE = f"{_DIGITS * 4}-{_DIGITS * 2}-{_DIGITS * 2}"
_CLOCK = ":".join([_DIGITS * 2] * 3)
_MISFITS: Mapping[TypeKind, str] = {
    "integer": "typeof({c}) <> 'integer'",
    "boolean": "typeof({c}) <> 'integer' OR {c} NOT IN (0, 1)",
    "decimal": "typeof({c}) NOT IN ('integer', 'real')",
    "float": "typeof({c}) NOT IN ('integer', 'real')",
    "text": "typeof({c}) <> 'text'",
    "json": "typeof({c}) <> 'text'",
    "binary": "typeof({c}) <> 'blob'",
    "date": f"typeof({{c}}) <> 'text' OR {{c}} NOT GLOB '{_DATE}' OR date({{c}}) IS NULL",
    "timestamp": f"typeof({{c}}) <> 'text' OR {{c}} NOT GLOB '{_DATE}?*' OR datetime({{c}}) IS NULL",
    "time": f"typeof({{c}}) <> 'text' OR {{c}} NOT GLOB '{_DIGITS * 2}:*' OR time({{c}}) IS NULL",
}
"""By kind, the condition that a value is of another one."""
_WRITTEN_OUT: Mapping[TypeKind, str] = {
    "date": _MISFITS["date"],
    "timestamp": f"{_MISFITS['timestamp']} OR {{c}} NOT GLOB '{_DATE} {_CLOCK}'",
}
"""The same for days and moments in a column of text, which is where STRICT tables, among others, have them."""


class Catalogued(Reflecting):
    """The hooks that read what there is."""

    def server_version(self, connection: Connection) -> str:
        return str(connection.exec_driver_sql("SELECT sqlite_version()").scalar())

    def row_tables(self, connection: Connection, names: Sequence[str]) -> list[str]:
        return sorted(set(names) - _not_plain(connection))

    def seen_in_rows(self, connection: Connection, tables: Sequence[TableFacts]) -> tuple[TableFacts, ...]:
        return tuple(replace(t, columns=_seen(connection, t.name, t.columns)) for t in tables)

    def unique_keys(
        self,
        connection: Connection,
        inspector: Inspector,  # noqa: ARG002
        table: str,
        columns: Mapping[str, ColumnFacts],  # noqa: ARG002
    ) -> tuple[UniqueKey, ...]:
        found: list[UniqueKey] = []
        written_as = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'index'")
        statements: dict[str, str | None] = {row.name: row.sql for row in written_as}
        for _, name, unique, origin, partial in connection.exec_driver_sql(f"PRAGMA index_list({quoted(table)})").all():
            if not unique or origin == "pk":
                continue
            parts = connection.exec_driver_sql(f"PRAGMA index_xinfo({quoted(name)})").all()
            members = [part for part in parts if part.key]
            written, predicate = index_parts(statements.get(name) or "")
            key = UniqueKey(
                name=name,
                columns=tuple(part.name for part in members if part.name is not None),
                expressions=tuple(written[part.seqno] for part in members if part.name is None),
                predicate=predicate if partial else None,
            )
            found.append(key)
            if any(part.coll.upper() == "NOCASE" and part.name is not None for part in members):
                found.append(_without_case(key, members))
        return tuple(sorted(found, key=lambda key: key.name))

    def checks(
        self,
        connection: Connection,
        inspector: Inspector,  # noqa: ARG002
        table: str,
        columns: Sequence[str],
    ) -> dict[str, CheckFacts]:
        found = check_conditions(_statement(connection, table), table)
        return {n: CheckFacts(t, columns_named(t, columns, self.name) or (), True) for n, t in found.items()}

    def broken_references(self, connection: Connection, tables: Sequence[Table]) -> Mapping[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for table in tables:
            rows = connection.exec_driver_sql(f"PRAGMA foreign_key_check({quoted(table.name)})").all()
            found[table.name] = frozenset(row[2] for row in rows)
        return found

    # ---- The database's own definition -----------------------------------------------------------------------------

    def native_ddl(self, connection: Connection, schema: Schema) -> Ddl:
        kept = {table.name for table in schema.tables}
        before, after, lost = [], [], []
        for kind, name, table, sql in _objects(connection):
            key = table_key(None, table, None)
            statement = Statement(kind=kind.upper(), name=name, sql=sql, table=None if kind == "view" else key)
            if kind == "table" and _is_virtual(sql):
                after.append(statement)
                lost.append(f"rows of the virtual table {name}: they are its module's")
            elif kind == "table" and name in kept:
                before.append(statement)
                lost += _left_out(connection, name, kept)
            elif kind == "view" or (kind != "table" and table in kept):
                after.append(statement)
        return Ddl(
            dialect=self.name, method="native", before=tuple(before), after=tuple(after), lost=tuple(at_most(lost))
        )

    def definitions(self, connection: Connection, default_schema: str | None) -> tuple[Definition, ...]:
        found: list[Definition] = []
        for kind, name, table, sql in _objects(connection):
            needed = names_in(sql) if kind != "table" else frozenset()
            found.append(
                Definition(
                    kind=kind.upper(),
                    name=quoted(name),
                    sql=sql,
                    table=None if kind == "view" else table_key(None, table, default_schema),
                    parts=table_parts(sql) if kind == "table" else {},
                    needs=frozenset(d.key for d in found if d.name[1:-1].lower() in needed),
                )
            )
        return tuple(found)

    def not_portable(self, connection: Connection) -> tuple[str, ...]:
        found: dict[str, list[str]] = defaultdict(list)
        for kind, name, _, sql in _objects(connection):
            if kind in ("view", "trigger"):
                found[kind].append(name)
            elif _is_virtual(sql):
                found["virtual table"].append(name)
        return tuple(f"{kind}: {', '.join(at_most(names))}" for kind, names in found.items())


def quoted(name: str) -> str:
    """Return a name in double quotes, doubled where it has some."""
    return '"' + name.replace('"', '""') + '"'


def _objects(connection: Connection) -> list[Any]:
    """Return type, name, table and statement of every object in the order in which they were made."""
    rows = connection.exec_driver_sql(
        "SELECT type, name, tbl_name, sql FROM sqlite_master "
        "WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
    ).all()
    shadows = _not_plain(connection)
    return [row for row in rows if row.name not in shadows or _is_virtual(row.sql)]


def _not_plain(connection: Connection) -> set[str]:
    """Return the names of virtual tables and of the tables in which these keep what is theirs."""
    virtual = [
        row.name
        for row in connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        if _is_virtual(row.sql)
    ]
    if not virtual:
        return set()
    # The pragma came with 3.37.
    listed = connection.exec_driver_sql("PRAGMA table_list").all()
    return {*virtual, *(row.name for row in listed if row.type in ("virtual", "shadow"))}


def _is_virtual(sql: str | None) -> bool:
    return (sql or "").upper().startswith("CREATE VIRTUAL")


def _statement(connection: Connection, table: str) -> str:
    found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    return str(found.scalar())


def _left_out(connection: Connection, table: str, kept: set[str]) -> list[str]:
    rows = connection.exec_driver_sql(f"PRAGMA foreign_key_list({quoted(table)})").all()
    names = {name.lower() for name in kept}
    gone = sorted({row.table for row in rows if row.table.lower() not in names})
    return [f"{table} refers to {parent}, which is left out: its foreign key leads nowhere" for parent in gone]


def _without_case(key: UniqueKey, members: Sequence[Row[Any]]) -> UniqueKey:
    """Return the key as what it means for columns that are compared without regard to case."""
    cased = tuple(p.name for p in members if p.name is not None and p.coll.upper() == "NOCASE")
    return replace(
        key,
        name=f"{key.name} (ignoring case)",
        columns=tuple(name for name in key.columns if name not in cased),
        expressions=(*key.expressions, *(f"lower({quoted(name)})" for name in cased)),
    )


def _seen(connection: Connection, table: str, columns: Mapping[str, ColumnFacts]) -> dict[str, ColumnFacts]:
    """Return the columns with their declared types, and with the kinds that their values have."""
    declared = {row.name: row for row in connection.exec_driver_sql(f"PRAGMA table_xinfo({quoted(table)})")}
    keys = [row for row in declared.values() if row.pk]
    without_rowid = table_parts(_statement(connection, table)).get("options", "").upper().find("WITHOUT ROWID") >= 0
    rowid = keys[0].name if len(keys) == 1 and keys[0].type.upper() == "INTEGER" and not without_rowid else None
    misfits = _misfits(connection, table, columns)
    return {
        name: replace(
            _of_kind(connection, table, name, facts, misfits),
            type=declared[name].type,
            bytes=8 if facts.kind == "integer" else None,
            identity="by default" if name == rowid else None,
            nullable=facts.nullable and not declared[name].pk,
        )
        for name, facts in columns.items()
    }


def _misfits(
    connection: Connection, table: str, columns: Mapping[str, ColumnFacts]
) -> dict[tuple[str, TypeKind], int | None]:
    """Return, by column and kind that it may have, how many values are of another one; None if there are no values."""
    asked: dict[tuple[str, TypeKind], str] = {}
    for name, facts in columns.items():
        for kind in (facts.kind, *(_WRITTEN_OUT if facts.kind == "text" else ())):
            test = _MISFITS.get(kind) if kind == facts.kind else _WRITTEN_OUT[kind]
            if test is not None:
                asked[name, kind] = test.replace("{c}", quoted(name))
    keys, found = list(asked), dict[tuple[str, TypeKind], int | None]()
    for start in range(0, len(keys), 500):
        part = keys[start : start + 500]
        wanted = ", ".join(f"sum(CASE WHEN {quoted(k[0])} IS NOT NULL THEN {asked[k]} END)" for k in part)
        found.update(zip(part, connection.exec_driver_sql(f"SELECT {wanted} FROM {quoted(table)}").one(), strict=True))  # noqa: S608
    return found


def _of_kind(
    connection: Connection,
    table: str,
    name: str,
    facts: ColumnFacts,
    misfits: Mapping[tuple[str, TypeKind], int | None],
) -> ColumnFacts:
    """Return a column with the kind that all its values have; the declared one where there are none."""
    found = misfits.get((name, facts.kind), 1)
    if facts.kind == "text" and not found:
        written: TypeKind = next((kind for kind in _WRITTEN_OUT if misfits[name, kind] == 0), "text")
        return replace(facts, kind=written)
    if found or (facts.kind == "decimal" and facts.scale is None):
        return _stored(connection, table, name, facts)
    return facts


def _stored(connection: Connection, table: str, name: str, facts: ColumnFacts) -> ColumnFacts:
    query = f"SELECT DISTINCT typeof({quoted(name)}) FROM {quoted(table)} WHERE {quoted(name)} IS NOT NULL"  # noqa: S608
    found = set(connection.exec_driver_sql(query).scalars())
    kind: TypeKind = "text"
    if found == {"integer"}:
        kind = "integer"
    elif found <= {"integer", "real"}:
        kind = "float"
    elif found == {"blob"}:
        kind = "binary"
    return replace(facts, kind=kind, length=None, precision=None, scale=None, bytes=8 if kind == "integer" else None)
