"""Values have their column's type and length, are unique where asked, and depend on nothing but their row."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbclone.errors import PlanError
from dbclone.generate.streams import Streams
from dbclone.generate.values import TEST_HASHES, make_values, values_at
from dbclone.learn.axes import learned_axis
from dbclone.learn.rules import column_facts, make_rule
from dbclone.model.flow import arrow_type
from dbclone.model.marginal import Marginal, fit_marginal
from dbclone.model.rules import (
    BinaryRule,
    ChoiceRule,
    CodeRule,
    ConstantRule,
    JsonMember,
    JsonNode,
    JsonRule,
    Learned,
    Mask,
    NullRule,
    Numbered,
    PersonalRule,
    Rule,
    SecretRule,
    SequenceKey,
    TextRule,
    UuidKey,
)
from dbclone.model.structures import ArrayRule
from dbclone.schema.checkdigits import iban_valid, luhn_valid
from dbclone.schema.classify import classify
from dbclone.schema.model import Column, TypeKind
from dbclone.schema.patterns import pattern_of

STREAMS = Streams(11)
NAME = ("people", "c")


def column(kind: TypeKind = "text", **more: Any) -> Column:
    return Column(**{"name": "c", "type": kind, "kind": kind, **more})


def values(
    rule: Rule, described: Column | None = None, *, first: int = 0, count: int = 200, seed: int = 11
) -> pa.Array:
    found = make_values(rule, described or column(), first_row=first, count=count, streams=Streams(seed), name=NAME)
    found.validate(full=True)
    assert len(found) == count
    return found


def personal(what: Any, **more: Any) -> PersonalRule:
    return PersonalRule(column="c", **{"what": what, "locale": "en_US", "unique": True, **more})


DOCUMENT = JsonNode(
    kinds=(("object", 1.0),),
    members=(
        JsonMember(name="n", share=1.0, node=JsonNode(kinds=(("integer", 1.0),), numbers=(1.0, 9.0))),
        JsonMember(
            name="who", share=0.5, node=JsonNode(kinds=(("string", 0.5), ("null", 0.5)), characters=(5.0, 20.0))
        ),
        JsonMember(
            name="list", share=1.0,
            node=JsonNode(kinds=(("array", 1.0),), lengths=(0.0, 3.0), element=JsonNode(kinds=(("boolean", 1.0),))),
        ),
    ),
)  # fmt: skip

TEXT = TextRule(column="c", characters=(3.0, 20.0, 60.0), words=(1.0, 4.0, 11.0), unique=False)
RULES: list[tuple[Rule, Column]] = [
    (SequenceKey(column="c", start=5), column("integer", bytes=4)),
    (UuidKey(column="c"), column("uuid")),
    (CodeRule(column="c", masks=(Mask(alphabets=("X", *["0123456789"] * 7), share=1.0),), unique=True), column()),
    (TEXT, column()),
    (TextRule(column="c", characters=(9.0,), words=(2.0,), unique=True, max_length=12), column(length=12)),
    (SecretRule(column="c", what="token", unique=True, length=40), column()),
    (SecretRule(column="c", what="password_hash", unique=False, scheme="bcrypt"), column()),
    (BinaryRule(column="c", lengths=(0.0, 40.0), unique=False), column("binary")),
    (BinaryRule(column="c", lengths=(16.0,), unique=True), column("binary")),
    (JsonRule(column="c", root=DOCUMENT), column("json")),
    (ChoiceRule(column="c", values=("a", "b"), shares=(0.9, 0.1)), column("enum")),
    (ChoiceRule(column="c", values=("false", "true"), shares=(0.5, 0.5)), column("boolean")),
    (ConstantRule(column="c", value="2020-02-02"), column("date")),
    (NullRule(column="c"), column("timestamptz")),
    (ArrayRule(column="c", element=TEXT, lengths=(0.0, 4.0)), column("array", parts=(column(),))),
    *((personal(what), column()) for what in (
        "email", "phone", "first_name", "last_name", "name", "user_name", "street", "city", "postcode", "company",
        "iban", "card", "ip", "mac", "url", "national_id",
    )),
    (personal("birth_date", unique=False), column()),
]  # fmt: skip
NAMES = [f"{type(rule).__name__} {getattr(rule, 'what', described.kind)}" for rule, described in RULES]


@pytest.mark.parametrize(("rule", "described"), RULES, ids=NAMES)
def test_a_value_depends_on_its_row_and_the_seed_only(rule: Rule, described: Column) -> None:
    whole = values(rule, described, count=1_000)
    assert whole.type == arrow_type(described.kind)
    assert whole == values(rule, described, count=1_000)
    assert whole.slice(300, 450) == values(rule, described, first=300, count=450)
    index = np.array([999, 0, 5, 5])
    assert values_at(rule, described, index=index, streams=STREAMS, name=NAME) == whole.take(pa.array(index))
    assert len(values(rule, described, count=0)) == 0
    if not isinstance(rule, ConstantRule | NullRule | SequenceKey) and getattr(rule, "what", "") != "password_hash":
        assert whole != values(rule, described, count=1_000, seed=12)


@pytest.mark.parametrize(("rule", "described"), [r for r in RULES if getattr(r[0], "unique", False)])
@pytest.mark.parametrize("start", [0, 79_000, 1_679_000])
def test_unique_values_are_unique_over_blocks(rule: Rule, described: Column, start: int) -> None:
    """The blocks are where a rule's first numbers end: reserved telephone numbers, people, short tokens."""
    blocks = pa.concat_arrays([values(rule, described, first=start + n, count=2_000) for n in (0, 2_000)])
    assert len(blocks.unique()) == 4_000
    if described.length is not None:
        assert max(map(len, blocks.to_pylist())) <= described.length


