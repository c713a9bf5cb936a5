"""Reflection: what a live PostgreSQL declares is in the Schema, exactly and quickly."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from dbclone.db.connect import open_database
from dbclone.db.reflect import reflect_schema, select_tables
from dbclone.errors import ConfigurationError
from dbclone.schema.model import Column, ForeignKey, Schema, Table, TableKey, UniqueKey


def reflect(database: str, *statements: str) -> Schema:
    with open_database(database) as opened:
        with opened.engine.begin() as connection:
            for statement in statements:
                # As it is: colons and percent signs in a name mean themselves.
                connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        with opened.snapshot() as snapshot:
            return reflect_schema(snapshot, opened.dialect)


def column(schema: Schema, table: str, name: str) -> Column:
    return schema.table(TableKey(table)).column(name)


TYPES = {
    "boolean": ("boolean", {}),
    "smallint": ("integer", {"bytes": 2}),
    "integer": ("integer", {"bytes": 4}),
    "bigint": ("integer", {"bytes": 8}),
    "numeric": ("decimal", {"precision": None, "scale": None}),
    "numeric(10,2)": ("decimal", {"precision": 10, "scale": 2}),
    "money": ("decimal", {"scale": 2}),
    "real": ("float", {"bytes": 4}),
    "double precision": ("float", {"bytes": 8}),
    "text": ("text", {"length": None}),
    "character varying(20)": ("text", {"length": 20}),
    "character(5)": ("text", {"length": 5}),
    "name": ("text", {"length": 63}),
    "date": ("date", {}),
    "time without time zone": ("time", {}),
    "timestamp(3) without time zone": ("timestamp", {}),
    "timestamp with time zone": ("timestamptz", {}),
    "interval": ("interval", {}),
    "uuid": ("uuid", {}),
    "bytea": ("binary", {}),
    "jsonb": ("json", {}),
    "integer[]": ("array", {}),
    "mood": ("enum", {"enum_values": ("sad", "ok", "happy")}),
    "character varying(4)[]": (
        "array",
        {"parts": (Column(name="v", type="character varying(4)", kind="text", length=4),)},
    ),
    "int4range": ("range", {"parts": (Column(name="v", type="integer", kind="integer", bytes=4),)}),
    "inet": ("network", {}),
    "bit varying(5)": ("bits", {"length": 5}),
    "xml": ("xml", {}),
    "tsvector": ("search", {}),
    "polygon": ("geometry", {}),
    "regclass": ("other", {}),
    "oidvector": ("other", {}),
}


def test_every_type_has_a_kind_and_its_measures(database: str) -> None:
    columns = ", ".join(f"c{number} {kind}" for number, kind in enumerate(TYPES))
    schema = reflect(database, "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')", f"CREATE TABLE t ({columns})")
    for number, (declared, (kind, measures)) in enumerate(TYPES.items()):
        found = column(schema, "t", f"c{number}")
        assert (found.type, found.kind) == (declared, kind)
        described = dataclasses.replace(found, parts=tuple(dataclasses.replace(p, name="v") for p in found.parts))
        assert {name: getattr(described, name) for name in measures} == measures


def test_a_domain_is_its_base_type_with_what_it_demands(database: str) -> None:
    schema = reflect(
        database,
        "CREATE DOMAIN positive AS numeric(8,2) CHECK (VALUE > 0)",
        """CREATE DOMAIN "Price" AS positive NOT NULL CHECK (VALUE::text <> 'VALUE')""",
        'CREATE TABLE item ("list price" "Price", old positive)',
    )
    item = schema.table(TableKey("item"))
    price = item.column("list price")
    assert (price.type, price.kind, price.precision, price.scale) == ("numeric(8,2)", "decimal", 8, 2)
    assert (price.nullable, price.domain) == (False, '"Price"')
    assert item.column("old").nullable
    conditions = sorted(check.expression for check in item.checks if check.columns == ("list price",))
    assert conditions == ['("list price" > (0)::numeric)', """(("list price")::text <> 'VALUE'::text)"""]


def test_keys_keep_every_property(database: str) -> None:
    schema = reflect(
        database,
        "CREATE TABLE parent (a int, b int, c text, PRIMARY KEY (b, a), CONSTRAINT parent_c UNIQUE (c))",
        """CREATE TABLE child (x int, y int, z text,
             CONSTRAINT child_parent FOREIGN KEY (y, x) REFERENCES parent (b, a) MATCH FULL ON DELETE SET NULL
               DEFERRABLE INITIALLY DEFERRED)""",
        "ALTER TABLE child ADD CONSTRAINT child_c FOREIGN KEY (z) REFERENCES parent (c) NOT VALID",
    )
    assert schema.table(TableKey("parent")).primary_key == ("b", "a")
    assert schema.table(TableKey("child")).foreign_keys == (
        ForeignKey(
            name="child_c",
            columns=("z",),
            parent=TableKey("parent"),
            parent_columns=("c",),
            validated=False,
        ),
        ForeignKey(
            name="child_parent",
            columns=("y", "x"),
            parent=TableKey("parent"),
            parent_columns=("b", "a"),
            deferrable=True,
            initially_deferred=True,
            match_full=True,
            on_delete="SET NULL",
        ),
    )


def test_unique_keys_keep_predicates_and_expressions(database: str) -> None:
    schema = reflect(
        database,
        "CREATE TABLE account (id int, mail text, gone boolean, CONSTRAINT by_id UNIQUE (id))",
        "CREATE UNIQUE INDEX by_lower ON account (id, lower(mail)) INCLUDE (gone)",
        "CREATE UNIQUE INDEX by_mail ON account (mail) WHERE gone = false",
    )
    keys = schema.table(TableKey("account")).unique_keys
    assert keys == (
        UniqueKey(name="by_id", columns=("id",)),
        UniqueKey(name="by_lower", columns=("id",), expressions=("lower(mail)",)),
        UniqueKey(name="by_mail", columns=("mail",), predicate="(gone = false)"),
    )


def test_nulls_not_distinct_is_seen(database: str) -> None:
    schema = reflect(database, "CREATE TABLE t (a int, UNIQUE NULLS NOT DISTINCT (a))")
    assert not schema.table(TableKey("t")).unique_keys[0].nulls_distinct


def test_columns_that_the_database_fills_are_known(database: str) -> None:
    schema = reflect(
        database,
        """CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY, b int GENERATED BY DEFAULT AS IDENTITY, c serial,
             d int GENERATED ALWAYS AS (a * 2) STORED, e int DEFAULT 7)""",
        "COMMENT ON TABLE t IS 'a table'",
        "COMMENT ON COLUMN t.e IS 'a column'",
    )
    table = schema.table(TableKey("t"))
    assert [c.identity for c in table.columns] == ["always", "by default", None, None, None]
    assert [c.filled_by_sequence for c in table.columns] == [True, True, True, False, False]
    assert [c.name for c in table.written_columns] == ["a", "b", "c", "e"]
    assert (table.column("e").default, table.column("e").comment, table.comment) == ("7", "a column", "a table")


def test_checks_know_their_columns_and_whether_rows_pass(database: str) -> None:
    schema = reflect(
        database,
        "CREATE TABLE t (a int, b int, CONSTRAINT ordered CHECK (a < b))",
        "ALTER TABLE t ADD CONSTRAINT later CHECK (b > 0) NOT VALID",
    )
    checks = {check.name: check for check in schema.table(TableKey("t")).checks}
    assert (checks["ordered"].expression, checks["ordered"].columns) == ("a < b", ("a", "b"))
    assert (checks["ordered"].validated, checks["later"].validated) == (True, False)


def test_a_partitioned_table_is_one_table_with_the_keys_of_its_partitions(database: str) -> None:
    schema = reflect(
        database,
        "CREATE TABLE customer (id int PRIMARY KEY)",
        "CREATE TABLE payment (id int, paid date, customer int, PRIMARY KEY (paid, id)) PARTITION BY RANGE (paid)",
        "CREATE TABLE payment_1 PARTITION OF payment FOR VALUES FROM ('2024-01-01') TO ('2024-07-01')"
        " PARTITION BY HASH (id)",
        "CREATE TABLE payment_1_0 PARTITION OF payment_1 FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
        "CREATE TABLE payment_1_1 PARTITION OF payment_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "CREATE TABLE payment_2 PARTITION OF payment FOR VALUES FROM ('2024-07-01') TO ('2025-01-01')",
        "ALTER TABLE payment_1 ADD CONSTRAINT of_customer FOREIGN KEY (customer) REFERENCES customer",
        "CREATE TABLE refund (paid date, id int, FOREIGN KEY (paid, id) REFERENCES payment)",
    )
    assert [table.key for table in schema.tables] == ["customer", "payment", "refund"]
    payment = schema.table(TableKey("payment"))
    assert payment.partitioned
    assert [(key.name, key.columns, key.parent) for key in payment.foreign_keys] == [
        ("of_customer", ("customer",), "customer")
    ]
    assert not payment.foreign_keys[0].validated, "payment_2 has no such key, so its rows may be orphans"
    # PostgreSQL keeps a copy of the key for each partition that it refers to; they are not the user's.
    assert [key.parent for key in schema.table(TableKey("refund")).foreign_keys] == ["payment"]


def test_a_key_of_a_partitioned_table_is_listed_once(database: str) -> None:
    schema = reflect(
        database,
        "CREATE TABLE customer (id int PRIMARY KEY)",
        "CREATE TABLE payment (paid date, customer int REFERENCES customer) PARTITION BY RANGE (paid)",
        "CREATE TABLE payment_1 PARTITION OF payment FOR VALUES FROM ('2024-01-01') TO ('2024-07-01')",
    )
    (key,) = schema.table(TableKey("payment")).foreign_keys
    assert (key.name, key.validated) == ("payment_customer_fkey", True)


def test_only_tables_that_hold_the_users_rows_are_listed(database: str) -> None:
    schema = reflect(
        database,
        "CREATE TABLE base (id int PRIMARY KEY)",
        "CREATE TABLE heir (extra int) INHERITS (base)",
        "CREATE VIEW seen AS SELECT * FROM base",
        "CREATE MATERIALIZED VIEW stored AS SELECT * FROM base",
        "CREATE TEMPORARY TABLE gone (id int)",
        "CREATE SCHEMA sales",
        "CREATE TABLE sales.base (id int REFERENCES public.base)",
    )
    assert [table.key for table in schema.tables] == ["base", "heir", "sales.base"]
    assert schema.table(TableKey("sales.base")).foreign_keys[0].parent == "base"


def test_names_may_hold_anything(database: str) -> None:
    schema = reflect(
        database,
        'CREATE SCHEMA "a.b"',
        """CREATE TABLE "a.b"."we""ird,(t) %s :x" ("a, b" int PRIMARY KEY, "c)" text UNIQUE, "select" int,
             CONSTRAINT "REFERENCES (x)" CHECK ("a, b" > "select"))""",
        """CREATE TABLE "Order" ("a, b" int CONSTRAINT "k (x) REFERENCES" REFERENCES "a.b"."we""ird,(t) %s :x",
             "c)" text REFERENCES "a.b"."we""ird,(t) %s :x" ("c)"))""",
    )
    weird = TableKey('"a.b"."we""ird,(t) %s :x"')
    assert {table.key for table in schema.tables} == {"Order", weird}
    assert schema.table(weird).primary_key == ("a, b",)
    assert schema.table(weird).checks[0].columns == ("a, b", "select")
    keys = schema.table(TableKey("Order")).foreign_keys
    assert sorted((key.columns, key.parent, key.parent_columns) for key in keys) == [
        (("a, b",), weird, ("a, b",)),
        (("c)",), weird, ("c)",)),
    ]


def test_a_thousand_tables_take_seconds(database: str) -> None:
    create = """
        DO $$ BEGIN
          FOR i IN 1..1000 LOOP
            EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, a text, b numeric(10,2) CHECK (b > 0), c date, '
                           'parent int REFERENCES t%s, UNIQUE (a, c))', i, greatest(1, i / 2));
          END LOOP;
        END $$"""
    with open_database(database) as opened:
        with opened.engine.begin() as connection:
            connection.execute(text(create))
        with opened.snapshot() as snapshot:
            begin = time.perf_counter()
            schema = reflect_schema(snapshot, opened.dialect)
    assert len(schema.tables) == 1000
    assert sum(len(table.foreign_keys) for table in schema.tables) == 1000
    assert time.perf_counter() - begin < 10


def shop(*edges: tuple[str, str, bool]) -> Schema:
    """Return a schema of these (child, parent, nullable) references; a table's name is its key."""
    names = sorted({name for child, parent, _ in edges for name in (child, parent)})
    tables = []
    for name in names:
        mine = [(parent, nullable) for child, parent, nullable in edges if child == name]
        tables.append(
            Table(
                schema="public",
                name=name,
                key=TableKey(name),
                columns=tuple(Column(name=p, type="integer", kind="integer", nullable=n) for p, n in mine),
                foreign_keys=tuple(
                    ForeignKey(name=p, columns=(p,), parent=TableKey(p), parent_columns=("id",)) for p, _ in mine
                ),
            )
        )
    return Schema(dialect="postgresql", server_version="15", default_schema="public", tables=tuple(tables))


