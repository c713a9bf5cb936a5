"""The figures of fidelity: nothing between a set of rows and itself, and each kind of damage shows where it belongs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from dbclone.report.distances import Series, association, intraclass_correlation, ks_distance, total_variation
from dbclone.report.fidelity import Fidelity, compare_associations, measure_fidelity
from dbclone.schema.model import TableKey
from tests.bench.chain import ACCOUNT, CLIENT, LINE, ORDER, PRODUCT, SCHEMA, chain
from tests.bench.halves import halves

COLUMNS = {
    table.key: tuple(c.name for c in table.columns if c.name != "id" and not c.name.endswith("_id"))
    for table in SCHEMA.tables
}
Rows = dict[TableKey, pa.Table]


@pytest.fixture(scope="module")
def rows() -> Rows:
    return dict(chain(150).rows)


def measured(source: Rows, clone: Rows) -> Fidelity:
    return measure_fidelity(SCHEMA, source, clone, COLUMNS)


def test_rows_are_at_no_distance_from_themselves(rows: Rows) -> None:
    found = measured(rows, rows)
    assert {figure.property for figure in found.figures} == {
        "shape", "pair", "fan-out", "parent", "grandparent", "within parent", "gap", "offset", "weekday", "hour",
    }  # fmt: skip
    assert max(figure.distance for figure in found.figures) < 1e-9


@pytest.mark.parametrize(
    ("table", "column", "expected"),
    [
        (ORDER, "account_id", {"fan-out", "parent", "grandparent", "within parent", "gap", "offset"}),
        (LINE, "product_id", {"parent", "within parent"}),
        (CLIENT, "income", {"pair", "parent", "grandparent"}),
    ],
)
def test_what_is_shuffled_shows(rows: Rows, table: TableKey, column: str, expected: set[str]) -> None:
    random = np.random.default_rng(0)
    place = rows[table].column_names.index(column)
    values = rows[table][column].take(pa.array(random.integers(0, rows[table].num_rows, rows[table].num_rows)))
    damaged = rows | {table: rows[table].set_column(place, column, values)}
    found = measured(rows, damaged)
    shown = {figure.property for figure in found.figures if figure.distance > 0.08}
    assert expected <= shown
    assert shown <= expected | {"shape"}


def test_rows_of_another_kind_are_far(rows: Rows) -> None:
    doubled = rows[CLIENT].set_column(3, "income", pa.array(rows[CLIENT]["income"].to_numpy() * 2))
    worst = measured(rows, rows | {CLIENT: doubled}).worst(3)
    assert ("shape", CLIENT, "income") in {(f.property, f.table, f.name) for f in worst}


def test_associations_are_told_per_table(rows: Rows) -> None:
    found = {item.table: item for item in compare_associations(SCHEMA, rows, rows, COLUMNS)}
    assert set(found) == {ACCOUNT, CLIENT, LINE, ORDER, PRODUCT}
    client = found[CLIENT]
    country, city = client.columns.index("country"), client.columns.index("city")
    assert client.source[country, city] > 0.95
    assert np.array_equal(client.source, client.source.T)


def test_measures_of_known_data() -> None:
    random = np.random.default_rng(3)
    x = random.normal(size=4_000)
    y = 0.8 * x + 0.6 * random.normal(size=4_000)
    number = [Series(values=values, is_category=False) for values in (x, y)]
    assert association(*number) == pytest.approx(6 / np.pi * np.arcsin(0.4), abs=0.03)
    label = Series(values=random.integers(0, 50, 4_000).astype(float), is_category=True)
    assert association(label, number[0]) < 0.05  # fifty means differ by chance: that is not counted
    assert association(label, Series(values=np.flip(label.values), is_category=True)) < 0.05
    parent = np.repeat(np.arange(400), 10)
    effect = np.repeat(random.normal(size=400), 10)
    series = Series(values=effect + random.normal(size=4_000), is_category=False)
    assert intraclass_correlation(series, parent) == pytest.approx(0.5, abs=0.06)
    assert ks_distance(x, x + 10) == pytest.approx(1.0)
    assert ks_distance(np.array([np.nan, 1.0]), np.array([1.0, 1.0])) == pytest.approx(0.5)
    assert total_variation(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 0.0, 0.0, 0.0])) == pytest.approx(0.5)


def test_halves_share_no_entity_and_keep_every_reference() -> None:
    source = chain(100)
    entity, one, two = halves(source)
    assert entity == CLIENT
    ids = [set(half.rows[CLIENT]["id"].to_pylist()) for half in (one, two)]
    assert not ids[0] & ids[1]
    assert len(ids[0] | ids[1]) == 100
    for half in (one, two):
        for table in SCHEMA.tables:
            for key in table.foreign_keys:
                there = set(half.rows[key.parent]["id"].to_pylist())
                assert set(half.rows[table.key][key.columns[0]].to_pylist()) <= there
