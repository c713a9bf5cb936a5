"""What is at a target decides what may be done there: drift, rows, bookkeeping, and where keys go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from dbclone.db.connect import Database, open_database
from dbclone.db.dialects.postgresql.writing import Writing
from dbclone.db.encode import csv_block
from dbclone.db.reflect import reflect_schema
from dbclone.db.target import OnDrift, OnExisting, TargetState, count_taken, prepare_target
from dbclone.errors import TargetError
from dbclone.schema.bookkeeping import BOOKKEEPING, copied_tables
from dbclone.schema.model import Schema
from tests.db.test_ddl import execute, query, reflected

SHOP = """
    CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
    CREATE TABLE customer (id int PRIMARY KEY, number int UNIQUE, email text UNIQUE);
    CREATE TABLE purchase (id int PRIMARY KEY, customer_id int REFERENCES customer, total numeric CHECK (total > 0));
"""

Prepare = Callable[..., TargetState]


@pytest.fixture
def prepare(make_database: Callable[[], str]) -> Iterator[Prepare]:
    """Return a function that prepares a target made by some SQL for the rows of a source made by other SQL."""
    opened: list[Database] = []

    def run(
        target_sql: str, source_sql: str = SHOP, on_existing: OnExisting = "refuse", on_drift: OnDrift = "refuse"
    ) -> TargetState:
        source, target = make_database(), make_database()
        execute(source, source_sql)
        execute(target, target_sql)
        with open_database(source) as origin:
            schema = reflected(origin)
        opened.append(open_database(target, purpose="target"))
        return prepare_target(opened[-1], schema, on_existing, on_drift)

    yield run
    for target in opened:
        target.close()


# ---- Drift -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ("ALTER TABLE purchase DROP CONSTRAINT purchase_total_check", "purchase check (total > 0::numeric)"),
        ("ALTER TABLE purchase DROP CONSTRAINT purchase_customer_id_fkey", "foreign key (customer_id) to customer"),
        ("ALTER TABLE customer DROP CONSTRAINT customer_email_key", "customer unique key (email)"),
        ("ALTER TABLE purchase ADD note text", "purchase column note: only the target has it"),
        ("ALTER TABLE customer ALTER email SET DEFAULT 'x'", "customer column email: it differs"),
    ],
)
def test_tables_that_are_defined_otherwise_are_refused(prepare: Prepare, change: str, detail: str) -> None:
    with pytest.raises(TargetError, match=r"1 tables .*--on-drift migrate .*--on-drift ignore") as raised:
        prepare(f"{SHOP}; {change}")
    assert any(detail in line for line in raised.value.details), raised.value.details
    assert prepare(f"{SHOP}; {change}", on_drift="ignore").ignores_drift


def test_a_constraint_of_another_name_is_no_drift(prepare: Prepare) -> None:
    renamed = "ALTER TABLE purchase RENAME CONSTRAINT purchase_total_check TO other;"
    renamed += "ALTER TABLE customer RENAME CONSTRAINT customer_email_key TO another"
    assert not prepare(f"{SHOP}; {renamed}").is_new


def test_what_rows_cannot_be_written_to_is_refused_even_if_drift_is_ignored(prepare: Prepare) -> None:
    with pytest.raises(TargetError, match=r"do not fit .*--on-drift migrate") as raised:
        prepare(f"{SHOP}; ALTER TABLE purchase DROP COLUMN total", on_drift="ignore")
    assert raised.value.details == ("purchase.total: the target has no such column",)


def test_a_target_with_some_of_the_tables_can_be_migrated(prepare: Prepare) -> None:
    with pytest.raises(TargetError, match="2 of 3 tables"):
        prepare(f"{SHOP}; DROP TABLE purchase")
    assert not prepare(f"{SHOP}; DROP TABLE purchase", on_drift="migrate").is_new


# ---- Rows that are there ---------------------------------------------------------------------------------------------

FILLED = f"""{SHOP};
    INSERT INTO alembic_version VALUES ('own');
    INSERT INTO customer VALUES (7, 70, 'a'), (9, 30, 'b');
