"""Every type makes the round trip: data of the type, sampled, learned, generated, and taken by the database again."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url

from dbclone.config import Settings
from dbclone.db.connect import Database, open_database
from dbclone.db.reflect import reflect_schema, select_tables
from dbclone.errors import PlanError
from dbclone.generate.batches import Generator
from dbclone.learn.train import train
from dbclone.model.flow import Sample, TableSample
from dbclone.model.marginal import LARGEST
from dbclone.pipeline import clone
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import PlanOptions, make_plan
from tests.conftest import Server

KEY = TableKey("source")
ROWS = 120
EXAMPLES = 4
Values = st.SearchStrategy[str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A type, text of its values as the database reads it, and what is true of generated ones.

    Where the type is ``ordered``, this expression stays between the source's least and largest; those of more digits
    than a float has are compared as floats. ``holds`` is SQL over v, the twin's value.
    """

    type: str
    values: Values
    ordered: str = ""
    holds: str = "true"
    extension: str | None = None
    since: int = 15


def text_from(values: st.SearchStrategy[Any]) -> Values:
    return values.map(str)


def integers(bytes_: int) -> Values:
    limit = 2 ** (8 * bytes_ - 1)
    return text_from(st.integers(-limit, limit - 1) | st.integers(-100, 100) | st.sampled_from([-limit, limit - 1, 0]))


def decimals(digits: int, scale: int, *special: str) -> Values:
    most = 10**digits - 1
    units = st.integers(-most, most) | st.integers(-1000, 1000).map(lambda n: max(-most, min(n, most)))
    numbers = units.map(lambda n: f"{'-' * (n < 0)}{abs(n) // 10**scale}.{abs(n) % 10**scale:0{scale or 1}d}")
    return numbers | st.sampled_from(special) if special else numbers


def floats(width: int) -> Values:
    words = st.sampled_from(["NaN", "Infinity", "-Infinity", "0", "-0"])
    # Beyond LARGEST numbers are learned as that: docs/constructs.md says so.
    most = LARGEST if width == 64 else None
    numbers = st.floats(None if most is None else -most, most, allow_nan=False, allow_infinity=False, width=width)
    return numbers.map(repr) | words | st.just("1.5")


LETTERS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
WORDS = st.sampled_from(["red", "green", "blue", "dark blue"])
LABEL = st.from_regex(r"[A-Za-z0-9_]{1,10}", fullmatch=True)

DATES = st.dates().map(str) | st.sampled_from(
    ["infinity", "-infinity", "0044-03-15 BC", "4713-01-01 BC", "12024-02-29"]
)
MOMENTS = st.datetimes().map(str) | st.sampled_from(
    ["infinity", "-infinity", "0044-03-15 10:00:00.5 BC", "12024-02-29 23:59:59.999999"]
)
CLOCKS = st.times().map(str) | st.sampled_from(["24:00:00", "00:00:00", "23:59:59.999999"])
SPANS = (
    st.tuples(st.integers(-30, 30), st.integers(-40, 40), st.integers(-(10**9), 10**9)).map(
        lambda p: f"{p[0]} months {p[1]} days {p[2] / 1000} seconds"
    )
    | st.integers(0, 48).map("{} months".format)
    | st.sampled_from(["0", "178000000 years", "-100000 years 3 days", "1 day"])
)
POINTS = st.tuples(*[st.floats(-1e6, 1e6) | st.integers(-180, 180)] * 2).map(lambda p: f"({p[0]},{p[1]})")
V4 = st.ip_addresses(v=4).map(str)
V6 = st.ip_addresses(v=6).map(str)
NETWORKS = st.tuples(st.ip_addresses(v=4), st.integers(0, 32)).map(
    lambda p: f"{'.'.join(str(int(p[0]) >> 32 - p[1] << 32 - p[1] >> s & 255) for s in (24, 16, 8, 0))}/{p[1]}"
) | st.integers(0, 128).map("::/{}".format)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS | LABEL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LABEL | WORDS, inner, max_size=3),
    max_leaves=8,
).map(json.dumps)
XML = (
    st.tuples(LABEL, st.integers(0, 99)).map(
        lambda p: f'<a xmlns:x="http://x.org/y" n="{p[1]}"><x:b>{p[0]}</x:b><c/><c>1.5</c></a>'
    )
    | st.just("text &amp; no element")
    | st.just('<?xml version="1.0"?><only/>')
)


