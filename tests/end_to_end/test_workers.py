"""The same rows in a database, whoever made them: this process, others, a cluster of which a worker is killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from dbclone.config import Settings, TableKeys
from dbclone.events import Event, Progress
from dbclone.pipeline import generate_into, train_model
from tests.cluster import started
from tests.command import dbclone
from tests.end_to_end.conftest import query

SOURCE = """
    CREATE TABLE maker (id int PRIMARY KEY, rank int, name text UNIQUE);
    INSERT INTO maker SELECT n, n % 7, 'maker ' || n FROM generate_series(1, 80) n;
    CREATE TABLE part (id int PRIMARY KEY, maker_id int NOT NULL REFERENCES maker, kind text, weight numeric(8,2));
    INSERT INTO part SELECT n, 1 + n * n % 80, CASE WHEN n % 3 > 0 THEN 'a' ELSE 'b' END, n / 8.0
    FROM generate_series(1, 900) n;
"""
ROWS = 350_000
CHECKSUM = "SELECT count(*), md5(string_agg(p::text, '|' ORDER BY p.ctid)) FROM {} p"


def contents(url: str) -> list[Any]:
    """Return count and ordered checksum of both tables."""
    return [query(url, CHECKSUM.format(name)) for name in ("maker", "part")]


def test_processes_and_a_cluster_fill_a_database_alike(make_twin: Callable[[], str], tmp_path: Path) -> None:
    source, model = make_twin(), tmp_path / "parts.model"
    query(source, SOURCE)
    train_model(source, Settings(save_model=model))
    rows = {"part": TableKeys(rows=ROWS)}

    alone = make_twin()
    generate_into(model, alone, Settings(seed=5, tables=rows))
    wanted = contents(alone)
    assert wanted[1][0][0] == ROWS

    together = make_twin()
    done = dbclone("generate", model, together, "--seed", "5", "--rows", f"part={ROWS}", "--workers", "2")
    assert done.code == 0, done.err
    assert contents(together) == wanted

    far = make_twin()
    with started(tmp_path) as cluster:
        first = cluster.worker()

        def kill(event: Event) -> None:
            if isinstance(event, Progress) and event.stage == "load" and first.poll() is None:
                first.kill()
                cluster.worker()

        generate_into(model, far, Settings(seed=5, tables=rows, scheduler=cluster.address), kill)
        assert first.poll() is not None
    assert contents(far) == wanted
