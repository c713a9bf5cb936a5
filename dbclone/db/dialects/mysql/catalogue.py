"""What is in a database: types and keys from the information schema, the rest from what SHOW CREATE prints."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from sqlalchemy import Connection, Inspector, text
from sqlalchemy.engine.interfaces import ReflectedColumn

from dbclone.db.dialects.base import CheckFacts, ColumnFacts, Definition, TableFacts
from dbclone.db.dialects.generic.catalogue import Reflecting
from dbclone.db.dialects.generic.statements import check_conditions, names_in, table_parts
from dbclone.errors import at_most
from dbclone.model.flow import Ddl, Statement
from dbclone.schema.checks import columns_named
from dbclone.schema.model import Schema, TypeKind, UniqueKey, table_key

_COLUMNS = text("""
    SELECT table_name AS of, column_name AS name, data_type AS base, column_type AS type, extra AS extra,
           character_maximum_length AS length, numeric_precision AS digits, numeric_scale AS scale,
           collation_name AS collation
    FROM information_schema.columns WHERE table_schema = database()""")
_KEYS = text("""
    SELECT index_name AS name, column_name AS member, sub_part AS prefix
    FROM information_schema.statistics
    WHERE table_schema = database() AND table_name = :of AND non_unique = 0 AND index_name <> 'PRIMARY'
    ORDER BY index_name, seq_in_index""")
_COLLATIONS = text("""
    SELECT column_name FROM information_schema.columns
    WHERE table_schema = database() AND table_name = :of AND collation_name LIKE '%\\_ci'""")

_KINDS: Mapping[str, TypeKind] = {
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), "integer"),
    "decimal": "decimal",
    **dict.fromkeys(("float", "double"), "float"),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), "text"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "binary"),
    **dict.fromkeys(("enum", "set"), "enum"),
    "date": "date",
    "time": "time",
    **dict.fromkeys(("datetime", "timestamp"), "timestamp"),
    "json": "json",
    "bit": "bits",
    "uuid": "uuid",
}
_BYTES = {"tinyint": 1, "smallint": 2, "year": 2, "mediumint": 3, "int": 4, "bigint": 8}
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_DEFINER = re.compile(r"\sDEFINER=`(?:[^`]|``)*`@`(?:[^`]|``)*`")
_POSITION = re.compile(r" AUTO_INCREMENT=\d+")
_PARENT = re.compile(r"REFERENCES `((?:[^`]|``)*)` \(")
MOST_SETS = 6
"""All subsets of a SET of so many labels are its values; of a larger one those of at most two labels."""


class Catalogued(Reflecting):
    """The hooks that read what there is."""

    def server_version(self, connection: Connection) -> str:
        return str(connection.exec_driver_sql("SELECT version()").scalar())

    def column_facts(self, column: ReflectedColumn) -> ColumnFacts:  # noqa: ARG002
        return ColumnFacts(type="", kind="other")

    def seen_in_rows(self, connection: Connection, tables: Sequence[TableFacts]) -> tuple[TableFacts, ...]:
        rows: dict[tuple[str, str], Any] = {(row.of, row.name): row for row in connection.execute(_COLUMNS)}
        return tuple(
            replace(
                table,
                columns={
                    name: replace(_facts(rows[table.name, name], table.checks.values()), nullable=facts.nullable)
                    for name, facts in table.columns.items()
                },
            )
            for table in tables
        )

    def unique_keys(
        self,
        connection: Connection,
        inspector: Inspector,  # noqa: ARG002
        table: str,
        columns: Mapping[str, ColumnFacts],  # noqa: ARG002
    ) -> tuple[UniqueKey, ...]:
        members: defaultdict[str, list[Any]] = defaultdict(list)
        for row in connection.execute(_KEYS, {"of": table}):
            members[row.name].append(row)
        if not members:
            return ()
        uncased = set(connection.scalars(_COLLATIONS, {"of": table}))
        return tuple(key for name, rows in members.items() for key in _unique_keys(name, rows, uncased))

    def checks(
        self,
        connection: Connection,
        inspector: Inspector,  # noqa: ARG002
        table: str,
        columns: Sequence[str],
    ) -> dict[str, CheckFacts]:
        found = check_conditions(created(connection, "TABLE", table), table, backslashes=True)
        return {n: CheckFacts(t, columns_named(t, columns, self.name) or (), True) for n, t in found.items()}

    # ---- The database's own definition -----------------------------------------------------------------------------

    def native_ddl(self, connection: Connection, schema: Schema) -> Ddl:
        kept = {table.name for table in schema.tables}
        before, after = [], []
        for definition in self.definitions(connection, None):
            name = unquoted(definition.name)
            if definition.kind == "TABLE" and name not in kept:
                continue
            needed = definition.table is None or definition.table in schema
            sql = _without_references(definition.sql, kept) if definition.kind == "TABLE" else definition.sql
            statement = Statement(kind=definition.kind, name=name, sql=sql, table=definition.table)
            if definition.kind == "TRIGGER" and needed:
                after.append(statement)
            elif definition.kind != "TRIGGER":
                before.append(statement)
        lost = self._events(connection)
        return Ddl(dialect=self.name, method="native", before=tuple(before), after=tuple(after), lost=lost)

    def definitions(self, connection: Connection, default_schema: str | None) -> tuple[Definition, ...]:
        found = list(_tables(connection, default_schema))
        for kind, name in connection.execute(
            text("""
                SELECT routine_type, routine_name FROM information_schema.routines
                WHERE routine_schema = database() AND routine_type IN ('PROCEDURE', 'FUNCTION') ORDER BY 1, 2""")
        ).all():  # fmt: skip
            found.append(Definition(kind=kind, name=quoted(name), sql=created(connection, kind, name)))
        found += _views(connection, found)
        for name, table in connection.execute(
            text("""
                SELECT trigger_name, event_object_table FROM information_schema.triggers
                WHERE trigger_schema = database() ORDER BY event_object_table, action_timing, event_manipulation,
                      action_order""")
        ).all():  # fmt: skip
            key = table_key(None, table, default_schema)
            sql = created(connection, "TRIGGER", name)
            needs = frozenset({("TABLE", quoted(table))})
            found.append(Definition(kind="TRIGGER", name=quoted(name), sql=sql, table=key, needs=needs))
        return tuple(found)

    def not_portable(self, connection: Connection) -> tuple[str, ...]:
        found: dict[str, list[str]] = defaultdict(list)
        for item in self.definitions(connection, None):
            if item.kind != "TABLE":
                found[item.kind.lower()].append(unquoted(item.name))
            elif "PARTITION BY" in item.parts.get("options", ""):
                found["partitions of"].append(unquoted(item.name))
        return (*(f"{kind}: {', '.join(at_most(names))}" for kind, names in found.items()), *self._events(connection))

    @staticmethod
    def _events(connection: Connection) -> tuple[str, ...]:
        query = text("SELECT event_name FROM information_schema.events WHERE event_schema = database() ORDER BY 1")
        names = list(connection.scalars(query))
        return (f"event: {', '.join(at_most(names))} (it would run at the target, too)",) if names else ()


def quoted(name: str) -> str:
    """Return a name in backticks, doubled where it has some."""
    return "`" + name.replace("`", "``") + "`"


def unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`")


def created(connection: Connection, kind: str, name: str) -> str:
    """Return the statement that makes an object: without its definer, who need not be at the target, and position."""
    row = connection.exec_driver_sql(f"SHOW CREATE {kind} {quoted(name)}").one()
    sql = str(row[2] if kind in ("TRIGGER", "PROCEDURE", "FUNCTION") else row[1])
    if kind == "TABLE":
        # Only after the closing parenthesis: a comment of a column may say the same.
        head, closing, options = sql.rpartition("\n)")
        return head + closing + _POSITION.sub("", options, count=1)
    return _DEFINER.sub("", sql, count=1)


def _tables(connection: Connection, default_schema: str | None) -> Iterator[Definition]:
    names = connection.scalars(
        text("""
            SELECT table_name FROM information_schema.tables
            WHERE table_schema = database() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY 1""")
    ).all()
    for name in names:
        sql = created(connection, "TABLE", name)
        key = table_key(None, name, default_schema)
        parts = table_parts(sql, backslashes=True)
        yield Definition(kind="TABLE", name=quoted(name), sql=sql, table=key, parts=parts)


def _views(connection: Connection, others: Sequence[Definition]) -> list[Definition]:
    """Return the views, each after those that it reads."""
    names = connection.scalars(
        text("SELECT table_name FROM information_schema.views WHERE table_schema = database() ORDER BY 1")
    ).all()
    texts = {name: created(connection, "VIEW", name) for name in names}
    found: list[Definition] = []
    waiting = list(names)
    while waiting:
        ready = [n for n in waiting if not (names_in(texts[n]) - {n.lower()}) & {w.lower() for w in waiting}] or waiting
        for name in ready:
            used = names_in(texts[name])
            needs = frozenset(d.key for d in (*others, *found) if unquoted(d.name).lower() in used)
            found.append(Definition(kind="VIEW", name=quoted(name), sql=texts[name], needs=needs))
        waiting = [name for name in waiting if name not in ready]
    return found


def _without_references(sql: str, kept: set[str]) -> str:
    """Return a CREATE TABLE without its foreign keys to tables that are left out. Each is a line of its own."""
    head, closing, options = sql.rpartition("\n)")
    lines = head.split("\n")
    keys = [(line, _PARENT.search(line)) for line in lines[1:]]
    names = {name.lower() for name in kept}
    stay = [line.rstrip(",") for line, parent in keys if parent is None or parent[1].lower() in names]
    return lines[0] + "\n" + ",\n".join(stay) + closing + options


def _facts(row: Any, checks: Any) -> ColumnFacts:
    base = str(row.base).lower()
    kind = _KINDS.get(base, "other")
    if base == "longtext" and any(_is_json_check(check.expression, row.name) for check in checks):
        # MariaDB's JSON.
        kind = "json"
    labels = tuple(label.replace("''", "'") for label in _LABEL.findall(row.type)) if kind == "enum" else ()
    size = _BYTES.get(base)
    unsigned = "unsigned" in row.type.lower()
    return ColumnFacts(
        type=row.type,
        kind=kind,
        identity="by default" if "auto_increment" in row.extra.lower() else None,
        generated="GENERATED" in row.extra.upper(),
        length=int(row.length) if kind in ("text", "binary") and row.length else _digits(row, kind, "bits"),
        precision=_digits(row, kind, "decimal"),
        scale=int(row.scale) if kind == "decimal" and row.scale is not None else None,
        # An unsigned number takes more than a signed one of its size.
        bytes=min(8, size * 2 if unsigned else size) if size else None,
        enum_values=_subsets(labels) if base == "set" else labels,
    )


def _digits(row: Any, kind: TypeKind, wanted: TypeKind) -> int | None:
    return int(row.digits) if kind == wanted and row.digits is not None else None


def _is_json_check(expression: str, column: str) -> bool:
    return expression.replace(" ", "").lower() == f"json_valid({quoted(column).lower()})"


def _subsets(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the values of a SET, as it spells them: labels in its order with commas between them."""
    most = len(labels) if len(labels) <= MOST_SETS else 2
    return tuple(",".join(chosen) for size in range(most + 1) for chosen in combinations(labels, size))


def _unique_keys(name: str, members: Sequence[Any], uncased: set[str]) -> Iterator[UniqueKey]:
    prefixes = tuple(f"left({quoted(m.member)}, {m.prefix})" for m in members if m.prefix is not None)
    whole = [m.member for m in members if m.prefix is None]
    if any(member is None for member in whole):
        # An expression: MySQL's information schema has it in a column that MariaDB's lacks.
        return
    key = UniqueKey(name=name, columns=tuple(whole), expressions=prefixes)
    yield key
    if uncased & set(whole):
        lowered = tuple(f"lower({quoted(member)})" for member in whole if member in uncased)
        rest = tuple(member for member in whole if member not in uncased)
        yield replace(key, name=f"{name} (ignoring case)", columns=rest, expressions=(*prefixes, *lowered))