def array_of(values: Values, dimensions: int = 1) -> Values:
    quoted = values.map(lambda v: '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"') | st.just("NULL")
    flat = st.lists(quoted, max_size=4).map(lambda items: "{" + ",".join(items) + "}")
    if dimensions == 1:
        return flat | st.just("[0:1]={NULL,NULL}")
    return st.tuples(st.integers(1, 2), st.lists(quoted, min_size=12, max_size=12)).map(
        lambda p: "{" + ",".join("{" + ",".join(p[1][3 * n : 3 * n + 3]) + "}" for n in range(p[0])) + "}"
    )


def ranges_of(values: st.SearchStrategy[Any]) -> Values:
    """Ranges of values that compare in Python as in the database."""
    pairs = st.tuples(values, values, st.sampled_from(["[)", "[]", "()", "(]"])).map(
        lambda p: f'{p[2][0]}"{min(p[0], p[1])}","{max(p[0], p[1])}"{p[2][1]}'
    )
    half = values.map('["{}",)'.format) | values.map('(,"{}")'.format)
    return pairs | half | st.sampled_from(["empty", "(,)"])


def fields(*values: Values) -> Values:
    quoted = [v.map(lambda t: '"' + t.replace("\\", "\\\\").replace('"', '""') + '"') | st.just("") for v in values]
    return st.tuples(*quoted).map(lambda items: "(" + ",".join(items) + ")")


INT_RANGES = ranges_of(st.integers(-1000, 1000))
ADDRESSES = fields(WORDS, integers(4), decimals(6, 2))

TYPES = """
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine"', 'zufrieden, ü');
    CREATE DOMAIN "Préis, rund" AS numeric(8,2) CHECK (VALUE >= 0);
    CREATE DOMAIN "needed name" AS varchar(20) NOT NULL;
    CREATE DOMAIN moods AS mood[];
    CREATE TYPE address AS (street text, "house number" int, rent numeric(6,2));
    CREATE TYPE "Per""son" AS (
        name "needed name", home address, tags text[], born date, during daterange, worth "Préis, rund"
    );
    CREATE DOMAIN home AS address;
    CREATE TYPE timerange AS RANGE (subtype = time);
    CREATE TYPE textrange AS RANGE (subtype = text);
    CREATE TYPE floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
    CREATE DOMAIN "Year" AS int CHECK (VALUE BETWEEN 1901 AND 2155);
    CREATE DOMAIN period AS tstzrange;
"""

