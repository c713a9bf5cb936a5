"""Targets that are there already: compared, migrated, emptied, added to, or used as the application built them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import dbclone
from tests.end_to_end.conftest import query, tables

STORE = """
    CREATE TYPE size AS ENUM ('small', 'large');
    CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
    CREATE TABLE knex_migrations (id serial PRIMARY KEY, name text, migration_time timestamptz);
    CREATE TABLE member (
        id serial PRIMARY KEY, card varchar(8) NOT NULL UNIQUE, email text NOT NULL UNIQUE, badge int UNIQUE,
        token uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE, size size, active boolean NOT NULL DEFAULT true
    );
    CREATE TABLE visit (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id int NOT NULL REFERENCES member,
        day date NOT NULL, spent numeric(8, 2) CHECK (spent >= 0)
    );
    CREATE VIEW spending AS SELECT member_id, sum(spent) AS spent FROM visit GROUP BY 1;
    CREATE MATERIALIZED VIEW visits AS SELECT count(*) AS visits FROM visit;
"""
ROWS = """
    INSERT INTO alembic_version VALUES ('1975ea83b712');
    INSERT INTO knex_migrations (name, migration_time)
    SELECT 'migration "' || n || '", 100%', timestamptz '2020-01-01 00:00:00.000001+02' + n * interval '1 day'
    FROM generate_series(1, 7) n;
    INSERT INTO member (card, email, badge, size)
    SELECT 'C-' || lpad((n * 37)::text, 5, '0'), 'member' || n || '@source.example', 100 + n,
           (ARRAY['small', 'large'])[1 + n % 2]::size
    FROM generate_series(1, 120) n;
    INSERT INTO visit (member_id, day, spent)
    SELECT 1 + n * n % 120, date '2023-01-01' + n % 300, n % 50 FROM generate_series(1, 600) n;
    REFRESH MATERIALIZED VIEW visits;
