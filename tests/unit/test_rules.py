"""Rules keep of a column what many rows share, and no value of one row."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbclone.learn.axes import learned_axis
from dbclone.learn.codes import learn_masks
from dbclone.learn.rules import column_facts, make_rule
from dbclone.model.literals import typed
from dbclone.model.marginal import INFINITE, LARGEST, NOT_A_NUMBER
from dbclone.model.rules import (
    BinaryRule,
    ChoiceRule,
    CodeRule,
    JsonRule,
    Learned,
    NullRule,
    PersonalRule,
    Rule,
    SecretRule,
    SequenceKey,
    TextRule,
    UuidKey,
)
from dbclone.model.structures import ArrayRule
from dbclone.schema.classify import classify
from dbclone.schema.model import Column

UTC = dt.timezone.utc


def strings_in(value: Any) -> Iterator[str]:
    """Yield every string of a rule, however deep."""
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from strings_in(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from strings_in(item)


def rule_of(column: Column, values: pa.Array, *, unique: bool = False) -> Rule:
    found = classify(column, column_facts(values), is_key=unique)
    return make_rule(column, found, values, unique=unique)


def text_column(name: str = "note", **more: Any) -> Column:
    return Column(name=name, type="text", kind="text", **more)


@pytest.mark.parametrize(
    "name", ["note", "email", "code", "phone", "street", "city", "api_key", "password", "iban", "zip"]
)
@given(values=st.lists(st.text(min_size=3, max_size=30), min_size=1, max_size=40, unique=True), unique=st.booleans())
@settings(deadline=None)
def test_no_string_of_one_row_is_in_a_rule(name: str, values: list[str], unique: bool) -> None:
    rule = rule_of(text_column(name), pa.array(values, pa.string()), unique=unique)
    dictionary = {
        name,
        "en_US",
        "token",
        "password_hash",
        "plain",
        getattr(rule, "what", ""),
        getattr(rule, "scheme", ""),
    }
    assert not {text for text in strings_in(rule) if text not in dictionary} & set(values)


@given(st.lists(st.from_regex(r"[A-Z]{2}-[0-9]{4}", fullmatch=True), min_size=1, max_size=60, unique=True))
@settings(deadline=None)
def test_no_code_is_in_its_masks(values: list[str]) -> None:
    rule = rule_of(text_column("sku"), pa.array(values), unique=True)
    assert isinstance(rule, CodeRule)
    assert not any(all(len(a) == 1 for a in mask.alphabets) for mask in rule.masks)
    assert all(len(mask.alphabets) == 7 and mask.alphabets[2] == "-" for mask in rule.masks)


def test_masks_keep_characters_that_five_values_share() -> None:
    (mask,) = learn_masks([f"INV-{n:04d}" for n in range(2000)])
    assert mask.alphabets[:4] == ("I", "N", "V", "-")
    assert mask.alphabets[4] == "01"
    assert mask.alphabets[5] == "0123456789"


def test_masks_of_few_values_keep_classes_only() -> None:
    (mask,) = learn_masks(["AB-1", "CD-2"])
    assert mask.alphabets[0] == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    assert mask.alphabets[3] == "0123456789"
    assert learn_masks(["***", "---"]) == ()


def test_hexadecimal_codes_become_one_mask() -> None:
    masks = learn_masks([f"{hash((n, 7)) & 0xFFFFFFFFFFFFFFFF:016x}" for n in range(3000)])
    assert len(masks) == 1
    assert set(masks[0].alphabets[3]) == set("0123456789abcdef")


def test_integer_keys_become_sequences() -> None:
    column = Column(name="id", type="integer", kind="integer", bytes=4)
    assert rule_of(column, pa.array([1, 2, 3]), unique=True) == SequenceKey(column="id", start=1, step=1)
    assert rule_of(column, pa.array(range(10, 1000, 10)), unique=True) == SequenceKey(column="id", start=10, step=10)
    assert rule_of(column, pa.array([-1, 5, 9]), unique=True) == SequenceKey(column="id", start=1, step=1)
    assert rule_of(column, pa.array([-7, -5, -1]), unique=True) == SequenceKey(column="id", start=-1, step=-1)


def test_a_large_first_key_is_rounded_so_that_it_names_no_row() -> None:
    column = Column(name="id", type="bigint", kind="integer", bytes=8)
    rule = rule_of(column, pa.array([219_099_999 + 7 * n for n in range(30)]), unique=True)
    assert rule == SequenceKey(column="id", start=210_000_000, step=7)


def test_unique_days_become_a_calendar() -> None:
    column = Column(name="day", type="date", kind="date")
    weeks = pa.array([dt.date(2020, 1, 6) + dt.timedelta(weeks=n) for n in range(20)])
    assert rule_of(column, weeks, unique=True) == SequenceKey(column="day", start=18_267, step=7)


def test_uuid_versions_are_recognised() -> None:
    column = Column(name="id", type="uuid", kind="uuid")
    fourth = pa.array([f"{n:08x}-0000-4000-8000-000000000000" for n in range(9)])
    seventh = pa.array([f"0190b3c2-7d5{n}-7c3a-9f11-2b6a0d4c8e77" for n in range(9)])
    assert isinstance(rule := rule_of(column, fourth), UuidKey)
    assert rule.version == 4
    assert isinstance(rule := rule_of(column, seventh), UuidKey)
    assert rule.version == 7
    assert rule.start_ms % 86_400_000 == 0


def test_personal_secret_and_text_columns() -> None:
    phones = pa.array([f"(212) 555-{n:04d}" for n in range(20)])
    rule = rule_of(text_column("x"), phones)
    assert isinstance(rule, PersonalRule)
    assert rule.what == "phone"
    assert rule.template == "(###) ###-####"
    rule = rule_of(text_column("password"), pa.array([f"{n:064x}" for n in range(20)]))
    assert isinstance(rule, SecretRule)
    assert rule.scheme == "sha256"
    rule = rule_of(text_column(length=80), pa.array(["", "two words", "three little words", None]))
    assert isinstance(rule, TextRule)
    assert (rule.null_share, rule.max_length, rule.words[0], rule.characters[-1]) == (0.25, 80, 2.0, 18.0)
    assert rule.empty_share == pytest.approx(1 / 3)


def test_a_column_that_is_not_nullable_gets_no_nulls() -> None:
    rule = rule_of(text_column(nullable=False), pa.array(["some text here", None]))
    assert isinstance(rule, TextRule)
    assert rule.null_share == 0.0


def test_a_column_without_values_stays_null() -> None:
    assert rule_of(text_column(), pa.array([None, None], pa.string())) == NullRule(column="note")


def test_an_enum_without_common_values_chooses_from_its_type() -> None:
    column = Column(name="mood", type="mood", kind="enum", enum_values=("sad", "ok", "happy"))
    rule = rule_of(column, pa.array(["ok", "sad", "ok", "ok"]))
    assert rule == ChoiceRule(column="mood", values=("sad", "ok", "happy"), shares=(0.25, 0.75, 0.0))


def test_json_structure_is_learned_without_its_rare_names_and_strings() -> None:
    column = Column(name="doc", type="jsonb", kind="json")
    documents = [
        f'{{"kind": "{"ab"[n % 2]}", "n": {n}, "owner": "boss", "tags": ["x{n}"], "who{n}@x.org": 1}}'
        for n in range(40)
    ]
    rule = rule_of(column, pa.array(documents))
    assert isinstance(rule, JsonRule)
    assert {member.name for member in rule.root.members} == {"kind", "n", "owner", "tags"}
    found = set(strings_in(rule))
    assert {"a", "b"} <= found
    assert not {"boss", "x1", "x39"} & found


def test_array_elements_get_a_rule_of_their_own() -> None:
    labels = Column(name="tags", type="text[]", kind="array", parts=(text_column("tags"),))
    rule = rule_of(labels, pa.array(['{red,"dark blue"}', "{red}", "{}"] * 5))
    assert isinstance(rule, ArrayRule)
    assert isinstance(rule.element, ChoiceRule)
    assert set(rule.element.values) == {"red", "dark blue"}
    numbers = Column(name="ns", type="int[]", kind="array", parts=(Column(name="ns", type="int", kind="integer"),))
    rule = rule_of(numbers, pa.array(["{1,2,3}", "{4,NULL}"] * 5))
    assert isinstance(rule, ArrayRule)
    assert isinstance(rule.element, Learned)
    assert rule.element.marginal.null_share == pytest.approx(0.2)
    rule = rule_of(numbers, pa.array(["{{1,2},{3,4}}"] * 5))
    assert isinstance(rule, ArrayRule)
    assert rule.shapes == (((2, 2), 1.0),)


def test_binary_values_keep_lengths_only() -> None:
    column = Column(name="b", type="bytea", kind="binary")
    rule = rule_of(column, pa.array([b"abc", b"x" * 9000]))
    assert isinstance(rule, BinaryRule)
    assert rule.lengths[0] == 3.0
    assert rule.lengths[-1] == 4096.0


def test_axes_are_numbers_with_nan_for_null() -> None:
    def axis(kind: Any, values: pa.Array, labels: tuple[str, ...] = ()) -> tuple[list[float], int | None]:
        found, decimals = learned_axis(Column(name="c", type="", kind=kind), values, labels)
        return found.tolist(), decimals

    assert axis("integer", pa.array([1, 2])) == ([1.0, 2.0], 0)
    assert axis("decimal", pa.array(["1.50", "2", "-0.25"])) == ([1.5, 2.0, -0.25], 2)
    assert axis("boolean", pa.array([True, False])) == ([1.0, 0.0], None)
    assert axis("text", pa.array(["b", "a"]), ("a", "b")) == ([1.0, 0.0], None)
    assert axis("date", pa.array([dt.date(1970, 1, 3)])) == ([2.0], None)
    assert axis("timestamp", pa.array([dt.datetime(1970, 1, 3, tzinfo=UTC)], pa.timestamp("us"))) == ([172_800e6], -6)
    assert axis("timestamp", pa.array([dt.datetime(1970, 1, 1, 0, 5, tzinfo=UTC)], pa.timestamp("us"))) == ([300e6], -2)
    assert axis("time", pa.array([dt.time(0, 0, 1, 5000)], pa.time64("us"))) == ([1_005_000.0], 3)
    assert axis("float", pa.array([0.5, float("nan"), float("inf"), 0.25])) == ([0.5, NOT_A_NUMBER, INFINITE, 0.25], 2)
    assert axis("decimal", pa.array(["NaN", "-Infinity", "9" * 400])) == ([NOT_A_NUMBER, -INFINITE, LARGEST], 0)
    assert axis("date", typed("date", pa.array(["infinity", "0001-12-31 BC"]))) == ([INFINITE, -719_163.0], None)
    assert axis("interval", typed("interval", pa.array(["2 years -1 mons"]))) == ([23 * 30 * 86_400e6], -8)
    assert axis("float", pa.array([1 / 3])) == ([1 / 3], None)
    found, _ = axis("text", pa.array(["z", None]), ("a",))
    assert np.isnan(found).all()


def test_facts_count_rows_nulls_and_shared_values() -> None:
    facts = column_facts(pa.chunked_array([["a"] * 6 + ["b"] * 2, [None, "c"]]))
    assert (facts.rows, facts.nulls, facts.distinct, facts.present) == (10, 1, 3, 9)
    assert facts.shared_share == pytest.approx(6 / 9)
