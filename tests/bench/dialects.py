"""Loading other databases: generating and loading a twin against dumping and restoring the very same rows.

``.dump | sqlite3`` for SQLite, ``mysqldump | mysql`` for the server that ``DBCLONE_TEST_MARIADB`` names, if any. Both
are filled from one model, learned from an SQLite file.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url

from dbclone.config import Settings
from dbclone.db.across import flat, is_across, state_across
from dbclone.db.connect import open_database
from dbclone.db.load import load
from dbclone.db.target import prepare_target
from dbclone.generate.batches import Generator
from dbclone.model.artifact import load_model
from dbclone.model.parts import Model
from dbclone.pipeline import train_model
from dbclone.run.local import ahead
from tests.bench.data import retail
from tests.conftest import MariaDBServer


def run(*, smoke: bool) -> Iterator[dict[str, Any]]:
    """Yield the seconds of both for each database at hand; ``smoke`` takes few rows."""
    with tempfile.TemporaryDirectory(prefix="dbclone-bench-") as folder:
        source = Path(folder) / "source.sqlite"
        _fill(source, 100 if smoke else 500)
        train_model(f"sqlite:///{source}", Settings(save_model=Path(folder) / "model"))
        model, times = load_model(Path(folder) / "model"), 1 if smoke else 30
        if shutil.which("sqlite3"):
            yield _measured("sqlite", model, times, f"sqlite:///{folder}/twin.sqlite", _dump_sqlite)
        named = os.environ.get("DBCLONE_TEST_MARIADB")
        if named and shutil.which("mysqldump") and shutil.which("mysql"):
            server = MariaDBServer(maintenance=make_url(named).set(drivername="mysql+pymysql"))
            twin, restored = server.create_database(), server.create_database()
            try:
                yield _measured("mariadb", model, times, twin, lambda url: _dump_mariadb(url, restored))
            finally:
                server.drop_database(twin)
                server.drop_database(restored)


def _measured(name: str, model: Model, times: int, url: str, dump: Callable[[str], None]) -> dict[str, Any]:
    started = time.perf_counter()
    rows = _clone(model, times, url)
    between = time.perf_counter()
    dump(url)
    ours, theirs = between - started, time.perf_counter() - between
    return {
        "bench": f"load {name}",
        "rows": rows,
        "generate_and_load_s": round(ours, 2),
        "dump_and_restore_s": round(theirs, 2),
        "ratio": round(ours / theirs, 2),
    }


def _clone(model: Model, times: int, url: str) -> int:
    rows = {table.table: times * table.rows for table in model.plan.tables}
    with open_database(url, purpose="target") as target:
        schema, ddl = model.plan.schema, model.ddl
        state = prepare_target(target, flat(schema, target))
        if is_across(schema, target):
            state = state_across(target, model.plan, ddl, state)
            ddl = state.ddl
        with closing(ahead(Generator(model, seed=1, rows=rows).batches())) as batches:
            return sum(load(target, state.at_target(model.plan), ddl, batches, state=state).rows.values())


def _fill(file: Path, households: int) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for name, frame in retail(households).items():
            kinds = {"O": "TEXT", "i": "INTEGER", "f": "REAL"}
            columns = [
                f"{c} {kinds[frame[c].dtype.kind]}{' PRIMARY KEY' if c == f'{name}_id' else ''}"
                + (f" NOT NULL REFERENCES {c[:-3]}" if c.endswith("_id") and c != f"{name}_id" else "")
                for c in frame.columns
            ]
            connection.execute(f'CREATE TABLE "{name}" ({", ".join(columns)})')
            marks = ", ".join("?" * len(frame.columns))
            rows = frame.astype(object).itertuples(index=False, name=None)
            connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
        connection.commit()


def _dump_sqlite(url: str) -> None:
    file = str(make_url(url).database)
    with subprocess.Popen(["sqlite3", file, ".dump"], stdout=subprocess.PIPE) as process:
        restored = f"{file}.{uuid.uuid4().hex[:8]}"
        subprocess.run(["sqlite3", restored], stdin=process.stdout, check=True, stdout=subprocess.DEVNULL)


def _dump_mariadb(url: str, restored: str) -> None:
    with subprocess.Popen(["mysqldump", *_login(make_url(url))], stdout=subprocess.PIPE) as process:
        subprocess.run(["mysql", *_login(make_url(restored))], stdin=process.stdout, check=True)


def _login(url: URL) -> list[str]:
    password = [f"--password={url.password}"] if url.password else []
    port = [f"--port={url.port}"] if url.port else []
    return [f"--host={url.host}", f"--user={url.username}", *port, *password, str(url.database)]
