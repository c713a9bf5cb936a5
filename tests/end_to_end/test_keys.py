"""Keys of every shape: one database that has them all, cloned, and looked into with SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.command import dbclone, with_password
from tests.conftest import Server
from tests.end_to_end.conftest import query, tables


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A source and its clone."""

    source: str
    target: str

    def both(self, statement: str) -> tuple[Any, Any]:
        """Return the first value of a query at the source and at the clone."""
        return query(self.source, statement)[0][0], query(self.target, statement)[0][0]

    def clone(self, statement: str) -> Any:
        """Return the first value of a query at the clone."""
        return query(self.target, statement)[0][0]

    def are_close(self, statement: str, within: float) -> bool:
        """Whether a number is about the same at source and clone."""
        there, here = self.both(statement)
        return abs(float(there) - float(here)) <= within


@pytest.fixture(scope="module")
def keys(server: Server) -> Iterator[Pair]:
    """The database of keys, and its clone."""
    source, target = with_password(server.create_database()), with_password(server.create_database())
    query(source, (Path(__file__).parent / "keys.sql").read_text())
    done = dbclone("clone", source, target, "--seed", "5", "--quiet")
    assert done.code == 0, done.err
    yield Pair(source=source, target=target)
    server.drop_database(source)
    server.drop_database(target)


def test_every_table_has_its_rows(keys: Pair) -> None:
    assert tables(keys.source) == tables(keys.target)
    for table in tables(keys.source):
        there, here = keys.both(f"SELECT count(*) FROM {table}")
        assert there == here or table.startswith("public.ride_"), table


def test_every_constraint_is_valid(keys: Pair) -> None:
    constraints = (
        "SELECT string_agg(format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)), E'\\n' "
        "ORDER BY conrelid::regclass::text, conname) FROM pg_constraint WHERE conrelid <> 0 AND convalidated"
    )
    there, here = keys.both(constraints)
    assert there == here


# ---- Composite and overlapping keys ---------------------------------------------------------------------------------


def test_overlapping_keys_agree_on_the_tenant_and_only_their_own_columns_become_null(keys: Pair) -> None:
    assert keys.are_close("SELECT avg((checker_id IS NULL)::int) FROM task", 0.08)
    assert keys.are_close("SELECT avg((milestone_id IS NULL)::int) FROM task", 0.15)
    assert keys.clone("SELECT count(*) FROM task WHERE tenant_id IS NULL OR author_id IS NULL") == 0
    assert keys.clone("SELECT count(DISTINCT tenant_id) FROM task") > 6


def test_a_saturated_table_of_pairs_within_a_tenant_has_every_pair(keys: Pair) -> None:
    pairs = "SELECT count(*) FROM member JOIN project USING (tenant_id)"
    assert keys.clone("SELECT count(*) FROM assignment") <= keys.clone(pairs)
    assert keys.clone("SELECT count(DISTINCT (tenant_id, user_id, project_id)) FROM assignment") == 374


