"""Verification finds what is broken by its own counting; comparison says how far apart two databases are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from dbclone.db.compare import compare, kolmogorov_smirnov, total_variation
from dbclone.db.connect import open_database
from dbclone.db.dialects.base import Histogram
from dbclone.db.reflect import reflect_schema
from dbclone.db.verify import verify
from dbclone.model.flow import Check
from dbclone.schema.model import Schema, TableKey

SHOP = """
    CREATE DOMAIN grade AS int CHECK (VALUE < 10);
    CREATE TABLE region (country text, code int, PRIMARY KEY (country, code));
    CREATE TABLE customer (
        id serial PRIMARY KEY, email text NOT NULL, deleted boolean DEFAULT false, grade grade, spare int,
        country text, region int, boss_id int REFERENCES customer,
        CONSTRAINT lives_in FOREIGN KEY (country, region) REFERENCES region MATCH FULL,
        CONSTRAINT adult CHECK (spare % 5 = 0 AND email <> ':x')
    );
    CREATE UNIQUE INDEX email_once ON customer (lower(email)) WHERE NOT deleted;
    CREATE SCHEMA sales;
    CREATE TABLE sales.purchase (
        id int PRIMARY KEY, customer_id int NOT NULL CONSTRAINT buyer REFERENCES public.customer
    );
    INSERT INTO region VALUES ('FR', 1), ('FR', 2);
    INSERT INTO customer (email, country, region, spare) VALUES ('a', 'FR', 1, 5), ('b', NULL, NULL, NULL);
    INSERT INTO sales.purchase VALUES (1, 1), (2, 1);