"""


def test_truncate_says_what_it_empties(prepare: Prepare) -> None:
    state = prepare(FILLED, on_existing="truncate")
    assert state.emptied == ("alembic_version", "customer", "purchase")
    (line,) = state.explained
    assert "one TRUNCATE" in line
    assert "alembic_version, customer, purchase" in line
    assert "CASCADE is not needed" in line


def test_what_truncate_would_empty_besides_is_named(prepare: Prepare) -> None:
    child = "CREATE TABLE rating (customer_id int CONSTRAINT rated REFERENCES customer)"
    with pytest.raises(TargetError, match="need CASCADE and empty them as well") as raised:
        prepare(f"{FILLED}; {child}", on_existing="truncate")
    assert raised.value.details == ("rating (rated)",)


def test_append_says_where_unique_numbers_continue(prepare: Prepare) -> None:
    state = prepare(FILLED, on_existing="append")
    assert state.next_key == {"customer": 10, "purchase": 1}
    assert state.next_value == {("customer", "number"): 71}
    assert state.rows == {"alembic_version": 1, "customer": 2, "purchase": 0}
    assert state.emptied == ()


def test_keys_that_are_taken_are_counted(database: str) -> None:
    execute(database, FILLED)
    with open_database(database) as target, target.connect() as connection:
        table = reflect_schema(connection, target.dialect).table("customer")
        rows = pa.table({"email": ["a", "c", None, "b"], "number": [1, 2, 3, 4]})
        assert count_taken(connection, target.dialect, table, ["email"], rows) == 2
        assert count_taken(connection, target.dialect, table, ["number", "email"], rows) == 0


# ---- Bookkeeping -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_existing", "on_drift", "kept", "emptied"),
    [
        ("refuse", "refuse", {"alembic_version"}, ()),
        ("append", "refuse", {"alembic_version"}, ()),
        ("truncate", "refuse", set(), ("alembic_version", "customer", "purchase")),
        ("truncate", "ignore", {"alembic_version"}, ("customer", "purchase")),
        ("refuse", "migrate", set(), ("alembic_version",)),
    ],
)
def test_bookkeeping_stays_unless_the_target_becomes_what_the_source_is(
    prepare: Prepare, on_existing: OnExisting, on_drift: OnDrift, kept: set[str], emptied: tuple[str, ...]
) -> None:
    state = prepare(f"{SHOP}; INSERT INTO alembic_version VALUES ('own')", on_existing=on_existing, on_drift=on_drift)
    assert state.kept == kept
    assert state.emptied == emptied


def _schema(url: str, sql: str) -> Schema:
    execute(url, sql)
    with open_database(url) as database:
        return reflected(database)


def test_bookkeeping_is_known_by_name_whatever_the_case_and_the_schema(database: str) -> None:
    tables = "".join(
        f'CREATE TABLE "{name}" (id int{"".join(f", {c} text" for c in sorted(columns[0] if columns else ()))});'
        for name, columns in BOOKKEEPING.items()
    )
    tables = tables.replace("(id int, id text", "(id text")
    found = copied_tables(
        _schema(database, f'{tables} CREATE TABLE "SequelizeMeta" (name text); CREATE SCHEMA a; '
                          'CREATE TABLE a."__EFMigrationsHistory" (id int); CREATE TABLE orders (id int)')
    )  # fmt: skip
    assert {key.lower().rpartition(".")[2] for key in found} >= set(BOOKKEEPING)
    assert {"SequelizeMeta", "a.__EFMigrationsHistory"} <= found
    assert "orders" not in found


def test_a_common_name_or_a_table_with_references_is_not_bookkeeping(database: str) -> None:
    schema = _schema(
        database,
        "CREATE TABLE migrations (id int PRIMARY KEY, whooper text); CREATE TABLE schema_info (note text);"
        "CREATE TABLE django_migrations (id int PRIMARY KEY);"
        "CREATE TABLE remark (migration_id int REFERENCES django_migrations)",
    )
    assert copied_tables(schema) == frozenset()


# ---- Values ----------------------------------------------------------------------------------------------------------


def test_durations_are_written_as_intervals_and_unknown_types_are_refused() -> None:
    durations = pa.array([1_500_000, None, -60_000_000], pa.duration("us"))
    assert csv_block(pa.table({"a": durations})) == (
        b'"+0 mons +0 days +00:00:01.500000"\n\n"+0 mons +0 days -00:01:00.000000"\n'
    )
    with pytest.raises(TypeError, match=r"list<.*> cannot be written"):
        csv_block(pa.table({"a": [[1, 2]]}))


def test_a_key_that_each_partition_has_on_its_own_is_suspended_on_all(database: str) -> None:
    schema = _schema(
        database,
        """
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE part (day int, parent_id int) PARTITION BY LIST (day);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
        CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2);
        ALTER TABLE part_1 ADD CONSTRAINT one FOREIGN KEY (parent_id) REFERENCES parent;
        ALTER TABLE part_2 ADD CONSTRAINT two FOREIGN KEY (parent_id) REFERENCES parent;
        """,
    )
    table = schema.table("part")
    (key,) = table.foreign_keys
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
    with open_database(database) as target, target.connect() as connection, connection.begin():
        assert isinstance(target.dialect, Writing)
        again = target.dialect.suspend_foreign_key(connection, table, key)
        assert connection.exec_driver_sql(keys).scalar() == 0
        target.dialect.execute(connection, again)
    assert query(database, keys) == [(2,)]
