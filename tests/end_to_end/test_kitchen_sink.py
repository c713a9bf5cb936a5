"""The kitchen sink: a database that holds every construct dbclone knows of, cloned by the command line, then judged by
SQL that shares nothing with dbclone's own verification."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest

from dbclone.examples import load_example
from tests.command import Finished, dbclone, with_password
from tests.conftest import Server
from tests.judge import Judge, conninfo, difference

BOOKKEEPING = (
    "alembic_version",
    "django_migrations",
    "flyway_schema_history",
    "schema_migrations",
    "ar_internal_metadata",
    "_prisma_migrations",
    "knex_migrations",
    "knex_migrations_lock",
    "goose_db_version",
    "databasechangelog",
    "databasechangeloglock",
)


@dataclass(frozen=True, kw_only=True)
class Cloned:
    """Source and target, a judge of each, and what the command left."""

    done: Finished
    source_url: str
    target_url: str
    source: Judge
    target: Judge

    def both(self, query: str) -> tuple[object, object]:
        """Return the one value of a query in the source and in the target."""
        return self.source.value(query), self.target.value(query)


@pytest.fixture(scope="module")
def cloned(server: Server) -> Iterator[Cloned]:
    source, target = server.create_database(), server.create_database()
    load_example("kitchen_sink", source)
    done = dbclone("clone", with_password(source), with_password(target), "--seed", "7", "--json")
    assert done.code == 0, done.err or done.out
    with psycopg.connect(conninfo(source)) as ours, psycopg.connect(conninfo(target)) as theirs:
        yield Cloned(done=done, source_url=source, target_url=target, source=Judge(ours), target=Judge(theirs))
    server.drop_database(source)
    server.drop_database(target)


def test_the_definition_is_the_source_s(cloned: Cloned) -> None:
    assert difference(cloned.source_url, cloned.target_url) == ""


def test_every_table_has_as_many_rows(cloned: Cloned) -> None:
    assert cloned.target.counts() == cloned.source.counts()


def test_no_row_is_an_orphan(cloned: Cloned) -> None:
    assert cloned.target.orphans() == []


def test_every_check_bound_and_not_null_holds(cloned: Cloned) -> None:
    assert cloned.target.broken_checks() == []


def test_every_domain_takes_its_values(cloned: Cloned) -> None:
    assert cloned.target.broken_domains() == []


def test_every_unique_and_excluding_index_can_be_built_again(cloned: Cloned) -> None:
    assert cloned.target.broken_indexes() == []


def test_a_constraint_is_valid_where_the_source_s_is(cloned: Cloned) -> None:
    assert cloned.target.constraints() == cloned.source.constraints()


def test_every_sequence_goes_on_after_the_last_key(cloned: Cloned) -> None:
    assert cloned.target.late_sequences() == []


def test_no_trigger_fired(cloned: Cloned) -> None:
    log = "SELECT count(*) FROM constraints.product_log WHERE action <> 'insert'"
    assert cloned.target.value(log) == 0
    assert cloned.target.value("SELECT count(*) FROM constraints.product WHERE updated = '1999-12-31'") == 0
    enabled = (
        "SELECT string_agg(format('%s on %s: %s', tgname, tgrelid::regclass, tgenabled), ', ' "
        "ORDER BY tgname, tgrelid::regclass::text) FROM pg_trigger WHERE NOT tgisinternal"
    )
    there, here = cloned.both(enabled)
    assert here == there


def test_materialized_views_are_filled_as_in_the_source(cloned: Cloned) -> None:
    filled = "SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relkind = 'm' AND relispopulated"
    assert cloned.both(filled) == ("per_label, top_labels", "per_label, top_labels")
    definition = cloned.target.value("SELECT pg_get_viewdef('objects.per_label'::regclass)").rstrip(";")
    for one, other in ((definition, "TABLE objects.per_label"), ("TABLE objects.per_label", definition)):
        assert cloned.target.rows(f"({one}) EXCEPT ({other})") == []
    assert cloned.target.value("SELECT count(*) FROM objects.per_label") > 0


def test_what_is_generated_follows_from_the_row(cloned: Cloned) -> None:
    wrong = (
        "SELECT count(*) FROM constraints.invoice WHERE total IS DISTINCT FROM quantity * price "
        "OR year <> date_part('year', issued) OR search <> to_tsvector('english', description)"
    )
    assert cloned.target.value(wrong) == 0


@pytest.mark.parametrize("table", BOOKKEEPING)
def test_migration_bookkeeping_is_copied(cloned: Cloned, table: str) -> None:
    there, here = cloned.both(f"SELECT string_agg(r::text, E'\\n' ORDER BY r::text) FROM public.{table} r")
    assert here == there


def test_the_application_s_own_table_is_not_copied(cloned: Cloned) -> None:
    there, here = cloned.both("SELECT string_agg(name, ',' ORDER BY id) FROM public.application")
    assert here != there


def test_lines_of_an_order_are_numbered_without_a_gap(cloned: Cloned) -> None:
    gaps = (
        "SELECT count(*) FROM (SELECT FROM keys.order_line GROUP BY order_number "
        "HAVING min(line) <> 1 OR max(line) <> count(*)) g"
    )
    assert cloned.both(gaps) == (0, 0)


def test_uuids_keep_their_version(cloned: Cloned) -> None:
    for table, version in (("session", "4"), ("event", "7")):
        versions = f"SELECT string_agg(DISTINCT substr(id::text, 15, 1), '') FROM keys.{table}"
        assert cloned.both(versions) == (version, version), table


def test_trees_have_no_cycle_and_as_many_roots(cloned: Cloned) -> None:
    walk = (
        "WITH RECURSIVE reached AS (SELECT id FROM keys.{0} WHERE {1} UNION "
        "SELECT t.id FROM keys.{0} t JOIN reached r ON t.parent_id = r.id) "
        "SELECT (SELECT count(*) FROM keys.{0}) - (SELECT count(*) FROM reached)"
    )
    for table, root in (("category", "parent_id IS NULL"), ("node", "parent_id = id")):
        assert cloned.both(walk.format(table, root)) == (0, 0), table
        there, here = cloned.both(f"SELECT count(*) FROM keys.{table} WHERE {root}")
        assert 0 < here <= 2 * there + 3, table


def test_a_nullable_foreign_key_is_null_as_often(cloned: Cloned) -> None:
    for table, column in (
        ("keys.project", "owner_id"),
        ("keys.city", "country_number"),
        ("keys.parcel", "warehouse_number"),
        ("keys.locker", "student_id"),
        ("keys.message", "reply_to"),
        ("keys.department", "head_id"),
    ):
        there, here = cloned.both(f"SELECT avg(({column} IS NULL)::int)::float FROM {table}")
        assert abs(there - here) < 0.25, (table, column, there, here)


def test_a_polymorphic_pair_names_what_there_is(cloned: Cloned) -> None:
    missing = (
        "SELECT count(*) FROM keys.remark WHERE subject_id NOT IN (SELECT id FROM keys.student) "
        "AND subject_type = 'student' OR subject_type = 'course' AND subject_id NOT IN (SELECT id FROM keys.course)"
    )
    assert cloned.both(missing) == (0, 0)
    kinds = "SELECT string_agg(DISTINCT subject_type, ',' ORDER BY subject_type) FROM keys.remark"
    assert cloned.both(kinds) == ("course,student", "course,student")


def test_a_polymorphic_pair_that_is_unique_takes_every_row_once(cloned: Cloned) -> None:
    for label, table in (("Namespace", "namespace"), ("Project", "project")):
        missing = (
            f"SELECT count(*) FROM applications.{table} t LEFT JOIN applications.route r "
            f"ON r.source_type = '{label}' AND r.source_id = t.id WHERE r.id IS NULL"
        )
        assert cloned.both(missing) == (0, 0), table


def test_keys_stay_within_their_types(cloned: Cloned) -> None:
    for table in ("edge_small", "edge_integer", "edge_big"):
        there, here = cloned.both(f"SELECT count(DISTINCT id) FROM keys.{table}")
        assert here == there, table
