"""Values with a structure: what is learned of them, that no row's own string is, and what is made of it."""

from __future__ import annotations

import ipaddress
import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbclone.errors import PlanError
from dbclone.generate.keys import fit_to_rows
from dbclone.generate.streams import Streams
from dbclone.generate.values import make_values
from dbclone.learn.rules import column_facts, make_rule, part_rule
from dbclone.model.literals import elements_of, fields_of, text_of, typed
from dbclone.model.rules import JsonRule, Learned, Rule
from dbclone.model.structures import ArrayRule, CompositeRule, NetworkRule, PathRule, RangeRule, VectorRule
from dbclone.schema.classify import classify
from dbclone.schema.model import Column
from tests.unit.test_rules import strings_in

NAME = ("t", "c")


def column(kind: Any, type: str = "", *parts: Column, **more: Any) -> Column:
    return Column(name="c", type=type or kind, kind=kind, parts=parts, **more)


INTEGER = column("integer", bytes=4)
TEXT = column("text")
RANGE = column("range", "int4range", INTEGER)


def learned(described: Column, texts: list[str | None], *, unique: bool = False) -> Rule:
    values = typed(described.kind, pa.array(texts, pa.string()))
    return make_rule(described, classify(described, column_facts(values), is_key=unique), values, unique=unique)


def made(rule: Rule, described: Column, count: int = 400) -> list[Any]:
    found = make_values(rule, described, first_row=0, count=count, streams=Streams(3), name=NAME)
    found.validate(full=True)
    half = make_values(rule, described, first_row=100, count=50, streams=Streams(3), name=NAME)
    assert text_of(found).slice(100, 50) == text_of(half), "a value depends on its row only"
    return list(text_of(found).to_pylist())


def test_arrays_of_several_dimensions_keep_their_shape() -> None:
    described = column("array", "int[]", INTEGER)
    rule = learned(described, ["{{1,2,3},{4,5,6}}"] * 10 + ["{7}"] * 20 + ["{}"] * 10 + [None] * 10)
    assert isinstance(rule, ArrayRule)
    found = made(rule, described, 2000)
    shapes = [elements_of(text)[1] for text in found if text is not None]
    assert {(2, 3), (1,), (0,)} == set(shapes)
    assert shapes.count((2, 3)) / len(shapes) == pytest.approx(0.25, abs=0.04)
    assert found.count(None) / 2000 == pytest.approx(0.2, abs=0.04)


def test_arrays_that_must_differ_begin_with_the_key_of_their_row() -> None:
    described = column("array", "smallint[]", column("integer", "smallint", bytes=2))
    found = learned(described, ["{5,NULL}", "{7}", "{NULL,9,9}", "{}"], unique=True)
    arrays = made(fit_to_rows(found, described, rows=20_000, name=NAME), described, 20_000)
    assert len(set(arrays)) == 20_000
    assert not any(array.startswith(("{}", "{NULL")) for array in arrays)


def test_composite_values_that_must_differ_have_no_null_in_the_field_that_tells() -> None:
    described = column(
        "composite", "pair", column("integer", "integer", bytes=4, nullable=True), column("text", "text")
    )
    found = learned(described, ["(1,a)", "(,a)", "(3,a)"], unique=True)
    assert len(set(made(found, described))) == 400


@pytest.mark.parametrize("texts", [['{"a":1,"b":true}'], ['{"a":true}'], ["[]"], ['"x"'], ['{"a":"x"}', '{"b":[1]}']])
def test_documents_that_must_differ_have_the_number_of_their_row(texts: list[str]) -> None:
    described = column("json", "jsonb")
    documents = [json.loads(text) for text in made(learned(described, texts * 5, unique=True), described, 3_000)]
    assert len({json.dumps(document, sort_keys=True) for document in documents}) == 3_000


