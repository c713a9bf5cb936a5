"""Rows sent in binary are the rows that CSV would have sent; what cannot be is sent as CSV, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, make_url

from dbclone.db.connect import open_database
from dbclone.db.dialects.postgresql.binary import BLOCK_ROWS, binary_blocks, is_binary
from dbclone.db.encode import csv_block
from dbclone.model.literals import DATE_INFINITY, TIME_INFINITY
from dbclone.schema.model import Table, TableKey
from tests.conftest import Server

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
SCALED = st.decimals(-99_999_999, 99_999_999, places=2)
ANY_DECIMAL = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=Decimal("-1e30"), max_value=Decimal("1e30"))
    .filter(lambda number: -40 < int(number.as_tuple().exponent) < 40)
    .map(lambda number: f"{number:f}"),
    st.integers(-(10**40), 10**40).map(str),
    st.sampled_from(["NaN", "0", "0.000", "-0.10", "10000.0001", "1e5", "00012.50", "9999.9999"]),
)
DAYS = st.one_of(st.integers(-2_400_000, 3_000_000), st.sampled_from([DATE_INFINITY, -DATE_INFINITY, 0]))
MOMENTS = st.one_of(
    st.integers(-200_000_000_000_000_000, 9_000_000_000_000_000_000),
    st.sampled_from([TIME_INFINITY, -TIME_INFINITY, -1, 0]),
)
MOOD = ["glad", "sad", "so, so"]

COLUMNS: dict[str, tuple[str, pa.DataType, st.SearchStrategy[Any]]] = {
    "small": ("smallint", pa.int64(), st.integers(-(2**15), 2**15 - 1)),
    "whole": ("integer", pa.int64(), st.integers(-(2**31), 2**31 - 1)),
    "large": ("bigint", pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "number": ("oid", pa.int64(), st.integers(0, 2**32 - 1)),
    "single": ("real", pa.float64(), st.floats(width=32)),
    "double": ("double precision", pa.float64(), st.floats()),
    "flag": ("boolean", pa.bool_(), st.booleans()),
    "price": ("numeric(10,2)", pa.decimal128(10, 2), SCALED),
    "rounded": ("numeric(12,1)", pa.decimal128(14, 3), st.decimals(-99_999, 99_999, places=3)),
    "wide": ("numeric", pa.decimal128(38, 6), st.decimals(-(10**30), 10**30, places=6)),
    "spelled": ("numeric", pa.string(), ANY_DECIMAL),
    "counted": ("numeric", pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "day": ("date", pa.int32(), DAYS),
    "hour": ("time", pa.int64(), st.integers(0, 86_399_999_999)),
    "moment": ("timestamp", pa.int64(), MOMENTS),
    "instant": ("timestamptz", pa.int64(), MOMENTS),
    "token": ("uuid", pa.string(), st.uuids().map(str) | st.uuids().map(lambda u: f"{{{u.hex.upper()}}}")),
    "note": ("text", pa.string(), TEXT),
    "short": ("varchar(12)", pa.string(), TEXT),
    "padded": ("char(12)", pa.string(), TEXT),
    "mood": ("mood", pa.string(), st.sampled_from(MOOD)),
    "below": ("amount", pa.decimal128(9, 2), st.decimals(0, 9999, places=2)),
    "raw": ("bytea", pa.binary(), st.binary(max_size=9)),
    "document": ("jsonb", pa.string(), st.sampled_from(["{}", '{"a": [1, null]}', "3"])),
    "spaced": ("json", pa.string(), st.sampled_from(["{ }", '"ä"'])),
}
FINAL = {
    "day": pa.date32(), "hour": pa.time64("us"), "moment": pa.timestamp("us"), "instant": pa.timestamp("us", "UTC"),
}  # fmt: skip
DEFINITION = f"""
    CREATE TYPE mood AS ENUM ({", ".join(f"'{word}'" for word in MOOD)});
    CREATE DOMAIN positive AS numeric CHECK (VALUE >= 0); CREATE DOMAIN amount AS positive;
    CREATE TABLE sent (id int, {", ".join(f"{name} {kind}" for name, (kind, _, _) in COLUMNS.items())});
    CREATE TABLE wanted (LIKE sent);