"""


def execute(url: str, sql: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.encode())


def verified(url: str, schema: Schema | None = None, **options: Any) -> tuple[Check, ...]:
    with open_database(url) as database, database.connect() as connection:
        wanted = schema or reflect_schema(connection, database.dialect)
        return verify(connection, database.dialect, wanted, **options)


def failures(checks: tuple[Check, ...]) -> list[tuple[str, str, str, float]]:
    return [(check.kind, check.table, check.name, check.found) for check in checks if not check.passed]


@pytest.fixture
def shop(database: str) -> str:
    execute(database, SHOP)
    return database


@pytest.fixture
def schema(shop: str) -> Schema:
    with open_database(shop) as database, database.connect() as connection:
        return reflect_schema(connection, database.dialect)


def test_a_sound_database_passes_every_check(shop: str) -> None:
    checks = verified(shop)
    assert failures(checks) == []
    found = {(check.kind, check.table, check.name) for check in checks}
    assert {
        ("rows", "customer", "rows"),
        ("not null", "customer", "email"),
        ("check", "customer", "adult"),
        ("orphans", "customer", "lives_in"),
        ("orphans", "customer", "customer_boss_id_fkey"),
        ("orphans", "sales.purchase", "buyer"),
        ("unique", "region", "primary key"),
        ("unique", "customer", "email_once"),
        ("sequence", "customer", '"public"."customer_id_seq"'),
    } <= found


def test_row_counts_are_held_against_what_was_expected(shop: str) -> None:
    checks = verified(shop, expected_rows={TableKey("customer"): 3, TableKey("region"): 2})
    assert failures(checks) == [("rows", "customer", "rows", 2)]
    (check,) = [check for check in checks if not check.passed]
    assert (check.expected, check.message) == (3, "2 rows instead of 3")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        ("ALTER TABLE sales.purchase DROP CONSTRAINT buyer; UPDATE sales.purchase SET customer_id = 99",
         ("orphans", "sales.purchase", "buyer", 2)),
        ("ALTER TABLE customer DROP CONSTRAINT customer_boss_id_fkey; UPDATE customer SET boss_id = 77 WHERE id = 1",
         ("orphans", "customer", "customer_boss_id_fkey", 1)),
        ("ALTER TABLE customer DROP CONSTRAINT lives_in; UPDATE customer SET region = 9 WHERE id = 1",
         ("orphans", "customer", "lives_in", 1)),
        ("ALTER TABLE customer DROP CONSTRAINT lives_in; UPDATE customer SET region = NULL",
         ("orphans", "customer", "lives_in", 1)),
        ("ALTER TABLE sales.purchase DROP CONSTRAINT purchase_pkey; INSERT INTO sales.purchase VALUES (1, 1), (1, 1)",
         ("unique", "sales.purchase", "primary key", 2)),
        ("DROP INDEX email_once; INSERT INTO customer (email, deleted) VALUES ('A', false), ('b', true)",
         ("unique", "customer", "email_once", 1)),
        ("ALTER TABLE customer ALTER email DROP NOT NULL; UPDATE customer SET email = NULL WHERE id = 2",
         ("not null", "customer", "email", 1)),
        ("ALTER TABLE customer DROP CONSTRAINT adult; UPDATE customer SET spare = 7",
         ("check", "customer", "adult", 2)),
        ("SELECT setval('customer_id_seq', 1)", ("sequence", "customer", '"public"."customer_id_seq"', 2)),
    ],
    ids=["orphan", "self", "composite", "full", "primary-key", "partial-expression", "not-null", "check", "sequence"],
)  # fmt: skip
def test_what_is_broken_is_found_and_counted(
    shop: str, schema: Schema, damage: str, expected: tuple[str, str, str, float]
) -> None:
    execute(shop, damage)
    assert expected in failures(verified(shop, schema))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("ALTER TABLE sales.purchase DROP CONSTRAINT buyer", "there is no such constraint at the target"),
        ("ALTER TABLE customer DROP CONSTRAINT adult", "there is no such constraint at the target"),
        ("DROP INDEX email_once", "there is no such constraint at the target"),
        ("ALTER TABLE region DROP CONSTRAINT region_pkey CASCADE", "there is no such constraint at the target"),
        ("ALTER TABLE sales.purchase DROP CONSTRAINT buyer, ADD CONSTRAINT buyer FOREIGN KEY (customer_id) "
         "REFERENCES customer NOT VALID", "the constraint is NOT VALID at the target"),
        ("ALTER TABLE customer DROP CONSTRAINT adult, ADD CONSTRAINT adult CHECK (spare % 5 = 0) NOT VALID",
         "the constraint is NOT VALID at the target"),
    ],
)  # fmt: skip
def test_a_constraint_must_be_there_and_valid_even_if_no_row_breaks_it(
    shop: str, schema: Schema, change: str, expected: str
) -> None:
    execute(shop, change)
    failed = [check for check in verified(shop, schema) if not check.passed]
    assert expected in {check.message for check in failed}
    assert {check.found for check in failed} == {0}


def test_a_constraint_that_is_not_valid_at_the_source_need_not_be_at_the_target(database: str) -> None:
    execute(
        database,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p_id int, n int);"
        "ALTER TABLE c ADD FOREIGN KEY (p_id) REFERENCES p NOT VALID, ADD CHECK (n > 0) NOT VALID",
    )
    assert failures(verified(database)) == []


def test_nulls_that_are_not_distinct_count_as_equal(database: str) -> None:
    execute(database, "CREATE TABLE t (a int, b int); CREATE UNIQUE INDEX u ON t (a, b) NULLS NOT DISTINCT")
    with open_database(database) as opened, opened.connect() as connection:
        schema = reflect_schema(connection, opened.dialect)
    execute(database, "DROP INDEX u; INSERT INTO t VALUES (1, NULL), (1, NULL), (2, 2)")
    assert ("unique", "t", "u", 1) in failures(verified(database, schema))


def test_a_key_under_another_name_is_the_same_key(shop: str, schema: Schema) -> None:
    execute(shop, "ALTER TABLE sales.purchase RENAME CONSTRAINT buyer TO other")
    assert failures(verified(shop, schema)) == []


def test_heirs_and_partitions_are_counted_where_they_belong(database: str) -> None:
    execute(
        database,
        """
        CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL);
        CREATE TABLE pupil (school text) INHERITS (person);
        INSERT INTO person VALUES (1, 'a');
        INSERT INTO pupil VALUES (1, 'b', 's'), (1, 'c', 's');
        CREATE TABLE event (id int, day int, person_id int, PRIMARY KEY (id, day)) PARTITION BY LIST (day);
        CREATE TABLE event_1 PARTITION OF event FOR VALUES IN (1);
        ALTER TABLE event_1 ADD CONSTRAINT who FOREIGN KEY (person_id) REFERENCES person;
        INSERT INTO event VALUES (1, 1, 1);
        """,
    )
    checks = verified(database, expected_rows={TableKey("person"): 1, TableKey("pupil"): 2, TableKey("event"): 1})
    assert failures(checks) == []
    assert ("orphans", "event", "who") in {(check.kind, check.table, check.name) for check in checks}


def test_a_wide_table_is_counted_in_parts(database: str) -> None:
    columns = ", ".join(f"c{number} int NOT NULL DEFAULT 0" for number in range(600))
    execute(database, f"CREATE TABLE wide (id int PRIMARY KEY, {columns}); INSERT INTO wide VALUES (1)")
    checks = verified(database)
    assert failures(checks) == []
    assert sum(check.kind == "not null" for check in checks) == 601


# ---- Comparison ------------------------------------------------------------------------------------------------------

SALES = """
    CREATE TABLE sale (
        id int PRIMARY KEY, amount numeric(10, 2), day date, "when" timestamptz, kind text, paid boolean, note text,
        took interval, mood text
    );
    INSERT INTO sale
    SELECT n, (n * 7919 % 1000) / 10.0, date '2020-01-01' + n % 365, timestamptz '2020-01-01' + n * interval '1 hour',
           CASE WHEN n % 10 < {share} THEN 'a' ELSE 'b' END, n % 3 = 0, repeat('x', n % {length}) || n,
           n * interval '1 second', CASE WHEN n % 2 = 0 THEN 'm' END
    FROM generate_series(1, {rows}) n;
    ANALYZE sale;
