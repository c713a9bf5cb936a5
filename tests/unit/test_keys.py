"""Keys are functions of the row's index: all different, the same on every worker, within their type."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbclone.errors import PlanError
from dbclone.generate.keys import KeyRule, capacity, fit_to_rows, key_values
from dbclone.generate.streams import Streams
from dbclone.model.rules import CodeRule, Mask, SequenceKey, TextRule, UuidKey
from dbclone.schema.model import Column

STREAMS = Streams(7)
NAME = ("shop.orders", "code")
DIGITS = "0123456789"


def column(kind: Any = "text", **more: Any) -> Column:
    return Column(name="code", type=kind, kind=kind, **more)


def keys(rule: KeyRule, index: Any, described: Column | None = None, streams: Streams = STREAMS) -> list[Any]:
    values = key_values(
        rule, described or column(), index=np.asarray(index, dtype=np.int64), streams=streams, name=NAME
    )
    values.validate(full=True)
    return list(values.to_pylist())


def code_rule(*masks: tuple[tuple[str, ...], float], **more: Any) -> CodeRule:
    described = {"unique": True, **more}
    return CodeRule(column="code", masks=tuple(Mask(alphabets=a, share=s) for a, s in masks), **described)


alphabets = st.lists(
    st.sampled_from(("A", "-", DIGITS, "01", "ABCDEF", "abcdefghijklmnopqrstuvwxyz", "é", "ÄÖÜ", "😀b")),
    min_size=1,
    max_size=8,
).map(tuple)


def test_a_sequence_has_its_type() -> None:
    rule = SequenceKey(column="code", start=10, step=5)
    assert keys(rule, [0, 1, 7], column("integer")) == [10, 15, 45]
    assert [str(value) for value in keys(rule, [1], column("decimal", precision=8, scale=2))] == ["15.00"]
    assert str(keys(rule, [1], column("date"))[0]) == "1970-01-16"
    assert keys(rule, [1], column("text")) == ["15"]


def test_a_sequence_is_kept_within_its_type() -> None:
    small = column("integer", bytes=2)
    assert fit_to_rows(SequenceKey(column="code", start=30_000, step=1), small, rows=20_000, name=NAME) == SequenceKey(
        column="code", start=1, step=1
    )
    assert fit_to_rows(SequenceKey(column="code", start=1, step=10), small, rows=20_000, name=NAME) == SequenceKey(
        column="code", start=1, step=1
    )
    with pytest.raises(PlanError, match=r"shop\.orders\.code.*32,767.*--rows shop\.orders=N"):
        fit_to_rows(SequenceKey(column="code", start=1), small, rows=40_000, name=NAME)
    with pytest.raises(PlanError, match="32,767"):
        keys(SequenceKey(column="code", start=32_767), [0, 1], small)


@pytest.mark.parametrize("version", [4, 7])
def test_uuids_are_valid_and_different(version: Any) -> None:
    values = keys(UuidKey(column="code", version=version, start_ms=1_700_000_000_000, step_ms=3), range(5000))
    assert len(set(values)) == 5000
    assert {uuid.UUID(value).version for value in values} == {version}
    assert {uuid.UUID(value).variant for value in values} == {uuid.RFC_4122}
    if version == 7:
        assert values == sorted(values)
        assert int(values[1][:8] + values[1][9:13], 16) == 1_700_000_000_003


def test_codes_are_all_the_codes_of_a_mask_in_no_visible_order() -> None:
    rule = code_rule((("K", "-", DIGITS, DIGITS), 1.0))
    values = keys(rule, range(100))
    assert sorted(values) == [f"K-{n:02d}" for n in range(100)]
    assert values != sorted(values)


@given(alphabets, st.integers(0, 3))
def test_codes_are_unique_and_fit_their_mask(mask: tuple[str, ...], seed: int) -> None:
    rule = code_rule((mask, 1.0))
    rows = min(capacity(rule.masks[0]), 500)
    values = keys(rule, range(rows), streams=Streams(seed))
    assert len(set(values)) == rows
    assert all(len(v) == len(mask) and all(c in a for c, a in zip(v, mask, strict=True)) for v in values)


@given(st.integers(1, 400), st.lists(st.integers(0, 399), max_size=20))
def test_a_key_does_not_depend_on_the_rows_beside_it(rows: int, picked: list[int]) -> None:
    rule = code_rule((("A", DIGITS, DIGITS, DIGITS), 0.7), (("b", DIGITS, DIGITS), 0.3))
    fitted = fit_to_rows(rule, column(), rows=400, name=NAME)
    assert isinstance(fitted, CodeRule)
    whole = keys(fitted, range(400))
    assert keys(fitted, range(rows, 400)) == whole[rows:]
    assert keys(fitted, picked) == [whole[n] for n in picked]


def test_masks_keep_their_shares() -> None:
    rule = code_rule((("A", *[DIGITS] * 8), 0.75), (("B", *[DIGITS] * 8), 0.25))
    values = keys(rule, range(20_000))
    assert sum(value[0] == "A" for value in values) / 20_000 == pytest.approx(0.75, abs=0.01)


lengths_and_shares = st.lists(
    st.tuples(st.integers(1, 3), st.floats(0.01, 1)), min_size=1, max_size=3, unique_by=lambda mask: mask[0]
)


@given(lengths_and_shares, st.integers(1, 1110))
def test_a_fitted_rule_has_a_code_for_every_row(lengths: list[tuple[int, float]], rows: int) -> None:
    rule = code_rule(*(((DIGITS,) * length, share) for length, share in lengths), max_length=6)
    fitted = fit_to_rows(rule, column(length=6), rows=rows, name=NAME)
    assert isinstance(fitted, CodeRule)
    values = keys(fitted, range(rows))
    assert len(set(values)) == rows
    assert all(len(value) <= 6 for value in values)


def test_a_mask_beside_a_small_one_uses_all_its_characters() -> None:
    rule = code_rule(((DIGITS,), 0.5), ((DIGITS,) * 9, 0.5))
    last = {value[-1] for value in keys(rule, range(20)) if len(value) == 9}
    assert len(last) > 3


def test_a_rule_that_has_enough_codes_is_left_alone() -> None:
    rule = code_rule(((DIGITS,) * 4, 1.0))
    assert fit_to_rows(rule, column(), rows=10_000, name=NAME) is rule
    shared = code_rule((("1",), 1.0), unique=False, pool=1)
    assert fit_to_rows(shared, column(), rows=10_000, name=NAME) is shared


def test_alphabets_widen_before_codes_grow() -> None:
    rule = code_rule((("A", "12", "12"), 1.0), max_length=3)
    fitted = fit_to_rows(rule, column(length=3), rows=50, name=NAME)
    assert isinstance(fitted, CodeRule)
    assert fitted.masks[0].alphabets[1] == DIGITS
    grown = fit_to_rows(code_rule(((DIGITS,), 1.0)), column(), rows=5_000, name=NAME)
    assert isinstance(grown, CodeRule)
    assert len(grown.masks[0].alphabets) == 4


def test_too_few_codes_are_an_error_that_names_the_column() -> None:
    rule = code_rule(((DIGITS,), 1.0), max_length=1)
    with pytest.raises(PlanError, match=r"shop\.orders\.code: 1,000 rows .* --rows shop\.orders=N"):
        fit_to_rows(rule, column(length=1), rows=1_000, name=NAME)
    with pytest.raises(PlanError, match="only 10 different values"):
        keys(rule, range(11))


def test_codes_that_rows_share_come_from_a_pool() -> None:
    rule = code_rule(((DIGITS,) * 6, 1.0), unique=False, pool=30)
    assert 25 <= len(set(keys(rule, range(2_000)))) <= 30


def test_codes_longer_than_their_numbers_differ_everywhere() -> None:
    rule = code_rule((("0123456789abcdef",) * 64, 1.0))
    values = keys(rule, range(2_000))
    assert len(set(values)) == 2_000
    assert all(len({value[place] for value in values}) == 16 for place in range(64))


def test_other_rules_are_not_fitted() -> None:
    rule = TextRule(column="code", characters=(3.0,), words=(1.0,), unique=True)
    assert fit_to_rows(rule, column(), rows=10, name=NAME) is rule


def test_null_share() -> None:
    rule = SequenceKey(column="code", start=1, null_share=0.25)
    values = keys(rule, range(10_000), column("integer"))
    assert values.count(None) / 10_000 == pytest.approx(0.25, abs=0.02)
    assert isinstance(key_values(rule, column("integer"), index=np.arange(0), streams=STREAMS, name=NAME), pa.Array)


def test_short_keys_use_capitals_where_case_counts() -> None:
    rule = code_rule((("abc",), 1.0), max_length=1)
    assert len(set(keys(fit_to_rows(rule, column(length=1), rows=60, name=NAME), range(60)))) == 60
    with pytest.raises(PlanError, match="only 36 different"):
        fit_to_rows(rule, Column(name="code", type="public.citext", kind="text"), rows=60, name=NAME)