def test_match_full_keys_are_null_all_or_none(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM ticket WHERE (hall IS NULL) <> (number IS NULL)") == 0
    assert keys.are_close("SELECT avg((hall IS NULL)::int) FROM ticket", 0.01)
    assert keys.are_close("SELECT avg((sold IS NULL AND hall IS NULL)::int) FROM ticket", 0.03)


def test_keys_refer_to_unique_columns_that_are_not_null(keys: Pair) -> None:
    assert keys.are_close("SELECT avg((dial IS NULL)::int) FROM country", 0.15)
    assert keys.clone("SELECT count(*) FROM phone p LEFT JOIN country c ON c.dial = p.dial WHERE c.id IS NULL") == 0
    assert keys.are_close("SELECT avg((backup IS NULL)::int) FROM phone", 0.01)


# ---- Keys that are foreign keys -------------------------------------------------------------------------------------


def test_inheritance_by_keys_goes_several_levels_down(keys: Pair) -> None:
    level = "SELECT count(*) FROM working_student JOIN student USING (id) JOIN worker USING (id) JOIN person USING (id)"
    assert keys.both(level) == (100, 100)
    assert keys.clone("SELECT count(*) FROM both_sides JOIN left_side USING (id) JOIN right_side USING (id)") == 30


def test_keys_that_refer_to_each_other_pair_up(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM head JOIN tail USING (id)") == 40


# ---- Several foreign keys to one parent -----------------------------------------------------------------------------


def test_pairs_of_one_parent_are_unique_and_never_the_same(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM leg WHERE from_id = to_id") == 0
    assert keys.are_close("SELECT avg((via_id IS NULL)::int) FROM leg", 0.02)


def test_foreign_keys_that_name_the_same_row_still_do(keys: Pair) -> None:
    same = "SELECT avg((via_id = from_id)::int) FROM leg WHERE via_id IS NOT NULL"
    assert keys.both(same)[0] == 1
    assert keys.clone(same) > 0.97


# ---- Trees ----------------------------------------------------------------------------------------------------------

TREE = """
WITH RECURSIVE tree AS (
    SELECT id, 0 AS depth FROM {table} WHERE {root}
    UNION ALL SELECT c.id, depth + 1 FROM {table} c JOIN tree t ON c.{parent} = t.id AND c.id <> t.id
) SELECT {what} FROM tree
"""
TREES = {
    "folder": {"table": "folder", "parent": "parent_id", "root": "parent_id IS NULL"},
    "category": {"table": "category", "parent": "parent_id", "root": "parent_id = id"},
    "version": {"table": "version", "parent": "follows", "root": "follows IS NULL"},
}


@pytest.mark.parametrize("name", list(TREES))
def test_trees_have_the_depths_of_the_source_and_no_circles(keys: Pair, name: str) -> None:
    reached = TREE.format(what="count(*)", **TREES[name])
    assert keys.both(reached)[0] == keys.both(reached)[1] == keys.both(f"SELECT count(*) FROM {name}")[0]
    assert keys.are_close(TREE.format(what="avg(depth)", **TREES[name]), 0.1)
    assert keys.are_close(TREE.format(what="max(depth)", **TREES[name]), 0)
    assert keys.are_close(TREE.format(what="count(*) FILTER (WHERE depth = 0)", **TREES[name]), 0)


def test_trees_keep_their_children_per_node(keys: Pair) -> None:
    widest = "SELECT max(n) FROM (SELECT count(*) AS n FROM folder WHERE parent_id IS NOT NULL GROUP BY parent_id) c"
    assert keys.are_close(widest, 6)
    leaves = "SELECT count(*) FROM folder f WHERE NOT EXISTS (SELECT FROM folder c WHERE c.parent_id = f.id)"
    assert keys.are_close(leaves, 30)


def test_the_level_of_a_tree_goes_with_the_columns_of_its_rows(keys: Pair) -> None:
    kinds = "SELECT avg((kind = 'root')::int) FROM folder WHERE parent_id IS NULL"
    assert keys.clone(kinds) > 2 * keys.clone("SELECT avg((kind = 'root')::int) FROM folder")


def test_trees_stay_within_their_tenant(keys: Pair) -> None:
    roots = "SELECT count(*) FROM comment WHERE answers IS NULL"
    assert keys.are_close(roots, 6)
    circles = (
        "WITH RECURSIVE up AS (SELECT tenant_id, id, answers, 0 AS n FROM comment UNION ALL "
        "SELECT u.tenant_id, u.id, c.answers, n + 1 FROM up u JOIN comment c "
        "ON (c.tenant_id, c.id) = (u.tenant_id, u.answers) WHERE n < 50) SELECT max(n) FROM up"
    )
    assert keys.clone(circles) < 10


def test_rows_that_refer_to_each_other_in_pairs_still_do(keys: Pair) -> None:
    mutual = "SELECT count(*) FROM spouse a JOIN spouse b ON a.partner = b.id AND b.partner = a.id AND a.id <> b.id"
    assert keys.both(mutual) == (120, 120)


# ---- Circles --------------------------------------------------------------------------------------------------------


def test_circles_close(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM shop s JOIN clerk c ON c.id = s.manager") == 15
    assert keys.clone("SELECT count(DISTINCT manager) FROM shop") == 15
    around = "SELECT count(*) FROM ring_a a JOIN ring_d d ON d.id = a.next LEFT JOIN ring_c c ON c.id = d.next"
    assert keys.clone(around) == 50
    assert keys.are_close("SELECT count(*) FROM ring_d WHERE next IS NULL", 0)


def test_a_key_that_names_itself_by_way_of_another_table_is_made_anyway(keys: Pair) -> None:
    own = "SELECT count(*) FROM buyer b JOIN purchase p ON (p.buyer, p.number) = (b.id, b.last_order)"
    assert keys.are_close(own, 8)


# ---- Many to many ---------------------------------------------------------------------------------------------------


def test_a_table_of_all_pairs_has_all_pairs(keys: Pair) -> None:
    assert keys.clone("SELECT count(DISTINCT (stop, week)) FROM stop_week") == 520


def test_a_nearly_full_table_of_triples_keeps_its_labels(keys: Pair) -> None:
    assert keys.clone("SELECT count(DISTINCT (stop, week, fare)) FROM offer") == 936
    assert keys.are_close("SELECT avg((fare = 'adult')::int) FROM offer", 0.05)


# ---- NULL -----------------------------------------------------------------------------------------------------------


def test_null_goes_with_what_it_goes_with(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM job WHERE (state = 'done') <> (done_by IS NOT NULL)") == 0
    assert keys.are_close("SELECT avg((done_by IS NULL)::int) FROM job", 0.05)
    assert keys.are_close("SELECT avg((tags IS NULL)::int) FROM job", 0.01)


def test_one_of_three_references_is_there(keys: Pair) -> None:
    for column in ("on_job", "on_task", "on_stop"):
        assert keys.are_close(f"SELECT avg(({column} IS NOT NULL)::int) FROM attachment", 0.05)


# ---- Keys of text, UUIDs, numbers -----------------------------------------------------------------------------------


def test_natural_keys_keep_their_shape(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM airline WHERE code !~ '^[A-Z]{2}X[0-9]{2}$'") == 0
    assert keys.clone("SELECT count(*) FROM flight f JOIN airline a ON a.code = f.airline") == 350


def test_uuids_keep_their_version(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM event WHERE id::text !~ '^.{14}7.{4}[89ab]'") == 0
    assert keys.clone("SELECT count(*) FROM event_line WHERE id::text !~ '^.{14}4.{4}[89ab]'") == 0
    assert keys.clone("SELECT count(*) FROM event WHERE left(id::text, 3) <> '018'") == 0


@pytest.mark.parametrize(
    ("table", "parent", "number", "start", "step"),
    [
        ("event_line", "event", "line", 1, 1),
        ("flight", "airline", "number", 100, 1),
        ("flight_leg", "airline, number", "place", 0, 1),
        ("crew", "airline", "place", 0, 10),
        ("purchase", "buyer", "number", 1, 1),
    ],
)
def test_numbers_within_a_parent_have_no_gap(
    keys: Pair, table: str, parent: str, number: str, start: int, step: int
) -> None:
    gaps = (
        f"SELECT count(*) FROM (SELECT min({number}) AS low, max({number}) AS high, count(*) AS n FROM {table} "
        f"GROUP BY {parent}) g WHERE low <> {start} OR high <> {start} + {step} * (n - 1)"
    )
    assert keys.both(gaps) == (0, 0)


def test_keys_at_the_edge_of_their_type_fit(keys: Pair) -> None:
    assert keys.clone("SELECT count(DISTINCT id) FROM edge") == 501


# ---- Odd tables -----------------------------------------------------------------------------------------------------


def test_a_table_without_keys_keeps_its_references(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM log l JOIN clerk c ON c.id = l.clerk") == 300


def test_implied_references_agree(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM bus b JOIN other.depot d ON (d.id, d.stop) = (b.depot, b.stop)") == 100


def test_keys_of_partitions_hold(keys: Pair) -> None:
    assert keys.clone("SELECT count(*) FROM ride JOIN bus ON bus.id = ride.bus JOIN week w ON w.id = ride.week") == 200


def test_polymorphic_pairs_name_rows_that_are_there(keys: Pair) -> None:
    there = (
        "SELECT count(*) FROM remark r WHERE CASE subject_type WHEN 'Task' THEN EXISTS (SELECT FROM task WHERE id = "
        "subject_id) ELSE EXISTS (SELECT FROM stop WHERE id = subject_id) END"
    )
    assert keys.both(there) == (240, 240)
    assert keys.are_close("SELECT avg((subject_type = 'Task')::int) FROM remark", 0.1)


# ---- What is declared, and what cannot be ---------------------------------------------------------------------------

UNDECLARED = """
CREATE TABLE customer (id int PRIMARY KEY, name text);
CREATE TABLE "order" (number int PRIMARY KEY, customer_id int NOT NULL, total numeric(8,2));
INSERT INTO customer SELECT 1000 + n, 'n' FROM generate_series(1, 50) n;
INSERT INTO "order" SELECT n, 1001 + n % 50, n FROM generate_series(1, 200) n;
"""
ORPHANS = 'SELECT count(*) FROM "order" o WHERE NOT EXISTS (SELECT FROM customer WHERE id = o.customer_id)'


def test_a_reference_is_offered_and_used_when_declared(make_twin: Callable[[], str]) -> None:
    source, target = make_twin(), make_twin()
    query(source, UNDECLARED)
    offered = dbclone("plan", source)
    assert "--reference order.customer_id=customer.id" in offered.out
    done = dbclone("clone", source, target, "--reference", "order.customer_id=customer.id", "--quiet")
    assert done.code == 0, done.err
    assert query(target, ORPHANS) == [(0,)]
    assert "looks like" not in dbclone("plan", source, "--reference", "order.customer_id=customer.id").out


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("order.customer_id", "write child.column=parent.column"),
        ("order.customer=customer.id", "did you mean customer_id?"),
        ("orders.customer_id=customer.id", "did you mean order"),
        ("order.customer_id=customer.name", "customer_id is integer, name is text"),
        ("order.number=order.customer_id", "no primary key and no unique key"),
    ],
)
def test_a_wrong_declaration_is_refused(make_twin: Callable[[], str], reference: str, message: str) -> None:
    source = make_twin()
    query(source, UNDECLARED)
    done = dbclone("plan", source, "--reference", reference)
    assert done.code == 2
    assert message in done.err


def test_more_pairs_than_there_are_is_refused_before_anything_is_written(make_twin: Callable[[], str]) -> None:
    source, target = make_twin(), make_twin()
    query(
        source,
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);"
        "CREATE TABLE ab (a int REFERENCES a, b int REFERENCES b, PRIMARY KEY (a, b));"
        "INSERT INTO a SELECT generate_series(1, 10); INSERT INTO b SELECT generate_series(1, 10);"
        "INSERT INTO ab SELECT a.id, b.id FROM a, b",
    )
    refused = dbclone("clone", source, target, "--rows", "a=5", "--rows", "ab=60")
    assert refused.code == 4
    assert "only 50 combinations; lower --rows ab" in refused.err
    smaller = dbclone("clone", source, target, "--scale", "0.5", "--quiet")
    assert smaller.code == 0, smaller.err
    assert query(target, "SELECT count(*) FROM ab") == [(25,)]
    assert "ab: 25 rows are made, not 50" in dbclone("plan", source, "--scale", "0.5").out


def test_smallint_keys_run_out_before_anything_is_written(make_twin: Callable[[], str]) -> None:
    source, target = make_twin(), make_twin()
    query(source, "CREATE TABLE a (id smallint PRIMARY KEY); INSERT INTO a SELECT generate_series(32000, 32767)")
    done = dbclone("clone", source, target, "--scale", "40", "--quiet")
    assert done.code == 0, done.err
    assert query(target, "SELECT count(DISTINCT id) FROM a") == [(30720,)]
    refused = dbclone("clone", source, make_twin(), "--scale", "50")
    assert refused.code == 4
    assert "more keys than smallint has" in refused.err


def test_a_table_of_600_columns_is_cloned(make_twin: Callable[[], str]) -> None:
    source, target = make_twin(), make_twin()
    columns = ", ".join(f"c{n} int" for n in range(600))
    values = ", ".join(f"(n * {n + 1}) % {n % 17 + 3}" for n in range(600))
    query(
        source,
        f"CREATE TABLE wide (id int PRIMARY KEY, {columns}); CREATE TABLE narrow (id int PRIMARY KEY, wide int "
        f"REFERENCES wide, x int); INSERT INTO wide SELECT n, {values} FROM generate_series(1, 300) n;"
        "INSERT INTO narrow SELECT n, 1 + n % 300, n % 7 FROM generate_series(1, 900) n",
    )
    planned = dbclone("plan", source)
    assert "columns are drawn on their own" in planned.out
    done = dbclone("clone", source, target, "--quiet")
    assert done.code == 0, done.err
    assert query(target, "SELECT count(*), count(DISTINCT c599) FROM wide") == [(300, 7)]
