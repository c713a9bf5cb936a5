"""Values survive their spelling: what is written is read again as the same, also what Arrow has no words for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbclone.model.literals import (
    DATE_INFINITY,
    TIME_INFINITY,
    elements_of,
    fields_of,
    intervals,
    quoted_elements,
    quoted_fields,
    ranges_of,
    text_of,
    typed,
    writable,
)
from dbclone.schema.model import TypeKind

DAYS = st.integers(-2_440_588, 2_145_031_948) | st.sampled_from([DATE_INFINITY, -DATE_INFINITY, -719_163, 2_932_897])
MOMENTS = st.integers(-210_866_803_200_000_000, 2**63 - 2) | st.sampled_from([TIME_INFINITY, -TIME_INFINITY])
CLOCKS = st.integers(0, 86_399_999_999)
FLOATS = st.floats(allow_nan=False)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LIMIT = 2**31 - 2


def spelled(kind: TypeKind, units: Sequence[int | None], of: pa.DataType) -> None:
    values = pa.array(units, of).cast(typed(kind, pa.array([], pa.string())).type)
    assert typed(kind, text_of(values)) == values
    assert text_of(writable(values)) == text_of(values)


@given(st.lists(DAYS | st.none()))
@settings(deadline=None)
def test_dates_of_every_age(days: list[int | None]) -> None:
    spelled("date", days, pa.int32())


@given(st.lists(MOMENTS | st.none()))
@settings(deadline=None)
def test_moments_of_every_age(units: list[int | None]) -> None:
    spelled("timestamp", units, pa.int64())


@given(st.lists(CLOCKS | st.none()))
@settings(deadline=None)
def test_times_of_day(units: list[int | None]) -> None:
    spelled("time", units, pa.int64())


@given(st.lists(st.binary() | st.none()))
@settings(deadline=None)
def test_bytes(values: list[bytes | None]) -> None:
    found = pa.array(values, pa.binary())
    assert typed("binary", text_of(found)) == found


def test_words_for_what_no_calendar_has() -> None:
    days = pa.array([DATE_INFINITY, -DATE_INFINITY, -735_160, 2_932_897, 0, None], pa.int32()).cast(pa.date32())
    assert text_of(days).to_pylist() == ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01", "1970-01-01", None]
    assert writable(days.slice(4)) == days.slice(4)
    moments = pa.array([-TIME_INFINITY, -(62_135_596_800_000_001)], pa.timestamp("us", "UTC"))
    assert text_of(moments).to_pylist() == ["-infinity", "0001-12-31 23:59:59.999999+00 BC"]


def test_zones_and_the_end_of_the_day() -> None:
    found = typed("time", pa.array(["24:00:00", "12:30:00+05:30", "01:00:00.5-02"]))
    assert [str(value) for value in found.to_pylist()] == ["23:59:59.999999", "07:00:00", "03:00:00.500000"]
    (moment,) = typed("timestamptz", pa.array(["0044-03-15 10:00:00+02 BC"])).cast(pa.int64()).to_pylist()
    assert moment == int(np.datetime64("-0043-03-15T08:00:00", "us").astype(np.int64))


@given(st.lists(st.tuples(*[st.integers(-LIMIT, LIMIT)] * 2, st.integers(-(2**62), 2**62)), min_size=1))
@settings(deadline=None)
def test_intervals_keep_months_days_and_time(parts: list[tuple[int, int, int]]) -> None:
    columns = (np.array(column, dtype=np.int64) for column in zip(*parts, strict=True))
    found = intervals(*columns, None)
    assert typed("interval", pa.array([text.replace("+", "") for text in text_of(found).to_pylist()])) == found


def test_intervals_as_databases_print_them() -> None:
    texts = ["1 year 2 mons -3 days +04:05:06.5", "-00:00:01", "1 mon", "00:00:00", "infinity", "-infinity", None]
    assert text_of(typed("interval", pa.array(texts))).to_pylist() == [
        "+14 mons -3 days +04:05:06.500000", "+0 mons +0 days -00:00:01.000000", "+1 mons +0 days +00:00:00.000000",
        "+0 mons +0 days +00:00:00.000000", "infinity", "-infinity", None,
    ]  # fmt: skip


def test_money_loses_its_sign_and_numbers_keep_their_digits() -> None:
    texts = ["$1,234.50", "-$3.00", "9" * 60, "NaN", "-Infinity", None]
    assert typed("decimal", pa.array(texts)).to_pylist() == ["1234.50", "-3.00", "9" * 60, "NaN", "-Infinity", None]


@pytest.mark.parametrize("kind", ["date", "time", "timestamp", "interval"])
def test_what_is_spelled_otherwise_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="no known way"):
        typed(kind, pa.array(["the day after"]))


@given(st.lists(ANY_TEXT | st.none(), min_size=1))
@settings(deadline=None)
def test_elements_and_fields_are_read_as_they_were_quoted(texts: list[str | None]) -> None:
    found = pa.array(texts, pa.string())
    assert elements_of("{" + ",".join(quoted_elements(found).to_pylist()) + "}") == (texts, (len(texts),))
    assert fields_of(",".join(quoted_fields(found).to_pylist())) == texts


def test_arrays_have_shapes() -> None:
    assert elements_of("{}") == ([], (0,))
    assert elements_of('{{a,NULL},{"NULL","{"}}') == (["a", None, "NULL", "{"], (2, 2))
    assert elements_of("[0:1][5:5]={{1},{2}}") == (["1", "2"], (2, 1))
    assert elements_of("{(1,1),(0,0);(2,2),(1,1)}", ";") == (["(1,1),(0,0)", "(2,2),(1,1)"], (2,))


def test_multiranges_are_cut_into_ranges() -> None:
    literal = '{[1,3),("a,]b","c""d"],(,5]}'
    assert ranges_of(literal) == ["[1,3)", '("a,]b","c""d"]', "(,5]"]
    assert fields_of('"a,]b","c""d"') == ["a,]b", 'c"d']
