"""Any schema: random tables with random keys, cycles, constraints and rows are cloned, and the twin is judged by SQL
that shares nothing with dbclone's own verification. A failing example is shrunk to the few tables that matter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, event, given, note, settings
from psycopg import sql

from dbclone import pipeline
from dbclone.config import Settings
from dbclone.errors import PlanError
from dbclone.generate import layout
from tests.conftest import Server
from tests.drawn import RandomDatabase
from tests.judge import Judge, conninfo
from tests.strategies import databases

EXAMPLES = os.environ.get("DBCLONE_TEST_EXAMPLES")
"""How many schemas to try on each server. Without it they are few, and the same ones every time."""
SCALES = (0.3, 3.0)
BLOCK_ROWS = 12
"""Rows of a batch at other scales: few, so that these small tables have several."""


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the model of each example is kept meanwhile."""
    return tmp_path_factory.mktemp("models") / "random.dbclone"


@pytest.fixture(scope="module")
def pair(server: Server) -> Iterator[tuple[str, str]]:
    """A source and a target: made anew they would take longer than the clone."""
    source, target = server.create_database(), server.create_database()
    yield source, target
    server.drop_database(source)
    server.drop_database(target)


def fill(url: str, drawn: RandomDatabase) -> None:
    """Make the tables, their rows, then their constraints."""
    with psycopg.connect(conninfo(url)) as connection:
        for statement in drawn.create:
            connection.execute(statement.encode())
        for table, rows in drawn.rows:
            for row in rows:
                insert = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
                    sql.SQL(table),
                    sql.SQL(", ").join(map(sql.Identifier, row)),
                    sql.SQL(", ").join(map(sql.Literal, row.values())),
                )
                connection.execute(insert)
        for statement in drawn.constrain:
            connection.execute(statement.encode())


def empty(url: str) -> None:
    """Drop everything that an example made."""
    with psycopg.connect(conninfo(url), autocommit=True) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute("DROP SCHEMA IF EXISTS public, other CASCADE")
        connection.execute("CREATE SCHEMA public")


def judge_clone(source: str, target: str, model_file: Path) -> None:
    """Clone, and ask the databases themselves what became of it; then make fewer rows, and more, of the same model.

    These are made in many batches, each of about so few rows as :data:`BLOCK_ROWS` says.
    """
    pipeline.clone(source, target, Settings(seed=1, save_model=model_file))
    with psycopg.connect(conninfo(source)) as ours, psycopg.connect(conninfo(target)) as theirs:
        there, here = Judge(ours), Judge(theirs)
        wanted, counts = there.constraints(), there.counts()
        assert here.counts() == counts
        assert here.constraints() == wanted
        assert all(valid for *_, valid in here.constraints())
        assert here.violations() == []
    for scale in SCALES:
        empty(target)
        try:
            with mock.patch.object(layout, "BLOCK_ROWS", BLOCK_ROWS):
                pipeline.generate_into(model_file, target, Settings(seed=1, scale=scale))
        except PlanError as error:
            # So many rows may have too few keys, which is said before anything is written.
            event(f"scale {scale}: refused")
            note(f"scale {scale}: {error}")
            left = []
        else:
            left = wanted
        with psycopg.connect(conninfo(target)) as theirs:
            here = Judge(theirs)
            assert here.constraints() == left
            assert here.violations() == []
            for table, count in here.counts().items():
                assert min(1, counts[table]) <= count <= max(round(counts[table] * scale), min(1, counts[table]))


@settings(
    max_examples=int(EXAMPLES or 12),
    derandomize=EXAMPLES is None,
    deadline=None,
    # An explanation costs as many clones as shrinking.
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(drawn=databases())
@pytest.mark.timeout(3600)
def test_a_random_database_is_cloned(pair: tuple[str, str], model_file: Path, drawn: RandomDatabase) -> None:
    note("rows: " + ", ".join(f"{table} {len(rows)}" for table, rows in drawn.rows))
    source, target = pair
    for url in pair:
        empty(url)
    fill(source, drawn)
    judge_clone(source, target, model_file)
