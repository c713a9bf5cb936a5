"""Drift: what differs between two definitions is found, and a migration makes up for it, as operations of Alembic."""

from __future__ import annotations

import datetime
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops

from dbclone.db.connect import Database, open_database
from dbclone.db.drift import Scope, differences, read_definitions, scope_of
from dbclone.db.migrate import Migration, Wanted, migrate, proposals, read_wanted, refuse_remaining, rehearsed
from dbclone.db.reprint import as_written, normalised
from dbclone.db.revision import write_revision
from dbclone.errors import TargetError
from dbclone.model.flow import Difference
from tests.db.test_ddl import WORKSHOP, dump, execute, query, reflected

CHANGES = (
    'DROP VIEW spent; DROP RULE quiet ON dog; DROP POLICY cheap ON "Back Office".line',
    "ALTER TABLE person DROP COLUMN tags, ADD COLUMN nick text, ALTER boss_id TYPE bigint",
    "ALTER TABLE person DROP CONSTRAINT person_boss_id_fkey",
    "DROP INDEX lower_name; CREATE INDEX extra ON person (mood)",
    "ALTER TYPE mood ADD VALUE 'new' BEFORE 'glad'",
    'ALTER TABLE "Back Office"."order" ALTER id DROP IDENTITY, DROP CONSTRAINT "who?"',
    'ALTER TABLE "Back Office".line ADD CHECK (price > 0), DROP CONSTRAINT line_pkey, ALTER price TYPE numeric(12, 3)',
    "ALTER TABLE person ALTER ticket SET DEFAULT 5, ALTER mood SET DEFAULT 'new'",
    "ALTER SEQUENCE tickets INCREMENT 7 CYCLE",
    "COMMENT ON TABLE person IS 'another: comment'",
    "DROP MATERIALIZED VIEW all_totals",
    "CREATE OR REPLACE FUNCTION even(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$ SELECT $1 % 2 = 1 $$",
    'DROP STATISTICS public."both"',
    'ALTER DOMAIN "Näme" DROP NOT NULL; ALTER DOMAIN "Näme" ADD CHECK (VALUE <> \'x:y\')',
    "ALTER TABLE person DROP initial, ADD initial text GENERATED ALWAYS AS (left(share, 2)) STORED",
    "CREATE TABLE stranger (id serial PRIMARY KEY, person_id int REFERENCES person)",
    "DROP TABLE event_old; DROP TABLE dog",
    "CREATE VIEW reads AS SELECT id, mood FROM person",
    "ALTER TABLE person ENABLE TRIGGER touch",
)
"""What happens to a workshop, one transaction each."""


def found(source: Database, target: Database, scope: Scope | None = None) -> tuple[Difference, ...]:
    scope = scope or Scope(tables=None)
    ours = scope.of_source(read_definitions(source))
    return differences(ours, scope.of_target(read_definitions(target), ours.keys()))


@pytest.fixture
def drifted(database: str, make_database: Callable[[], str]) -> tuple[str, str]:
    """Two workshops, the second of which has changed."""
    target = make_database()
    execute(database, WORKSHOP)
    execute(target, WORKSHOP)
    for change in CHANGES:
        execute(target, change)
    return database, target


def wanted_of(source: Database, scope: Scope | None = None) -> Wanted:
    return read_wanted(source, reflected(source), scope or Scope(tables=None))


# ---- What differs ----------------------------------------------------------------------------------------------------


