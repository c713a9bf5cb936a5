"""``init`` writes what columns hold as a file that is read back, and a later column stops a run with it."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from dbclone.beginning import begin
from dbclone.config import Settings
from dbclone.config_file import make_settings, read_call
from dbclone.db.connect import open_database
from dbclone.db.sample import take_sample
from dbclone.errors import ConfigurationError, PlanError
from dbclone.learn.classes import Classes, classify_sample
from dbclone.pipeline import plan_source
from dbclone.schema.model import TableKey
from dbclone.stages import Run
from dbclone.steps import plan_of, said_of

SHOP = """
    CREATE TABLE customer (
        id int PRIMARY KEY, contact text, "no" text, segment text, extra jsonb, note text, visits int, born date,
        password text
    );
    CREATE TABLE purchase (id int PRIMARY KEY, customer_id int REFERENCES customer, paid_by text);
    INSERT INTO customer SELECT n, 'someone' || n || '@corp.biz', 'B-' || n * 7919, (ARRAY['gold', 'base'])[1 + n % 2],
        jsonb_build_object('mail', 'other' || n || '@corp.biz', 'plan', 'monthly'), 'called about the parcel, twice',
        n % 7, date '1970-01-01' + n, md5(n::text)
    FROM generate_series(1, 60) n;
    INSERT INTO purchase SELECT n, n, 'someone' || n || '@corp.biz' FROM generate_series(1, 60) n;
"""


@pytest.fixture
def shop(database: str) -> str:
    execute(database, SHOP)
    return database


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement.encode())


def settings_of(file: Path) -> Settings:
    return read_call({}, file=file, environment={}).settings()


def classes(url: str, settings: Settings) -> Classes:
    run = Run(lambda _: None)
    with open_database(url) as database, database.snapshot() as connection:
        plan = plan_of(run, database, connection, settings)
        sample = take_sample(connection, database.dialect, plan, seed=0)
    return classify_sample(sample, plan, said_of(plan.schema, settings))


def test_what_is_written_is_read_back_as_it_was_found(shop: str, tmp_path: Path) -> None:
    file = tmp_path / "dbclone.yaml"
    done = begin(shop, make_settings(), out=file)
    text = file.read_text()
    assert sum(done.endings.values()) == 11
    assert "corp.biz" not in text
    assert "parcel" not in text
    assert "{kind: email}" in text
    assert "100% of the values look like an email" in text
    assert "# $.mail: email" in text
    assert "# $.plan: category" in text
    assert text.count("kind: birth_date") == 0  # a date stays a time
    assert classes(shop, settings_of(file)) == classes(shop, make_settings())
    with pytest.raises(ConfigurationError, match="is there already"):
        begin(shop, make_settings(), out=file)


def test_a_column_that_appears_later_stops_the_run(shop: str, tmp_path: Path) -> None:
    file = tmp_path / "dbclone.yaml"
    begin(shop, make_settings(), out=file)
    settings = settings_of(file)
    plan_source(shop, settings)
    execute(shop, "ALTER TABLE customer ADD colour text; UPDATE customer SET colour = 'red'")
    with pytest.raises(PlanError, match="1 columns are new") as refused:
        plan_source(shop, settings)
    assert refused.value.details == ("customer.colour",)
    generate = settings.model_copy(update={"new_columns": "generate"})
    assert classes(shop, generate)[TableKey("customer")]["colour"].ends_as == "unclassified"
    assert classes(shop, generate)[TableKey("customer")]["segment"].ends_as == "category"
    assert classes(shop, make_settings())[TableKey("customer")]["colour"].ends_as == "category"


def test_what_people_say_goes_before_what_is_found(shop: str) -> None:
    found = classes(shop, with_kind("customer", "segment", "secret"))
    assert found[TableKey("customer")]["segment"].ends_as == "secret"
    assert found[TableKey("purchase")]["paid_by"].personal == "email"
    with pytest.raises(ConfigurationError, match=r"purchase.customer_id: a kind is declared for it, and it is a ref"):
        classes(shop, with_kind("purchase", "customer_id", "number"))
    with pytest.raises(ConfigurationError, match=r"customer.visits: .*values of type integer cannot be email"):
        classes(shop, with_kind("customer", "visits", "email"))


def with_kind(table: str, column: str, kind: str) -> Settings:
    return Settings.model_validate({"tables": {table: {"columns": {column: {"kind": kind}}}}})
