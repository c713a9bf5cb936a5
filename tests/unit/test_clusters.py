"""Columns that are decided together, and keys that are known before the rows that refer to them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa

from dbclone.schema.model import Check, Schema, Table, TableKey, UniqueKey
from tests.unit.shop import column, foreign_key, schema, table
from tests.unit.twins import generator, tuples, twin

RANDOM = np.random.default_rng(3)

PLACE = table(
    "place",
    column("x"),
    column("y"),
    column("near_x", nullable=True),
    column("near_y", nullable=True),
    column("height"),
    primary_key=("x", "y"),
    foreign_keys=(foreign_key("near", ("near_x", "near_y"), "place", ("x", "y")),),
)
AT = RANDOM.choice(400, 70, replace=False)
NEAR = RANDOM.choice(AT, 70)
FAR = np.arange(70) % 3 == 0
PLACES = pa.table(
    {
        "x": pa.array(AT // 20),
        "y": pa.array(AT % 20),
        "near_x": pa.array(NEAR // 20, mask=FAR),
        "near_y": pa.array(NEAR % 20, mask=FAR),
        "height": pa.array(RANDOM.integers(0, 3, 70)),
    }
)


def names(found: Schema, key: str) -> list[set[str]]:
    """Return the columns of a table's clusters."""
    clusters = generator(found, {"place": PLACES}).references.clusters.of(TableKey(key))
    return sorted((set(cluster.columns) for cluster in clusters), key=len)


def changed(**changes: object) -> Table:
    return dataclasses.replace(PLACE, **changes)  # type: ignore[arg-type]


def test_a_key_is_known_before_what_refers_to_it() -> None:
    assert names(schema(PLACE), "place") == [{"x", "y"}, {"near_x", "near_y", "height"}]


def test_what_a_check_ties_together_is_decided_together() -> None:
    check = Check(name="high", expression="height > x", columns=("height", "x"))
    assert names(schema(changed(checks=(check,))), "place") == [{"near_x", "near_y"}, {"x", "y", "height"}]


def test_where_a_key_and_a_reference_are_tied_the_key_is_decided_first() -> None:
    check = Check(name="elsewhere", expression="x <> near_x OR y <> near_y", columns=("x", "near_x", "y", "near_y"))
    found = schema(changed(checks=(check,)))
    assert names(found, "place") == [{"x", "y"}, {"near_x", "near_y", "height"}]
    made = twin(found, {"place": PLACES})["place"]
    assert not any(
        mine == near for mine, near in zip(tuples(made, "x", "y"), tuples(made, "near_x", "near_y"), strict=True)
    )


def test_rows_of_a_plain_composite_key_refer_to_each_other() -> None:
    for scale in (0.3, 1.0, 3.0):
        made = twin(schema(PLACE), {"place": PLACES}, scale=scale)["place"]
        keys = tuples(made, "x", "y")
        assert len(set(keys)) == len(keys) == round(70 * scale)
        near = [pair for pair in tuples(made, "near_x", "near_y") if pair != (None, None)]
        assert near
        assert set(near) <= set(keys)


def test_a_reference_may_be_unique_together_with_a_part_of_the_key() -> None:
    unique = UniqueKey(name="u", columns=("x", "near_x", "near_y"))
    made = twin(schema(changed(unique_keys=(unique,))), {"place": PLACES})["place"]
    keys = [key for key in tuples(made, "x", "near_x", "near_y") if None not in key]
    assert len(set(keys)) == len(keys)


def test_rows_with_and_without_a_parent_are_unique_together() -> None:
    house = table("house", column("id"), column("floors"), primary_key=("id",))
    flat = table(
        "flat",
        column("stair"),
        column("door"),
        column("house", nullable=True),
        primary_key=("stair", "door"),
        foreign_keys=(foreign_key("of", ("house",), "house", ("id",)),),
    )
    rows = {
        "house": pa.table({"id": list(range(20)), "floors": [2, 3] * 10}),
        "flat": pa.table(
            {
                "stair": [n // 3 for n in range(60)],
                "door": [n % 3 for n in range(60)],
                "house": [None if n % 2 else n % 20 for n in range(60)],
            }
        ),
    }
    made = twin(schema(house, flat), rows)["flat"]
    assert made["house"].null_count == 30
    assert len(set(tuples(made, "stair", "door"))) == 60
