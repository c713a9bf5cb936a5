"""Rows that break a condition are found in bulk and repaired from rows that fulfil it; nothing else is undone."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from dbclone.generate.constraints import Columns, Judge, judge
from dbclone.generate.offers import Freedom
from dbclone.generate.patterns import matching
from dbclone.generate.repair import ConditionError, Repaired, repair
from dbclone.model.flow import Verdict
from dbclone.schema.checks import columns_of, comparisons, literals, parse, patterns, translated, translated_default
from dbclone.schema.model import Check, Column, Table, TableKey

ROWS = 2_000


def table_of(columns: Mapping[str, pa.Array], *expressions: str, names: Sequence[str] = ()) -> Table:
    """Return a table with these CHECKs, whose columns are found in the expressions."""
    kinds = {"bool": "boolean", "int64": "integer", "string": "text", "date32[day]": "date", "double": "float"}
    described = tuple(
        Column(name=name, type="integer", kind=kinds.get(str(array.type), "text"))  # type: ignore[arg-type]
        for name, array in columns.items()
    )
    bare = Table(schema="public", name="t", key=TableKey("t"), columns=described)
    checks = tuple(
        Check(
            name=names[n] if names else f"check_{n}",
            expression=text,
            columns=columns_of(text, bare, "postgresql") or (),
        )
        for n, text in enumerate(expressions)
    )
    return Table(schema="public", name="t", key=TableKey("t"), columns=described, checks=checks)


def judge_of(columns: Columns, *expressions: str, verdicts: Sequence[Verdict] = ()) -> Judge:
    found = judge(table_of(columns, *expressions), "postgresql", {n: a.type for n, a in columns.items()}, verdicts)
    assert found is not None
    return found


def freedom(*free: str, **more: Any) -> Freedom:
    empty: dict[str, Any] = {"keyed": frozenset(), "keys": (), "links": (), "nullable": frozenset()}
    return Freedom(free=frozenset(free), **{**empty, **more})


def repaired(columns: Columns, found: Judge, may: Freedom) -> Repaired:
    """Repair with draws that shuffle each free column on its own."""
    random = np.random.default_rng(0)

    def draw(count: int) -> Columns:
        return {
            name: array.take(pa.array(np.random.default_rng(count).integers(0, len(array), count)))
            for name, array in columns.items()
        }

    done = repair(found, columns, may, random, draw)
    assert not found.violators(done.columns).any()
    return done


def integers(seed: int, low: int = 0, high: int = 100) -> pa.Array:
    return pa.array(np.random.default_rng(seed).integers(low, high, ROWS))


def test_two_columns_in_the_wrong_order_exchange_their_values() -> None:
    columns = {"starts": integers(1), "ends": integers(2)}
    done = repaired(columns, judge_of(columns, "ends >= starts"), freedom("starts", "ends"))
    before = [{a, b} for a, b in zip(columns["starts"].to_pylist(), columns["ends"].to_pylist(), strict=True)]
    after = [{a, b} for a, b in zip(done.columns["starts"].to_pylist(), done.columns["ends"].to_pylist(), strict=True)]
    assert before == after
    assert 0 < done.rows["check_0"] < ROWS


def test_an_equation_is_computed() -> None:
    columns = {"net": integers(1), "tax": integers(2), "total": integers(3)}
    done = repaired(columns, judge_of(columns, "total = (net + tax)"), freedom("net", "tax", "total"))
    assert done.columns["net"].equals(columns["net"])
    assert done.columns["tax"].equals(columns["tax"])


def test_donors_agree_with_a_violator_on_what_may_not_change() -> None:
    """AdventureWorks' BOMLevel: whether there is a parent decides what the level may be, and the parent is given."""
    parent = pa.array([None if n % 4 == 0 else n for n in range(ROWS)], pa.int64())
    level = pa.array(np.where(np.arange(ROWS) % 7 == 0, 0, 3))
    columns = {"parent": parent, "level": level}
    check = "((parent IS NULL AND level = 0) OR (parent IS NOT NULL AND level >= 1))"
    done = repaired(columns, judge_of(columns, check), freedom("level"))
    assert done.columns["parent"].equals(parent)


def test_a_condition_that_rows_hardly_ever_fulfil_is_met_by_drawing_many_times() -> None:
    columns = {"a": integers(1), "b": integers(2), "c": integers(3)}
    check = "(a + b) > 190 AND c < 5"
    repaired(columns, judge_of(columns, check), freedom("a", "b", "c"))


def test_repairing_one_condition_breaks_no_other() -> None:
    columns = {"a": integers(1), "b": integers(2), "c": integers(3)}
    found = judge_of(columns, "a < b", "b < c", "a > 10")
    repaired(columns, found, freedom("a", "b", "c"))


