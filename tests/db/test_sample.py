"""Sampling: closed, bounded, repeatable, and with every child of the parents it says it has."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql
from sqlalchemy import make_url, text

from dbclone.db.connect import open_database
from dbclone.db.reflect import reflect_schema
from dbclone.db.sample import count_rows, take_sample
from dbclone.errors import ConnectError
from dbclone.model.flow import FanOut, Sample
from dbclone.model.literals import text_of
from dbclone.schema.graph import Edge, edges
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Plan, PlanOptions, make_plan

Row = tuple[object, ...]


def execute(database: str, *statements: str) -> None:
    with open_database(database) as opened, opened.engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def sampled(database: str, *statements: str, rows: int = 20_000, seed: int = 1) -> tuple[Plan, Sample]:
    execute(database, *statements)
    with open_database(database) as opened, opened.snapshot() as snapshot:
        schema = without_unknown_types(reflect_schema(snapshot, opened.dialect))
        counts = count_rows(snapshot, opened.dialect, schema)
        plan = make_plan(schema, counts, PlanOptions(sample_rows=rows))
        return plan, take_sample(snapshot, opened.dialect, plan, seed=seed)


def without_unknown_types(schema: Schema) -> Schema:
    """Return the schema with columns of kind ``other`` nullable: whether they can be cloned is not in question here."""
    return replace(
        schema,
        tables=tuple(
            replace(t, columns=tuple(replace(c, nullable=True) if c.kind == "other" else c for c in t.columns))
            for t in schema.tables
        ),
    )


def values(sample: Sample, table: str, columns: Sequence[str]) -> list[Row]:
    rows = sample.tables[TableKey(table)].rows
    return list(zip(*(rows[name].to_pylist() for name in columns), strict=True))


def references(sample: Sample, edge: Edge) -> Counter[Row]:
    rows = values(sample, edge.child, edge.foreign_key.columns)
    return Counter(row for row in rows if None not in row)


def parents(sample: Sample, edge: Edge) -> list[Row]:
    return values(sample, edge.parent, edge.foreign_key.parent_columns)


def orphans(plan: Plan, sample: Sample) -> int:
    return sum(len(set(references(sample, e)) - set(parents(sample, e))) for e in edges(plan.schema))


def check(database: str, plan: Plan, sample: Sample) -> None:
    """Assert all that :class:`Sample`, :class:`FanOut` and the plan's bounds promise, against the source itself."""
    assert orphans(plan, sample) == 0
    for table in plan.tables:
        assert sample.tables[table.table].rows.num_rows <= table.sample_rows
        assert len(sample.tables[table.table].base) == sample.tables[table.table].rows.num_rows
        if table.source_rows <= table.sample_rows:
            continue
        assert sample.tables[table.table].base.any()
    for edge in edges(plan.schema):
        if not plan.table(edge.child).source_rows or not plan.table(edge.parent).source_rows:
            continue
        fan_out = sample.fan_out(edge.child, edge.foreign_key.name)
        in_source = children_in_source(database, plan, edge)
        in_sample = references(sample, edge)
        keys = parents(sample, edge)
        assert fan_out.counts.tolist() == [in_source[key] for key in keys]
        for key, count, complete in zip(keys, fan_out.counts, fan_out.complete, strict=True):
            assert in_sample[key] <= count
            assert not complete or in_sample[key] >= min(count, fan_out.cap)


def children_in_source(database: str, plan: Plan, edge: Edge) -> Counter[Row]:
    table = plan.schema.table(edge.child)
    columns = sql.SQL(", ").join(map(sql.Identifier, edge.foreign_key.columns))
    query = sql.SQL("SELECT {}, count(*) FROM {} GROUP BY {}").format(
        columns, sql.Identifier(table.schema or "", table.name), columns
    )
    with psycopg.connect(make_url(database).set(drivername="postgresql").render_as_string(False)) as connection:
        return Counter({tuple(row[:-1]): row[-1] for row in connection.execute(query)})


