"""Loading: generating and loading a twin against ``pg_dump -Fc -Z0`` and ``pg_restore`` of the very same rows."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dbclone.config_file import make_settings
from dbclone.db.connect import open_database
from dbclone.db.embedded import EmbeddedServer, client_bin_dir, start
from dbclone.db.load import load
from dbclone.db.target import prepare_target
from dbclone.examples import load_example
from dbclone.generate.batches import Generator
from dbclone.model.artifact import load_model
from dbclone.pipeline import train_model
from dbclone.run.local import ahead
from tests.bench.data import retail


def run(*, smoke: bool, full: bool = False) -> dict[str, Any]:
    """Return seconds of both on an embedded server of this run's own; ``smoke`` takes made-up rows, few of them."""
    with (
        tempfile.TemporaryDirectory(prefix="dbclone-bench-") as folder,
        tempfile.TemporaryDirectory(prefix="dbclone-bench-server-", ignore_cleanup_errors=True) as data_dir,
    ):
        server = start(Path(data_dir))
        try:
            for name in ("source", "twin", "restored"):
                server.create_database(name)
            if smoke:
                _load_retail(server.url("source"))
            else:
                load_example("complete_journey", server.url("source"), full=full)
            return _measure(server, Path(folder) / "model")
        finally:
            server.stop()


def _measure(server: EmbeddedServer, model_file: Path) -> dict[str, Any]:
    train_model(server.url("source"), make_settings(save_model=model_file))
    rows, ours = _timed(lambda: _clone(model_file, server.url("twin")))
    _, theirs = _timed(lambda: _restore(server.url("twin"), server.url("restored")))
    return {
        "bench": "load",
        "rows": rows,
        "generate_and_load_s": round(ours, 2),
        "pg_dump_and_pg_restore_s": round(theirs, 2),
        "ratio": round(ours / theirs, 2),
    }


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def _clone(model_file: Path, url: str) -> int:
    model = load_model(model_file)
    with open_database(url, purpose="target") as target:
        state = prepare_target(target, model.plan.schema, "refuse")
        with closing(ahead(Generator(model, seed=1).batches())) as batches:
            return sum(load(target, model.plan, model.ddl, batches, state=state).rows.values())


def _restore(source: str, target: str) -> None:
    """Dump ``source`` and restore it into ``target``, in a pipe."""
    programs = client_bin_dir()
    assert programs is not None
    dump = [str(programs / "pg_dump"), "-Fc", "-Z0", "--dbname", _libpq(source)]
    restore = [str(programs / "pg_restore"), "--no-owner", "--dbname", _libpq(target)]
    with subprocess.Popen(dump, stdout=subprocess.PIPE) as process:
        subprocess.run(restore, stdin=process.stdout, check=True)


def _libpq(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://")


def _load_retail(url: str) -> None:
    """Create and fill the tables of :func:`tests.bench.data.retail`."""
    data = retail(200)
    with psycopg.connect(_libpq(url)) as connection:
        for name, frame in data.items():
            columns = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(c), sql.SQL("integer" if c.endswith("_id") else "numeric"))
                for c in frame.columns
            )
            key = sql.Identifier(f"{name}_id")
            connection.execute(
                sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))").format(sql.Identifier(name), columns, key)
            )
            command = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(name))
            with connection.cursor().copy(command) as copy:
                for row in frame.itertuples(index=False):
                    copy.write_row(row)
        for parent in ("household", "product"):
            connection.execute(
                sql.SQL("ALTER TABLE transaction ADD FOREIGN KEY ({}) REFERENCES {}").format(
                    sql.Identifier(f"{parent}_id"), sql.Identifier(parent)
                )
            )
