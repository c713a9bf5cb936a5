"""Loading a target: all rows or none, into new and existing tables, whatever the foreign keys look like."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from sqlalchemy import Connection

from dbclone.db.connect import Database, open_database
from dbclone.db.ddl import target_ddl
from dbclone.db.load import LoadEvent, load
from dbclone.db.reflect import reflect_schema
from dbclone.db.target import OnExisting, prepare_target, same_database
from dbclone.errors import LoadError, TargetError, VerifyError
from dbclone.model.flow import Batch, Loaded
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Plan, PlanOptions, Suspend, make_plan

SHOP = """
    CREATE TYPE mood AS ENUM ('glad', 'sad');
    CREATE TABLE customer (id serial PRIMARY KEY, email text NOT NULL UNIQUE, mood mood);
    CREATE TABLE purchase (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        customer_id int NOT NULL REFERENCES customer,
        total numeric(8, 2) CHECK (total >= 0),
        note varchar(10),
        doubled numeric GENERATED ALWAYS AS (total * 2) STORED
    );
"""

Rows = dict[str, Sequence[Any]]
SECRET = "s3cret"  # noqa: S105 a value of a row, not a password


class Place:
    """A source and a target database, and what is needed to load from one to the other."""

    def __init__(self, source_url: str, target_url: str, source_sql: str, target_sql: str = "") -> None:
        self.source_url, self.target_url = source_url, target_url
        execute(source_url, source_sql)
        execute(target_url, target_sql)
        self.source: Database = open_database(source_url)
        self.target: Database = open_database(target_url, purpose="target")
        with self.source.connect() as connection:
            self.schema: Schema = reflect_schema(connection, self.source.dialect)
        self.plan: Plan = make_plan(self.schema, {table.key: 10 for table in self.schema.tables}, PlanOptions())

    def load(self, *batches: Batch, on_existing: OnExisting = "refuse", **options: Any) -> Loaded:
        state = prepare_target(self.target, self.schema, on_existing)
        ddl = target_ddl(self.source, self.schema) if state.is_new else None
        return load(self.target, self.plan, ddl, in_order(self.plan, batches), state=state, **options)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return query(self.target_url, sql)


def execute(url: str, sql: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.encode())


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True, options="-c timezone=UTC") as connection:
        return connection.execute(sql.encode()).fetchall()


def batch(table: str, number: int = 0, first_row: int = 0, **columns: Any) -> Batch:
    return Batch(table=TableKey(table), number=number, first_row=first_row, rows=pa.table(columns))


def in_order(plan: Plan, batches: Sequence[Batch]) -> Iterator[Batch]:
    order = [table.table for table in plan.tables]
    yield from sorted(batches, key=lambda item: (order.index(item.table), item.number))


def contents(url: str) -> list[Any]:
    """Return all objects, rows and sequence states of a database."""
    tables = query(url, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'")
    objects = query(url, "SELECT relname, relkind FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
    types = query(url, "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace ORDER BY 1")
    rules = query(url, "SELECT conname, convalidated FROM pg_constraint ORDER BY oid")
    triggers = query(url, "SELECT tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")
    sequences = query(url, "SELECT sequencename, last_value FROM pg_sequences ORDER BY 1")
    rows = [(name, query(url, f"SELECT t::text FROM {name} t ORDER BY 1")) for (name,) in sorted(tables)]
    return [objects, types, rules, triggers, sequences, rows]


def customers(ids: Sequence[int], first_row: int = 0, number: int = 0) -> Batch:
    emails = [f"c{i}@example.org" for i in ids]
    return batch("customer", number, first_row, id=ids, email=emails, mood=["glad"] * len(ids))


def purchases(ids: Sequence[int], of: Sequence[int], **changes: Any) -> Batch:
    columns: Rows = {"id": ids, "customer_id": of, "total": ["1.50"] * len(ids), "note": ["", None] * (len(ids) // 2)}
    return batch("purchase", **{**columns, **changes})


@pytest.fixture
def place(make_database: Callable[[], str]) -> Callable[..., Place]:
    return lambda source_sql, target_sql="": Place(make_database(), make_database(), source_sql, target_sql)


@pytest.fixture
def shop(place: Callable[..., Place]) -> Place:
    return place(SHOP)


# ---- New targets -----------------------------------------------------------------------------------------------------


def test_a_new_target_gets_tables_rows_and_valid_constraints(shop: Place) -> None:
    loaded = shop.load(customers([1, 2]), customers([3, 4], first_row=2, number=1), purchases([1, 2], [4, 4]))

    assert loaded.rows == {"customer": 4, "purchase": 2}
    assert shop.query("SELECT id, customer_id, total, note, doubled FROM purchase ORDER BY id") == [
        (1, 4, Decimal("1.50"), "", Decimal("3.00")),
        (2, 4, Decimal("1.50"), None, Decimal("3.00")),
    ]
    states = shop.query("SELECT contype::text, convalidated FROM pg_constraint WHERE conrelid = 'purchase'::regclass")
    assert {kind for kind, valid in states if valid} >= {"p", "f", "c"}
    assert set(loaded.seconds) == {
        "waiting", "definition", "rows", "constraints", "sequences", "statistics", "commit"
    }  # fmt: skip


def test_sequences_continue_after_the_loaded_rows(shop: Place) -> None:
    shop.load(customers([7, 41]), purchases([1000, 5], [7, 7]))

    execute(shop.target_url, "INSERT INTO customer (email) VALUES ('new')")
    execute(shop.target_url, "INSERT INTO purchase (customer_id) VALUES (42)")

    assert shop.query("SELECT max(id) FROM customer") == [(42,)]
    assert shop.query("SELECT max(id) FROM purchase") == [(1001,)]


def test_sequences_of_every_shape_continue(place: Callable[..., Place]) -> None:
    here = place("""
        CREATE SEQUENCE shared INCREMENT 10;
        CREATE TABLE a (id bigint PRIMARY KEY DEFAULT nextval('shared'));
        CREATE TABLE b (id bigint PRIMARY KEY DEFAULT nextval('shared'), small smallserial, down int);
        CREATE SEQUENCE "Down It" INCREMENT -1 START -1 OWNED BY b.down;
        ALTER TABLE b ALTER down SET DEFAULT nextval('"Down It"');
        CREATE TABLE empty (id serial PRIMARY KEY);
    """)
    here.load(batch("a", id=[500]), batch("b", id=[9], small=[32767], down=[-20]))

    assert here.query("SELECT nextval('shared'), nextval('\"Down It\"'), nextval('empty_id_seq')") == [(510, -21, 1)]
    assert here.query("SELECT last_value, is_called FROM b_small_seq") == [(32767, True)]


def test_tables_without_rows_are_created(shop: Place) -> None:
    assert shop.load().rows == {"customer": 0, "purchase": 0}
    assert shop.query("SELECT count(*) FROM purchase") == [(0,)]


def test_progress_is_told_for_each_batch_and_each_part(shop: Place) -> None:
    events: list[LoadEvent] = []
    shop.load(customers([1, 2]), customers([3], first_row=2, number=1), on_event=events.append)

    assert [(event.rows, event.total) for event in events if event.part == "rows"] == [(2, 10), (3, 10)]
    assert list(dict.fromkeys(event.part for event in events)) == [
        "definition", "rows", "constraints", "sequences", "statistics", "commit"
    ]  # fmt: skip
    assert "fk constraint purchase_customer_id_fkey of purchase" in [event.name for event in events]


def test_the_check_sees_the_loaded_target_before_it_is_committed(shop: Place) -> None:
    seen: list[Any] = []

    def check(connection: Connection) -> None:
        seen.append(connection.exec_driver_sql("SELECT count(*) FROM customer").scalar())
        seen.append(query(shop.target_url, "SELECT to_regclass('customer')")[0][0])

    shop.load(customers([1, 2]), check=check)

    assert seen == [2, None]


# ---- Nothing or all --------------------------------------------------------------------------------------------------


def _raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (purchases([1, 2], [1, 1], note=["ok", SECRET * 3]), "rows of purchase: value too long .*column note, row 2"),
        (purchases([1, 2], [1, 1], total=[SECRET, "1"]), "rows of purchase: .*column total, row 1, in batch 0"),
        (purchases([1, 2], [1, None]), "rows of purchase: .*NULL.*column customer_id, row 2"),
        (purchases([1, 2], [1, 1], total=["1", "-1"]), "rows of purchase: .*constraint purchase_total_check"),
        (purchases([1, 1], [1, 1]), r"adding constraint purchase_pkey of purchase: two rows have the same key"),
        (purchases([1, 2], [1, 77]), r"adding fk constraint purchase_customer_id_fkey of purchase: .*parent"),
    ],
    ids=["too-long", "not-a-number", "null", "check", "duplicate", "orphan"],
)  # fmt: skip
def test_a_refused_row_leaves_the_target_as_it_was(shop: Place, bad: Batch, expected: str) -> None:
    before = contents(shop.target_url)

    with pytest.raises(LoadError, match=expected) as raised:
        shop.load(customers([1, 2]), bad)

    assert "the target is as it was" in str(raised.value)
    assert SECRET not in str(raised.value)
    # Nor is a value in what --debug would print.
    assert raised.value.__suppress_context__
    assert contents(shop.target_url) == before


def test_a_definition_that_collides_leaves_the_target_as_it_was(place: Callable[..., Place]) -> None:
    here = place(SHOP, "CREATE TYPE mood AS ENUM ('other')")
    before = contents(here.target_url)

    with pytest.raises(LoadError, match='creating type mood: type "mood" already exists; the target is as it was'):
        here.load(customers([1]))

    assert contents(here.target_url) == before


@pytest.mark.parametrize("error", [VerifyError("orphans"), KeyboardInterrupt()], ids=["verification", "interrupt"])
def test_what_the_check_raises_undoes_the_load(shop: Place, error: BaseException) -> None:
    before = contents(shop.target_url)
    with pytest.raises(type(error)):
        shop.load(customers([1]), check=_raising(error))
    assert contents(shop.target_url) == before


@pytest.mark.parametrize("error", [ValueError("generation failed"), KeyboardInterrupt()], ids=["failure", "interrupt"])
def test_what_making_the_batches_raises_undoes_the_load(shop: Place, error: BaseException) -> None:
    def batches() -> Iterator[Batch]:
        yield customers(list(range(50_000)))
        raise error

    before = contents(shop.target_url)
    ddl = target_ddl(shop.source, shop.schema)
    state = prepare_target(shop.target, shop.schema)
    with pytest.raises(type(error)):
        load(shop.target, shop.plan, ddl, batches(), state=state)
    assert contents(shop.target_url) == before


def test_a_failed_load_does_not_even_move_the_sequences_of_an_existing_target(place: Callable[..., Place]) -> None:
    here = place(SHOP, SHOP + "INSERT INTO customer (email) VALUES ('x')")
    before = contents(here.target_url)

    with pytest.raises(VerifyError):
        here.load(customers([100]), on_existing="append", check=_raising(VerifyError("no")))

    assert contents(here.target_url) == before


def test_the_row_of_an_error_is_named_in_a_later_batch(shop: Place) -> None:
    good = customers(list(range(1000)))
    bad = batch("customer", 1, 1000, id=[1000, 1001], email=["a", "b"], mood=["sad", SECRET])
    with pytest.raises(LoadError, match=r"customer: invalid input value for enum .*row 1,002, in batch 1") as raised:
        shop.load(good, bad)
    assert SECRET not in str(raised.value)


def test_a_connection_lost_on_the_way_is_a_load_error(shop: Place) -> None:
    def batches() -> Iterator[Batch]:
        yield customers([1])
        execute(
            shop.target_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        for number in range(1, 20):
            yield customers(range(number * 100_000, (number + 1) * 100_000), number * 100_000, number)

    state = prepare_target(shop.target, shop.schema)
    with pytest.raises(LoadError, match="the target is as it was"):
        load(shop.target, shop.plan, target_ddl(shop.source, shop.schema), batches(), state=state)
    assert shop.query("SELECT to_regclass('customer')") == [(None,)]


# ---- Types -----------------------------------------------------------------------------------------------------------

INTERVAL = pa.month_day_nano_interval()
TEXTS = [
    "", None, "NULL", "\\N", "\\.", 'a "quote"', "a,b", "tab\t",
    "\\x41", "line\nbreak\r\n", " x ", "ünï→😀"
]  # fmt: skip
ROUND_TRIPS: list[tuple[str, pa.Array, list[str | None]]] = [
    ("boolean", pa.array([True, False, None]), ["true", "false", None]),
    ("bigint", pa.array([2**63 - 1, -(2**63), None]), ["9223372036854775807", "-9223372036854775808", None]),
    ("smallint", pa.array([32767, -32768, 0]), ["32767", "-32768", "0"]),
    ("numeric(30, 10)", pa.array(["12345678901234567890.0123456789"]), ["12345678901234567890.0123456789"]),
    ("numeric(8, 2)", pa.array([Decimal("1.10"), Decimal("-0.01"), None]), ["1.10", "-0.01", None]),
    ("numeric", pa.array(["NaN", "Infinity"]), ["NaN", "Infinity"]),
    ("float8", pa.array([0.1, -0.0, 1e300, float("nan"), float("inf"), float("-inf"), None]),
     ["0.1", "-0", "1e+300", "NaN", "Infinity", "-Infinity", None]),
    ("text", pa.array(TEXTS), TEXTS),
    ("text", pa.array(["above\n\\.\nbelow", "last"]), ["above\n\\.\nbelow", "last"]),
    ("text", pa.array(["a", None, "a", ""]).dictionary_encode(), ["a", None, "a", ""]),
    ("text", pa.array(["a", None], pa.large_string()), ["a", None]),
    ("text", pa.array(["a", None], pa.string_view()), ["a", None]),
    ("int", pa.array([5, None, 5]).dictionary_encode(), ["5", None, "5"]),
    ("date", pa.array([datetime.date(1, 1, 1), datetime.date(9999, 12, 31), None]), ["0001-01-01", "9999-12-31", None]),
    ("time", pa.array([86_399_999_999, 0, None], pa.time64("us")), ["23:59:59.999999", "00:00:00", None]),
    ("timestamp", pa.array([-999_999, None], pa.timestamp("us")), ["1969-12-31 23:59:59.000001", None]),
    ("timestamptz", pa.array([1_000_000, None]).cast(pa.timestamp("us", "UTC")), ["1970-01-01 00:00:01+00", None]),
    ("interval", pa.array([(0, 0, -1_500_000_000), (1, -2, 11_045_000_006_000), (0, 0, 0), None], INTERVAL),
     ["-00:00:01.5", "1 mon -2 days +03:04:05.000006", "00:00:00", None]),
    ("bytea", pa.array([b"\x00\xff,\"\n", b"", None]), ["\\x00ff2c220a", "\\x", None]),
    ("bytea", pa.array([b"ab", None], pa.binary(2)), ["\\x6162", None]),
    ("uuid", pa.array(["00000000-0000-4000-8000-000000000001", None]), ["00000000-0000-4000-8000-000000000001", None]),
    ("jsonb", pa.array(['{"a": [1, null, "x\\"y"]}', "null", None]), ['{"a": [1, null, "x\\"y"]}', "null", None]),
    ("text[]", pa.array(['{a,NULL,"NULL","q\\"",""}', "{}", None]), ['{a,NULL,"NULL","q\\"",""}', "{}", None]),
    ("int[]", pa.array(["{{1,2},{3,4}}", None]), ["{{1,2},{3,4}}", None]),
]  # fmt: skip


def test_every_type_arrives_as_it_was_sent(place: Callable[..., Place]) -> None:
    # One table each, of one column and in order of the physical rows: a NULL is an empty line there.
    here = place("".join(f"CREATE TABLE t{n} (v {kind});" for n, (kind, _, _) in enumerate(ROUND_TRIPS)))
    here.load(*(batch(f"t{n}", v=values) for n, (_, values, _) in enumerate(ROUND_TRIPS)))

    for n, (kind, values, expected) in enumerate(ROUND_TRIPS):
        found = [value for (value,) in here.query(f"SELECT v::text FROM t{n} ORDER BY ctid")]
        assert (kind, values.type, found) == (kind, values.type, expected)


def test_sliced_and_chunked_columns_arrive_whole(place: Callable[..., Place]) -> None:
    here = place("CREATE TABLE t (a int, b bytea, c interval)")
    values = pa.table(
        {
            "a": pa.chunked_array([[0, 1], [2, 3]]),
            "b": pa.chunked_array([[b"0", b"1"], [b"2", None]]),
            "c": pa.chunked_array([[(0, 0, 0), (0, 1, 0)], [(0, 2, 0), (0, 3, 0)]], INTERVAL),
        }
    ).slice(1)
    here.load(Batch(table=TableKey("t"), number=0, first_row=0, rows=values))

    rows = here.query("SELECT a, convert_from(b, 'UTF8'), c FROM t ORDER BY a")
    days = [datetime.timedelta(days=number) for number in range(4)]
    assert rows == [(1, "1", days[1]), (2, "2", days[2]), (3, None, days[3])]


def test_names_of_every_kind_are_quoted(place: Callable[..., Place]) -> None:
    here = place("""
        CREATE SCHEMA "Sales %";
        CREATE TABLE "Sales %"."the ""order"" lines" (
            "select" serial PRIMARY KEY, "a.b%s" text, "ü:x" int CHECK ("ü:x" % 2 = 0)
        );
    """)
    key = here.schema.tables[0].key
    here.load(Batch(table=key, number=0, first_row=0, rows=pa.table({"select": [1], "a.b%s": ["%"], "ü:x": [2]})))
    assert here.query('SELECT "select", "a.b%s", "ü:x" FROM "Sales %"."the ""order"" lines"') == [(1, "%", 2)]


# ---- Existing targets ------------------------------------------------------------------------------------------------


def test_rows_at_the_target_are_refused_with_three_ways_out(place: Callable[..., Place]) -> None:
    here = place(SHOP, SHOP + "INSERT INTO customer (email) VALUES ('x')")
    with pytest.raises(TargetError, match=r"1 of 2 tables: .*empty database.*truncate.*append") as raised:
        here.load(customers([1]))
    assert raised.value.details == ("customer has rows",)
    assert raised.value.exit_code == 5


def test_empty_tables_at_the_target_are_filled(place: Callable[..., Place]) -> None:
    here = place(SHOP, SHOP)
    here.load(customers([1, 2]), purchases([1, 2], [1, 2]))
    assert here.query("SELECT count(*) FROM purchase") == [(2,)]


def test_truncate_replaces_the_rows(place: Callable[..., Place]) -> None:
    rows = "INSERT INTO customer (id, email) VALUES (9, 'x'); INSERT INTO purchase (customer_id) VALUES (9)"
    here = place(SHOP, SHOP + rows)
    here.load(customers([1, 2]), purchases([5, 6], [1, 2]), on_existing="truncate")
    assert here.query("SELECT array_agg(id ORDER BY id) FROM customer") == [([1, 2],)]
    assert here.query("SELECT nextval('customer_id_seq'), nextval('purchase_id_seq')") == [(3, 7)]


def test_append_keeps_the_rows_and_says_where_keys_continue(place: Callable[..., Place]) -> None:
    here = place(SHOP, SHOP + "INSERT INTO customer (id, email) VALUES (9, 'x')")
    state = prepare_target(here.target, here.schema, "append")
    assert state.next_key == {"customer": 10, "purchase": 1}

    here.load(customers([10, 11]), purchases([1, 2], [9, 11]), on_existing="append")

    assert here.query("SELECT array_agg(id ORDER BY id) FROM customer") == [([9, 10, 11],)]
    assert here.query("SELECT nextval('customer_id_seq')") == [(12,)]


def test_live_constraints_of_an_existing_target_are_kept_and_named(place: Callable[..., Place]) -> None:
    here = place(SHOP, SHOP)
    before = contents(here.target_url)
    with pytest.raises(LoadError, match=r"rows of purchase: .*parent.*purchase_customer_id_fkey.*as it was"):
        here.load(customers([1]), purchases([1, 2], [1, 5]))
    with pytest.raises(LoadError, match=r"rows of customer: two rows have the same key .*customer_email_key"):
        here.load(batch("customer", id=[1, 2], email=[SECRET, SECRET], mood=[None, None]))
    assert contents(here.target_url) == before


def test_triggers_do_not_fire_and_are_enabled_as_they_were(place: Callable[..., Place]) -> None:
    triggers = """
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
        CREATE TRIGGER normal BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION fail();
        CREATE TRIGGER always BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION fail();
        CREATE TRIGGER never BEFORE INSERT ON customer FOR EACH ROW EXECUTE FUNCTION fail();
        ALTER TABLE customer ENABLE ALWAYS TRIGGER always;
        ALTER TABLE customer DISABLE TRIGGER never;
    """
    here = place(SHOP, SHOP + triggers)
    here.load(customers([1]))
    states = here.query("SELECT tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1")
    assert states == [("always", "A"), ("never", "D"), ("normal", "O")]
    assert here.query("SELECT count(*) FROM customer") == [(1,)]


def test_a_target_with_some_of_the_tables_is_refused(place: Callable[..., Place]) -> None:
    here = place(SHOP, "CREATE TABLE customer (id int)")
    with pytest.raises(TargetError, match="1 of 2 tables") as raised:
        here.load(customers([1]))
    assert raised.value.details == ("purchase is missing", "customer is there")


def test_columns_that_cannot_take_the_rows_are_named(place: Callable[..., Place]) -> None:
    here = place(
        "CREATE TYPE m AS ENUM ('a', 'b'); CREATE TABLE t (gone int, kind text, length varchar(20), width bigint, "
        "required int, made int, label m, same int, wider smallint, looser int NOT NULL)",
        "CREATE TYPE m AS ENUM ('a'); CREATE TABLE t (kind int, length varchar(10), width int, required int NOT NULL, "
        "made int GENERATED ALWAYS AS (1) STORED, label m, same int, wider int, looser int, extra int NOT NULL, "
        "filled int NOT NULL DEFAULT 1)",
    )
    with pytest.raises(TargetError, match=r"8 differences") as raised:
        prepare_target(here.target, here.schema)
    assert raised.value.details == (
        "t.gone: the target has no such column",
        "t.kind: text at the source, integer at the target",
        "t.length: character varying(20) at the source is longer than character varying(10) at the target",
        "t.width: bigint at the source is wider than integer at the target",
        "t.required: NULL at the source, NOT NULL at the target",
        "t.made: the target generates this column",
        "t.label: the target's type m lacks 1 of 2 values",
        "t.extra: the source has no such column, and it is NOT NULL without a default",
    )


def test_truncate_is_refused_when_another_table_refers_to_the_rows(place: Callable[..., Place]) -> None:
    audit = "CREATE TABLE audit (customer_id int REFERENCES customer)"
    here = place(SHOP, SHOP + audit)
    with pytest.raises(TargetError, match="other tables of the target refer") as raised:
        here.load(customers([1]), on_existing="truncate")
    assert raised.value.details == ("audit (audit_customer_id_fkey)",)


def test_a_target_that_is_the_source_is_recognised_under_another_url(database: str) -> None:
    again = database + ("&" if "?" in database else "?") + "sslmode=disable"
    with open_database(database) as one, open_database(again) as two:
        assert same_database(one, two)


def test_two_databases_of_one_server_are_not_the_same(place: Callable[..., Place]) -> None:
    here = place("CREATE TABLE t (a int)")
    assert not same_database(here.source, here.target)


def test_a_new_target_without_a_definition_is_refused(shop: Place) -> None:
    state = prepare_target(shop.target, shop.schema)
    with pytest.raises(TargetError, match="no definition"):
        load(shop.target, shop.plan, None, [], state=state)


# ---- Cycles ----------------------------------------------------------------------------------------------------------

CYCLES = {
    "nullable": "int",
    "deferrable": "int NOT NULL",
    "hard": "int NOT NULL",
}


def _cycle(kind: str) -> str:
    deferrable = "DEFERRABLE" if kind == "deferrable" else ""
    return f"""
        CREATE TABLE staff (id int PRIMARY KEY, store_id {CYCLES[kind]}, boss_id int REFERENCES staff, name text);
        CREATE TABLE store (
            id int PRIMARY KEY, manager_id {CYCLES[kind]} CONSTRAINT manager REFERENCES staff {deferrable}
        );
        ALTER TABLE staff ADD CONSTRAINT works_at FOREIGN KEY (store_id) REFERENCES store {deferrable};
    """


@pytest.mark.parametrize("existing", [False, True], ids=["new", "existing"])
@pytest.mark.parametrize("kind", CYCLES)
def test_cycles_load_however_their_keys_are(place: Callable[..., Place], kind: str, existing: bool) -> None:
    here = place(_cycle(kind), _cycle(kind) if existing else "")
    before = query(here.source_url, "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1")

    loaded = here.load(
        batch("staff", id=[1, 2], store_id=[10, 20], boss_id=[None, 1], name=["a", "b"]),
        batch("staff", 1, 2, id=[3], store_id=[10], boss_id=[2], name=["c"]),
        batch("store", id=[10, 20], manager_id=[3, 1]),
    )

    assert loaded.rows == {"staff": 3, "store": 2}
    assert here.query("SELECT id, store_id, boss_id FROM staff ORDER BY id") == [(1, 10, None), (2, 20, 1), (3, 10, 2)]
    assert here.query("SELECT id, manager_id FROM store ORDER BY id") == [(10, 3), (20, 1)]
    assert here.query("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1") == before
    assert here.query("SELECT count(*) FROM pg_constraint WHERE NOT convalidated") == [(0,)]


@pytest.mark.parametrize("kind", CYCLES)
def test_an_orphan_in_a_cycle_of_an_existing_target_leaves_it_as_it_was(place: Callable[..., Place], kind: str) -> None:
    here = place(_cycle(kind), _cycle(kind))
    before = contents(here.target_url)
    with pytest.raises(LoadError, match=r"constraint (manager|works_at) of .*as it was"):
        here.load(
            batch("staff", id=[1], store_id=[77], boss_id=[None], name=["a"]),
            batch("store", id=[10], manager_id=[99]),
        )
    assert contents(here.target_url) == before


def test_a_cycle_through_a_table_without_a_key_is_loaded_by_suspending_it(place: Callable[..., Place]) -> None:
    ddl = """
        CREATE TABLE a (id int UNIQUE, b_id int);
        CREATE TABLE b (id int UNIQUE, a_id int NOT NULL REFERENCES a (id));
        ALTER TABLE a ADD CONSTRAINT onward FOREIGN KEY (b_id) REFERENCES b (id);
    """
    here = place(ddl, ddl)
    here.load(batch("a", id=[1, 2], b_id=[5, 5]), batch("b", id=[5], a_id=[2]))
    assert here.query("SELECT id, b_id FROM a ORDER BY id") == [(1, 5), (2, 5)]
    assert here.query("SELECT convalidated FROM pg_constraint WHERE conname = 'onward'") == [(True,)]


def test_a_suspended_key_is_found_by_its_columns_under_another_name(place: Callable[..., Place]) -> None:
    here = place(_cycle("hard"), _cycle("hard").replace("works_at", "other_name").replace("CONSTRAINT manager", ""))
    assert any(isinstance(step, Suspend) for step in here.plan.steps)
    here.load(
        batch("staff", id=[1], store_id=[10], boss_id=[None], name=["a"]), batch("store", id=[10], manager_id=[1])
    )
    names = here.query("SELECT conname FROM pg_constraint WHERE contype = 'f' ORDER BY 1")
    assert names == [("other_name",), ("staff_boss_id_fkey",), ("store_manager_id_fkey",)]


def test_partitions_are_routed_and_inheriting_tables_loaded_apart(place: Callable[..., Place]) -> None:
    here = place("""
        CREATE TABLE event (id int, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
        CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
        CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
        CREATE TABLE person (id int PRIMARY KEY, name text);
        CREATE TABLE pupil (school text) INHERITS (person);
    """)
    days = pa.array([datetime.date(2020, 5, 1), datetime.date(2021, 5, 1)], pa.date32())
    here.load(
        batch("event", id=[1, 2], day=days),
        batch("person", id=[1], name=["a"]),
        batch("pupil", id=[1], name=["b"], school=["s"]),
    )
    counts = "SELECT (SELECT count(*) FROM event_1), (SELECT count(*) FROM ONLY person), (SELECT count(*) FROM pupil)"
    assert here.query(counts) == [(1, 1, 1)]
    # The same again over what is there: TRUNCATE and triggers reach partitions, not heirs.
    here.load(batch("event", id=[1, 2], day=days), on_existing="truncate")
    assert here.query("SELECT count(*) FROM event") == [(2,)]