def test_two_databases_made_alike_do_not_differ(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    execute(database, WORKSHOP)
    execute(target, WORKSHOP)
    with open_database(database) as one, open_database(target) as other:
        assert found(one, other) == ()


def test_every_kind_of_difference_is_found(drifted: tuple[str, str]) -> None:
    with open_database(drifted[0]) as source, open_database(drifted[1]) as target:
        assert {str(item) for item in found(source, target)} == {
            "type public.mood differs",
            'domain public."Näme" differs',
            "function public.even(integer) differs",
            "sequence public.tickets differs",
            'column "Back Office"."order".id differs',
            'column "Back Office".line.price differs',
            'check "Back Office".line.line_price_check is only at the target',
            "table public.dog is missing",
            "table public.event_old is missing",
            "column public.person.tags is missing",
            "column public.person.boss_id differs",
            "column public.person.initial differs",
            "column public.person.nick is only at the target",
            "table attach public.event_old is missing",
            "default public.person.mood differs",
            "default public.person.tags is missing",
            "default public.person.ticket differs",
            "materialized view public.all_totals is missing",
            'constraint line_pkey on "Back Office".line is missing',
            "view public.spent is missing",
            "index public.event_old_day_idx is missing",
            "index public.lower_name is missing",
            "index public.person_tags_idx is missing",
            "index attach public.event_old_day_idx is missing",
            'statistics public."both" is missing',
            "rule quiet on public.dog is missing",
            "trigger touch on public.person differs",
            'policy cheap on "Back Office".line is missing',
            "comment table public.person differs",
            'fk constraint "who?" on "Back Office"."order" is missing',
            "fk constraint person_boss_id_fkey on public.person is missing",
            "sequence public.stranger_id_seq is only at the target",
            "table public.stranger is only at the target",
            "sequence owned by public.stranger_id_seq is only at the target",
            "view public.reads is only at the target",
            "constraint stranger_pkey on public.stranger is only at the target",
            "index public.extra is only at the target",
            "fk constraint stranger_person_id_fkey on public.stranger is only at the target",
        }


def test_what_is_printed_in_other_words_after_a_restore_does_not_differ(
    database: str, make_database: Callable[[], str]
) -> None:
    execute(database, "CREATE TABLE t (s varchar(10) CHECK (s IN ('a', 'b')), e varchar(3)[] DEFAULT '{x}')")
    (line,) = (item.parts["check t_s_check"] for item in _tables(database))
    target = make_database()
    execute(target, f"CREATE TABLE t (s varchar(10), e varchar(3)[] DEFAULT '{{x}}', {line})")
    (other,) = (item.parts["check t_s_check"] for item in _tables(target))
    assert other != line
    assert normalised(other) == normalised(line)
    with open_database(database) as one, open_database(target) as two:
        assert found(one, two) == ()


def test_lists_of_varchar_come_back_as_they_were_printed(database: str, make_database: Callable[[], str]) -> None:
    execute(
        database,
        "CREATE TABLE t (s varchar(10) CHECK (s IN ('a', 'it''s')) CHECK (s NOT IN ('\"x', 'y')), n int, "
        "CHECK (n::text = ANY (ARRAY['1'::varchar, '2'])), CHECK (upper(s) <> ALL ('{a,b}')))",
    )
    (table,) = _tables(database)
    target = make_database()
    execute(target, f"CREATE TABLE t (s varchar(10), n int, {', '.join(map(as_written, _checks(table)))})")
    assert sorted(_checks(*_tables(target))) == sorted(_checks(table))


def test_what_is_quoted_is_no_list_of_varchar() -> None:
    text = "= ANY ((ARRAY['a'::character varying])::text[])"
    for quoted in (f"$body$x {text}$body$", '"' + text + '"', "'" + text.replace("'", "''") + "'"):
        assert as_written(quoted) == quoted
    assert as_written(f"$$ {text} $$ {text}") == f"$$ {text} $$ = ANY (ARRAY['a'::character varying])"


def _checks(table: Any) -> list[str]:
    return [text for name, text in table.parts.items() if name.startswith("check ")]


def _tables(url: str) -> list[Any]:
    with open_database(url) as database:
        return [item for item in read_definitions(database) if item.kind == "TABLE"]


def test_literals_are_compared_as_they_are() -> None:
    assert normalised("x = 'a::text'") != normalised("x = 'a'")
    assert normalised("(a + b) * c") != normalised("a + (b * c)")
    assert normalised("f(x)") != normalised("f x")


def test_bookkeeping_that_only_the_target_has_is_no_difference(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    execute(database, "CREATE TABLE t (a int)")
    execute(target, "CREATE TABLE t (a int); CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    with open_database(database) as one, open_database(target) as other:
        assert found(one, other) == ()


def test_only_chosen_tables_are_compared(drifted: tuple[str, str]) -> None:
    with open_database(drifted[0]) as source, open_database(drifted[1]) as target:
        whole = reflected(source)
        scope = scope_of(whole, whole.keep(["event", "animal"]), everything=False)
        assert {str(item) for item in found(source, target, scope) if item.table} == {
            "table public.event_old is missing",
            "table attach public.event_old is missing",
            "index public.event_old_day_idx is missing",
            "index attach public.event_old_day_idx is missing",
        }


# ---- Migrations ------------------------------------------------------------------------------------------------------


def test_a_migration_leaves_no_difference_and_no_row_is_lost(drifted: tuple[str, str]) -> None:
    execute(drifted[1], "ALTER TABLE person DROP CONSTRAINT person_ticket_check")
    execute(drifted[1], "INSERT INTO person (name, mood, ticket) VALUES ('ann', 'glad', 2), ('bob', NULL, 4)")
    with open_database(drifted[0]) as source, open_database(drifted[1]) as target:
        with target.connect() as connection, connection.begin():
            done = migrate(connection, target.dialect, wanted_of(source))
        assert done.remaining == ()
        assert found(source, target) == ()
    assert query(drifted[1], "SELECT name, mood::text FROM person ORDER BY id") == [("ann", "glad"), ("bob", None)]
    assert query(drifted[1], "SELECT people FROM totals") == [(2,)]


def test_alembic_s_operations_are_used_as_far_as_they_go(drifted: tuple[str, str]) -> None:
    with open_database(drifted[0]) as source, open_database(drifted[1]) as target:
        forth, _ = rehearsed(target, wanted_of(source))
    kinds = {type(item) for item in forth.operations}
    assert {
        ops.AddColumnOp, ops.DropColumnOp, ops.AlterColumnOp, ops.CreateIndexOp, ops.DropIndexOp, ops.DropTableOp,
        ops.CreateForeignKeyOp, ops.CreateTableCommentOp, ops.ExecuteSQLOp,
    } <= kinds  # fmt: skip


def test_a_rehearsal_changes_nothing(drifted: tuple[str, str]) -> None:
    before = dump(drifted[1])
    with open_database(drifted[0]) as source, open_database(drifted[1]) as target:
        forth, back = rehearsed(target, wanted_of(source))
    assert forth.operations
    assert back is not None
    assert dump(drifted[1]) == before


def test_what_alembic_proposes_is_shown_as_code(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    execute(database, "CREATE TABLE t (a int, b text); CREATE INDEX i ON t (b)")
    execute(target, "CREATE TABLE t (a int)")
    with open_database(database) as one, open_database(target) as other, other.connect() as connection:
        lines = proposals(connection, wanted_of(one), found(one, other))
    assert [line.partition("(")[0] for line in lines] == ["op.add_column", "op.create_index"]


def test_what_cannot_be_migrated_is_named(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    execute(database, "CREATE TABLE t (a int) PARTITION BY RANGE (a)")
    execute(target, "CREATE TABLE t (a int)")
    with open_database(database) as one, open_database(target) as other, other.connect() as connection:
        done = migrate(connection, other.dialect, wanted_of(one))
        with pytest.raises(TargetError, match=r"1 differences .* cannot be migrated") as raised:
            refuse_remaining(done.remaining)
    assert raised.value.details == ("options public.t is missing",)


def test_a_row_in_the_way_is_told_without_its_value(database: str, make_database: Callable[[], str]) -> None:
    target = make_database()
    execute(database, "CREATE TABLE t (a text CONSTRAINT short CHECK (length(a) < 3))")
    execute(target, "CREATE TABLE t (a text); INSERT INTO t VALUES ('s3cret')")
    with (
        open_database(database) as one,
        open_database(target) as other,
        other.connect() as connection,
        pytest.raises(TargetError, match="does not fulfil the condition") as raised,
    ):
        migrate(connection, other.dialect, wanted_of(one))
    assert "s3cret" not in str(raised.value)
    assert "short" in raised.value.details[0]


# ---- Revisions -------------------------------------------------------------------------------------------------------


def _written(source: Database, target: Database, folder: Path) -> tuple[Path, Migration]:
    forth, back = rehearsed(target, wanted_of(source))
    with target.connect() as connection:
        created = datetime.datetime(2024, 5, 1, tzinfo=datetime.timezone.utc)
        return write_revision(folder, connection, forth, back, created=created), forth


def test_a_revision_on_its_own_goes_up_and_down(drifted: tuple[str, str], tmp_path: Path) -> None:
    before = dump(drifted[1])
    with open_database(drifted[0]) as source, open_database(drifted[1]) as target:
        file, _ = _written(source, target, tmp_path / "new")
        spec = importlib.util.spec_from_file_location("revision", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for step in (module.upgrade, module.downgrade):
            with target.engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
                step()
            if step is module.upgrade:
                assert found(source, target) == ()
    assert dump(drifted[1]) == before


def test_a_revision_follows_the_heads_of_an_environment(
    database: str, make_database: Callable[[], str], tmp_path: Path
) -> None:
    target_url = make_database()
    execute(database, "CREATE TABLE t (a int, b text NOT NULL DEFAULT 'a:b 100%'); CREATE VIEW v AS SELECT b FROM t")
    execute(target_url, "CREATE TABLE t (a int)")
    config = Config(str(tmp_path / "alembic.ini"))
    command.init(config, str(tmp_path / "alembic"))
    (tmp_path / "alembic" / "env.py").write_text(
        "from alembic import context\n"
        "from sqlalchemy import NullPool, create_engine\n"
        f"with create_engine({target_url!r}, poolclass=NullPool).begin() as connection:\n"
        "    context.configure(connection=connection)\n"
        "    context.run_migrations()\n"
    )
    first = command.revision(config, message="first")
    with open_database(database) as source, open_database(target_url) as target:
        file, _ = _written(source, target, tmp_path / "alembic")
        assert file.parent == tmp_path / "alembic" / "versions"
        assert f"down_revision: Union[str, Sequence[str], None] = '{first.revision}'" in file.read_text()
        command.upgrade(config, "head")
        assert found(source, target) == ()
        assert query(target_url, "INSERT INTO t VALUES (1) RETURNING b") == [("a:b 100%",)]
        command.downgrade(config, "-1")
        assert [str(item) for item in found(source, target)][:1] == ["column public.t.b is missing"]
