"""A resumable load at the database: what fails in one of several sessions, what is then there, unlogged tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dbclone.config_file import make_settings
from dbclone.db import ledger
from dbclone.db.connect import open_database
from dbclone.db.ledger import Undertaking
from dbclone.db.lock import held
from dbclone.db.resume import begin, carry_on
from dbclone.db.target import prepare_target
from dbclone.errors import LoadError, TargetError
from dbclone.model.artifact import load_model
from dbclone.model.flow import Batch
from dbclone.model.parts import Model
from dbclone.pipeline import train_model
from tests.db.test_load import batch, execute, query

SHOP = """
    CREATE TABLE customer (id int PRIMARY KEY, email text NOT NULL UNIQUE);
    CREATE TABLE purchase (
        id int PRIMARY KEY, customer_id int NOT NULL CONSTRAINT buyer REFERENCES customer, "count" int
    );
    CREATE INDEX purchase_customer ON purchase (customer_id);
    COMMENT ON CONSTRAINT buyer ON purchase IS 'who pays';
    INSERT INTO customer SELECT i, 'c' || i FROM generate_series(1, 30) i;
    INSERT INTO purchase SELECT i, 1 + i % 30, i % 5 FROM generate_series(1, 60) i;
"""
CUSTOMERS = batch("customer", id=[1, 2], email=["a", "b"])
KEYS = """
    SELECT conname, convalidated FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1"""


@pytest.fixture
def model(make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of the shop, for its plan and its definition."""
    source = make_database()
    execute(source, SHOP)
    file = tmp_path_factory.mktemp("model") / "model"
    train_model(source, make_settings(save_model=file))
    return load_model(file)


def load(url: str, model: Model, *batches: Batch, first: bool = True, unlogged: bool = False) -> None:
    """Begin a load, or go on with one, that writes ``batches``."""

    def remaining(done: object) -> Iterator[Batch]:
        assert isinstance(done, dict)
        yield from (item for item in batches if (item.table, item.number) not in done)

    with open_database(url, purpose="target") as target:
        if first:
            state = prepare_target(target, model.plan.schema)
            state = type(state)(is_new=True, on_existing="refuse", next_key={}, unlogged=unlogged)
            begin(target, Undertaking(model=model, seed=1, state=state, verdicts=(), options={"--seed": "1"}))
        with target.connect() as connection:
            undertaking = ledger.read(connection, target.name)
        carry_on(target, undertaking, remaining, connections=3, warn=print)  # type: ignore[arg-type]


def test_what_fails_after_the_rows_leaves_the_rest_and_goes_on_when_mended(
    make_database: Callable[[], str], model: Model
) -> None:
    url = make_database()
    orphans = batch("purchase", id=[1, 2], customer_id=[1, 77], count=[1, 1])
    with pytest.raises(LoadError, match=r"buyer.* a row refers to a parent that does not exist .*--resume") as caught:
        load(url, model, CUSTOMERS, orphans)
    assert "77" not in str(caught.value)
    assert query(url, KEYS) == [
        ("buyer", False), ("customer_email_key", True), ("customer_pkey", True), ("purchase_pkey", True)
    ]  # fmt: skip
    with open_database(url, purpose="target") as target, target.connect() as connection:
        with pytest.raises(TargetError, match="not complete"):
            ledger.refuse_unfinished(connection, target.name)
        undertaking = ledger.read(connection, target.name)
        with pytest.raises(TargetError, match="begun otherwise") as other:
            ledger.refuse_other(undertaking, {"--seed": "2", "--scale": "3"}, target.name)
        assert other.value.details == ("--scale: not given then, 3 now", "--seed: 1 then, 2 now")

    execute(url, "DELETE FROM purchase WHERE customer_id = 77")
    load(url, model, CUSTOMERS, orphans, first=False)
    assert query(url, KEYS)[0] == ("buyer", True)
    assert query(url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'dbclone_ledger'") == [(0,)]
    assert query(url, "SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'buyer'") == [
        ("who pays",)
    ]


def test_a_batch_is_refused_by_its_row_and_nothing_of_it_stays(make_database: Callable[[], str], model: Model) -> None:
    url = make_database()
    broken = batch("purchase", 1, 2, id=[3, 4], customer_id=[1, None], count=[1, 1])
    with pytest.raises(LoadError, match=r"purchase: a row has NULL in a NOT NULL column .*row 4, in batch 1"):
        load(url, model, CUSTOMERS, batch("purchase", id=[1, 2], customer_id=[1, 1], count=[1, 1]), broken)
    assert query(url, "SELECT max(id) FROM purchase") in ([(2,)], [(None,)])
    noted = query(url, "SELECT coalesce(sum(rows), 0) FROM dbclone_ledger.batch WHERE table_key = 'purchase'")
    assert noted == query(url, "SELECT count(*) FROM purchase")


def test_unlogged_tables_that_a_crash_emptied_after_their_keys_are_refused(
    make_database: Callable[[], str], model: Model
) -> None:
    url = make_database()
    with pytest.raises(LoadError):
        load(url, model, CUSTOMERS, batch("purchase", id=[1], customer_id=[77], count=[1]), unlogged=True)
    unlogged = "SELECT relname FROM pg_class WHERE relpersistence = 'u' AND relkind = 'r' ORDER BY 1"
    assert query(url, unlogged) == [("batch",), ("customer",), ("purchase",)]
    execute(url, "TRUNCATE customer, purchase, dbclone_ledger.batch")  # as recovery does
    with pytest.raises(TargetError, match="crashed"):
        load(url, model, CUSTOMERS, first=False)


def test_a_target_is_held_by_one_run(make_database: Callable[[], str]) -> None:
    with (
        open_database(make_database(), purpose="target") as target,
        held(target),
        pytest.raises(TargetError, match=r"another run is writing to .*: process \d+ at the server, dbclone"),
        held(target),
    ):
        pytest.fail("two runs hold one target")
