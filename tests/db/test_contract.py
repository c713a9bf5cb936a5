"""The contract of a dialect: what every kind of database must do as source and as target, on all of them.

A new database is one line in :data:`KITS`: a database of ours that holds what it is made of, and how to look into it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy import make_url

from dbclone.config import Settings
from dbclone.db.connect import Database, open_database
from dbclone.db.ddl import target_ddl
from dbclone.db.dialects.base import Cap, Keys, Measure, RandomRows
from dbclone.db.load import load
from dbclone.db.reflect import reflect_schema
from dbclone.db.target import prepare_target, same_database
from dbclone.errors import ConnectError, LoadError, TargetError, VerifyError
from dbclone.examples import load_example
from dbclone.inspection import diff, verify_target
from dbclone.model.flow import Batch
from dbclone.pipeline import clone
from dbclone.results import Cloned
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import PlanOptions, make_plan
from tests.conftest import AnyServer, mariadb_connection

SHOP = Path(__file__).parents[1] / "end_to_end" / "shop.sql"
Query = Callable[[str, str], list[tuple[Any, ...]]]


def query_postgresql(url: str, statement: str) -> list[tuple[Any, ...]]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def query_sqlite(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        found = connection.execute(statement).fetchall()
        connection.commit()
        return found


def query_mariadb(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(mariadb_connection(make_url(url))) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


@dataclass(frozen=True, kw_only=True)
class Kit:
    """How to fill a database of a kind, and the queries that say what it is, without dbclone.

    ``definition`` returns everything that defines it, ``broken`` whatever its own check of references finds.
    ``small`` is DDL of a table ``item (id, name NOT NULL, price)`` that refers to a table ``kind (id, label)``.
    """

    fill: Callable[[str], None]
    query: Query
    definition: str
    broken: str
    small: tuple[str, ...]


def _fill_shop(url: str) -> None:
    query_postgresql(url, SHOP.read_text(encoding="utf-8"))


SMALL = (
    "CREATE TABLE kind (id INTEGER PRIMARY KEY, label VARCHAR(20) NOT NULL UNIQUE)",
    "CREATE TABLE item (id INTEGER PRIMARY KEY, kind_id INTEGER REFERENCES kind (id), name VARCHAR(20) NOT NULL, "
    "price NUMERIC(8, 2) CHECK (price >= 0), made DATE, seen TIMESTAMP, weight FLOAT)",
)
POSTGRESQL = Kit(
    fill=_fill_shop,
    query=query_postgresql,
    definition="SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1, 2",
    broken="SELECT 1 WHERE false",
    small=SMALL,
)
KITS = {
    "embedded": POSTGRESQL,
    "postgresql": POSTGRESQL,
    "mariadb": Kit(
        fill=lambda url: load_example("kitchen_sink_mysql", url) and None,
        query=query_mariadb,
        definition="SELECT table_name, ordinal_position, column_name, column_type, is_nullable, column_default, extra, "
        "collation_name, column_comment, generation_expression FROM information_schema.columns "
        "WHERE table_schema = database() "
        "UNION ALL SELECT table_name, seq_in_index, index_name, index_type, column_name, sub_part, non_unique, '', '', "
        "'' FROM information_schema.statistics WHERE table_schema = database() "
        "UNION ALL SELECT table_name, 0, constraint_name, constraint_type, '', '', '', '', '', '' "
        "FROM information_schema.table_constraints WHERE table_schema = database() "
        "UNION ALL SELECT constraint_name, 0, table_name, check_clause, '', '', '', '', '', '' "
        "FROM information_schema.check_constraints WHERE constraint_schema = database() "
        "UNION ALL SELECT trigger_name, action_order, event_object_table, action_statement, action_timing, "
        "event_manipulation, '', '', '', '' FROM information_schema.triggers WHERE trigger_schema = database() "
        "UNION ALL SELECT routine_name, 0, routine_type, routine_definition, '', '', '', '', '', '' "
        "FROM information_schema.routines WHERE routine_schema = database() "
        "UNION ALL SELECT table_name, 0, partition_name, partition_description, '', '', '', '', '', '' "
        "FROM information_schema.partitions WHERE table_schema = database() AND partition_name IS NOT NULL "
        "ORDER BY 1, 2, 3, 4",
        broken="SELECT l.order_id FROM order_line l LEFT JOIN product p ON p.sku = l.sku WHERE p.sku IS NULL "
        "UNION ALL SELECT o.id FROM `order` o LEFT JOIN customer c ON c.id = o.customer_id WHERE c.id IS NULL "
        "UNION ALL SELECT s.id FROM staff s LEFT JOIN store t ON t.id = s.store_id WHERE t.id IS NULL",
        small=tuple(statement.replace("TIMESTAMP", "DATETIME(3)").replace("FLOAT", "DOUBLE") for statement in SMALL),
    ),
    "sqlite": Kit(
        fill=lambda url: load_example("kitchen_sink_sqlite", url) and None,
        query=query_sqlite,
        definition="SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2",
        broken="PRAGMA foreign_key_check",
        small=SMALL,
    ),
}


@pytest.fixture(scope="module")
def kit(any_server: AnyServer) -> Kit:
    return KITS[any_server.name]


@pytest.fixture(scope="module")
def source(any_server: AnyServer, kit: Kit) -> Iterator[str]:
    """A filled database."""
    url = any_server.create_database()
    kit.fill(url)
    yield url
    any_server.drop_database(url)


@pytest.fixture
def make_target(any_server: AnyServer) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def make() -> str:
        made.append(any_server.create_database())
        return made[-1]

    yield make
    for url in made:
        any_server.drop_database(url)


@pytest.fixture(scope="module")
def twin(any_server: AnyServer, source: str) -> Iterator[tuple[str, Cloned]]:
    """A clone of the filled database."""
    url = any_server.create_database()
    yield url, clone(source, url, Settings(seed=3))
    any_server.drop_database(url)


# ---- A whole clone ---------------------------------------------------------------------------------------------------


def test_a_clone_has_the_source_s_definition(kit: Kit, source: str, twin: tuple[str, Cloned]) -> None:
    assert kit.query(twin[0], kit.definition) == kit.query(source, kit.definition)
    assert diff(source, twin[0], Settings()).differences == ()


def test_a_clone_has_as_many_rows_and_no_orphan(kit: Kit, twin: tuple[str, Cloned]) -> None:
    url, done = twin
    assert all(check.passed for check in done.checks)
    assert {t.table: t.source_rows for t in done.plan.tables} == done.rows
    assert sum(done.rows.values()) > 100
    assert kit.query(url, kit.broken) == []


def test_a_clone_compares_and_verifies(source: str, twin: tuple[str, Cloned]) -> None:
    found = verify_target(twin[0], Settings(), source=source)
    assert [check for check in found.checks if not check.passed] == []
    distances = sorted(check.found for check in found.checks if check.kind == "distance")
    assert len(distances) > 10
    assert distances[len(distances) // 2] < 0.25


def test_a_target_with_rows_is_refused_and_emptied_on_request(source: str, twin: tuple[str, Cloned]) -> None:
    with pytest.raises(TargetError, match="already has rows"):
        clone(source, twin[0], Settings())
    with pytest.raises(TargetError, match="are the same database"):
        clone(source, source, Settings())


# ---- Reading ---------------------------------------------------------------------------------------------------------


def test_a_snapshot_cannot_write(kit: Kit, source: str) -> None:
    with open_database(source) as database, database.snapshot() as connection:
        table = reflect_schema(connection, database.dialect).tables[0]
        with pytest.raises(sa.exc.DBAPIError):
            connection.execute(sa.delete(sa.table(table.name, schema=table.schema)))
    assert kit.query(source, kit.broken) == []


def test_keys_find_their_rows_in_their_order(source: str) -> None:
    with open_database(source) as database, database.snapshot() as connection:
        dialect, schema = database.dialect, reflect_schema(connection, database.dialect)
        for table in schema.tables:
            rows = dialect.read_all(connection, table)
            names = [name for name in table.primary_key if name in rows.column_names]
            if not rows.num_rows or len(names) != len(table.primary_key) or not names:
                continue
            wanted = rows.slice(0, 900).take(pa.array(range(min(rows.num_rows, 900) - 1, -1, -1)))
            keys = Keys(columns=tuple(map(table.column, names)), values=wanted.select(names))
            assert dialect.read_matching(connection, table, names, keys).equals(wanted)
            assert dialect.count_matching(connection, table, names, keys).tolist() == [1] * wanted.num_rows


def test_children_are_capped_the_same_way_each_time(source: str) -> None:
    with open_database(source) as database, database.snapshot() as connection:
        dialect, schema = database.dialect, reflect_schema(connection, database.dialect)
        table, key = next(
            (table, key)
            for table in schema.tables
            for key in table.foreign_keys
            if len(key.columns) == 1 and dialect.count_rows(connection, [table])[table.key] > 250
        )
        parent = schema.table(key.parent)
        rows = dialect.read_all(connection, parent).select(list(key.parent_columns))
        keys = Keys(columns=tuple(map(parent.column, key.parent_columns)), values=rows)
        counts = dialect.count_matching(connection, table, key.columns, keys)
        cap = Cap(rows=2, seed=5, counts=counts)
        found = dialect.read_matching(connection, table, key.columns, keys, cap)
        assert found.num_rows == sum(min(2, count) for count in counts)
        assert found.equals(dialect.read_matching(connection, table, key.columns, keys, cap))


def test_a_draw_is_random_and_repeatable(source: str) -> None:
    with open_database(source) as database, database.snapshot() as connection:
        dialect, schema = database.dialect, reflect_schema(connection, database.dialect)
        counts = dialect.count_rows(connection, schema.tables)
        table = max(schema.tables, key=lambda table: counts[table.key])
        total = counts[table.key]

        def draw(seed: int) -> pa.Table:
            wanted = RandomRows(wanted=100, available=total, table_rows=total, seed=seed)
            return dialect.read_random(connection, table, wanted)

        assert 100 <= draw(1).num_rows <= 260
        assert draw(1).equals(draw(1))
        assert not draw(1).equals(draw(2))


def test_every_measure_adds_up(source: str) -> None:
    with open_database(source) as database, database.snapshot() as connection:
        dialect, schema = database.dialect, reflect_schema(connection, database.dialect)
        kinds = ("integer", "decimal", "float", "date", "time", "timestamp")
        for table in schema.tables:
            measures = [Measure(column=column) for column in table.columns if column.kind in kinds]
            cuts = dialect.cut_points(connection, table, measures) if measures else {}
            for measure in measures:
                points = cuts[measure.column.name]
                found = dialect.histogram(connection, table, measure, points) if points else None
                if found is not None:
                    assert sum(found.bins) + found.nulls == dialect.count_rows(connection, [table])[table.key]
                    assert min(found.bins) >= 0
                    assert max(found.bins) < sum(found.bins) or len(points) == 1


# ---- Loading ---------------------------------------------------------------------------------------------------------


class Place:
    """Two databases, the first with the small schema."""

    def __init__(self, kit: Kit, source_url: str, target_url: str) -> None:
        for statement in kit.small:
            kit.query(source_url, statement)
        self.kit, self.url = kit, target_url
        self.source: Database = open_database(source_url)
        with self.source.connect() as connection:
            self.schema: Schema = reflect_schema(connection, self.source.dialect)
        self.plan = make_plan(self.schema, {table.key: 10 for table in self.schema.tables}, PlanOptions())
        self.ddl = target_ddl(self.source, self.schema)

    def load(self, items: dict[str, list[Any]], on_existing: Any = "refuse", **options: Any) -> None:
        kinds = pa.table({"id": [1, 2], "label": ["a", "b'\"\\;%s:x\n"]})
        batches = [
            Batch(table=TableKey("kind"), number=0, first_row=0, rows=kinds),
            Batch(table=TableKey("item"), number=0, first_row=0, rows=pa.table(items)),
        ]
        with open_database(self.url, purpose="target") as target:
            state = prepare_target(target, self.schema, on_existing)
            load(target, self.plan, self.ddl, batches, state=state, **options)

    def tables(self) -> int:
        with open_database(self.url, purpose="target") as target, target.connect() as connection:
            return len(reflect_schema(connection, target.dialect).tables)


@pytest.fixture
def place(kit: Kit, make_target: Callable[[], str]) -> Iterator[Place]:
    made = Place(kit, make_target(), make_target())
    yield made
    made.source.close()


ITEMS: dict[str, Any] = {
    "id": [1, 2, 3],
    "kind_id": [1, 2, None],
    "name": ["plain", 'It\'s \\ "quoted"', "é\n\t%s"],
    "price": ["1.50", None, "0.00"],
    "made": pa.array(["1999-12-31", None, "0999-01-02"]).cast(pa.date32()),
    "seen": pa.array(["2020-02-29T23:59:59.123", None, "2020-01-01T00:00:00"]).cast(pa.timestamp("us")),
    "weight": [0.1, None, -1e300],
}


def test_values_come_back_as_they_went(place: Place) -> None:
    place.load(ITEMS)
    with open_database(place.url) as target, target.snapshot() as connection:
        rows = target.dialect.read_all(connection, place.schema.table(TableKey("item")))
        labels = target.dialect.read_all(connection, place.schema.table(TableKey("kind")))
    rows = rows.sort_by("id")
    assert rows.to_pydict() == pa.table(ITEMS).to_pydict()
    assert labels["label"].to_pylist() == ["a", "b'\"\\;%s:x\n"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ["a", None, "c"]}, "NULL in a NOT NULL column"),
        ({"id": [1, 2, 2]}, "two rows have the same key"),
        ({"price": ["1.50", "-2.00", "0.00"]}, "does not fulfil the condition"),
    ],
)
def test_a_refused_row_leaves_the_target_as_it_was(place: Place, change: dict[str, Any], said: str) -> None:
    with pytest.raises(LoadError, match=said) as refused:
        place.load(ITEMS | change)
    assert "the target is as it was" in str(refused.value)
    assert place.tables() == 0


def test_a_check_that_fails_undoes_all(place: Place) -> None:
    def fail(_: sa.Connection) -> None:
        raise VerifyError("no")

    with pytest.raises(VerifyError):
        place.load(ITEMS, check=fail)
    assert place.tables() == 0


def test_an_existing_target_keeps_its_rows_when_a_load_fails(place: Place) -> None:
    place.load(ITEMS)
    with pytest.raises(LoadError):
        place.load(ITEMS | {"name": [None, "b", "c"]}, on_existing="truncate")
    assert place.kit.query(place.url, "SELECT count(*) FROM item") == [(3,)]
    place.load({name: values[:1] for name, values in ITEMS.items()}, on_existing="truncate")
    assert place.kit.query(place.url, "SELECT count(*) FROM item") == [(1,)]


def test_the_target_judges_rows_by_its_conditions(place: Place) -> None:
    place.load(ITEMS)
    item = place.schema.table(TableKey("item"))
    rows = pa.table({"price": ["1.00", "-1.00", None]})
    with open_database(place.url, purpose="target") as target, target.connect() as connection:
        passed, unknown = target.dialect.judge_rows(connection, item, rows, ["price >= 0", "no_such_function(price)"])
    assert passed is not None
    assert passed.tolist() == [True, False, True]
    assert unknown is None


def test_what_is_not_there_is_said_in_a_line(place: Place) -> None:
    missing = make_url(place.url)
    missing = missing.set(database=f"{missing.database}_missing")
    with pytest.raises(ConnectError, match="there is no such"):
        open_database(missing.render_as_string(hide_password=False))
    with open_database(place.url, purpose="target") as one, open_database(place.url, purpose="target") as other:
        assert same_database(one, other)
        assert not same_database(one, place.source)