def test_rows_exchange_the_parents_they_refer_to() -> None:
    columns = {"assembly": integers(1, 0, 5), "component": integers(2, 0, 5)}
    may = freedom(links=(("assembly",), ("component",)))
    done = repaired(columns, judge_of(columns, "(assembly <> component)"), may)
    for name, array in columns.items():
        assert sorted(done.columns[name].to_pylist()) == sorted(array.to_pylist()), "fan-outs stay as they are"


def test_key_columns_change_only_to_values_that_nobody_has() -> None:
    keys = pa.array(np.arange(ROWS))
    columns = {"family": pa.array(np.arange(ROWS) % 50), "day": keys, "until": integers(3, 0, ROWS)}
    may = freedom(keyed=frozenset({"day"}), keys=(("family", "day"),))
    done = repaired(columns, judge_of(columns, "until > day OR day < 1500"), may)
    pairs = list(zip(done.columns["family"].to_pylist(), done.columns["day"].to_pylist(), strict=True))
    assert len(set(pairs)) == ROWS


@pytest.mark.parametrize(
    ("check", "column"),
    [
        ("code ~ '^[A-Z]{2}[0-9]{3,6}$'", pa.array(["x"] * ROWS)),
        ("code LIKE 'INV-%'", pa.array(["x"] * ROWS)),
        ("upper(code) IN ('YES', 'NO')", pa.array(["maybe"] * ROWS)),
        ("code = ANY (ARRAY['a'::text, 'b'::text])", pa.array(["c"] * ROWS).dictionary_encode()),
        ("code > 4711", pa.array([1] * ROWS)),
        ("code BETWEEN 7 AND 8", pa.array([1] * ROWS)),
    ],
)
def test_values_that_the_condition_names_help_where_no_draw_does(check: str, column: pa.Array) -> None:
    columns = {"code": column}
    repaired(columns, judge_of(columns, check), freedom("code"))


def test_null_is_the_last_resort() -> None:
    columns = {"score": pa.array([1.0] * ROWS)}
    found = judge_of(columns, "sin(score) > 0.99999999")
    assert repaired(columns, found, freedom("score", nullable=frozenset({"score"}))).columns["score"].null_count == ROWS


def test_a_value_that_must_differ_from_others_may_become_null() -> None:
    columns = {"paid": pa.array([1, None, 3]), "invoice": pa.array(["a", "b", None])}
    may = freedom(erasable=frozenset({"invoice"}), nullable=frozenset({"invoice"}))
    done = repaired(columns, judge_of(columns, "paid IS NOT NULL OR invoice IS NULL"), may)
    assert done.columns["invoice"].to_pylist() == ["a", None, None]


def test_exactly_one_of_three() -> None:
    random = np.random.default_rng(4)
    columns = {name: pa.array(np.arange(ROWS), mask=random.random(ROWS) < 0.5) for name in ("cash", "card", "voucher")}
    may = freedom(*columns, nullable=frozenset(columns))
    repaired(columns, judge_of(columns, "num_nonnulls(cash, card, voucher) = 1"), may)


def test_a_condition_that_cannot_be_met_is_named() -> None:
    columns = {"a": integers(1)}
    with pytest.raises(ConditionError, match=r"t: no generated value of \(a\) fulfils check_0 in 2,000 of 2,000 rows"):
        repaired(columns, judge_of(columns, "sin(a) > 2"), freedom("a"))
    with pytest.raises(ConditionError, match="its columns are keys, which cannot be chosen"):
        repaired(columns, judge_of(columns, "a > 50"), freedom())


# ---- Conditions that only the target can judge -----------------------------------------------------------------------


def verdict(columns: Mapping[str, Sequence[Any]], passed: Sequence[bool]) -> Verdict:
    return Verdict(table=TableKey("t"), check="check_0", rows=pa.table(dict(columns)), passed=np.array(passed))


def test_what_the_target_refused_takes_values_that_it_let_pass() -> None:
    columns = {"even": integers(1, 0, 40)}
    said = verdict({"even": list(range(40))}, [n % 2 == 0 for n in range(40)])
    found = judge_of(columns, "is_even(even)", verdicts=[said])
    assert not found.unjudged
    done = repaired(columns, found, freedom("even"))
    assert all(value % 2 == 0 for value in done.columns["even"].to_pylist())


def test_values_that_the_target_never_saw_are_replaced_only_if_it_refused_others() -> None:
    columns = {"code": pa.array(["new"] * ROWS)}
    one_refused = judge_of(columns, "valid(code)", verdicts=[verdict({"code": ["a", "b"]}, [True, False])])
    assert one_refused.violators(columns).all()
    all_passed = judge_of(columns, "valid(code)", verdicts=[verdict({"code": ["a", "b"]}, [True, True])])
    assert not all_passed.violators(columns).any()