@pytest.mark.parametrize("what", ["email", "user_name", "name", "first_name", "city", "url", "phone", "company"])
@given(max_length=st.integers(4, 60), unique=st.booleans())
@settings(max_examples=25, deadline=None)
def test_personal_values_respect_the_length_and_stay_unique(what: Any, max_length: int, unique: bool) -> None:
    found = values(
        personal(what, max_length=max_length, unique=unique), column(length=max_length), count=150
    ).to_pylist()
    assert all(0 < len(value) <= max_length for value in found)
    assert not unique or len(set(found)) == 150


def test_a_person_is_the_same_in_all_columns_of_a_row() -> None:
    made = {}
    for what in ("first_name", "last_name", "name", "email", "user_name"):
        rule = personal(what, unique=False)
        made[what] = make_values(
            rule, column(), first_row=0, count=50, streams=STREAMS, name=("people", what)
        ).to_pylist()
    for first, last, name, email, user in zip(*made.values(), strict=True):
        assert name == f"{first} {last}"
        assert email.split("@")[0] == user == f"{first}.{last}".lower().replace("'", "")


def test_personal_values_are_recognisably_fictional() -> None:
    def made(what: Any, **more: Any) -> list[str]:
        return list(values(personal(what, **more)).to_pylist())

    assert {email.split("@")[1] for email in made("email")} == {"example.com", "example.org", "example.net"}
    assert all(phone[3:10] == "-555-01" for phone in made("phone"))
    assert all(phone.startswith("(") and ") 555-01" in phone for phone in made("phone", template="(###) ###-####"))
    assert all(luhn_valid(card) and card.startswith("400000") and len(card) == 16 for card in made("card"))
    assert all(pattern_of(card) == "card" for card in made("card", template="#### #### #### ####"))
    assert all(iban_valid(iban) and iban[4:8] == "TEST" and len(iban) == 22 for iban in made("iban"))
    assert all(not ipaddress.ip_address(ip).is_global for ip in made("ip"))
    assert all(ip.startswith("2001:db8::") and ipaddress.ip_address(ip) for ip in made("ip", template="A#::#"))
    assert all(mac.startswith("02:") and pattern_of(mac) == "mac" for mac in made("mac"))
    assert all(
        number[0] == "9" and pattern_of(number) == "national_id"
        for number in made("national_id", template="###-##-####")
    )
    assert all(url.startswith("https://example.com/") for url in made("url"))


def test_personal_whole_numbers() -> None:
    described = column("integer", name="phone", bytes=8)
    source = pa.array([2125550143 + n for n in range(20)])
    rule = make_rule(described, classify(described, column_facts(source), is_key=False), source)
    found = values(rule, described)
    assert found.type == pa.int64()
    assert all("55501" in str(number) for number in found.to_pylist())


def test_phones_that_must_be_unique_go_on_beyond_the_reserved_ones() -> None:
    rule = personal("phone")
    found = values(rule, first=79_000, count=5_000).to_pylist()
    assert len(set(found)) == 5_000
    assert all(phone[0] in "01" for phone in found[1_000:])
    with pytest.raises(PlanError, match=r"people\.c.*2,000,000,000"):
        values(rule, first=3_000_000_000, count=1)


