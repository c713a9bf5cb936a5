"""Changing a PostgreSQL database: every object as its catalogue defines it, and what turns one definition into
another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from dbclone.db.dialects.base import Definition
from dbclone.db.dialects.postgresql import definitions
from dbclone.db.dialects.postgresql.entries import Entry, owners_of
from dbclone.db.dialects.postgresql.verifying import Verifying
from dbclone.db.reprint import normalised

_NAME = r'(?:[^\s".]+|"(?:[^"]|"")*")'
_ON = re.compile(rf"({_NAME}) on (.+)", re.DOTALL)
_DEFAULT = re.compile(rf"(ALTER TABLE .+ ALTER COLUMN {_NAME}) SET DEFAULT ", re.DOTALL)
_COMMENT = re.compile(r"(COMMENT ON .+?) IS '", re.DOTALL)
_ATTACH = re.compile(rf"ALTER TABLE ONLY (\S+|{_NAME}\.{_NAME}) ATTACH PARTITION ({_NAME}\.{_NAME}) ")
_IDENTITY = re.compile(r" GENERATED (?:ALWAYS|BY DEFAULT) AS IDENTITY \(.*?\)(?=$| NOT NULL| CONSTRAINT)")
_GENERATED = re.compile(r" GENERATED ALWAYS AS \((?!SEQUENCE).*\) (?:STORED|VIRTUAL)")
_NOT_NULL = re.compile(rf"(?: CONSTRAINT {_NAME})? NOT NULL$")

_ON_TABLE = ("TRIGGER", "RULE", "POLICY")
_CONSTRAINTS = ("CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT")
_PLAIN = ("VIEW", "MATERIALIZED VIEW", "TABLE", "INDEX", "FUNCTION", "PROCEDURE", "AGGREGATE", "TYPE", "DOMAIN",
          "COLLATION", "SEQUENCE", "STATISTICS", "EXTENSION", "SCHEMA")  # fmt: skip


class Migrating(Verifying):
    """The hooks that compare and change definitions."""

    def definitions(self, connection: Connection, default_schema: str | None) -> tuple[Definition, ...]:
        found = connection.scalar(text("SHOW search_path"))
        connection.execute(text("SET LOCAL search_path = ''"))
        entries = definitions.described(connection)
        owners = owners_of(connection, default_schema)
        connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": found})
        names = {entry.number: (entry.kind, entry.identity) for entry in entries}
        tables = {entry.number: owners.table_of(entry) if entry.catalogue else None for entry in entries}
        for entry in entries:
            # What is said in a second statement belongs to the table of what it is said about.
            if not entry.catalogue:
                tables[entry.number] = next((t for n in sorted(entry.dependencies) if (t := tables[n])), None)
        defaults = _defaults(entries)
        return tuple(
            Definition(
                kind=entry.kind,
                name=entry.identity,
                sql=";\n".join([entry.sql, *(item.sql for item in defaults.get(entry.number, ()))]),
                table=tables[entry.number],
                parts={**entry.parts, **dict(map(_default_part, defaults.get(entry.number, ())))},
                needs=frozenset(
                    names[number]
                    for item in (entry, *defaults.get(entry.number, ()))
                    for number in item.dependencies - {entry.number}
                ),
                partition=entry.oid in owners.partitions,
            )
            for entry in entries
            if not any(entry in items for items in defaults.values())
        )

    def drop_statement(self, definition: Definition) -> str:
        kind, name = definition.kind, definition.name
        if kind in _PLAIN:
            return f"DROP {kind} {name}"
        if kind in _ON_TABLE or kind in _CONSTRAINTS:
            own, table = _matched(_ON, name).groups()
            dropped = f"DROP {kind} {own} ON {table}"
            return f"ALTER TABLE {table} DROP CONSTRAINT {own}" if kind in _CONSTRAINTS else dropped
        if kind == "DEFAULT" and (found := _DEFAULT.match(definition.sql)):
            return f"{found[1]} DROP DEFAULT"
        if kind == "COMMENT" and (found := _COMMENT.match(definition.sql)):
            return f"{found[1]} IS NULL"
        if kind == "TABLE ATTACH" and (found := _ATTACH.match(definition.sql)):
            return f"ALTER TABLE {found[1]} DETACH PARTITION {found[2]}"
        if kind == "SEQUENCE OWNED BY":
            return f"ALTER SEQUENCE {name} OWNED BY NONE"
        if kind == "ROW SECURITY":
            return f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"
        if kind == "REPLICA IDENTITY":
            table, clustered, _ = definition.sql.removeprefix("ALTER TABLE ").partition(" CLUSTER ON ")
            anew = f"ALTER TABLE {name} REPLICA IDENTITY DEFAULT"
            return f"ALTER TABLE {table} SET WITHOUT CLUSTER" if clustered else anew
        # An index that is part of a partitioned one goes with it.
        return ""

    def refresh_statement(self, definition: Definition) -> str:
        return f"REFRESH {definition.kind} {definition.name}" if definition.kind == "MATERIALIZED VIEW" else ""

    def change_statements(self, connection: Connection, old: Definition, new: Definition) -> tuple[str, ...] | None:
        if new.kind in ("FUNCTION", "PROCEDURE"):
            return (new.sql,) if _returns(old.sql) == _returns(new.sql) else None
        if new.kind in ("DEFAULT", "COMMENT", "SEQUENCE OWNED BY"):
            return (new.sql,)
        if new.kind == "SEQUENCE":
            return (new.sql.replace("CREATE SEQUENCE ", "ALTER SEQUENCE ", 1),)
        if new.kind == "DOMAIN":
            return _domain_changes(connection, old, new)
        if new.kind == "TYPE":
            return tuple(_rebuilt(connection, new)) if " AS ENUM (" in old.sql and " AS ENUM (" in new.sql else None
        if new.kind == "TABLE":
            return tuple(_table_changes(old, new))
        return None


def _defaults(entries: Sequence[Entry]) -> dict[int, list[Entry]]:
    """Return the defaults of columns by the number of their table: they are part of it, as its columns are."""
    found: dict[int, list[Entry]] = {}
    tables = {entry.number: entry for entry in entries if entry.kind == "TABLE"}
    for entry in entries:
        if entry.kind == "DEFAULT":
            for number in entry.dependencies & tables.keys():
                if entry.identity.startswith(f"for {tables[number].identity}."):
                    found.setdefault(number, []).append(entry)
    return found


def _default_part(entry: Entry) -> tuple[str, str]:
    """Return a default as part of its table. → ``default price``, ``ALTER COLUMN price SET DEFAULT 0``"""
    found = _matched(_DEFAULT, entry.sql)
    alter = found[1].partition(" ALTER COLUMN ")[2]
    return f"default {alter}", f"ALTER COLUMN {alter} SET DEFAULT {entry.sql[found.end() :]}"


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    """Return the match at the beginning of a text of the catalogue; LookupError if it is not as it always is."""
    found = pattern.match(text)
    if found is None:
        raise LookupError(f"the catalogue says {text!r}, which {pattern.pattern!r} does not match")
    return found


def _returns(function: str) -> str:
    found = re.search(r"\n RETURNS (.*)", function)
    return found[1] if found else ""


def _table_changes(old: Definition, new: Definition) -> Iterator[str]:
    """Yield what makes the columns and checks of a table those of another; nothing else of it can be changed."""
    table = new.name
    retyped: set[str] = set()
    for part, line in old.parts.items():
        kind = part.partition(" ")[0]
        if kind == "check" and normalised(new.parts.get(part, "")) != normalised(line):
            yield f"ALTER TABLE {table} DROP CONSTRAINT {_first_name(line.removeprefix('CONSTRAINT '))}"
        elif kind == "column" and part not in new.parts:
            yield f"ALTER TABLE {table} DROP COLUMN {_first_name(line)}"
    for part, line in new.parts.items():
        if part.startswith("column "):
            if part not in old.parts:
                default = new.parts.get(f"default {_first_name(line)}", "").partition(" SET DEFAULT ")[2]
                yield f"ALTER TABLE {table} ADD COLUMN {line}" + (f" DEFAULT {default}" if default else "")
            elif normalised(old.parts[part]) != normalised(line):
                yield from _column_changes(table, old.parts[part], line)
                retyped.add(_first_name(line))
    for part, line in old.parts.items():
        if part.startswith("default ") and part not in new.parts and f"column {part[8:]}" in new.parts:
            yield f"ALTER TABLE {table} {line.partition(' SET DEFAULT ')[0]} DROP DEFAULT"
    for part, line in new.parts.items():
        differs = normalised(old.parts.get(part, "")) != normalised(line)
        if part.startswith("check ") and differs:
            yield f"ALTER TABLE {table} ADD {line}"
        elif part.startswith("default ") and (differs or part[8:] in retyped):
            yield f"ALTER TABLE {table} {line}"
        elif part.startswith("setting ") and differs:
            yield line


def _column_changes(table: str, old: str, new: str) -> Iterator[str]:
    name = _first_name(new)
    if _GENERATED.search(old) or _GENERATED.search(new):
        # Its values follow from the row: nothing is lost by making it anew.
        yield f"ALTER TABLE {table} DROP COLUMN {name}"
        yield f"ALTER TABLE {table} ADD COLUMN {new}"
        return
    alter = f"ALTER TABLE {table} ALTER COLUMN {name}"
    was, becomes = _IDENTITY.search(old), _IDENTITY.search(new)
    if was and (becomes is None or becomes[0] != was[0]):
        yield f"{alter} DROP IDENTITY"
    if _NOT_NULL.search(old) and not _NOT_NULL.search(new):
        yield f"{alter} DROP NOT NULL"
    old_type, new_type = _type_of(old), _type_of(new)
    if old_type != new_type:
        yield f"{alter} DROP DEFAULT"
        yield f"{alter} TYPE {new_type} USING {name}::{new_type.partition(' COLLATE ')[0]}"
    if _NOT_NULL.search(new) and not _NOT_NULL.search(old):
        yield f"{alter} SET NOT NULL"
    if becomes and (was is None or was[0] != becomes[0]):
        yield f"{alter} ADD{becomes[0]}"


def _type_of(line: str) -> str:
    """Return the type and collation of a column's line."""
    return _NOT_NULL.sub("", _IDENTITY.sub("", line))[len(_first_name(line)) :].strip()


