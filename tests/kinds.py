"""Kinds of columns for random databases: types, different values of each, and conditions that these fulfil."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class Kind:
    """A type of data column: its SQL, the n-th value, and a CHECK of it.

    Below ``distinct``, the values of different n are different. ``key`` is an expression that keeps them so, for a
    unique index; ``excludes`` says that they are ranges of which no two overlap.
    """

    sql: str
    value: Callable[[int], str]
    check: str
    distinct: int = 500
    key: str | None = None
    excludes: bool = False


MOODS = ("calm", "it's", "merry", "Ärger")

TYPES = (
    "CREATE TYPE mood AS ENUM ('calm', 'it''s', 'merry', 'Ärger')",
    "CREATE DOMAIN share AS numeric(6, 3) CHECK (VALUE >= 0 AND VALUE < 500)",
    "CREATE TYPE place AS (number integer, street text)",
)
"""What has to be there for the types of :data:`KINDS`."""

KINDS: Mapping[str, Kind] = {
    "integer": Kind("integer", lambda n: str(n * 7 - 50), "{0} BETWEEN -1000 AND 9000", key="abs({0})"),
    "text": Kind("text", lambda n: f"word {n % 7} of {n}", "length({0}) > 5", key="lower({0})"),
    "code": Kind("varchar(8)", lambda n: f"C-{n:04d}", "{0} ~ '^[A-Z]-[0-9]+$'", key="upper({0})"),
    "padded": Kind("char(5)", lambda n: f"{n:x}", "{0} <> 'never'"),
    "letter": Kind("varchar(1)", lambda n: chr(97 + n % 26), "{0} <> '-'", distinct=26),
    "small": Kind("smallint", str, "{0} >= 0"),
    "big": Kind("bigint", lambda n: str(2**62 + n), "{0} > 0"),
    "decimal": Kind("numeric(9, 2)", lambda n: f"{n}.{n % 100:02d}", "{0} >= 0 AND {0} < 5000", key="round({0}, 1)"),
    "float": Kind("double precision", lambda n: repr(n / 3), "{0} < 1e6"),
    "boolean": Kind("boolean", lambda n: "tf"[n % 2], "{0} IN (true, false)", distinct=2),
    "date": Kind("date", lambda n: f"{1990 + n % 30}-{1 + n // 30 % 12:02d}-{1 + n % 28:02d}", "{0} > '1980-01-01'"),
    "timestamp": Kind("timestamp", lambda n: f"2020-01-01 00:{n % 60:02d}:00.{n:06d}", "{0} < '2100-01-01'"),
    "timestamptz": Kind("timestamptz", lambda n: f"20{n % 90 + 10}-01-01 12:00:00.{n:03d}+02", "{0} < '2200-01-01'"),
    "time": Kind("time", lambda n: f"{n % 24:02d}:{n // 24 % 60:02d}", "{0} < '24:00'"),
    "interval": Kind("interval", lambda n: f"{n} hours", "{0} >= '0 hours'"),
    "uuid": Kind("uuid", lambda n: str(UUID(int=n * 2**64, version=4)), "{0} IS NOT NULL OR true"),
    "json": Kind("jsonb", lambda n: f'{{"a": {n}, "b": [true, null]}}', "jsonb_typeof({0}) = 'object'"),
    "bytes": Kind("bytea", lambda n: f"\\x{n:06x}", "octet_length({0}) < 100"),
    "array": Kind("integer[]", lambda n: f"{{{n},NULL,{n % 3}}}", "cardinality({0}) < 9"),
    "texts": Kind("text[]", lambda n: f'{{"a {n}",b}}', "cardinality({0}) > 0"),
    "enum": Kind("mood", lambda n: MOODS[n % 4], "{0} >= 'calm'", distinct=4),
    "domain": Kind("share", lambda n: f"{n}.{n % 10}", "{0} <> 499.999"),
    "composite": Kind("place", lambda n: f'({n},"Long Lane")', "({0}).number >= 0"),
    "network": Kind("inet", lambda n: f"10.0.{n // 200}.{n % 200 + 1}", "family({0}) = 4"),
    "bits": Kind("bit(10)", lambda n: f"{n:010b}", "{0} <> B'1111111111'"),
    "varbits": Kind("bit varying(12)", lambda n: f"{n:b}", "length({0}) <= 12"),
    "range": Kind("int4range", lambda n: f"[{n * 10},{n * 10 + 1 + n % 9})", "NOT isempty({0})", excludes=True),
    "days": Kind("daterange", lambda n: f"[{1990 + n % 60}-01-{1 + n // 60:02d},)", "NOT upper_inf({0}) OR true"),
    "multirange": Kind("int4multirange", lambda n: f"{{[{n},{n + 2}),[{n + 5},{n + 9})}}", "NOT isempty({0})"),
}