def test_text_has_the_lengths_of_the_source() -> None:
    rng = np.random.default_rng(0)
    source = pa.array([("word " * n)[: 5 * n - 1] for n in rng.integers(1, 40, 2_000)])
    rule = make_rule(column(), classify(column(), column_facts(source), is_key=False), source)
    assert isinstance(rule, TextRule)
    lengths = np.array([len(text) for text in values(rule, count=20_000).to_pylist()])
    wanted = np.array([len(text) for text in source.to_pylist()])
    assert lengths.mean() == pytest.approx(wanted.mean(), rel=0.02)
    shares = np.linspace(0.05, 0.95, 19)
    assert np.abs(np.quantile(lengths, shares) - np.quantile(wanted, shares)).max() <= 6


@given(st.lists(st.integers(0, 300), min_size=1, max_size=6), st.integers(1, 120), st.booleans(), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_text_respects_the_length_in_characters(lengths: list[int], longest: int, unique: bool, empty: float) -> None:
    rule = TextRule(column="c", characters=tuple(map(float, sorted(lengths))), words=(1.0, 9.0), unique=unique,
                    empty_share=empty, max_length=longest)  # fmt: skip
    count = min(100, 36**longest)
    found = values(rule, column(length=longest), count=count).to_pylist()
    assert all(len(text) <= longest and text == text.strip() for text in found)
    assert not unique or len(set(found)) == count


def test_empty_and_null_text_keep_their_shares() -> None:
    rule = TextRule(column="c", characters=(30.0,), words=(5.0,), unique=False, empty_share=0.3, null_share=0.5)
    found = values(rule, count=20_000).to_pylist()
    assert found.count(None) == pytest.approx(10_000, rel=0.05)
    assert found.count("") == pytest.approx(3_000, rel=0.08)


def test_secrets_are_obviously_fake() -> None:
    assert set(values(SecretRule(column="c", what="password_hash", unique=False, scheme="md5")).to_pylist()) == {
        "5f4dcc3b5aa765d61d8327deb882cf99"
    }
    found = values(SecretRule(column="c", what="token", unique=False, length=24)).to_pylist()
    assert all(token.startswith("fake_") and len(token) == 24 for token in found)
    assert all(len(v) == 4 for v in values(SecretRule(column="c", what="token", unique=True, length=4)).to_pylist())
    assert TEST_HASHES["bcrypt"].startswith("$2b$10$")
    assert len(TEST_HASHES["bcrypt"]) == 60


def test_documents_and_arrays_are_valid() -> None:
    documents = [json.loads(text) for text in values(JsonRule(column="c", root=DOCUMENT)).to_pylist()]
    assert all(1 <= document["n"] <= 9 and len(document["list"]) <= 3 for document in documents)
    assert 0 < sum("who" in document for document in documents) < 200
    assert set(values(JsonRule(column="c", root=JsonNode(kinds=()))).to_pylist()) == {"{}"}
    choice = ChoiceRule(column="c", values=('a "b"', "c\\d"), shares=(1.0, 1.0), null_share=0.3)
    rule = ArrayRule(column="c", element=choice, lengths=(0.0, 3.0))
    found = set(values(rule, column("array", parts=(column(),)), count=2_000).to_pylist())
    assert {"{}", r'{"a \"b\""}', r'{"c\\d"}', "{NULL}"} <= found
    nothing = ArrayRule(column="c", element=NullRule(column="c"), lengths=())
    assert set(values(nothing, column("array", parts=(column(),))).to_pylist()) == {"{}"}


def learned(kind: TypeKind, low: list[float], high: list[float], **more: Any) -> Learned:
    edges = np.linspace(0.0, 1.0, len(low) + 1)
    return Learned(
        column="c", marginal=Marginal(edges=edges, low=np.array(low), high=np.array(high)), kind=kind, **more
    )


def test_learned_values_have_the_type_of_their_kind() -> None:
    nan = float("nan")
    cases: list[tuple[Learned, Column, Any]] = [
        (learned("integer", [nan, 1.0], [nan, 9.0]), column("integer", bytes=2), pa.int64()),
        (learned("boolean", [nan, 0.0, 1.0], [nan, 0.0, 1.0]), column("boolean"), pa.bool_()),
        (learned("float", [nan, 0.0], [nan, 1.0], decimals=2), column("float"), pa.float64()),
        (
            learned("decimal", [nan, 0.0], [nan, 99.0], decimals=2),
            column("decimal", precision=10, scale=2),
            pa.decimal128(10, 2),
        ),
        (learned("date", [nan, 0.0], [nan, 99.0]), column("date"), pa.date32()),
        (learned("time", [nan, 0.0], [nan, 86_399e6], decimals=0), column("time"), pa.time64("us")),
        (learned("timestamp", [nan, 0.0], [nan, 1e15], decimals=-6), column("timestamp"), pa.timestamp("us")),
        (learned("timestamptz", [nan, 0.0], [nan, 1e15]), column("timestamptz"), pa.timestamp("us", "UTC")),
        (learned("interval", [nan, 0.0], [nan, 1e9]), column("interval"), pa.month_day_nano_interval()),
        (
            learned("text", [nan, 0.0, 1.0], [nan, 0.0, 1.0], categories=("a", "b")),
            column(),
            pa.dictionary(pa.int32(), pa.string()),
        ),
    ]
    for rule, described, kind in cases:
        found = values(rule, described, count=500)
        assert found.type == kind
        assert 0 < found.null_count < 500
        assert found.slice(100, 50) == values(rule, described, first=100, count=50)


def test_learned_values_stay_within_their_column() -> None:
    assert max(values(learned("integer", [0.0], [1e9]), column("integer", bytes=2)).to_pylist()) == 32_767
    assert max(values(learned("integer", [0.0], [1e30]), column("integer", bytes=8)).to_pylist()) > 2**62
    money = values(learned("decimal", [0.0], [5000.0], decimals=2), column("decimal", precision=4, scale=2))
    assert str(max(money.to_pylist())) == "99.99"
    cents = values(learned("decimal", [0.0], [50.0], decimals=1), column("decimal", precision=8, scale=3)).to_pylist()
    assert all(str(value).endswith("00") for value in cents)
    assert len(set(cents)) > 50
    huge = values(learned("decimal", [0.0], [1e25], decimals=2), column("decimal"))
    assert huge.type == pa.string()
    assert "." in huge[0].as_py()
    days = values(learned("timestamp", [0.0], [1e15], decimals=-6), column("timestamp")).to_pylist()
    assert all((day.hour, day.minute, day.second) == (0, 0, 0) for day in days)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=30, max_size=200), st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_decimals_round_trip_through_their_axis(units: list[int], scale: int) -> None:
    described = column("decimal", precision=12, scale=4)
    source = pa.array([f"{unit / 10**scale:.{scale}f}" for unit in units])
    axis, decimals = learned_axis(described, source)
    assert decimals is not None
    assert decimals <= scale
    marginal = fit_marginal(axis)
    rule = Learned(column="c", marginal=marginal, kind="decimal", decimals=decimals)
    scores = marginal.encode(axis, np.full(len(axis), 0.5))
    found = make_values(rule, described, first_row=0, count=len(units), streams=STREAMS, name=NAME, scores=scores)
    assert found.type == pa.decimal128(12, 4)
    low, high = min(units) / 10**scale, max(units) / 10**scale
    assert all(low - 1e-9 <= float(value) <= high + 1e-9 for value in found.to_pylist())


def test_rules_that_need_more_than_the_index_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Numbered.*people\.c"):
        values(Numbered(column="c", parents=("p",), start=1), column("integer"))


@pytest.mark.parametrize(
    "source",
    [
        pa.array([f"{'abcdefgh'[n % 8]}{n * 7919 % 100_000:05d}" for n in range(500)]),
        pa.array([f"user{n}@corp.test.invalid" for n in range(500)]),
        pa.array([f"The quick brown fox number {n} jumps" for n in range(500)]),
        pa.array([f'{{"id": {n}, "mail": "x{n}@y.org"}}' for n in range(500)]),
    ],
)
def test_no_long_source_string_is_generated(source: pa.Array) -> None:
    rule = make_rule(column(), classify(column(), column_facts(source), is_key=False), source)
    found = set(values(rule, count=5_000).to_pylist())
    repeats = found & set(source.to_pylist())
    # Of 800,000 codes, 5,000 drawn ones meet 500 of the source about three times by chance; text never does.
    assert len(repeats) <= (15 if isinstance(rule, CodeRule) else 0)
