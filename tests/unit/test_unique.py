"""Unique keys of every shape: which rows repeat one, and how they are told apart."""

from __future__ import annotations

import dataclasses
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from dbclone.generate.exclusion import separate, spans
from dbclone.generate.shared import demanded, is_distinct
from dbclone.generate.unique import repeats, special_keys, spread, tuple_codes
from dbclone.model.marginal import Marginal, fit_marginal
from dbclone.model.rules import CodeRule, Learned, Mask
from dbclone.schema.model import Check, Column, Exclusion, Table, TableKey, UniqueKey
from tests.unit.shop import column, foreign_key, schema
from tests.unit.shop import table as shop_table
from tests.unit.twins import tuples, twin


def table(*columns: Column, keys: tuple[UniqueKey, ...] = (), exclusions: tuple[Exclusion, ...] = ()) -> Table:
    return Table(schema="public", name="t", key=TableKey("t"), columns=columns, unique_keys=keys, exclusions=exclusions)


def text(name: str, type: str = "text") -> Column:
    return Column(name=name, type=type, kind="text")


def repeated(key: UniqueKey, *columns: Column, **values: Any) -> list[int]:
    """Return the rows that repeat a key, by position."""
    arrays = {name: pa.array(items) for name, items in values.items()}
    described = table(*columns, keys=(key,))
    (found,), unknown = special_keys(described, "postgresql", {name: array.type for name, array in arrays.items()})
    assert not unknown
    return sorted(repeats(found.codes(found.values(described, arrays))).tolist())


def test_tuple_codes_treat_null_as_different_from_everything_or_as_a_value() -> None:
    columns = [pa.array([1, None, None, 1]), pa.array(["a", "b", "b", "a"])]
    assert repeats(tuple_codes(columns, 4)).tolist() == [3]
    assert sorted(repeats(tuple_codes(columns, 4, nulls_distinct=False)).tolist()) == [2, 3]


def test_an_expression_is_computed() -> None:
    key = UniqueKey(name="k", columns=(), expressions=("lower(login)",))
    assert repeated(key, text("login"), login=["Ann", "ann", "Bob"]) == [1]
    key = UniqueKey(name="k", columns=("region",), expressions=("COALESCE(alias, ''::text)",))
    assert repeated(key, text("region"), text("alias"), region=["n", "n", "s"], alias=[None, "", None]) == [1]


def test_a_partial_key_leaves_other_rows_alone() -> None:
    key = UniqueKey(name="k", columns=("email",), predicate="(NOT deleted)")
    gone = Column(name="deleted", type="boolean", kind="boolean")
    assert repeated(key, text("email"), gone, email=["a"] * 4, deleted=[True, False, None, False]) == [3]


def test_null_may_be_there_once_where_nulls_are_not_distinct() -> None:
    key = UniqueKey(name="k", columns=("phone",), nulls_distinct=False)
    assert repeated(key, text("phone"), phone=[None, "1", None]) == [2]


def test_a_type_that_compares_without_case_does_so() -> None:
    key = UniqueKey(name="k", columns=("email",))
    assert repeated(key, text("email", "public.citext"), email=["A@x", "a@X", "b@x"]) == [1]


def test_texts_of_a_key_of_one_column_all_differ() -> None:
    keys = (
        UniqueKey(name="a", columns=(), expressions=("lower(login)",)),
        UniqueKey(name="b", columns=("phone",), nulls_distinct=False),
        UniqueKey(name="c", columns=("region",), expressions=("lower(login)",)),
    )
    described = table(text("login"), text("phone"), text("region"), keys=keys)
    assert demanded(described, "postgresql") == ({"login"}, {"phone"})


def test_codes_in_both_cases_are_distinct_only_where_case_counts() -> None:
    rule = CodeRule(column="c", masks=(Mask(alphabets=("aA", "01"), share=1.0),), unique=True)
    assert is_distinct(rule)
    assert not is_distinct(rule, folded=True)