SHOP = shop(("line", "order", False), ("line", "product", True), ("order", "customer", False), ("log", "line", True))


@pytest.mark.parametrize(
    ("include", "exclude", "kept"),
    [
        ((), (), ["customer", "line", "log", "order", "product"]),
        (("line",), (), ["customer", "line", "order"]),
        (("lo*",), (), ["log"]),
        ((), ("l*",), ["customer", "order", "product"]),
        (("l*",), ("order",), ["line", "log"]),
    ],
)
def test_chosen_tables_bring_the_parents_they_need(
    include: Sequence[str], exclude: Sequence[str], kept: Sequence[str]
) -> None:
    chosen = select_tables(SHOP, include, exclude)
    assert [table.key for table in chosen.tables] == kept
    assert all(key.parent in chosen for table in chosen.tables for key in table.foreign_keys)


def test_the_columns_of_a_dropped_key_stay() -> None:
    line = select_tables(SHOP, ("line",), ()).table(TableKey("line"))
    assert [c.name for c in line.columns] == ["order", "product"]
    assert [key.parent for key in line.foreign_keys] == ["order"]


def test_an_unknown_table_is_answered_with_near_names() -> None:
    with pytest.raises(ConfigurationError, match=r"'costumer'; did you mean customer\?"):
        select_tables(SHOP, ("costumer",), ())
    with pytest.raises(ConfigurationError, match=r"'zzz'; there are: customer, line"):
        select_tables(SHOP, (), ("zzz",))