"""
MEMBERS = "SELECT count(*), count(DISTINCT card), count(DISTINCT email), count(DISTINCT badge), count(DISTINCT token)"
BOOKS = "SELECT string_agg(b::text, E'\\n' ORDER BY b::text) FROM {} b"


@pytest.fixture(scope="module")
def store(make_twin: Callable[[], str]) -> str:
    url = make_twin()
    query(url, STORE + ROWS)
    return url


@pytest.fixture(scope="module")
def model(store: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("store") / "store.model"
    done = dbclone("train", store, "--out", file)
    assert done.code == 0, done.err
    return file


def test_bookkeeping_comes_along_as_it_is_whatever_the_scale(
    store: str, model: Path, make_twin: Callable[[], str]
) -> None:
    target = make_twin()
    done = dbclone("generate", model, target, "--scale", "0.1", "--json")
    assert done.code == 0, done.err
    for table in ("alembic_version", "knex_migrations"):
        assert query(target, BOOKS.format(table)) == query(store, BOOKS.format(table))
    rows = {table["table"]: table["rows"] for table in done.json["tables"]}
    assert (rows["alembic_version"], rows["knex_migrations"], rows["member"]) == (1, 7, 12)
    assert query(target, "INSERT INTO knex_migrations DEFAULT VALUES RETURNING id") == [(8,)]
    assert "copied: migration bookkeeping" in dbclone("plan", store).out


def test_bookkeeping_can_be_left_out(store: str, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    done = dbclone("clone", store, target, "--exclude", "knex*", "--exclude", "alembic*")
    assert done.code == 0, done.err
    assert tables(target) == ["public.member", "public.visit"]


def test_rows_are_added_with_keys_of_their_own(model: Path, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    for _ in range(3):
        done = dbclone("generate", model, target, "--on-existing", "append")
        assert done.code == 0, done.err
    assert query(target, f"{MEMBERS}, max(id) FROM member") == [(360, 360, 360, 360, 360, 360)]
    assert query(target, "SELECT count(*) FROM visit") == [(1800,)]
    assert query(target, "SELECT visits FROM visits") == [(1800,)]
    assert query(target, "SELECT count(*) FROM knex_migrations") == [(7,)]


def test_values_that_are_there_already_are_not_made_again(model: Path, make_twin: Callable[[], str]) -> None:
    target, other = make_twin(), make_twin()
    assert dbclone("generate", model, other, "--scale", "2").code == 0
    assert dbclone("generate", model, target, "--scale", "0.1").code == 0
    # Taken by hand: what the next rows would be.
    for card, email in query(other, "SELECT card, email FROM member WHERE id BETWEEN 13 AND 140"):
        query(target, f"INSERT INTO member (card, email) VALUES ('{card}', '{email}') ON CONFLICT DO NOTHING")
    query(target, "DELETE FROM member WHERE id > 60")
    done = dbclone("generate", model, target, "--on-existing", "append")
    assert done.code == 0, done.err
    assert query(target, "SELECT count(*) = count(DISTINCT card) AND count(*) > 120 FROM member") == [(True,)]


def test_what_truncate_does_is_told_before_it_is_done(store: str, model: Path, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    assert dbclone("generate", model, target, "--quiet").code == 0
    foreseen = dbclone("clone", store, target, "--dry-run", "--on-existing", "truncate", "--json").json["target"]
    assert "one TRUNCATE" in foreseen[0]
    assert "it would be refused" in dbclone("clone", store, target, "--dry-run").out
    assert query(target, "SELECT count(*) FROM visit") == [(600,)]
    done = dbclone("generate", model, target, "--on-existing", "truncate", "--scale", "0.5")
    assert done.code == 0, done.err
    assert foreseen[0] in done.err
    assert query(target, "SELECT count(*) FROM visit") == [(300,)]


def test_a_target_of_another_definition_is_refused_then_migrated(store: str, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    query(target, STORE)
    query(target, "INSERT INTO alembic_version VALUES ('an older one')")
    query(target, "ALTER TABLE member DROP COLUMN active; ALTER TABLE visit ADD CHECK (spent < 10)")
    query(target, "ALTER TYPE size RENAME VALUE 'large' TO 'medium'; CREATE TABLE mine (a int)")
    query(target, "DROP VIEW spending; CREATE INDEX slow ON visit (day)")

    differs = dbclone("diff", store, target, "--json")
    assert differs.code == 5
    found = {(item["kind"], item["change"]) for item in differs.json["differences"]}
    assert {("COLUMN", "missing"), ("CHECK", "extra"), ("TYPE", "different"), ("VIEW", "missing")} <= found
    assert any("op.add_column" in line for line in differs.json["proposals"])

    refused = dbclone("clone", store, target)
    assert refused.code == 5
    assert "--on-drift migrate" in refused.err
    assert query(target, "SELECT count(*) FROM member") == [(0,)]

    done = dbclone("clone", store, target, "--on-drift", "migrate")
    assert done.code == 0, done.err
    assert query(target, BOOKS.format("alembic_version")) == query(store, BOOKS.format("alembic_version"))
    assert query(target, "SELECT count(*), count(DISTINCT size) FROM member") == [(120, 2)]
    assert query(target, "SELECT visits FROM visits") == [(600,)]
    # What is only the target's stays.
    assert "public.mine" in tables(target)
    assert dbclone("diff", store, target, "--exclude", "knex*").code == 0


def test_a_written_revision_brings_the_target_to_the_source(
    store: str, make_twin: Callable[[], str], tmp_path: Path
) -> None:
    target = make_twin()
    query(target, STORE)
    query(target, "ALTER TABLE member DROP COLUMN active; CREATE TABLE mine (a int)")
    done = dbclone("diff", store, target, "--write-revision", tmp_path / "versions")
    assert done.code == 5, done.err
    (file,) = (tmp_path / "versions").iterdir()
    assert str(file) in done.out
    assert "op.drop_table('mine')" in file.read_text()
    assert "public.mine" in tables(target)


def test_the_target_s_own_definition_is_used_where_that_is_asked_for(
    store: str, model: Path, make_twin: Callable[[], str]
) -> None:
    target = make_twin()
    refused = dbclone("generate", model, target, "--schema", "none")
    assert refused.code == 5
    assert "migrations" in refused.err
    query(target, STORE)
    query(target, "INSERT INTO alembic_version VALUES ('staging'); ALTER TABLE member ADD note text DEFAULT 'x'")
    query(target, "ALTER TABLE visit DROP CONSTRAINT visit_member_id_fkey")
    done = dbclone("clone", store, target, "--schema", "none")
    assert done.code == 0, done.err
    assert query(target, "SELECT version_num FROM alembic_version") == [("staging",)]
    assert query(target, "SELECT count(*) FROM member WHERE note = 'x'") == [(120,)]


def test_drift_can_be_ignored_where_the_columns_fit(model: Path, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    query(target, STORE)
    query(target, "ALTER TABLE visit DROP CONSTRAINT visit_spent_check")
    assert dbclone("generate", model, target).code == 5
    done = dbclone("generate", model, target, "--on-drift", "ignore")
    assert done.code == 0, done.err
    assert query(target, "SELECT count(*) FROM visit") == [(600,)]
    impossible = dbclone("generate", model, make_filled(make_twin), "--on-drift", "migrate")
    assert impossible.code == 2
    assert "--write-revision" in impossible.err


def make_filled(make_twin: Callable[[], str]) -> str:
    """Return a target with the store's tables."""
    target = make_twin()
    query(target, STORE)
    return target


def test_the_portable_definition_is_taken_where_that_is_asked_for(store: str, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    done = dbclone("clone", store, target, "--schema", "portable")
    assert done.code == 0, done.err
    assert "view: public.spending" in done.err
    assert query(target, "SELECT count(*) FROM member") == [(120,)]
    assert dbclone("clone", store, make_twin(), "--schema", "perfect").code == 2


def test_two_databases_that_agree_have_no_difference(store: str, model: Path, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    assert dbclone("generate", model, target, "--quiet").code == 0
    done = dbclone("diff", store, target, "--json")
    assert (done.code, done.json["differences"], done.json["proposals"]) == (0, [], [])
    assert "no difference" in dbclone("diff", store, target).out
