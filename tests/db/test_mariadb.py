"""What only MariaDB and MySQL do: definitions that no rollback undoes, triggers that nothing disables."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from dbclone.db.connect import open_database
from dbclone.db.ddl import target_ddl
from dbclone.db.drift import Scope
from dbclone.db.load import load
from dbclone.db.lock import held
from dbclone.db.migrate import migrate, read_wanted
from dbclone.db.reflect import reflect_schema
from dbclone.db.target import prepare_target
from dbclone.errors import LoadError, TargetError
from dbclone.model.flow import Batch
from dbclone.schema.model import TableKey
from dbclone.schema.plan import PlanOptions, make_plan
from tests.conftest import AnyServer, server_called
from tests.db.test_contract import query_mariadb

ITEM = "CREATE TABLE item (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(5) NOT NULL) AUTO_INCREMENT=70"


@pytest.fixture(scope="module")
def mariadb(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AnyServer:
    return server_called("mariadb", request, tmp_path_factory)


@pytest.fixture
def pair(mariadb: AnyServer) -> Iterator[tuple[str, str]]:
    """A source with a table, a view and a trigger, and an empty database."""
    urls = mariadb.create_database(), mariadb.create_database()
    for statement in (
        ITEM,
        "CREATE TABLE log (at INT)",
        "CREATE VIEW names AS SELECT name FROM item",
        "CREATE TRIGGER logged AFTER INSERT ON item FOR EACH ROW INSERT INTO log VALUES (NEW.id)",
    ):
        query_mariadb(urls[0], statement)
    yield urls
    for url in urls:
        mariadb.drop_database(url)


def load_names(source_url: str, target_url: str, names: list[str], on_existing: str = "refuse") -> None:
    with open_database(source_url) as source, open_database(target_url, purpose="target") as target:
        with source.connect() as connection:
            schema = reflect_schema(connection, source.dialect)
        plan = make_plan(schema, {table.key: 2 for table in schema.tables}, PlanOptions())
        state = prepare_target(target, schema, on_existing)  # type: ignore[arg-type]
        rows = pa.table({"id": list(range(1, len(names) + 1)), "name": names})
        batch = Batch(table=TableKey("item"), number=0, first_row=0, rows=rows)
        load(target, plan, target_ddl(source, schema), [batch], state=state)


def objects(url: str) -> list[str]:
    return [name for name, *_ in query_mariadb(url, "SHOW FULL TABLES")]


def test_what_a_failed_load_had_made_is_dropped_and_no_value_is_shown(pair: tuple[str, str]) -> None:
    with pytest.raises(LoadError, match=r"too long for the column .*row 2.*the target is as it was") as refused:
        load_names(*pair, ["a", "s3cret-and-long"])
    assert "s3cret" not in str(refused.value)
    assert objects(pair[1]) == []


def test_triggers_come_after_the_rows_and_numbers_go_on_after_them(pair: tuple[str, str]) -> None:
    load_names(*pair, ["a", "b"])
    assert objects(pair[1]) == ["item", "log", "names"]
    assert query_mariadb(pair[1], "SELECT count(*) FROM log") == [(0,)]
    query_mariadb(pair[1], "INSERT INTO item (name) VALUES ('c')")
    assert query_mariadb(pair[1], "SELECT max(id) FROM item") == [(3,)]
    assert query_mariadb(pair[1], "SELECT count(*) FROM log") == [(1,)]


def test_a_target_whose_triggers_would_fire_is_refused(pair: tuple[str, str]) -> None:
    load_names(*pair, ["a", "b"])
    with pytest.raises(TargetError, match="triggers of the target would fire") as refused:
        load_names(*pair, ["c"], "truncate")
    assert refused.value.details == ("item.logged",)
    assert query_mariadb(pair[1], "SELECT count(*) FROM item") == [(2,)]


def test_a_target_without_transactions_is_refused(pair: tuple[str, str]) -> None:
    for statement in (ITEM.replace(") AUTO", ") ENGINE=MyISAM AUTO"), "CREATE TABLE log (at INT)"):
        query_mariadb(pair[1], statement)
    with pytest.raises(TargetError, match="has no transactions") as refused:
        load_names(*pair, ["a"], "append")
    assert refused.value.details == ("item: MyISAM",)
    assert query_mariadb(pair[1], "SELECT count(*) FROM item") == [(0,)]


def test_a_second_run_is_refused_while_the_first_holds_the_target(pair: tuple[str, str]) -> None:
    with open_database(pair[1], purpose="target") as one, open_database(pair[1], purpose="target") as other:
        with held(one), pytest.raises(TargetError, match="another run is writing"), held(other):
            pass
        with held(other):
            assert objects(pair[1]) == []


def test_a_migration_is_refused(pair: tuple[str, str]) -> None:
    with open_database(pair[0]) as source, open_database(pair[1], purpose="target") as target:
        with source.connect() as connection:
            schema = reflect_schema(connection, source.dialect)
        wanted = read_wanted(source, schema, Scope(tables=None))
        with target.connect() as connection, pytest.raises(TargetError, match="by itself"):
            migrate(connection, target.dialect, wanted)