CASES = [
    Case(type="smallint", values=integers(2), ordered="v"),
    Case(type="integer", values=integers(4), ordered="v"),
    Case(type="bigint", values=integers(8), ordered="v::float4"),
    Case(type="oid", values=text_from(st.integers(0, 2**31 - 1)), ordered="v"),
    Case(type="numeric", values=decimals(40, 20, "NaN", "Infinity", "-Infinity", f"0.{1:030d}"), ordered="v::float4"),
    Case(type="numeric(4,2)", values=decimals(4, 2, "NaN"), ordered="v::float4"),
    Case(type="numeric(18,2)", values=decimals(18, 2), ordered="v::float4"),
    Case(type="numeric(20,2)", values=decimals(20, 2), ordered="v::float4"),
    Case(type="numeric(30,0)", values=decimals(30, 0), ordered="v::float4"),
    Case(type="numeric(60,40)", values=decimals(60, 40), ordered="v::float4"),
    Case(type="numeric(3,-2)", values=decimals(3, 0).map(lambda t: t + "00"), ordered="v::float4", holds="v % 100 = 0"),
    Case(type="numeric(2,4)", values=decimals(2, 4), ordered="v::float4"),
    Case(type="money", values=decimals(12, 2), ordered="v"),
    Case(type="real", values=floats(32), ordered="v"),
    Case(type="double precision", values=floats(64), ordered="v"),
    Case(type="boolean", values=st.sampled_from(["true", "false"])),
    Case(type="character(3)", values=LETTERS.map(lambda t: t[:3]), holds="char_length(v) <= 3"),
    Case(type="character varying(5)", values=LETTERS.map(lambda t: t[:5]), holds="char_length(v) <= 5"),
    Case(type="text", values=LETTERS),
    Case(type="name", values=LABEL),
    Case(type='"char"', values=st.sampled_from("abcxyz")),
    Case(type="citext", values=LETTERS, extension="citext"),
    Case(type="bytea", values=st.binary(max_size=40).map(lambda b: "\\x" + b.hex()), holds="length(v) <= 40"),
    Case(type="date", values=DATES, ordered="v"),
    Case(type="time", values=CLOCKS, ordered="least(v, '23:59:59.999999')"),
    Case(type="time(0)", values=st.times().map(lambda t: str(t.replace(microsecond=0))), ordered="v"),
    Case(type="timetz", values=CLOCKS.map(lambda t: t + "+05:30")),
    Case(type="timestamp", values=MOMENTS, ordered="extract(epoch FROM v)::float4"),
    Case(type="timestamptz", values=MOMENTS, ordered="extract(epoch FROM v)::float4"),
    Case(type="interval", values=SPANS, ordered="v"),
    Case(type="interval", values=SPANS | st.sampled_from(["infinity", "-infinity"]), ordered="v", since=17),
    Case(type="interval year to month", values=st.integers(0, 99).map("{} months".format), ordered="v"),
    Case(type="uuid", values=text_from(st.uuids())),
    Case(type="json", values=DOCUMENTS),
    Case(type="jsonb", values=DOCUMENTS),
    Case(type="xml", values=XML, extension="xml"),
    Case(type="mood", values=st.sampled_from(["sad", "ok", 'it\'s "fine"', "zufrieden, ü"])),
    Case(type="int[]", values=array_of(integers(4)) | array_of(integers(4), 2), holds="v = '{}' OR array_ndims(v) < 3"),
    Case(type="text[]", values=array_of(LETTERS)),
    Case(type="varchar(4)[]", values=array_of(LETTERS.map(lambda t: t[:4]))),
    Case(type="numeric(30,5)[]", values=array_of(decimals(30, 5))),
    Case(type="timestamptz[]", values=array_of(MOMENTS)),
    Case(type="date[]", values=array_of(DATES, 2)),
    Case(type="interval[]", values=array_of(SPANS)),
    Case(type="time[]", values=array_of(CLOCKS)),
    Case(type="boolean[]", values=array_of(st.sampled_from(["t", "f"]))),
    Case(type="float8[]", values=array_of(floats(64))),
    Case(type="money[]", values=array_of(decimals(9, 2))),
    Case(type="bytea[]", values=array_of(st.binary(max_size=9).map(lambda b: "\\x" + b.hex()))),
    Case(type="uuid[]", values=array_of(text_from(st.uuids()))),
    Case(type="jsonb[]", values=array_of(DOCUMENTS)),
    Case(type="mood[]", values=array_of(st.sampled_from(["sad", "ok"]))),
    Case(type='"Préis, rund"[]', values=array_of(decimals(8, 2).map(lambda t: t.lstrip("-")))),
    Case(type="moods", values=array_of(st.sampled_from(["sad", "ok"]))),
    Case(type="address[]", values=array_of(ADDRESSES)),
    Case(type="int4range[]", values=array_of(INT_RANGES)),
    Case(type="inet[]", values=array_of(V4)),
    Case(type="smallint[]", values=array_of(integers(2), 2)),
    Case(type="bigint[]", values=array_of(integers(8))),
    Case(type="real[]", values=array_of(floats(32))),
    Case(type="character(3)[]", values=array_of(LETTERS.map(lambda t: t[:3]))),
    Case(type="citext[]", values=array_of(LETTERS), extension="citext"),
    Case(type="timestamp[]", values=array_of(MOMENTS)),
    Case(type="timetz[]", values=array_of(CLOCKS.map(lambda t: t + "+05:30"))),
    Case(type="json[]", values=array_of(DOCUMENTS)),
    Case(type="xml[]", values=array_of(XML), extension="xml"),
    Case(type="hstore[]", values=array_of(st.sampled_from(['"a"=>"1", "b c"=>NULL', ""])), extension="hstore"),
    Case(type="ltree[]", values=array_of(st.lists(LABEL, max_size=5).map(".".join)), extension="ltree"),
    Case(type="macaddr[]", values=array_of(st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":")))),
    Case(type="bit(3)[]", values=array_of(st.integers(0, 7).map("{:03b}".format), 2)),
    Case(type="point[]", values=array_of(POINTS)),
    Case(type="tsvector[]", values=array_of(st.sampled_from(["'a':1,2B 'word'", ""]))),
    Case(type="int4multirange[]", values=array_of(INT_RANGES.map("{{{}}}".format))),
    Case(type="box[]", values=POINTS.map(lambda p: f"{{{p},(0,0);{p},(1,1)}}")),
    Case(type="int4range", values=INT_RANGES),
    Case(type="int8range", values=INT_RANGES),
    Case(type="numrange", values=ranges_of(st.decimals(-1000, 1000, places=3))),
    Case(type="daterange", values=ranges_of(st.dates())),
    Case(type="tsrange", values=ranges_of(st.datetimes()) | st.just('["-infinity","infinity"]')),
    Case(type="tstzrange", values=ranges_of(st.datetimes(timezones=st.just(dt.timezone.utc)))),
    Case(type="period", values=ranges_of(st.datetimes(timezones=st.just(dt.timezone.utc)))),
    Case(type="timerange", values=ranges_of(st.times())),
    Case(type="textrange", values=ranges_of(st.sampled_from("abcdef"))),
    Case(type="floatrange", values=ranges_of(st.floats(-1e9, 1e9))),
    Case(type="int4multirange", values=st.lists(INT_RANGES, max_size=3).map(lambda r: "{" + ",".join(r) + "}")),
    Case(type="datemultirange", values=st.lists(ranges_of(st.dates()),
         max_size=3).map(lambda r: "{" + ",".join(r) + "}")),
    Case(type="nummultirange", values=st.lists(ranges_of(st.decimals(-1000, 1000, places=3)),
         max_size=3).map(lambda r: "{" + ",".join(r) + "}")),
    Case(type="tstzmultirange", values=st.lists(ranges_of(st.datetimes(timezones=st.just(dt.timezone.utc))),
         max_size=3).map(lambda r: "{" + ",".join(r) + "}")),
    Case(type="inet", values=V4 | V6 | V4.map("{}/24".format)),
    Case(type="cidr", values=NETWORKS),
    Case(type="macaddr", values=st.binary(min_size=6, max_size=6).map(lambda b: b.hex(":"))),
    Case(type="macaddr8", values=st.binary(min_size=8, max_size=8).map(lambda b: b.hex(":"))),
    Case(type="bit", values=st.sampled_from("01")),
    Case(type="bit(9)", values=st.integers(0, 511).map("{:09b}".format)),
    Case(type="bit varying(70)", values=st.integers(0, 2**70 - 1).map("{:b}".format), holds="length(v) <= 70"),
    Case(type="bit varying", values=st.integers(0, 2**300).map("{:b}".format) | st.just("")),
    Case(type="tsvector", values=LETTERS.map(lambda t: "'a" + t.replace("\\", "").replace("'",
         "''") + "':1,2B 'word'")),
    Case(type="tsquery", values=st.sampled_from(["'a' & 'b'", "!'c' | ('d' <-> 'e')", ""])),
    Case(type="hstore", values=st.sampled_from(['"a"=>"1", "b c"=>NULL', '"a"=>"x \\"y\\""', ""]), extension="hstore"),
    Case(type="ltree", values=st.lists(LABEL, max_size=5).map(".".join), extension="ltree"),
    Case(type="vector(3)", values=st.tuples(*[st.integers(-5, 5)] * 3).map(lambda p: str(list(p))), extension="vector",
         holds="vector_dims(v) = 3"),
    Case(type="point", values=POINTS),
    Case(type="line", values=st.tuples(*[st.integers(1, 9)] * 3).map(lambda p: f"{{{p[0]},{p[1]},{p[2]}}}")),
    Case(type="lseg", values=st.tuples(POINTS, POINTS).map(lambda p: f"[{p[0]},{p[1]}]")),
    Case(type="box", values=st.tuples(POINTS, POINTS).map(lambda p: f"{p[0]},{p[1]}")),
    Case(type="path", values=st.lists(POINTS, min_size=1, max_size=5).map(lambda p: f"[{','.join(p)}]")
         | st.lists(POINTS, min_size=1, max_size=5).map(lambda p: f"({','.join(p)})")),
    Case(type="polygon", values=st.lists(POINTS, min_size=1, max_size=5).map(lambda p: f"({','.join(p)})")),
    Case(type="circle", values=st.tuples(POINTS, st.integers(0, 9)).map(lambda p: f"<{p[0]},{p[1]}>")),
    Case(type="address", values=ADDRESSES, holds="(v).rent < 10000 OR (v).rent IS NULL"),
    Case(type="home", values=ADDRESSES),
    Case(type='"Per""son"', values=fields(LABEL, ADDRESSES, array_of(WORDS), DATES, ranges_of(st.dates()),
                                          decimals(8, 2).map(lambda t: t.lstrip("-"))).filter(lambda t: t[:2] != "(,")),
    Case(type='"Préis, rund"', values=decimals(8, 2).map(lambda t: t.lstrip("-")), ordered="v"),
    Case(type='"Year"', values=text_from(st.integers(1901, 2155)), ordered="v"),
]  # fmt: skip