def test_ranges_keep_forms_order_and_distance() -> None:
    texts = [f"[{n},{n + 3})" for n in range(100)] + ["empty"] * 20 + ["(,)"] * 20 + ["[5,)"] * 20 + ["(,5)"] * 40
    rule = learned(RANGE, [*texts])
    assert isinstance(rule, RangeRule)
    found = made(rule, RANGE, 2000)
    assert found.count("empty") / 2000 == pytest.approx(0.1, abs=0.03)
    assert found.count("(,)") / 2000 == pytest.approx(0.1, abs=0.03)
    bounded = [fields_of(text[1:-1]) for text in found if text != "empty"]
    assert {int(b) - int(a) for a, b in bounded if a is not None and b is not None} == {3}


def test_bounds_without_an_axis_equal_each_other() -> None:
    described = column("range", "textrange", TEXT)
    rule = learned(described, ["[a,z)"] * 20)
    assert isinstance(rule, RangeRule)
    assert all(fields_of(text[1:-1])[0] == fields_of(text[1:-1])[1] and text[0] + text[-1] == "[]"
               for text in made(rule, described))  # fmt: skip


def test_infinite_bounds_stay_infinite() -> None:
    described = column("range", "daterange", column("date"))
    found = made(learned(described, ["[2020-01-01,infinity)", "[-infinity,infinity)"] * 20), described)
    assert set(found) == {'["2020-01-01","infinity")', '["-infinity","infinity")'}


def test_fields_of_composite_values_are_learned_one_by_one() -> None:
    described = column("composite", "person", Column(name="email", type="text", kind="text"),
                       Column(name="age", type="int", kind="integer", bytes=4, nullable=False),
                       Column(name="home", type="home", kind="composite", parts=(TEXT, INTEGER)))  # fmt: skip
    rule = learned(described, [f'(x{n}@corp.org,{20 + n % 40},"(""Some, street"",{n})")' for n in range(60)])
    assert isinstance(rule, CompositeRule)
    for text in made(rule, described):
        email, age, home = fields_of(text[1:-1])
        assert email is not None
        assert email.partition("@")[2].startswith("example.")
        assert 20 <= int(age or 0) < 60
        assert home is not None
        assert len(fields_of(home[1:-1])) == 2


@pytest.mark.parametrize("unique", [False, True])
def test_addresses_are_of_test_networks(unique: bool) -> None:
    inet, cidr = column("network", "inet"), column("network", "cidr")
    hosts = learned(inet, [f"8.8.{n % 200}.{n % 99}" for n in range(50)] + ["2620:fe::fe"] * 10 * (not unique),
                    unique=unique)  # fmt: skip
    networks = learned(cidr, ["8.8.8.0/24", "8.0.0.0/12"] * 20 if not unique else ["8.8.8.0/24"], unique=unique)
    assert isinstance(hosts, NetworkRule)
    found = made(hosts, inet)
    assert not any(ipaddress.ip_interface(text).is_global for text in found)
    assert any(":" in text for text in found) != unique
    blocks = [ipaddress.ip_network(text) for text in made(networks, cidr)]
    assert {block.prefixlen for block in blocks} == ({24} if unique else {12, 24})
    assert not unique or len(set(found)) == len(set(blocks)) == 400
    macs = made(learned(column("network", "macaddr8"), ["08:00:2b:01:02:03:04:05"], unique=unique),
                column("network", "macaddr8"))  # fmt: skip
    assert all(mac.startswith("02:") and len(mac) == 23 for mac in macs)


@pytest.mark.parametrize(("version", "bits"), [(4, 20), (4, 32), (6, 48), (6, 80), (6, 96), (6, 112), (6, 128)])
def test_unique_networks_are_networks(version: int, bits: int) -> None:
    described = column("network", "cidr")
    rule = NetworkRule(column="c", prefixes=((version, bits, 1.0),), unique=True)
    found = [ipaddress.ip_network(text) for text in made(rule, described)]
    assert len(set(found)) == 400
    assert {network.prefixlen for network in found} == {bits}


