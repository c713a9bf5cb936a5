"""A database whose constraints no row fulfils by chance, from the command line to independent SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import Finished, dbclone, with_password
from tests.conftest import Server
from tests.end_to_end.conftest import query, tables

VIOLATIONS = {
    "domain": "SELECT count(*) FROM part WHERE postcode::text !~ '^[1-9][0-9]{3}$'",
    "slug": "SELECT count(*) FROM part WHERE slug !~ '^[a-z][a-z0-9-]*$'",
    "function": "SELECT count(*) FROM part WHERE even % 2 <> 0",
    "expression": "SELECT count(*) - count(DISTINCT lower(name)) FROM part",
    "coalesce": "SELECT count(*) - count(DISTINCT coalesce(alias, name)) FROM part",
    "partial": "SELECT count(*) - count(DISTINCT email) FROM part WHERE NOT deleted",
    "null decides": "SELECT count(*) FROM component WHERE (assembly IS NULL) <> (level = 0)",
    "order": "SELECT count(*) FROM component WHERE ends <= starts",
    "itself": "SELECT count(*) FROM component WHERE assembly = component",
    "equation": "SELECT count(*) FROM component WHERE total <> quantity * price OR doubled <> quantity * 2",
    "overlap": "SELECT count(*) FROM booking a JOIN booking b ON a.id < b.id AND a.room = b.room "
    "AND tstzrange(a.starts, a.ends) && tstzrange(b.starts, b.ends)",
    "partition": "SELECT count(*) FROM measurement WHERE extract(month FROM at) > 6",
    "not valid": "SELECT count(*) FROM pg_constraint WHERE NOT convalidated",
}


@dataclass(frozen=True, kw_only=True)
class Cloned:
    """A clone, what the command said, and its source."""

    done: Finished
    source: str
    target: str
    model: Path


@pytest.fixture(scope="module")
def source(server: Server) -> Iterator[str]:
    url = server.create_database()
    query(url, (Path(__file__).parent / "constraints.sql").read_text())
    yield with_password(url)
    server.drop_database(url)


@pytest.fixture(scope="module")
def cloned(source: str, make_twin: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Cloned:
    target, model = make_twin(), tmp_path_factory.mktemp("constraints") / "constraints.model"
    done = dbclone("clone", source, target, "--save-model", model, "--json", "--seed", "1")
    assert done.code == 0, done.err
    return Cloned(done=done, source=source, target=target, model=model)


@pytest.mark.parametrize("what", VIOLATIONS)
def test_every_constraint_is_kept(cloned: Cloned, what: str) -> None:
    assert query(cloned.target, VIOLATIONS[what]) == [(0,)]


def test_rows_of_children_are_their_own(cloned: Cloned) -> None:
    assert query(cloned.target, "SELECT count(*) FROM ONLY vehicle") == [(30,)]
    assert query(cloned.target, "SELECT count(*) FROM lorry") == [(60,)]


def test_columns_still_look_like_the_sources(cloned: Cloned) -> None:
    """Repairs take what other rows have: shares stay, within the width of a sample."""
    for share in (
        "SELECT avg((assembly IS NULL)::int) FROM component",
        "SELECT avg((ends IS NULL)::int) FROM component",
        "SELECT avg(deleted::int) FROM part",
        "SELECT avg((extract(year FROM at) = 2021)::int) FROM measurement",
    ):
        ((ours,),), ((theirs,),) = query(cloned.source, share), query(cloned.target, share)
        assert abs(float(ours) - float(theirs)) < 0.08, share


def test_what_was_repaired_is_said(cloned: Cloned) -> None:
    found = {(item["table"], item["constraint"]): item for item in cloned.done.json["repaired"]}
    item = found["booking", "booking_free"]
    assert 0 < item["rows"] <= item["of"]
    assert ("component", "component_ends") not in found  # that it ends after it starts has been learned
    assert "rehearse" in cloned.done.json["seconds"]


def test_people_read_it_too(cloned: Cloned, make_twin: Callable[[], str]) -> None:
    done = dbclone("generate", cloned.model, make_twin(), "--seed", "2")
    assert done.code == 0, done.err
    assert "Rows changed to keep a constraint" in done.out
    assert "booking_free" in done.out


def test_an_existing_target_is_filled_without_firing_its_triggers(cloned: Cloned) -> None:
    done = dbclone("generate", cloned.model, cloned.target, "--on-existing", "truncate", "--seed", "3", "--json")
    assert done.code == 0, done.err
    assert query(cloned.target, "SELECT tgenabled FROM pg_trigger WHERE tgname = 'refuse'") == [("O",)]
    for what, statement in VIOLATIONS.items():
        assert query(cloned.target, statement) == [(0,)], what


def test_the_same_seed_repairs_to_the_same_rows(cloned: Cloned, make_twin: Callable[[], str]) -> None:
    once, again = make_twin(), make_twin()
    for url in (once, again):
        assert dbclone("generate", cloned.model, url, "--seed", "4").code == 0
    rows = "SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t"
    for table in ("part", "component", "booking", "measurement"):
        assert query(once, rows.format(table)) == query(again, rows.format(table))


def test_a_long_run_is_rehearsed_and_what_cannot_be_is_said_before_it(server: Server) -> None:
    """What an index computes is no constraint of its table: only loading shows that it cannot be computed."""
    url, twin = server.create_database(), server.create_database()
    try:
        query(
            url,
            "CREATE FUNCTION together(a integer, b integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS "
            "$$ BEGIN IF b <> a * 7919 % 601 THEN RAISE EXCEPTION 'they do not match'; END IF; RETURN a; END $$; "
            "CREATE TABLE reading (id integer PRIMARY KEY, a integer, b integer); "
            "INSERT INTO reading SELECT n, n, n * 7919 % 601 FROM generate_series(1, 600) n; "
            "CREATE INDEX reading_together ON reading (together(a, b))",
        )
        done = dbclone("clone", with_password(url), with_password(twin), "--rows", "reading=60000", "--json")
        assert done.code == 6
        assert done.json["error"]["stage"] == "rehearse"
        assert "reading_together" in done.json["error"]["message"]
        assert "load" not in done.json["seconds"]
        assert tables(twin) == []
    finally:
        server.drop_database(url)
        server.drop_database(twin)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (
            "CREATE TABLE zone (id integer PRIMARY KEY, area box NOT NULL, EXCLUDE USING gist (area WITH &&)); "
            "INSERT INTO zone SELECT n, box(point(n * 10, 0), point(n * 10 + 1, 1)) FROM generate_series(1, 20) n",
            "zone_area_excl",
        ),
        (
            "CREATE TABLE pair (a integer PRIMARY KEY, CONSTRAINT impossible CHECK (a > 100 AND a % 2 = 0)); "
            "INSERT INTO pair SELECT 100 + n * 2 FROM generate_series(1, 50) n",
            None,
        ),
    ],
    ids=["exclusion of another shape", "check on a key"],
)
def test_what_cannot_be_kept_is_refused_by_name(server: Server, sql: str, said: str | None) -> None:
    url, twin = server.create_database(), server.create_database()
    try:
        query(url, sql)
        done = dbclone("clone", with_password(url), with_password(twin), "--json")
        assert done.code == (0 if said is None else 4), done.err
        if said is not None:
            assert said in done.json["error"]["message"]
            assert tables(twin) == []
    finally:
        server.drop_database(url)
        server.drop_database(twin)
