"""Clones from one kind of database to another: every row and key arrives, and what cannot is said beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbclone.config import Settings
from dbclone.db.connect import open_database
from dbclone.db.reflect import reflect_schema
from dbclone.errors import TargetError
from dbclone.events import Event, StageFinished, Warned
from dbclone.inspection import verify_target
from dbclone.pipeline import clone, generate_into
from dbclone.results import Cloned
from dbclone.schema.model import TableKey
from tests.conftest import AnyServer, server_called
from tests.db.test_contract import KITS

PAIRS = [
    "sqlite to embedded",
    "embedded to sqlite",
    "mariadb to embedded",
    "embedded to mariadb",
    "mariadb to sqlite",
    "sqlite to mariadb",
]
LOST = {
    "sqlite": ["view: long_film", "trigger: studio_is_shouted", "generated column: film.hours, film.slug"],
    "mariadb": ["procedure: forget", "view: z_open_order, a_summary", "generated column: order.gross, order.year"],
    "embedded": ["index: order_line_article"],
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A source, its twin of another kind, and what was told on the way."""

    source: AnyServer
    target: AnyServer
    source_url: str
    target_url: str
    done: Cloned
    events: list[Event]
    model: Path


@pytest.fixture(scope="module", params=PAIRS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    names = request.param.split(" to ")
    source, target = (server_called(name, request, tmp_path_factory) for name in names)
    ours, theirs = source.create_database(), target.create_database()
    KITS[source.name].fill(ours)
    events: list[Event] = []
    model = tmp_path_factory.mktemp("model") / "model"
    done = clone(ours, theirs, Settings(seed=3, save_model=model), events.append)
    yield Pair(source=source, target=target, source_url=ours, target_url=theirs, done=done, events=events, model=model)
    source.drop_database(ours)
    target.drop_database(theirs)


def test_every_row_and_key_arrives(pair: Pair) -> None:
    assert {t.table: t.source_rows for t in pair.done.plan.tables} == pair.done.rows
    assert sum(pair.done.rows.values()) > 1000
    assert all(check.passed for check in pair.done.checks)
    with open_database(pair.target_url) as target, target.connect() as connection:
        live = reflect_schema(connection, target.dialect)
        kept = sum(len(table.foreign_keys) for table in live.tables)
        assert kept == sum(len(table.foreign_keys) for table in pair.done.plan.schema.tables)
    if pair.target.name == "sqlite":
        assert KITS["sqlite"].query(pair.target_url, "PRAGMA foreign_key_check") == []
    assert all(check.passed for check in verify_target(pair.target_url, Settings()).checks)


def test_what_is_lost_is_said_before_anything_is_sampled(pair: Pair) -> None:
    kinds = [type(event) for event in pair.events]
    said = [event.message for event in pair.events if isinstance(event, Warned)]
    assert set(LOST[pair.source.name]) <= set(said)
    sampled = next(n for n, e in enumerate(pair.events) if isinstance(e, StageFinished) and e.stage == "sample")
    assert kinds.index(Warned) < sampled


def test_distributions_stay_alike(pair: Pair) -> None:
    found = verify_target(pair.target_url, Settings(), source=pair.source_url).checks
    distances = sorted(check.found for check in found if check.kind == "distance")
    assert len(distances) > 8
    assert distances[len(distances) // 2] < 0.25


def test_a_target_that_is_there_is_filled_anew_from_a_model(pair: Pair) -> None:
    if pair.source.name == "embedded":
        with pytest.raises(TargetError, match="called otherwise"):
            generate_into(pair.model, pair.target_url, Settings(seed=4, on_existing="truncate"))
        return
    again = generate_into(pair.model, pair.target_url, Settings(seed=4, on_existing="truncate"))
    assert again.rows == pair.done.rows
    assert all(check.passed for check in again.checks)


def test_tables_of_another_schema_bear_its_name(pair: Pair) -> None:
    if pair.source.name != "embedded":
        pytest.skip("only PostgreSQL has schemas within a database")
    with open_database(pair.target_url) as target, target.connect() as connection:
        keys = {table.key for table in reflect_schema(connection, target.dialect).tables}
    assert {TableKey("stock_tag"), TableKey("stock_article_tag")} <= keys