def _first_name(line: str) -> str:
    return _matched(re.compile(_NAME), line)[0]


def _rebuilt(connection: Connection, new: Definition) -> Iterator[str]:
    """Yield what replaces an enumeration by one with other labels.

    A label that is added to a type cannot be used in the same transaction; one that is removed cannot be removed at
    all.
    """
    columns = connection.execute(
        text("""
            SELECT format('ALTER TABLE %I.%I ALTER COLUMN %I', n.nspname, c.relname, a.attname),
                   quote_ident(a.attname), a.atttypid <> t.oid, a.atthasdef
            FROM pg_catalog.pg_type t
            JOIN pg_catalog.pg_attribute a ON a.atttypid IN (t.oid, t.typarray) AND NOT a.attisdropped
            JOIN pg_catalog.pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE t.oid = to_regtype(:type)"""),
        {"type": new.name},
    ).all()
    schema, _, name = new.name.rpartition(".")
    aside = f"dbclone_{name}" if not name.startswith('"') else f'"dbclone_{name[1:]}'
    for alter, _, _, has_default in columns:
        if has_default:
            yield f"{alter} DROP DEFAULT"
    yield f"ALTER TYPE {new.name} RENAME TO {aside}"
    yield new.sql
    for alter, column, is_array, _ in columns:
        brackets = "[]" if is_array else ""
        yield f"{alter} TYPE {new.name}{brackets} USING {column}::text{brackets}::{new.name}{brackets}"
    yield f"DROP TYPE {schema}.{aside}"