def _learned(kind: Any, decimals: int | None) -> Learned:
    marginal: Marginal = fit_marginal(pa.array([1.0, 2.0]).to_numpy())
    return Learned(column="c", marginal=marginal, kind=kind, decimals=decimals)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (pa.array([5, 5, 6, 5]), _learned("integer", 0)),
        (pa.array([5, 5, 6, 5], pa.int32()).cast(pa.date32()), _learned("date", None)),
        (pa.array([5_000_000] * 4, pa.timestamp("us")), _learned("timestamp", 0)),
        (pa.array(["1.50", "1.50", "1.51", None]).cast(pa.decimal128(10, 2)), _learned("decimal", 2)),
    ],
)
def test_values_that_repeat_within_a_family_move_up_to_free_ones(values: pa.Array, rule: Learned) -> None:
    moved = spread([pa.array([1, 1, 1, 1])], values, rule)
    assert moved.type == values.type
    assert not len(repeats(tuple_codes([moved], 4)))
    assert spread([pa.array([1, 2, 3, 4])], values, rule).equals(values), "other families are left alone"


# ---- EXCLUDE ---------------------------------------------------------------------------------------------------------


def _separated(elements: tuple[tuple[str, str], ...], predicate: str | None = None, **values: pa.Array) -> Any:
    exclusion = Exclusion(name="x", elements=elements, predicate=predicate)
    kinds = {pa.int64(): "integer", pa.bool_(): "boolean", pa.string(): "text"}
    columns = tuple(
        Column(name=n, type="tsrange" if n == "during" else "x", kind=kinds.get(a.type, "timestamp"))  # type: ignore[arg-type]
        for n, a in values.items()
    )
    described = table(*columns, exclusions=(exclusion,))
    found = spans(described, exclusion, "postgresql")
    assert found is not None
    return separate(found, described, values)


def test_ranges_of_two_columns_are_shifted_behind_each_other() -> None:
    starts = pa.array([0, 1, 2, 1], pa.int64())
    ends = pa.array([2, 3, None, 9], pa.int64())
    room = pa.array(["a", "a", "a", "b"])
    moved = _separated((("room", "="), ("int8range(starts, ends)", "&&")), room=room, starts=starts, ends=ends)
    assert moved["starts"].to_pylist() == [0, 2, 4, 1]
    assert moved["ends"].to_pylist() == [2, 4, None, 9], "lengths are kept, the last is open as it was"


def test_an_open_range_ends_where_the_next_one_begins() -> None:
    starts, ends = pa.array([0, 5], pa.int64()), pa.array([None, 7], pa.int64())
    moved = _separated((("int8range(starts, ends, '[)')", "&&"),), starts=starts, ends=ends)
    assert (moved["starts"].to_pylist(), moved["ends"].to_pylist()) == ([0, 5], [5, 7])


def test_ranges_that_include_their_ends_do_not_touch() -> None:
    starts, ends = pa.array([0, 2], pa.int64()), pa.array([2, 4], pa.int64())
    moved = _separated((("int8range(starts, ends, '[]')", "&&"),), starts=starts, ends=ends)
    assert moved["starts"].to_pylist()[1] > 2


def test_a_column_of_ranges_is_read_and_written() -> None:
    during = pa.array(['["2024-01-01 00:00:00","2024-01-01 02:00:00")', '["2024-01-01 01:00:00","2024-01-01 03:00:00")',
                       None, "empty"])  # fmt: skip
    room = pa.array([1, 1, 1, 1])
    moved = _separated((("int4range(room, room, '[]')", "&&"), ("during", "&&")), room=room, during=during)["during"]
    assert moved.to_pylist()[0] == during.to_pylist()[0]
    assert moved.to_pylist()[1].startswith('["2024-01-01 02:00:00')
    assert moved.to_pylist()[2:] == [None, "empty"]


