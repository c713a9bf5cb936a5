"""Loading: generating and loading a twin against ``pg_dump -Fc -Z0`` and ``pg_restore -j2`` of the very same rows."""

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
from dbclone.db.ledger import Undertaking
from dbclone.db.load import load
from dbclone.db.resume import begin, carry_on
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
            for name in ("source", "whole", "twin", "restored"):
                server.create_database(name)
            if smoke:
                _load_retail(server.url("source"))
            else:
                load_example("complete_journey", server.url("source"), full=full)
            return _measure(server, Path(folder))
        finally:
            server.stop()


def _measure(server: EmbeddedServer, folder: Path) -> dict[str, Any]:
    """Return seconds of generating and loading in either mode, and of dumping and restoring the very same rows."""
    train_model(server.url("source"), make_settings(save_model=folder / "model"))
    rows, whole = _timed(lambda: _clone(folder / "model", server.url("whole")))
    _, resumable = _timed(lambda: _clone_resumable(folder / "model", server.url("twin")))
    _, dump = _timed(lambda: _dump(server.url("twin"), folder / "dump"))
    _, restore = _timed(lambda: _restore(folder / "dump", server.url("restored")))
    return {
        "bench": "load",
        "rows": rows,
        "all_or_nothing_s": round(whole, 2),
        "resumable_s": round(resumable, 2),
        "pg_dump_s": round(dump, 2),
        "pg_restore_j2_s": round(restore, 2),
        "all_or_nothing_to_pg_restore": round(whole / restore, 2),
        "resumable_to_pg_restore": round(resumable / restore, 2),
        "resumable_to_pg_dump_and_restore": round(resumable / (dump + restore), 2),
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


def _clone_resumable(model_file: Path, url: str) -> None:
    model = load_model(model_file)
    with open_database(url, purpose="target") as target:
        state = prepare_target(target, model.plan.schema, "refuse")
        undertaking = Undertaking(model=model, seed=1, state=state, verdicts=(), options={})
        begin(target, undertaking)
        batches = Generator(model, seed=1)
        loaded = carry_on(target, undertaking, lambda _: ahead(batches.batches()), warn=print)
        print("resumable:", loaded.seconds, flush=True)


def _dump(source: str, file: Path) -> None:
    subprocess.run([_program("pg_dump"), "-Fc", "-Z0", "--file", file, "--dbname", _libpq(source)], check=True)


def _restore(file: Path, target: str) -> None:
    subprocess.run([_program("pg_restore"), "--no-owner", "-j2", "--dbname", _libpq(target), file], check=True)


def _program(name: str) -> str:
    programs = client_bin_dir()
    assert programs is not None
    return str(programs / name)


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