def _domain_changes(connection: Connection, old: Definition, new: Definition) -> tuple[str, ...] | None:
    """Return what makes a domain like another of the same base type; None if the base types differ."""
    split = re.compile(r"CREATE DOMAIN \S+ AS (.*?)( DEFAULT .*?)?( NOT NULL)?((?:\n    CONSTRAINT .*)*)", re.DOTALL)
    was, becomes = split.fullmatch(old.sql), split.fullmatch(new.sql)
    if was is None or becomes is None or was[1] != becomes[1]:
        return None
    names = connection.scalars(
        text("SELECT quote_ident(conname) FROM pg_catalog.pg_constraint WHERE contypid = to_regtype(:type) "
             "AND contype = 'c'"),
        {"type": new.name},
    ).all()  # fmt: skip
    alter = f"ALTER DOMAIN {new.name}"
    added = [line.strip() for line in re.split(r"\n    (?=CONSTRAINT )", becomes[4]) if line.strip()]
    return (
        *(f"{alter} DROP CONSTRAINT {name}" for name in names),
        f"{alter} SET{becomes[2]}" if becomes[2] else f"{alter} DROP DEFAULT",
        f"{alter} {'SET' if becomes[3] else 'DROP'} NOT NULL",
        *(f"{alter} ADD {line}" for line in added),
    )
