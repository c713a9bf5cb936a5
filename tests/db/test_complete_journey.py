"""The Complete Journey, loaded from its package: every row there, every key and check in place and valid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy import make_url

from dbclone import examples
from dbclone.db import embedded
from dbclone.errors import ConfigurationError, ConnectError, TargetError
from dbclone.examples import LoadReport, load_example

ROWS = {
    "household": 2_469,
    "demographics": 801,
    "store": 457,
    "product": 92_351,
    "campaign": 27,
    "campaign_household": 6_589,
    "coupon": 1_197,
    "coupon_product": 111_332,
    "coupon_redemption": 2_102,
    "basket": 155_848,
    "transaction_line": 1_469_307,
    "promotion": 277_273,
}


@dataclass(frozen=True, kw_only=True)
class Loaded:
    report: LoadReport
    progress: list[str]
    connection: psycopg.Connection

    def scalar(self, query: str) -> object:
        row = self.connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture(scope="module")
def loaded(embedded_server: embedded.EmbeddedServer) -> Iterator[Loaded]:
    embedded_server.create_database("complete_journey")
    url = embedded_server.url("complete_journey")
    progress: list[str] = []
    report = load_example("complete_journey", url, progress=progress.append)
    with psycopg.connect(libpq(url)) as connection:
        yield Loaded(report=report, progress=progress, connection=connection)
    embedded_server.drop_database("complete_journey")


def libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def test_every_row_arrives(loaded: Loaded) -> None:
    assert dict(loaded.report.rows) == ROWS
    assert {table: loaded.scalar(f"SELECT count(*) FROM {table}") for table in ROWS} == ROWS
    assert any("transaction_line: 1,469,307 rows" in line for line in loaded.progress)


def test_values_survive_the_way(loaded: Loaded) -> None:
    assert str(loaded.scalar("SELECT sum(sales_value) FROM transaction_line")) == "4596039.58"
    assert loaded.scalar("SELECT max(quantity) FROM transaction_line") == 89_638
    assert str(loaded.scalar("SELECT min(transaction_time) FROM basket")) == "2017-01-01 11:53:26"
    assert str(loaded.scalar("SELECT max(end_date) FROM campaign")) == "2018-02-28"
    assert loaded.scalar("SELECT count(*) FROM demographics WHERE home_ownership IS NULL") == 233
    assert loaded.scalar("SELECT count(*) FROM product WHERE package_size = ''") == 0


def test_every_key_and_check_is_in_place_and_valid(loaded: Loaded) -> None:
    kinds = "SELECT contype::text, count(*), bool_and(convalidated) FROM pg_constraint WHERE contype IN ('p', 'f', 'c')"
    in_public = " AND connamespace = 'public'::regnamespace GROUP BY 1"
    found = {kind: (count, valid) for kind, count, valid in loaded.connection.execute((kinds + in_public).encode())}
    assert found == {"p": (12, True), "f": (14, True), "c": (21, True)}


def test_every_foreign_key_has_an_index_that_it_leads(loaded: Loaded) -> None:
    bare = """
        SELECT string_agg(conname, ', ') FROM pg_constraint c WHERE contype = 'f' AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = c.conrelid
            AND (i.indkey::int2[])[0:array_length(c.conkey, 1) - 1] @> c.conkey)"""
    assert loaded.scalar(bare) is None


def test_products_that_only_other_tables_name_have_unknown_attributes(loaded: Loaded) -> None:
    assert loaded.scalar("SELECT count(*) FROM product WHERE department IS NULL") == 20
    lines = "SELECT count(*) FROM transaction_line JOIN product USING (product_id) WHERE department IS NULL"
    assert loaded.scalar(lines) == 4_836


def test_the_report_says_what_was_mended_and_left_out(loaded: Loaded) -> None:
    assert loaded.report.duplicates_dropped == {"coupon_product": 4_872, "promotion": 153}
    notes = "\n".join(loaded.report.notes)
    assert "20 products named by 4,836 transaction lines and 16 coupons are missing" in notes
    assert "277,273 of 20,927,744 rows" in notes


def test_a_database_that_holds_the_tables_is_refused_and_left_alone(database: str) -> None:
    with psycopg.connect(libpq(database)) as connection:
        connection.execute("CREATE TABLE store (name text)")
    with pytest.raises(TargetError, match='"store" already exists'):
        load_example("complete_journey", database)
    with psycopg.connect(libpq(database)) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        ).fetchall()
    assert tables == [("store",)]


def test_a_database_out_of_reach_is_one_clear_error(database: str) -> None:
    url = make_url(database).set(database="no_such_database").render_as_string(hide_password=False)
    with pytest.raises(ConnectError, match='"no_such_database" does not exist'):
        load_example("complete_journey", url)


def test_an_unknown_example_names_those_there_are() -> None:
    assert "complete_journey" in examples.example_names()
    with pytest.raises(ConfigurationError, match=r"choose one of .*complete_journey"):
        examples.example_path("northwind_of_nowhere")