SHOP = (
    "CREATE TABLE customer (id int PRIMARY KEY, name text)",
    'CREATE TABLE product (id bigint PRIMARY KEY, "unit price" numeric(10,2))',
    'CREATE TABLE "Order" (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer, placed date)',
    """CREATE TABLE "order line" ("order" int REFERENCES "Order", "line no." int, product bigint NOT NULL
         REFERENCES product, gift_for int REFERENCES customer, PRIMARY KEY ("order", "line no."))""",
    """CREATE TABLE "return" (id serial PRIMARY KEY, "order" int, line int,
         FOREIGN KEY ("order", line) REFERENCES "order line" ("order", "line no."))""",
    "INSERT INTO customer SELECT n, 'c' || n FROM generate_series(1, 300) n",
    "INSERT INTO product SELECT n, n / 7.0 FROM generate_series(1, 2000) n",
    # Customer 1 has 500 orders, the others 0 to 6.
    """INSERT INTO "Order" SELECT row_number() OVER (), c, date '2024-01-01' + c
         FROM generate_series(1, 300) c, generate_series(1, CASE WHEN c = 1 THEN 500 ELSE c % 7 END)""",
    """INSERT INTO "order line" SELECT o.id, l, 1 + (o.id * 37 + l * 91) % 2000,
         CASE WHEN o.id % 5 = 0 THEN 1 + o.id % 300 END FROM "Order" o, generate_series(1, 1 + o.id % 4) l""",
    """INSERT INTO "return" ("order", line) SELECT CASE WHEN "order" % 3 > 0 THEN "order" END, "line no."
         FROM "order line" WHERE "order" % 4 = 1""",
)  # fmt: skip


def test_a_small_database_is_sampled_whole(database: str) -> None:
    plan, sample = sampled(database, *SHOP)
    check(database, plan, sample)
    assert {key: t.rows.num_rows for key, t in sample.tables.items()} == dict(sample.source_rows)
    assert all(table.base.all() for table in sample.tables.values())
    assert all(fan_out.complete.all() for fan_out in sample.fan_outs)


@pytest.mark.parametrize("rows", [1000, 200, 40])
def test_a_bounded_sample_is_closed_and_counted(database: str, rows: int) -> None:
    plan, sample = sampled(database, *SHOP, rows=rows)
    check(database, plan, sample)
    by_customer = sample.fan_out(TableKey("Order"), "Order_customer_fkey")
    assert by_customer.complete.sum() >= 5
    assert 0 in by_customer.counts, "childless parents are part of the fan-out"


def test_the_same_seed_gives_the_same_sample_and_another_seed_another(database: str) -> None:
    _, first = sampled(database, *SHOP, rows=150)
    _, again = sampled(database, rows=150)
    _, other = sampled(database, rows=150, seed=2)
    assert all(first.tables[key].rows.equals(again.tables[key].rows) for key in first.tables)
    assert not first.tables[TableKey("product")].rows.equals(other.tables[TableKey("product")].rows)


def test_a_giant_parent_is_capped_and_its_children_are_still_counted(database: str) -> None:
    _, sample = sampled(
        database,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (id serial PRIMARY KEY, p int NOT NULL REFERENCES p)",
        "INSERT INTO p SELECT n FROM generate_series(1, 150) n",
        "INSERT INTO c (p) SELECT id FROM p, generate_series(1, CASE WHEN id = 7 THEN 20000 ELSE 5 END)",
        rows=1000,
    )
    fan_out = sample.fan_out(TableKey("c"), "c_p_fkey")
    giant = [row["id"] for row in sample.tables[TableKey("p")].rows.to_pylist()].index(7)
    assert fan_out.counts[giant] == 20_000
    assert fan_out.complete.all()
    assert sample.tables[TableKey("c")].rows["p"].to_pylist().count(7) == fan_out.cap
    assert 20 <= fan_out.cap <= 1000 - 149 * 5


