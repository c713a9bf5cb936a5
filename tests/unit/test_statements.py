"""CREATE statements taken apart, and rows spelled as MySQL's literals."""

from __future__ import annotations

import sys

import pyarrow as pa
import pytest

from dbclone.db.dialects import dialect_for
from dbclone.db.dialects.generic.statements import check_conditions, index_parts, names_in, table_parts
from dbclone.db.dialects.generic.writing import in_calendar
from dbclone.db.dialects.mysql.literals import literal, statements
from dbclone.errors import ConfigurationError
from dbclone.schema.model import Column, TypeKind


def test_a_driver_that_is_missing_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("dbclone.db.dialects.mysql")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(ConfigurationError, match=r"pymysql, which is not installed: pip install 'dbclone\[mysql\]'"):
        dialect_for("mariadb+pymysql")


TABLE = """CREATE TABLE [odd "name"] (
    "a,b" INT CHECK ("a,b" > 0), -- a comment, with (a parenthesis
    `text` TEXT DEFAULT ') it''s' /* , c INT */ CONSTRAINT "long enough" CHECK (length(`text`) > (1 + 2)),
    UNIQUE ("a,b"),
    CHECK (`text` <> 'CHECK (x)')
) WITHOUT ROWID, STRICT"""


def test_a_table_falls_into_columns_constraints_and_options() -> None:
    parts = table_parts(TABLE)
    assert list(parts) == ["column a,b", "column text", "constraint 2", "constraint 3", "options"]
    assert parts["constraint 2"] == 'UNIQUE ("a,b")'
    assert parts["options"] == "WITHOUT ROWID, STRICT"


def test_the_conditions_of_a_table_are_found_wherever_they_stand() -> None:
    assert check_conditions(TABLE, "t") == {
        "t_check1": '"a,b" > 0',
        "long enough": "length(`text`) > (1 + 2)",
        "t_check3": "`text` <> 'CHECK (x)'",
    }


def test_a_backslash_escapes_in_one_dialect_and_means_itself_in_another() -> None:
    assert list(table_parts(r"CREATE TABLE t (a TEXT DEFAULT '\', b INT)")) == ["column a", "column b"]
    escaped = r"CREATE TABLE t (a TEXT DEFAULT '\',', b INT)"
    assert list(table_parts(escaped, backslashes=True)) == ["column a", "column b"]


def test_an_index_falls_into_parts_and_a_condition() -> None:
    sql = "CREATE UNIQUE INDEX i ON t (a DESC, coalesce(b, ',')) WHERE a > 0 AND b IS NOT NULL;"
    assert index_parts(sql) == (["a DESC", "coalesce(b, ',')"], "a > 0 AND b IS NOT NULL")
    assert index_parts("") == ([], None)
    assert {"t", "coalesce"} <= names_in(sql)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("text", pa.array(["it's", 'a\\"b', "\0", None]), [r"'it\'s'", r"""'a\\"b'""", r"'\0'", "NULL"]),
        ("text", pa.array(["a'", "b", "a'", None]).dictionary_encode(), [r"'a\''", "'b'", r"'a\''", "NULL"]),
        ("binary", pa.array([b"\x00\xff", b"", None]), ["X'00ff'", "X''", "NULL"]),
        ("bits", pa.array(["101", None]), ["b'101'", "NULL"]),
        ("boolean", pa.array([True, False, None]), ["1", "0", "NULL"]),
        ("float", pa.array([1.5, float("nan"), None]), ["1.5", "NULL", "NULL"]),
        (
            "date",
            pa.array([0, -(2**31 - 1), None], pa.int32()).cast(pa.date32()),
            ["'1970-01-01'", "'0000-00-00'", "NULL"],
        ),
    ],
)
def test_values_are_spelled_as_literals(kind: TypeKind, values: pa.Array, expected: list[str]) -> None:
    assert literal(Column(name="c", type="", kind=kind), values).to_pylist() == expected


def test_days_beyond_the_calendar_are_its_first_and_last() -> None:
    moments = ["12345-01-01 10:00:00", "0044-03-15 10:00:00+00 BC", None]
    days = pa.array(["10000-03-10", "9999-01-01", "0044-03-15 BC", *moments])
    assert in_calendar(days).to_pylist() == [
        "9999-12-31", "9999-01-01", "0001-01-01", "9999-12-31 10:00:00", "0001-01-01 10:00:00", None
    ]  # fmt: skip


def test_an_insert_is_cut_where_it_would_grow_too_long() -> None:
    columns = [Column(name="a", type="int", kind="integer"), Column(name="b", type="text", kind="text")]
    rows = pa.table({"a": [1, 2, 3], "b": ["x", "y" * 50, None]})
    made = list(statements("INSERT INTO t VALUES ", rows, columns, 30))
    assert [count for count, _ in made] == [1, 1, 1]
    assert made[2][1] == b"INSERT INTO t VALUES (3,NULL)"
    assert [count for count, _ in statements("", rows, columns, 1000)] == [3]
