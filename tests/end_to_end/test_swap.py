"""``--swap``: readers see the old tables or the new ones, whole, and may do with the new what they could before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.command import dbclone
from tests.end_to_end.conftest import conninfo, query

WHOLE = "SELECT (SELECT count(*) FROM customer), (SELECT count(*) FROM stock.article_tag)"


class Reader(threading.Thread):
    """Counts rows of two tables all the time, as a role of its own, and keeps what it saw."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.url = url
        self.ended = threading.Event()
        self.seen: list[tuple[int, int]] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with psycopg.connect(conninfo(self.url), autocommit=True) as connection:
                connection.execute("SET ROLE dbclone_reader")
                while not self.ended.is_set():
                    row = connection.execute(WHOLE).fetchone()
                    assert row is not None
                    if row not in self.seen:
                        self.seen.append(row)
        except Exception as error:  # noqa: BLE001 - raised again in the thread of the test
            self.error = error

    def end(self) -> list[tuple[int, int]]:
        self.ended.set()
        self.join()
        if self.error is not None:
            raise self.error
        return self.seen


@pytest.fixture(scope="module")
def model(shop: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, learned once."""
    file = tmp_path_factory.mktemp("model") / "shop.model"
    assert dbclone("train", shop, "--out", file).code == 0
    return file


@pytest.fixture
def target(make_twin: Callable[[], str], model: Path) -> str:
    """A clone of the shop that a role may read."""
    url = make_twin()
    assert dbclone("generate", model, url, "--fast").code == 0
    query(
        url,
        "DO $$ BEGIN CREATE ROLE dbclone_reader; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;"
        "GRANT USAGE ON SCHEMA public, stock TO dbclone_reader;"
        "GRANT SELECT ON ALL TABLES IN SCHEMA public, stock TO dbclone_reader",
    )
    return url


def test_a_reader_never_sees_half_a_clone(model: Path, target: str) -> None:
    before = query(target, WHOLE)[0]
    reader = Reader(target)
    reader.start()
    done = dbclone("generate", model, target, "--swap", "--scale", "2")
    after = query(target, WHOLE)[0]
    while after not in reader.seen and reader.is_alive():
        pass
    seen = reader.end()
    assert done.code == 0, done.err
    assert seen == [before, after]
    assert after[0] > before[0]
    assert query(target, "SELECT count(*) FROM pg_namespace WHERE nspname ~ 'before_clone'") == [(0,)]


def test_what_is_replaced_can_be_kept(model: Path, target: str) -> None:
    before = query(target, WHOLE)
    done = dbclone("generate", model, target, "--swap", "--keep-old", "--rows", "customer=10")
    assert done.code == 0, done.err
    assert query(target, "SELECT count(*) FROM customer") == [(10,)]
    assert query(target, WHOLE.replace("customer", "public_before_clone.customer").replace(
        "stock.", "stock_before_clone.")) == before  # fmt: skip
    again = dbclone("generate", model, target, "--swap")
    assert again.code == 5
    assert "schema public_before_clone is there, of an earlier swap" in again.err


def test_what_would_be_lost_is_refused(model: Path, target: str) -> None:
    query(target, "CREATE TABLE mine (id int); CREATE SCHEMA report; CREATE VIEW report.c AS SELECT id FROM customer")
    done = dbclone("generate", model, target, "--swap")
    assert done.code == 5
    assert "mine is not part of the clone" in done.err
    assert "the view report.c reads it" in done.err
    assert query(target, "SELECT count(*) FROM report.c") != [(0,)]