def test_keys_that_need_more_room_take_a_longer_prefix() -> None:
    described = column("network", "cidr")
    rule = NetworkRule(column="c", prefixes=((4, 10, 1.0),), unique=True)
    fitted = fit_to_rows(rule, described, rows=10_000, name=NAME)
    assert isinstance(fitted, NetworkRule)
    assert fitted.prefixes == ((4, 32, 1.0),)
    assert len(set(made(fitted, described))) == 400


def test_bits_keep_length_and_shares_and_can_be_counted() -> None:
    described = column("bits", "bit(8)", length=8)
    rule = learned(described, ["11110000", "11110001"] * 50)
    assert {text[:7] for text in made(rule, described)} == {"1111000"}
    unique = fit_to_rows(learned(described, ["00000000"], unique=True), described, rows=256, name=NAME)
    assert len(set(made(unique, described, 256))) == 256
    with pytest.raises(PlanError, match=r"t\.c.*bit\(8\) there are only 256"):
        fit_to_rows(unique, described, rows=257, name=NAME)


def test_enum_and_boolean_keys_are_counted_and_end() -> None:
    described = column("enum", "mood", enum_values=("sad", "ok"))
    rule = learned(described, ["ok"], unique=True)
    assert made_keys(rule, described, 2) == ["sad", "ok"]
    with pytest.raises(PlanError, match=r"t\.c.*mood there are only 2"):
        fit_to_rows(rule, described, rows=3, name=NAME)
    truth = column("boolean")
    assert made_keys(learned(truth, ["t"], unique=True), truth, 2) == ["false", "true"]


def test_keys_that_compare_without_case_have_one() -> None:
    described = column("text", "citext")
    rule = learned(described, [f"{'Ab' if n % 2 else 'aB'}-{n:04d}" for n in range(60)], unique=True)
    found = made(fit_to_rows(rule, described, rows=400, name=NAME), described)
    assert len({text.lower() for text in found}) == 400


def made_keys(rule: Rule, described: Column, count: int) -> list[Any]:
    found = make_values(rule, described, first_row=0, count=count, streams=Streams(3), name=NAME)
    return list(text_of(found).to_pylist())


@pytest.mark.parametrize("type", ["point", "line", "lseg", "box", "path", "polygon", "circle"])
def test_shapes_stay_where_they_are(type: str) -> None:
    sources = {
        "point": "({0},5)", "line": "{{1,-1,{0}}}", "lseg": "[({0},5),({0},6)]", "box": "({0},6),({0},5)",
        "path": "[({0},5),({0},6)]", "polygon": "(({0},5),({0},6),(9,6))", "circle": "<({0},5),2>",
    }  # fmt: skip
    described = column("geometry", type)
    found = made(learned(described, [sources[type].format(n / 4) for n in range(40)]), described)
    numbers = [float(n) for text in found for n in text.translate(str.maketrans("<>[](){}", "        ")).split(",")]
    assert min(numbers) >= -6
    assert max(numbers) <= 22
    assert len(set(found)) > 10


def test_documents_of_every_form_are_well_formed() -> None:
    xml = column("xml")
    source = '<a xmlns:x="http://x.org/ns" n="{0}"><x:b>{0}.5</x:b><c/><c>hidden{0} &amp; word</c></a>'
    rule = learned(xml, [source.format(n) for n in range(30)])
    assert isinstance(rule, JsonRule)
    for text in made(rule, xml):
        root = ElementTree.fromstring(text)  # noqa: S314 - of our own
        assert root.tag == "a"
        assert 0 <= int(root.get("n", "-1")) < 30
        assert root.find("{http://x.org/ns}b") is not None
        assert "hidden" not in text
    assert set(made(learned(xml, ["words &amp; no element", "<!DOCTYPE a><a/>"]), xml)) == {"<document/>"}
    hstore = column("hstore")
    found = made(learned(hstore, ['"a"=>"1", "b c"=>NULL'] * 20), hstore)
    assert set(found) == {'"a"=>"1","b c"=>NULL'}