"""


def distances(source: str, target: str) -> dict[str, float]:
    return {check.name: check.found for check in compared(source, target) if check.kind == "distance"}


def compared(source: str, target: str) -> tuple[Check, ...]:
    with open_database(source) as one, open_database(target) as other:
        with one.connect() as connection:
            schema = reflect_schema(connection, one.dialect)
        return compare(one, other, schema)


def test_a_database_is_at_no_distance_from_its_copy(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    for url in (database, target):
        execute(url, SALES.format(share=5, length=30, rows=2000))
    checks = compared(database, target)
    assert {check.name for check in checks if check.kind == "distance"} == {
        "amount", "day", "when", "kind", "paid", "note (length)", "took", "mood"
    }  # fmt: skip
    assert {check.found for check in checks} == {0}
    assert all(check.passed for check in checks)


def test_distances_grow_with_the_difference_and_never_fail(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    execute(database, SALES.format(share=5, length=30, rows=2000))
    execute(target, SALES.format(share=8, length=15, rows=2000))
    execute(target, "UPDATE sale SET amount = amount + 25, mood = NULL, day = NULL WHERE id % 2 = 0")
    found = distances(database, target)
    assert found["kind"] == pytest.approx(0.3, abs=0.01)
    assert found["amount"] == pytest.approx(0.125, abs=0.02)
    assert found["day"] == pytest.approx(0.5, abs=0.01)
    assert found["mood"] == pytest.approx(0.5, abs=0.01)
    assert found["note (length)"] == pytest.approx(0.5, abs=0.05)
    assert found["paid"] == 0
    assert all(check.passed for check in compared(database, target) if check.kind == "distance")


def test_large_tables_are_compared_on_a_sample(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    for url in (database, target):
        execute(url, "CREATE TABLE t (a int); INSERT INTO t SELECT n FROM generate_series(1, 500000) n; ANALYZE t")
    assert distances(database, target)["a"] < 0.01


def test_an_empty_twin_is_as_far_away_as_can_be(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    execute(database, SALES.format(share=5, length=30, rows=100))
    execute(target, SALES.format(share=5, length=30, rows=0))
    assert set(distances(database, target).values()) == {1.0}


def test_differences_of_the_schema_are_named(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    execute(database, "CREATE TABLE a (id int PRIMARY KEY, b text, c int); CREATE TABLE gone (x int)")
    execute(target, "CREATE TABLE a (id int PRIMARY KEY, b int, d int CHECK (d > 0))")
    found = {(check.table, check.name): check.message for check in compared(database, target) if not check.passed}
    assert found == {
        ("a", "column b"): "it differs between source and target",
        ("a", "column c"): "the target lacks it",
        ("a", "column d"): "only the target has it",
        ("a", "check a_d_check"): "only the target has it",
        ("gone", "table"): "the target has no such table",
    }


def test_distances_by_hand() -> None:
    assert total_variation({"a": 1, "b": 1}, {"a": 2, None: 2}) == 0.5
    assert total_variation({}, {}) == 0
    assert kolmogorov_smirnov(Histogram(bins=(1, 1, 0), nulls=0), Histogram(bins=(0, 0, 2), nulls=0)) == 1
    assert kolmogorov_smirnov(Histogram(bins=(1, 1), nulls=2), Histogram(bins=(2, 2), nulls=0)) == 0.5


def test_a_condition_printed_in_other_words_is_the_same_condition(
    database: str, make_database: Callable[[], str]
) -> None:
    target = make_database()
    execute(database, "CREATE TABLE t (s varchar(10) CHECK (s IN ('a', 'b')), u text DEFAULT 'x'::varchar)")
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        ((condition,),) = connection.execute("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' "
                                             "AND conrelid = 't'::regclass").fetchall()  # fmt: skip
    execute(target, f"CREATE TABLE t (s varchar(10) CONSTRAINT t_s_check {condition}, u text DEFAULT 'x'::text)")
    assert all(check.passed for check in compared(database, target))
    execute(target, "ALTER TABLE t DROP CONSTRAINT t_s_check, ADD CONSTRAINT t_s_check CHECK (s IN ('a', 'c'))")
    assert [check.name for check in compared(database, target) if not check.passed] == ["check t_s_check"]


def test_keys_have_no_distance(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    for url in (database, target):
        execute(
            url,
            "CREATE TABLE p (id int PRIMARY KEY, n int UNIQUE, label text UNIQUE);"
            "CREATE TABLE c (p_id int REFERENCES p, amount int);"
            "INSERT INTO p SELECT n, n, 'l' || n FROM generate_series(1, 9) n; INSERT INTO c SELECT 1, 2",
        )
    assert set(distances(database, target)) == {"label (length)", "amount"}