"""


@st.composite
def rows(draw: st.DrawFn) -> pa.Table:
    """Rows of some of the columns, with and without NULLs, plain and in dictionaries, in chunks that do not match."""
    names = draw(st.lists(st.sampled_from(list(COLUMNS)), unique=True, min_size=1))
    count = draw(st.integers(1, 12))
    table = pa.table({"id": pa.array(range(count))})
    for name in names:
        _, kind, values = COLUMNS[name]
        some = values if draw(st.booleans()) else values | st.none()
        array = pa.array(draw(st.lists(some, min_size=count, max_size=count)), kind)
        array = array.cast(FINAL.get(name, kind))
        if draw(st.booleans()) and pa.types.is_string(kind):
            array = array.dictionary_encode()
        cut = draw(st.integers(0, count))
        table = table.append_column(name, pa.chunked_array([array[:cut], array[cut:]], array.type))
    return table


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[str]:
    found = server.create_database()
    with psycopg.connect(_conninfo(found)) as connection:
        connection.execute(DEFINITION)
    yield found
    server.drop_database(found)


def test_binary_and_csv_are_the_same_values(url: str) -> None:
    with open_database(url, purpose="target") as target, target.connect() as connection, connection.begin():
        session: Any = connection.connection.driver_connection
        target.dialect.begin_load(connection)

        @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(rows())
        def check(table: pa.Table) -> None:
            names = table.column_names
            with session.transaction(force_rollback=True):
                with session.cursor().copy(f"COPY wanted ({', '.join(names)}) FROM STDIN (FORMAT csv)") as copy:
                    copy.write(csv_block(table))
                with target.dialect.send_rows(connection, _table("sent"), names) as send:
                    assert send(table) == table.num_rows
                for name in names[1:]:
                    found = session.execute(f"SELECT id, {name}::text FROM sent ORDER BY id").fetchall()
                    assert found == session.execute(f"SELECT id, {name}::text FROM wanted ORDER BY id").fetchall()

        check()


def _sent(url: str, definition: str, table: pa.Table) -> list[tuple[Any, ...]]:
    """Return what a table of this definition holds once it was sent these rows."""
    with open_database(url, purpose="target") as target, target.connect() as connection, connection.begin():
        connection.exec_driver_sql(f"CREATE TEMPORARY TABLE made ({definition})")
        with target.dialect.send_rows(connection, _table("made"), table.column_names) as send:
            send(table)
            send(table.slice(0, 1))
        return list(map(tuple, connection.exec_driver_sql("SELECT * FROM made")))


def test_values_are_sent_in_the_types_that_the_target_has(url: str) -> None:
    table = pa.table({"a": [1, None], "b": ["x", "ü"], "c": pa.array([1, 2], pa.int32()).cast(pa.date32())})
    wanted = [(1, "x"), (None, "ü"), (1, "x")]
    days = [("1970-01-02",), ("1970-01-03",), ("1970-01-02",)]
    assert _sent(url, "a bigint, b text", table.select(["a", "b"])) == wanted
    assert _sent(url, "a smallint, b varchar", table.select(["a", "b"])) == wanted
    # Of another kind than the source's: sent as text, which the server reads as what it has.
    assert _sent(url, "c text", table.select(["c"])) == days
    assert _sent(url, "b inet", pa.table({"b": ["::1"]})) == _sent(url, "b inet", pa.table({"b": ["0::1"]}))
    assert _sent(url, "a int, b text[]", pa.table({"a": [1], "b": ["{x}"]})) == [(1, ["x"])] * 2


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("smallint", [0, 2**15]), ("int", [0, -(2**31) - 1]), ("oid", [None, -1]), ("real", [0.5, 1e39]),
        ("numeric", ["1", "one"]), ("uuid", [None, "12"]),
    ],
)  # fmt: skip
def test_a_value_that_the_type_does_not_have_is_refused_with_its_row(url: str, kind: str, values: list[Any]) -> None:
    with pytest.raises(psycopg.errors.BadCopyFileFormat) as raised:
        _sent(url, f"a {kind}", pa.table({"a": values}))
    with open_database(url) as target:
        fault = target.dialect.fault(raised.value)
    assert fault is not None
    assert (fault.message, fault.line, fault.column) == ("a value is none that the column's type has", 2, "a")


def test_an_existing_target_with_another_encoding_is_sent_csv(server: Server) -> None:
    with psycopg.connect(_conninfo(server.maintenance), autocommit=True) as session:
        session.execute("CREATE DATABASE dbclone_test_latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    url = server.maintenance.set(database="dbclone_test_latin1").render_as_string(hide_password=False)
    try:
        assert _sent(url, "a text", pa.table({"a": ["né"]})) == [("né",)] * 2
    finally:
        server.drop_database(url)


def test_all_rows_of_a_large_table_are_sent() -> None:
    rows = 2 * BLOCK_ROWS + 1
    table = pa.table({"a": pa.array(range(rows)), "b": pa.array(["x", None, ""] * rows)[:rows]})
    blocks = list(binary_blocks(table, ["int8", "text"]))
    assert len(blocks) == 3
    assert sum(map(len, blocks)) == rows * (2 + 4 + 8 + 4) + -(-rows // 3)
    assert not is_binary("int4range", pa.string())
    assert is_binary("int4", pa.null())


def _table(name: str) -> Table:
    return Table(key=TableKey(name), schema=None, name=name, columns=())


def _conninfo(url: str | URL) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