def test_paths_vectors_and_searches() -> None:
    path = column("path", "ltree")
    rule = learned(path, [f"Top.{'Science' if n % 2 else 'Arts'}.x{n}" for n in range(60)])
    assert isinstance(rule, PathRule)
    assert {tuple(text.split(".")[:2]) for text in made(rule, path)} == {("Top", "Science"), ("Top", "Arts")}
    assert len(set(made(learned(path, ["a.b"], unique=True), path))) == 400
    vector = column("vector", "vector(3)", length=3)
    rule = learned(vector, ["[0.6,0.8,0]", "[0,0.6,-0.8]"])
    assert isinstance(rule, VectorRule)
    assert rule.unit
    lengths = [np.linalg.norm(json.loads(text)) for text in made(rule, vector)]
    assert np.allclose(lengths, 1.0, atol=1e-4)
    search = column("search", "tsvector")
    assert all(text.count("'") == 4 for text in made(learned(search, ["'x':1 'y':2"] * 9), search) if text)


SOURCES = {
    "array": ("{{\"{}\"}}", column("array", "text[]", TEXT)),
    "composite": ('("{}",)', column("composite", "thing", TEXT, INTEGER)),
    "range": ('["{}",)', column("range", "textrange", TEXT)),
    "hstore": ('"{}"=>"{}"', column("hstore")),
    "xml": ("<a><b>{}</b></a>", column("xml")),
    "search": ("'{}':1", column("search", "tsvector")),
    "path": ("Top.{}", column("path", "ltree")),
    "network": ("192.168.7.{}", column("network", "inet")),
}  # fmt: skip


@pytest.mark.parametrize("kind", SOURCES)
@given(values=st.lists(st.from_regex(r"[a-z]{4}[A-Z0-9]{4}", fullmatch=True), min_size=1, max_size=40, unique=True))
@settings(max_examples=30, deadline=None)
def test_no_string_of_one_row_is_in_a_rule(kind: str, values: list[str]) -> None:
    template, described = SOURCES[kind]
    words = [str(n) for n in range(len(values))] if kind == "network" else values
    rule = learned(described, [template.format(word, word) for word in words])
    held = set(strings_in(rule))
    assert not held & {template.format(word, word) for word in words}
    assert kind == "network" or not held & set(values)


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=60), st.sampled_from(["months", "days", "hours"]))
@settings(deadline=None)
def test_intervals_keep_their_parts(numbers: list[int], unit: str) -> None:
    described = column("interval")
    size = {"months": 10**6, "days": 10**6, "hours": 10**5}[unit]
    texts = [f"{n % size} mons" if unit == "months" else f"{n % size} days" if unit == "days"
             else f"{n % size:02d}:00:00" for n in numbers]  # fmt: skip
    rule = part_rule(described, [*texts])
    assert isinstance(rule, Learned)
    for text in made(rule, described, 150):
        months, days, clock = text.replace(" mons", "").replace(" days", "").split()
        parts = {"months": int(months), "days": int(days), "hours": int(clock.split(":")[0])}
        assert all(value == 0 for name, value in parts.items() if name != unit)
        assert clock.endswith(":00:00.000000")


@given(st.lists(st.integers(-(10**27), 10**27), min_size=1, max_size=30))
@settings(deadline=None)
def test_long_numbers_that_rows_share_keep_every_digit(numbers: list[int]) -> None:
    described = column("decimal", "numeric(30,2)", precision=30, scale=2)
    texts = [f"{number}.25" for number in numbers for _ in range(8)]
    found = set(made(part_rule(described, [*texts]), described, 150))
    assert all(text.rpartition(".")[2] == "25" for text in found if len(set(numbers)) == 1)
    assert len(set(numbers)) > 1 or found == set(texts)
