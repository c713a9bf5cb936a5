"""The target judges generated rows and is loaded with a few of them, and is afterwards as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
import pytest
from sqlalchemy import make_url

from dbclone.db.connect import Database, open_database
from dbclone.db.ddl import target_ddl
from dbclone.db.reflect import reflect_schema
from dbclone.db.rehearse import FROM_ROWS, ROWS, judge, rehearsal_rows, rehearse
from dbclone.db.sample import count_rows
from dbclone.db.target import TargetState, prepare_target
from dbclone.errors import ConnectError, LoadError, TargetError
from dbclone.model.flow import Batch, Ddl
from dbclone.schema.model import Exclusion, Schema, TableKey
from dbclone.schema.plan import Plan, PlanOptions, make_plan
from tests.db.test_load import contents, execute, query

SOURCE = """
CREATE FUNCTION is_even(value integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RETURN value % 2 = 0; END $$;
CREATE DOMAIN rating AS integer CHECK (VALUE BETWEEN 1 AND 5);
CREATE TABLE score (
    id integer PRIMARY KEY,
    even integer CHECK (is_even(even)),
    rated rating,
    share integer CHECK (100 / share > 1),
    note text
);
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A source and a target, with what a loader needs."""

    target_url: str
    target: Database
    schema: Schema
    plan: Plan
    ddl: Ddl
    state: TargetState


@pytest.fixture
def place(make_database: Callable[[], str]) -> Iterator[Callable[..., Place]]:
    """Return a function that makes a source of some SQL, and an empty target or one with the same tables."""
    opened: list[Database] = []

    def make(sql: str, *, there: bool = False) -> Place:
        source_url, target_url = make_database(), make_database()
        execute(source_url, sql)
        if there:
            execute(target_url, sql)
        source, target = open_database(source_url), open_database(target_url, purpose="target")
        opened.extend([source, target])
        with source.snapshot() as connection:
            schema = reflect_schema(connection, source.dialect)
        plan = make_plan(schema, {table.key: 3 for table in schema.tables}, PlanOptions())
        return Place(
            target_url=target_url,
            target=target,
            schema=schema,
            plan=plan,
            ddl=target_ddl(source, schema),
            state=prepare_target(target, schema),
        )

    yield make
    for database in opened:
        database.close()


def score(place: Place, **columns: Sequence[object]) -> dict[str, list[bool]]:
    """Return what the target says of rows of ``score``, per CHECK."""
    table = place.schema.table(TableKey("score"))
    rows = pa.table(dict(columns))
    checks = [check for check in table.checks if set(check.columns) <= set(columns)]
    verdicts = judge(place.target, place.plan, place.ddl, [(table, checks, rows)], state=place.state)
    assert all(verdict.rows.column_names == list(c.columns) for verdict, c in zip(verdicts, checks, strict=True))
    return {verdict.check: verdict.passed.tolist() for verdict in verdicts}


@pytest.mark.parametrize("there", [False, True], ids=["new target", "existing target"])
def test_the_target_judges_rows_by_its_own_functions_and_domains(place: Callable[..., Place], there: bool) -> None:
    made = place(SOURCE, there=there)
    before = contents(made.target_url)
    said = score(made, even=[1, 2, None], rated=[5, 6, 0])
    assert said == {"score_even_check": [False, True, True], "rated.rating_check": [True, False, False]}
    assert contents(made.target_url) == before


def test_a_row_in_which_the_condition_fails_counts_as_refused(place: Callable[..., Place]) -> None:
    assert score(place(SOURCE), share=[1, 0, 60, 200]) == {"score_share_check": [True, False, False, False]}


def test_a_condition_that_means_nothing_outside_its_table_has_no_verdict(place: Callable[..., Place]) -> None:
    made = place(SOURCE)
    table = made.schema.table(TableKey("score"))
    check = replace(table.checks[0], expression="no_such_function(even)")
    asked = [(table, [check], pa.table({"even": [1]}))]
    assert judge(made.target, made.plan, made.ddl, asked, state=made.state) == ()


# ---- A few rows, loaded ----------------------------------------------------------------------------------------------


def batch(**columns: Sequence[object]) -> Batch:
    return Batch(table=TableKey("score"), number=0, first_row=0, rows=pa.table(dict(columns)))


@pytest.mark.parametrize("there", [False, True], ids=["new target", "existing target"])
def test_a_rehearsal_leaves_nothing(place: Callable[..., Place], there: bool) -> None:
    made = place(SOURCE + "CREATE SEQUENCE s OWNED BY score.id; ALTER TABLE score ALTER id SET DEFAULT nextval('s');",
                 there=there)  # fmt: skip
    before = contents(made.target_url)
    seen = []
    rehearse(
        made.target,
        made.plan,
        made.ddl,
        [batch(id=[1, 2, 3], even=[2, 4, None], note=["a", "b", None])],
        state=made.state,
        check=lambda connection: seen.append(connection.exec_driver_sql("SELECT count(*) FROM score").scalar()),
    )
    assert seen == [3]
    assert contents(made.target_url) == before


def test_what_a_load_would_say_is_said(place: Callable[..., Place]) -> None:
    made = place(SOURCE)
    before = contents(made.target_url)
    with pytest.raises(LoadError, match=r"a row does not fulfil the condition .*score_even_check") as caught:
        rehearse(
            made.target,
            made.plan,
            made.ddl,
            [batch(id=[1, 2], even=[2, 3])],
            state=made.state,
            check=lambda _: None,
        )
    assert "the target is as it was" in str(caught.value)
    assert contents(made.target_url) == before


def test_only_long_runs_are_rehearsed(place: Callable[..., Place]) -> None:
    made = place(SOURCE)
    assert rehearsal_rows(made.plan) == {}
    long = make_plan(made.schema, {TableKey("score"): FROM_ROWS}, PlanOptions())
    assert rehearsal_rows(long) == {"score": ROWS}


# ---- What the catalogue says of constraints --------------------------------------------------------------------------

PARTITIONED = """
CREATE TABLE sale (id integer NOT NULL, region text, at date NOT NULL, amount integer) PARTITION BY LIST (region);
CREATE TABLE sale_north PARTITION OF sale FOR VALUES IN ('north', 'arctic');
CREATE TABLE sale_south PARTITION OF sale (CONSTRAINT calm CHECK (amount < 5)) FOR VALUES IN ('south')
    PARTITION BY RANGE (at);
CREATE TABLE sale_south_22 PARTITION OF sale_south FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
ALTER TABLE sale_north ADD UNIQUE (id);
CREATE TABLE open_ended (id integer) PARTITION BY RANGE (id);
CREATE TABLE open_ended_low PARTITION OF open_ended FOR VALUES FROM (0) TO (10);
CREATE TABLE open_ended_rest PARTITION OF open_ended DEFAULT;
CREATE TABLE hashed (id integer) PARTITION BY HASH (id);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE TABLE booking (
    room integer, during tsrange, gone boolean,
    CONSTRAINT free EXCLUDE USING gist (int4range(room, room, '[]') WITH =, during WITH &&) WHERE (NOT gone)
);
"""


def test_partitions_say_which_rows_they_take(place: Callable[..., Place]) -> None:
    made = place(PARTITIONED, there=True)
    sale = made.schema.table(TableKey("sale"))
    assert sale.routing is not None
    assert set(sale.routing.columns) == {"region", "at", "amount"}
    assert made.schema.table(TableKey("open_ended")).routing is None
    assert made.schema.table(TableKey("hashed")).routing is None
    rows = pa.table({
        "region": ["north", "south", "south", "south", "east", None],
        "at": ["2000-01-01", "2022-05-01", "2023-01-01", "2022-05-01", "2022-01-01", "2022-01-01"],
        "amount": [9, 4, 4, 9, 1, 1],
    })  # fmt: skip
    (verdict,) = judge(made.target, made.plan, made.ddl, [(sale, [sale.routing], rows)], state=made.state)
    assert verdict.passed.tolist() == [True, True, False, False, False, False]
    (key,) = sale.partition_keys
    assert (key.columns, key.is_plain) == (("id",), False)


def test_exclusion_constraints_are_reflected(place: Callable[..., Place]) -> None:
    (found,) = place(PARTITIONED).schema.table(TableKey("booking")).exclusions
    assert found == Exclusion(
        name="free",
        elements=(("int4range(room, room, '[]'::text)", "="), ("during", "&&")),
        columns=("during",),
        predicate="(NOT gone)",
    )


# ---- Row-level security ----------------------------------------------------------------------------------------------

SECURED = """
CREATE TABLE secret (id integer PRIMARY KEY, owner text);
INSERT INTO secret VALUES (1, 'ann'), (2, 'bob');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON secret USING (owner = 'ann');
"""


@contextmanager
def role(url: str, *grants: str) -> Iterator[tuple[str, str]]:
    """Give a new role with these rights, and the URL of the same database for it."""
    name = f"{make_url(url).database}_role"
    execute(url, f"CREATE ROLE {name} LOGIN; " + "".join(f"{grant} TO {name};" for grant in grants))
    try:
        yield name, make_url(url).set(username=name, password=None).render_as_string(hide_password=False)
    finally:
        execute(url, f"REASSIGN OWNED BY {name} TO CURRENT_USER; DROP OWNED BY {name}; DROP ROLE {name}")


def test_hidden_rows_of_a_source_are_not_passed_over(database: str) -> None:
    execute(database, SECURED)
    with (
        role(database, "GRANT SELECT ON secret") as (_, url),
        open_database(url) as source,
        source.snapshot() as connection,
    ):
        schema = reflect_schema(connection, source.dialect)
        with pytest.raises(ConnectError, match="row-level security hides rows of 1 tables") as caught:
            count_rows(connection, source.dialect, schema)
    assert caught.value.details == ("secret",)


def test_the_owner_sees_all_unless_it_is_forced_on_him(database: str) -> None:
    execute(database, SECURED)
    with role(database) as (name, url):
        execute(database, f"ALTER TABLE secret OWNER TO {name}")
        with open_database(url) as source, source.snapshot() as connection:
            schema = reflect_schema(connection, source.dialect)
            assert count_rows(connection, source.dialect, schema) == {"secret": 2}
        execute(database, "ALTER TABLE secret FORCE ROW LEVEL SECURITY; DELETE FROM secret")
        with open_database(url) as target, pytest.raises(TargetError, match="FORCEd on owners") as caught:
            prepare_target(target, schema)
        assert caught.value.details == ("secret",)
    assert query(database, "SELECT count(*) FROM secret") == [(0,)]