def test_rows_without_a_parent_keep_their_share(database: str) -> None:
    _, sample = sampled(
        database,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (id serial PRIMARY KEY, p int REFERENCES p)",
        "INSERT INTO p SELECT n FROM generate_series(1, 3000) n",
        "INSERT INTO c (p) SELECT CASE WHEN n % 4 > 0 THEN 1 + n % 3000 END FROM generate_series(1, 12000) n",
        rows=1000,
    )
    assert sample.null_references == {(TableKey("c"), "c_p_fkey"): 3000}
    found = sample.tables[TableKey("c")].rows["p"].to_pylist()
    assert 0.22 < found.count(None) / len(found) < 0.28
    assert len(found) > 900


def test_few_children_of_many_parents_are_found_all_the_same(database: str) -> None:
    plan, sample = sampled(
        database,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (p int PRIMARY KEY REFERENCES p)",
        "INSERT INTO p SELECT n FROM generate_series(1, 50000) n",
        "INSERT INTO c SELECT n FROM generate_series(10, 50000, 10) n",
        rows=500,
    )
    check(database, plan, sample)
    assert sample.tables[TableKey("c")].rows.num_rows > 200


def test_a_tree_is_closed_up_to_its_root(database: str) -> None:
    plan, sample = sampled(
        database,
        "CREATE TABLE node (id int PRIMARY KEY, parent int REFERENCES node)",
        "INSERT INTO node SELECT n, CASE WHEN n > 1 THEN n / 2 END FROM generate_series(1, 20000) n",
        rows=2000,
    )
    check(database, plan, sample)
    table = sample.tables[TableKey("node")]
    assert table.rows.filter(pa.array(~table.base)).num_rows > 100
    assert [row for row in values(sample, "node", ("id", "parent")) if row[1] is None] == [(1, None)]
    assert table.base.sum() > 100


def test_a_chain_too_long_for_the_sample_is_cut(database: str) -> None:
    plan, sample = sampled(
        database,
        "CREATE TABLE version (id int PRIMARY KEY, previous int REFERENCES version)",
        "INSERT INTO version SELECT n, nullif(n - 1, 0) FROM generate_series(1, 20000) n",
        rows=1000,
    )
    check(database, plan, sample)
    assert sample.tables[TableKey("version")].rows.num_rows > 500


def test_a_cycle_that_no_order_can_load_is_sampled(database: str) -> None:
    plan, sample = sampled(
        database,
        "CREATE TABLE staff (id int PRIMARY KEY, store int NOT NULL)",
        "CREATE TABLE store (id int PRIMARY KEY, manager int NOT NULL UNIQUE)",
        "INSERT INTO store SELECT n, n * 10 FROM generate_series(1, 400) n",
        "INSERT INTO staff SELECT n, 1 + n % 400 FROM generate_series(1, 5000) n",
        "ALTER TABLE staff ADD FOREIGN KEY (store) REFERENCES store",
        "ALTER TABLE store ADD FOREIGN KEY (manager) REFERENCES staff",
        rows=300,
    )
    check(database, plan, sample)