class Place:
    """A database with the types, and how tables of it are cloned into tables beside them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.database: Database = open_database(url)
        self.connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        self.version = self.connection.info.server_version // 10_000
        self.execute(TYPES)

    def execute(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(sql.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def has(self, extension: str) -> bool:
        """Whether the server has, or can be given, an extension; ``xml`` is one that it is built with."""
        if extension == "xml":
            return bool(
                self.execute("SELECT FROM pg_config() WHERE name = 'CONFIGURE' AND setting LIKE '%%with-libxml%%'")
            )
        if not self.execute("SELECT FROM pg_available_extensions WHERE name = %s", extension):
            return False
        self.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
        return True

    def table(self, declared: str) -> Schema:
        """Make two tables of one column: source and twin. Return the schema of the source."""
        self.execute("DROP TABLE IF EXISTS source, twin")
        self.execute(f"CREATE TABLE source (v {declared}); CREATE TABLE twin (LIKE source INCLUDING ALL)")
        with self.database.connect() as connection:
            return select_tables(reflect_schema(connection, self.database.dialect), [KEY], [])

    def fill(self, values: Sequence[str | None]) -> None:
        """Give the source these values, the twin none."""
        self.execute("TRUNCATE source, twin")
        with self.connection.cursor() as cursor, cursor.copy("COPY source FROM STDIN") as copy:
            for value in values:
                copy.write_row([value])

    def clone(self, schema: Schema, rows: int = ROWS) -> None:
        """Fill the twin from the source: read, learn, generate, send."""
        dialect, table = self.database.dialect, schema.table(KEY)
        with self.database.snapshot() as connection:
            found = dialect.read_all(connection, table)
        plan = make_plan(schema, {KEY: found.num_rows}, PlanOptions(rows=((KEY, rows),)))
        sample = Sample(
            tables={KEY: TableSample(rows=found, base=np.ones(found.num_rows, dtype=bool))},
            source_rows={KEY: found.num_rows},
            null_references={},
            fan_outs=(),
        )
        generator = Generator(train(sample, plan, None, seed=1), seed=1)
        twin = replace(table, name="twin")
        with self.database.connect() as connection, connection.begin():
            dialect.begin_load(connection)
            for batch in generator.batches():
                with dialect.send_rows(connection, twin, batch.rows.column_names) as send:
                    send(batch.rows)


@pytest.fixture(scope="module")
def place(server: Server) -> Iterator[Place]:
    url = server.create_database()
    try:
        place = Place(make_url(url).render_as_string(hide_password=False))
        yield place
        place.connection.close()
    finally:
        server.drop_database(url)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.type}{case.since if case.since > 15 else ''}")
def test_every_type_makes_the_round_trip(place: Place, case: Case) -> None:
    if place.version < case.since or (case.extension and not place.has(case.extension)):
        pytest.skip(f"this server has no {case.type}")
    schema = place.table(case.type)

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(case.values, min_size=1, max_size=ROWS), st.integers(0, 3))
    def check(values: list[str], nulls: int) -> None:
        made: list[str | None] = [*values, *values, *[None] * (len(values) * nulls)]
        place.fill(made)
        place.clone(schema)
        ((rows, null, holds),) = place.execute(
            f"SELECT count(*), count(*) - count(v), bool_and({case.holds}) FROM twin"
        )
        assert rows == ROWS
        assert abs(null / ROWS - nulls / (2 + nulls)) < 0.25
        assert nulls or not null
        assert holds is not False
        if case.ordered:
            outside = place.execute(
                f"SELECT count(*) FROM twin, (SELECT min({case.ordered}) a, max({case.ordered}) z FROM source) s"
                f" WHERE NOT {case.ordered} BETWEEN a AND z"
            )
            assert outside == [(0,)], (values, place.execute("SELECT v::text FROM twin"))

    check()


KEYS = {
    "smallint": "n",
    "numeric(12,3)": "n / 8.0",
    "numeric(3,2)": "n / 100.0",
    "numeric(60,0)": "n + 10::numeric ^ 50",
    "money": "n::money",
    "real": "n / 2.0",
    "double precision": "n / 3.0",
    "boolean": "n = 1",
    "mood": "(enum_range(NULL::mood))[n]",
    "character(4)": "'k' || n",
    "character varying(3)": "'x' || n",
    "citext": "'Key ' || n",
    "bytea": "decode(md5(n::text), 'hex')",
    "date": "date '1999-12-31' + n",
    "time": "time '08:00' + n * interval '1 minute'",
    "timestamp": "timestamp '2001-02-03 04:05:06' + n * interval '1 day'",
    "timestamptz": "timestamptz '2001-02-03 04:05:06' + n * interval '1 hour'",
    "interval": "n * interval '1 hour'",
    "uuid": "md5(n::text)::uuid",
    "inet": "inet '192.168.1.0' + n",
    "cidr": "set_masklen(inet '192.168.0.0' + 256 * n, 24)::cidr",
    "macaddr": "('08:00:2b:01:02:' || lpad(to_hex(n), 2, '0'))::macaddr",
    "macaddr8": "('08:00:2b:01:02:03:04:' || lpad(to_hex(n), 2, '0'))::macaddr8",
    "bit(8)": "n::bit(8)",
    "bit varying": "n::bit(16)::varbit",
    "int4range": "int4range(n, n + 5)",
    "address": "ROW('street', n, 5)::address",
    '"Year"': "1901 + n",
    "home": "ROW('street', n, 5)::address",
    "int[]": "ARRAY[n, n + 1]",
    "smallint[]": "ARRAY[n, NULL, n]",
    "text[]": "ARRAY['key', n::text]",
    "jsonb": "jsonb_build_object('n', n, 'tags', '[]'::jsonb)",
    "oid": "n::oid",
    "int4multirange": "int4multirange(int4range(n, n + 2))",
    "daterange": "daterange(date '2001-02-03' + n, NULL)",
    "tsvector": "to_tsvector('simple', 'word' || n)",
    "mood[]": "ARRAY[(enum_range(NULL::mood))[1 + n % 4], (enum_range(NULL::mood))[1 + n / 4 % 4]]",
}


def test_keys_of_every_type_are_cloned(make_database: Callable[[], str]) -> None:
    source, target = make_database(), make_database()
    with psycopg.connect(source.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(TYPES.encode())
        citext = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'citext'").fetchone()
        if citext is not None:
            connection.execute("CREATE EXTENSION citext")
        kinds = [kind for kind in KEYS if kind != "citext" or citext is not None]
        for number, kind in enumerate(kinds):
            rows = {"boolean": 2, "mood": 4, "mood[]": 4}.get(kind, 60)
            for statement in (
                f"CREATE TABLE p{number} (k {kind} PRIMARY KEY, size int)",
                f"CREATE TABLE c{number} (id serial PRIMARY KEY, k {kind} REFERENCES p{number}, u {kind} UNIQUE)",
                f"INSERT INTO p{number} SELECT {KEYS[kind]}, n FROM generate_series(1, {rows}) n",
                f"INSERT INTO c{number} (k, u) SELECT k, CASE WHEN size % 2 = 0 THEN k END FROM p{number}",
            ):
                connection.execute(statement.encode())

    cloned = clone(source, target, Settings(seed=5))

    assert all(check.passed for check in cloned.checks)
    assert {t.table: t.rows for t in cloned.plan.tables} == dict(cloned.rows)


def test_a_type_with_too_few_values_for_the_rows_is_refused(make_database: Callable[[], str]) -> None:
    source, target = make_database(), make_database()
    with psycopg.connect(source.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(TYPES.encode())
        connection.execute("CREATE TABLE t (k mood PRIMARY KEY); INSERT INTO t VALUES ('sad'), ('ok')")

    with pytest.raises(PlanError, match=r"t\.k.*mood there are only 4"):
        clone(source, target, Settings(scale=3))


def test_a_type_that_cannot_be_made_is_null_or_refused(make_database: Callable[[], str]) -> None:
    source, target = make_database(), make_database()
    with psycopg.connect(source.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE TABLE t (a regclass, b int); INSERT INTO t VALUES ('pg_class', 1)")
    assert dict(clone(source, target, Settings()).rows) == {"t": 1}
    with psycopg.connect(source.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("ALTER TABLE t ALTER a SET NOT NULL")
    with pytest.raises(PlanError, match=r"t\.a.*regclass.*--exclude t"):
        clone(source, make_database(), Settings())