def test_the_target_is_believed_where_it_sees_a_row_otherwise() -> None:
    """Its division of integers is whole, DuckDB's is not."""
    columns = {"n": pa.array([3] * ROWS)}
    check = "n / 2 = 1"
    assert judge_of(columns, check).violators(columns).all()
    said = verdict({"n": [3, 5]}, [True, False])
    assert not judge_of(columns, check, verdicts=[said]).violators(columns).any()


def test_a_condition_that_nobody_judged_is_left_to_the_target() -> None:
    columns = {"even": integers(1)}
    found = judge_of(columns, "is_even(even)", "even < 200")
    assert [check.name for check in found.unjudged] == ["check_0"]
    assert [check.name for check in found.checks] == ["check_1"]


# ---- What is read off an expression ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("(ends >= starts)", [("ends", '"starts"'), ("starts", '"ends"')]),
        ("((ends >= starts) OR (ends IS NULL))", [("ends", '"starts"'), ("starts", '"ends"')]),
        ("(total = (net + tax)) AND (net >= 0)", [("total", '("net" + "tax")'), ("net", "0")]),
        ("state = ANY (ARRAY['a'::text])", []),
        ("f(a) > 3", []),
    ],
)
def test_comparisons_of_a_condition(expression: str, found: list[tuple[str, str]]) -> None:
    check = Check(name="c", expression=expression)
    assert [(item.column, item.other) for item in comparisons(check, "postgresql")] == found


def test_what_is_nested_without_end_is_not_read() -> None:
    assert parse("[" * 5_000, "postgresql") is None
    assert parse("(" * 5_000 + "a" + ")" * 5_000, "postgresql") is None


def test_literals_and_patterns_of_a_condition() -> None:
    check = Check(name="c", expression="(level >= '-40'::integer) AND code ~ '^A' AND name LIKE 'x\\_%' AND s IN ('a')")
    assert literals(check, "postgresql") == {"level": ("-40",), "s": ("a",)}
    assert patterns(check, "postgresql") == {"code": ("^A",), "name": (r"^x\_.*$",)}


@pytest.mark.parametrize(
    "pattern",
    ["^[A-Z]{2}[0-9]{3,6}$", r"^\d{3}-\d{2}$", "^(red|green)+$", "^[^@ ]+@[^@ ]+[.][a-z]{2,}$", "a?b*c{2}", "^.{3}$"],
)
def test_texts_match_their_pattern(pattern: str) -> None:
    texts = matching(pattern, 50, np.random.default_rng(0))
    assert len(texts) == 50
    assert all(re.search(pattern, text) for text in texts)


def test_a_pattern_that_cannot_be_read_has_no_texts() -> None:
    assert matching("([", 5, np.random.default_rng(0)) == []


def test_dates_are_judged_as_dates() -> None:
    columns = {"born": pa.array([dt.date(1800, 1, 1), dt.date(1990, 1, 1)] * (ROWS // 2))}
    found = judge_of(columns, "born >= '1930-01-01'::date AND born <= (now() - '18 years'::interval)")
    assert found.violators(columns).sum() == ROWS // 2


def test_texts_that_all_differ_are_written_otherwise() -> None:
    columns = {"slug": pa.array([f"Oak Tree {n:x}" for n in range(ROWS)])}
    found = judge_of(columns, "slug ~ '^[a-z0-9-]+$'")
    done = repaired(columns, found, freedom(respelled=frozenset({"slug"})))
    assert len(done.columns["slug"].unique()) == ROWS


@pytest.mark.parametrize(
    ("expression", "source", "target", "expected"),
    [
        ("(price >= (0)::numeric)", "postgresql", "sqlite", '("price" >= 0)'),
        ("status = ANY (ARRAY['a'::text, 'b'::text])", "postgresql", "mysql", "`status` IN ('a', 'b')"),
        ("`n` between -5 and 5 or `n` is null", "mysql", "postgresql", '"n" BETWEEN -5 AND 5 OR "n" IS NULL'),
        ("a || b = 'x'", "sqlite", "mysql", None),
        ("name ~ '^x'", "postgresql", "sqlite", None),
        ("my_function(a)", "postgresql", "sqlite", None),
    ],
)
def test_a_condition_is_translated_only_if_it_means_the_same(
    expression: str, source: str, target: str, expected: str | None
) -> None:
    assert translated(expression, source, target) == expected


def test_a_default_is_translated_if_it_is_a_literal() -> None:
    assert translated_default("'it''s'::character varying", "postgresql", "sqlite") == "'it''s'"
    assert translated_default("-1", "sqlite", "mysql") == "-1"
    assert translated_default("now()", "postgresql", "sqlite") == "CURRENT_TIMESTAMP"
    assert translated_default("nextval('s'::regclass)", "postgresql", "sqlite") is None