def test_of_a_huge_table_whole_pages_are_drawn(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbclone.db.dialects.postgresql.reading.SYSTEM_SAMPLE_ROWS", 10_000)
    plan, sample = sampled(
        database,
        "CREATE TABLE event (id int PRIMARY KEY, size float)",
        "INSERT INTO event SELECT n, n / 3.0 FROM generate_series(1, 100000) n",
        rows=2000,
    )
    check(database, plan, sample)
    assert sample.tables[TableKey("event")].rows.num_rows == 2000


def test_documents_are_cut_before_they_fill_the_memory(database: str) -> None:
    _, sample = sampled(
        database,
        "CREATE TABLE document (body text, scan bytea)",
        "INSERT INTO document VALUES (repeat('é', 1000000), decode(repeat('00', 1000000), 'hex'))",
    )
    ((body, scan),) = values(sample, "document", ("body", "scan"))
    assert isinstance(body, str)
    assert isinstance(scan, bytes)
    assert (len(body), len(scan)) == (65_536, 65_536)


def test_orphans_of_a_dirty_source_do_not_stop_it(database: str) -> None:
    dirty = (
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (id serial PRIMARY KEY, p bigint)",
        "INSERT INTO p SELECT n FROM generate_series(1, 900) n",
        # Far beyond what the parent's type can hold, too.
        "INSERT INTO c (p) SELECT CASE WHEN n % 50 = 0 THEN 5000000000 + n ELSE 1 + n % 900 END"
        " FROM generate_series(1, 9000) n",
        "ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p NOT VALID",
    )
    _, sample = sampled(database, *dirty, rows=700)
    real = {row for row in values(sample, "c", ("p",)) if row < (5_000_000_000,)}
    assert real
    assert real <= set(values(sample, "p", ("id",)))
    whole_plan, whole = sampled(database)
    assert whole.tables[TableKey("c")].rows.num_rows == whole_plan.table(TableKey("c")).source_rows
    assert whole.fan_out(TableKey("c"), "c_p_fkey").counts.sum() == 9000 - 180


KEY_TYPES = {
    "text": "'k''\"\\,{}' || n || chr(10) || 'é'",
    "varchar(40)": "'NULL' || n",
    "character(8)": "'k' || n",
    "uuid": "md5(n::text)::uuid",
    "numeric(12,3)": "n / 8.0",
    "double precision": "n / 3.0",
    "date": "date '1999-12-31' + n",
    "timestamp": "timestamp '2001-02-03 04:05:06.000007' + n * interval '1 day 1 microsecond'",
    "timestamptz": "timestamptz '2001-02-03 04:05:06.000007+02' + n * interval '1 day'",
    "bytea": "decode(md5(n::text), 'hex')",
    "boolean": "n > 1",
    "smallint": "n - 3",
}


@pytest.mark.parametrize("kind", KEY_TYPES)
def test_keys_of_any_type_find_their_parents(database: str, kind: str) -> None:
    total = 2 if kind == "boolean" else 600
    plan, sample = sampled(
        database,
        f"CREATE TABLE p (k {kind}, number int, PRIMARY KEY (k, number))",
        f"CREATE TABLE c (id serial PRIMARY KEY, k {kind}, number int, FOREIGN KEY (k, number) REFERENCES p)",
        f"INSERT INTO p SELECT {KEY_TYPES[kind]}, n FROM generate_series(1, {total}) n",
        f"INSERT INTO c (k, number) SELECT k, number FROM p, generate_series(1, {1800 // total})",
        rows=200,
    )
    assert orphans(plan, sample) == 0
    fan_out = sample.fan_out(TableKey("c"), "c_k_number_fkey")
    assert set(fan_out.counts.tolist()) == {1800 // total}
    assert fan_out.complete.any()


def test_keys_whose_types_differ_find_their_parents(database: str) -> None:
    plan, sample = sampled(
        database,
        "CREATE TABLE p (id numeric(10,2) PRIMARY KEY)",
        "CREATE TABLE c (id serial PRIMARY KEY, p int REFERENCES p)",
        "INSERT INTO p SELECT n FROM generate_series(1, 600) n",
        "INSERT INTO c (p) SELECT 1 + n % 600 FROM generate_series(1, 1800) n",
        rows=200,
    )
    assert sample.tables[TableKey("c")].rows.num_rows > 100
    assert set(sample.fan_out(TableKey("c"), "c_p_fkey").counts.tolist()) == {3}
    ids = {str(int(float(row[0]))) for row in values(sample, "p", ("id",))}  # type: ignore[arg-type]
    assert {str(row[0]) for row in values(sample, "c", ("p",))} <= ids
    assert plan.table(TableKey("p")).sample_rows == 200


def test_keys_that_are_not_sampled_are_not_counted(database: str) -> None:
    _, sample = sampled(
        database,
        "CREATE TABLE p (address pg_lsn PRIMARY KEY)",
        "CREATE TABLE c (address pg_lsn REFERENCES p, name text)",
        "INSERT INTO p VALUES ('16/B374D848')",
        "INSERT INTO c VALUES ('16/B374D848', 'x'), (NULL, 'y')",
    )
    assert sample.tables[TableKey("c")].rows.column_names == ["name"]
    assert sample.null_references[TableKey("c"), "c_address_fkey"] == 1
    fan_out: FanOut = sample.fan_out(TableKey("c"), "c_address_fkey")
    assert set(fan_out.counts.tolist()) <= {-1}
    assert not fan_out.complete.any()


def test_partitions_are_read_through_their_table_and_heirs_are_not(database: str) -> None:
    plan, sample = sampled(
        database,
        "CREATE TABLE customer (id int PRIMARY KEY)",
        "CREATE TABLE payment (id int, customer int NOT NULL REFERENCES customer, PRIMARY KEY (id))"
        " PARTITION BY HASH (id)",
        "CREATE TABLE payment_0 PARTITION OF payment FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE payment_1 PARTITION OF payment FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "CREATE TABLE base (id int)",
        "CREATE TABLE heir (extra int) INHERITS (base)",
        "INSERT INTO customer SELECT n FROM generate_series(1, 200) n",
        "INSERT INTO payment SELECT n, 1 + n % 200 FROM generate_series(1, 4000) n",
        "INSERT INTO base SELECT n FROM generate_series(1, 7) n",
        "INSERT INTO heir SELECT n, n FROM generate_series(1, 50) n",
        rows=500,
    )
    check(database, plan, sample)
    assert sample.source_rows[TableKey("payment")] == 4000
    assert {row["id"] % 2 for row in sample.tables[TableKey("payment")].rows.to_pylist()} == {0, 1}
    assert (sample.source_rows[TableKey("base")], sample.source_rows[TableKey("heir")]) == (7, 50)
    assert sample.tables[TableKey("base")].rows.num_rows == 7


def test_values_arrive_as_they_are(database: str) -> None:
    utc = dt.timezone.utc
    expected = {
        "flag boolean": [("true", True), ("false", False)],
        "whole bigint": [("-9223372036854775808", -(2**63))],
        "price numeric": [("123456789012345678901234567890.10", "123456789012345678901234567890.10")],
        "cash money": [("1234.5", "1234.50")],
        "share double precision": [("0.1", 0.1), ("'-Infinity'", float("-inf"))],
        "note text": [("''", ""), ("'a\"b,c\nd\\n\\.'", 'a"b,c\nd\\n\\.'), ("'🐘 NULL'", "🐘 NULL")],
        "code character(5)": [("'ab'", "ab")],
        "day date": [("'2024-02-29'", dt.date(2024, 2, 29)), ("'infinity'", "infinity"),
                     ("'0044-03-15 BC'", "0044-03-15 BC")],
        "clock time": [("'23:59:59.5'", dt.time(23, 59, 59, 500_000)), ("'24:00'", dt.time(23, 59, 59, 999_999))],
        "zoned timetz": [("'12:30+05'", dt.time(7, 30))],
        "moment timestamp": [("'1969-07-20 20:17:40.000001'", dt.datetime(1969, 7, 20, 20, 17, 40, 1)),  # noqa: DTZ001
                             ("'-infinity'", "-infinity")],
        "instant timestamptz": [("'2024-01-01 01:00+02'", dt.datetime(2023, 12, 31, 23, tzinfo=utc)),
                                ("'12024-01-01 00:00Z'", "12024-01-01 00:00:00.000000+00")],
        "span interval": [("'1 year -2 days 26:00'", "+12 mons -2 days +26:00:00.000000"),
                          ("'-3 seconds'", "+0 mons +0 days -00:00:03.000000")],
        "ident uuid": [("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")],
        "blob bytea": [(r"'\x00ff5c0a'", b"\x00\xff\\\n"), ("''", b"")],
        "document jsonb": [("""'{"a": [1, null]}'""", '{"a": [1, null]}')],
        "list int[]": [("'{1,NULL,3}'", "{1,NULL,3}")],
    }  # fmt: skip
    names = [declared.split()[0] for declared in expected]
    statements = [f"CREATE TABLE t ({', '.join(expected)})", "INSERT INTO t DEFAULT VALUES"]
    for name, pairs in zip(names, expected.values(), strict=True):
        statements += [f"INSERT INTO t ({name}) VALUES ({literal})" for literal, _ in pairs]
    _, sample = sampled(database, *statements)
    rows = sample.tables[TableKey("t")].rows
    row = 1
    for name, pairs in zip(names, expected.values(), strict=True):
        found, texts = rows[name].combine_chunks(), text_of(rows[name].combine_chunks()).to_pylist()
        for at, (_, value) in enumerate(pairs, start=row):
            # As text where Python has no value for it.
            assert value == (texts[at] if isinstance(value, str) else found[at].as_py())
        assert texts[0] is None, "NULL is not the empty string"
        row += len(pairs)
    assert rows.schema.field("span").type == pa.month_day_nano_interval()
    assert rows.schema.field("instant").type == pa.timestamp("us", "UTC")


def test_empty_tables_and_tables_of_one_column_are_sampled(database: str) -> None:
    plan, sample = sampled(
        database,
        "CREATE TABLE word (w text)",
        "INSERT INTO word VALUES (NULL), (''), ('x')",
        "CREATE TABLE nothing (id int PRIMARY KEY, word text)",
        "CREATE TABLE of_nothing (id int REFERENCES nothing)",
    )
    assert sample.tables[TableKey("word")].rows["w"].to_pylist() == [None, "", "x"]
    assert sample.tables[TableKey("nothing")].rows.schema.names == ["id", "word"]
    assert sample.fan_outs == ()
    assert orphans(plan, sample) == 0


@pytest.fixture
def reader(database: str) -> Iterator[str]:
    """The URL of a role that may read all tables of the shop but two."""
    execute(database, *SHOP)
    role = f"dbclone_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(make_url(database).set(drivername="postgresql").render_as_string(False)) as owner:
        owner.autocommit = True
        name = sql.Identifier(role)
        owner.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        owner.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}").format(name))
        owner.execute(sql.SQL('REVOKE SELECT ON product, "order line" FROM {}').format(name))
        yield make_url(database).set(username=role).render_as_string(False)
        owner.execute(sql.SQL("DROP OWNED BY {}").format(name))
        owner.execute(sql.SQL("DROP ROLE {}").format(name))


def test_missing_rights_are_one_error_that_names_the_tables_and_the_grant(database: str, reader: str) -> None:
    with open_database(reader) as opened:
        with opened.snapshot() as snapshot:
            schema = reflect_schema(snapshot, opened.dialect)
            with pytest.raises(ConnectError, match=r'2 tables: "order line", product') as caught:
                count_rows(snapshot, opened.dialect, schema)
        grant = caught.value.details[-1]
        assert 'GRANT SELECT ON "public"."order line", "public"."product" TO' in grant
        with open_database(database) as owner, owner.engine.begin() as connection:
            connection.execute(text(grant))
        with opened.snapshot() as snapshot:
            assert count_rows(snapshot, opened.dialect, schema)[TableKey("product")] == 2000
            plan = make_plan(schema, count_rows(snapshot, opened.dialect, schema), PlanOptions(sample_rows=100))
            sample = take_sample(snapshot, opened.dialect, plan, seed=3)
    assert orphans(plan, sample) == 0