def test_rows_that_the_condition_leaves_out_may_overlap() -> None:
    starts, ends = pa.array([0, 0], pa.int64()), pa.array([9, 9], pa.int64())
    kept = pa.array([True, False])
    assert _separated((("int8range(starts, ends)", "&&"),), "kept", starts=starts, ends=ends, kept=kept) is None


def test_constraints_of_other_shapes_are_not_kept_here() -> None:
    for elements in ((("area", "&&"), ("room", "<>")), (("f(a, b)", "&&"),), (("a", "&&"), ("b", "&&"))):
        exclusion = Exclusion(name="x", elements=elements)
        assert spans(table(text("area"), text("room"), text("a"), text("b")), exclusion, "postgresql") is None


def test_numbers_that_must_move_take_along_what_a_check_compares_them_with() -> None:
    described = dataclasses.replace(
        shop_table("t", column("number"), column("until")),
        unique_keys=(UniqueKey(name="k", columns=(), expressions=("abs(number)",)),),
        checks=(Check(name="order", expression="number <= until", columns=("number", "until")),),
    )
    # There are not so many different numbers between the least and the largest as there are rows.
    rows = pa.table({"number": list(range(-9, 9)), "until": list(range(-9, 9))})
    rows = rows.filter(pc.not_equal(rows["number"], 0))
    made = twin(schema(described), {"t": rows}, scale=2.0)["t"]
    assert len({abs(number) for number in made["number"].to_pylist()}) == made.num_rows == 34
    assert all(number <= until for number, until in tuples(made, "number", "until"))


def test_rows_that_repeat_a_key_of_too_few_values_have_none_of_them() -> None:
    described = shop_table(
        "t",
        column("id"),
        column("size", nullable=True),
        column("colour"),
        primary_key=("id",),
        unique_keys=(UniqueKey(name="k", columns=("size", "colour")),),
    )
    sizes = [None if n % 3 == 0 else n % 2 for n in range(30)]
    rows = pa.table({"id": list(range(30)), "size": pa.array(sizes, pa.int64()), "colour": [n // 6 for n in range(30)]})
    made = twin(schema(described), {"t": rows}, scale=5.0)["t"]
    keys = [key for key in tuples(made, "size", "colour") if None not in key]
    assert made.num_rows == 150
    assert len(keys) == len(set(keys)) > 5


def test_codes_that_rows_share_all_differ_where_a_condition_asks_for_it() -> None:
    house = shop_table("house", column("id"), column("floors"), primary_key=("id",))
    flat = shop_table(
        "flat",
        column("code", "text"),
        column("let", "boolean"),
        column("house", nullable=True),
        unique_keys=(UniqueKey(name="k", columns=("code",), predicate="let"),),
        foreign_keys=(foreign_key("of", ("house",), "house", ("id",)),),
    )
    rows = {
        "house": pa.table({"id": list(range(9)), "floors": [1, 2, 3] * 3}),
        "flat": pa.table(
            {
                "code": [f"C-{n if n < 8 else n % 4 + 90:04d}" for n in range(40)],
                "let": [n < 8 for n in range(40)],
                "house": [None if n % 2 else n % 9 for n in range(40)],
            }
        ),
    }
    made = twin(schema(house, flat), rows)["flat"]
    assert len(set(made["code"].to_pylist())) == 40


def test_a_number_that_is_unique_by_itself_does_not_count_the_rows_of_a_group() -> None:
    described = shop_table(
        "t",
        column("day", nullable=True),
        column("number"),
        unique_keys=(
            UniqueKey(name="both", columns=("number", "day")),
            UniqueKey(name="alone", columns=("number",)),
        ),
    )
    rows = pa.table({"day": [5] * 2 + [None] * 2, "number": list(range(4))})
    made = twin(schema(described), {"t": rows}, scale=3.0)["t"]
    assert len(set(made["number"].to_pylist())) == 12
