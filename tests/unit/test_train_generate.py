"""What is learned comes out again: totals, fan-outs, marginals and associations, batch by batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy.stats import ks_2samp, spearmanr

from dbclone.generate.batches import Generator
from dbclone.model.artifact import save_model
from dbclone.schema.model import TableKey
from tests.unit.grocer import BASKET, HOUSEHOLD, LINE, PRODUCT, grocer_model, grocer_sample

Floats = npt.NDArray[np.float64]
SCALE = 5


@pytest.fixture(scope="module")
def clone() -> dict[TableKey, pa.Table]:
    rows = {key: SCALE * count for key, count in grocer_sample().source_rows.items()}
    generator = Generator(grocer_model(), seed=1, rows=rows)
    made: dict[TableKey, list[pa.Table]] = {}
    for batch in generator.batches():
        made.setdefault(batch.table, []).append(batch.rows)
    return {key: pa.concat_tables(tables).unify_dictionaries() for key, tables in made.items()}


def real(table: TableKey, column: str) -> Floats:
    return numbers(grocer_sample().tables[table].rows[column])


def numbers(column: pa.ChunkedArray) -> Floats:
    return column.cast(pa.float64()).to_numpy()


def per_parent(parent: pa.ChunkedArray | Floats, parents: int, values: Floats | None = None) -> Floats:
    codes = np.asarray(parent, dtype=int)
    codes = codes - codes.min() if codes.min() else codes
    return np.bincount(codes, values, minlength=parents).astype(float)


def test_totals_are_exact(clone: dict[TableKey, pa.Table]) -> None:
    assert {key: table.num_rows for key, table in clone.items()} == {
        key: SCALE * count for key, count in grocer_sample().source_rows.items()
    }


def test_every_reference_has_its_parent_and_no_key_repeats(clone: dict[TableKey, pa.Table]) -> None:
    for table in grocer_model().plan.schema.tables:
        rows = clone[table.key]
        for key in table.foreign_keys:
            present = set(clone[key.parent][key.parent_columns[0]].to_pylist())
            assert set(rows[key.columns[0]].to_pylist()) <= present
        keys = list(zip(*(rows[name].to_pylist() for name in table.primary_key), strict=True))
        assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("table", "column"), [(HOUSEHOLD, "income"), (BASKET, "minutes"), (LINE, "quantity"), (LINE, "price")]
)
def test_marginals_are_kept(clone: dict[TableKey, pa.Table], table: TableKey, column: str) -> None:
    assert ks_2samp(real(table, column), numbers(clone[table][column])).statistic < 0.06


@pytest.mark.parametrize(
    ("child", "column", "parent"),
    [(BASKET, "household_id", HOUSEHOLD), (LINE, "basket_id", BASKET), (LINE, "product_id", PRODUCT)],
)
def test_fan_outs_are_kept(clone: dict[TableKey, pa.Table], child: TableKey, column: str, parent: TableKey) -> None:
    source = per_parent(real(child, column), grocer_sample().source_rows[parent])
    keys = {key: n for n, key in enumerate(clone[parent][column].to_pylist())}
    found = per_parent(np.array([keys[k] for k in clone[child][column].to_pylist()]), clone[parent].num_rows)
    assert ks_2samp(source, found).statistic < 0.08


def test_parents_move_with_their_children_and_grandchildren(clone: dict[TableKey, pa.Table]) -> None:
    def found(tables: dict[TableKey, pa.Table]) -> tuple[float, float]:
        households = {k: n for n, k in enumerate(tables[HOUSEHOLD]["household_id"].to_pylist())}
        baskets = {k: n for n, k in enumerate(tables[BASKET]["basket_id"].to_pylist())}
        owner = np.array([households[k] for k in tables[BASKET]["household_id"].to_pylist()])
        line_owner = owner[[baskets[k] for k in tables[LINE]["basket_id"].to_pylist()]]
        income, size = numbers(tables[HOUSEHOLD]["income"]), len(households)
        count = np.bincount(owner, minlength=size)
        lines = np.bincount(line_owner, minlength=size)
        mean = np.bincount(line_owner, np.log(numbers(tables[LINE]["price"])), size) / np.maximum(lines, 1)
        some = lines > 0
        return float(spearmanr(income, count)[0]), float(spearmanr(income[some], mean[some])[0])

    source = found({key: sample.rows for key, sample in grocer_sample().tables.items()})
    twin = found(clone)
    assert source[0] > 0.5
    assert abs(source[0] - twin[0]) < 0.15
    assert source[1] > 0.25
    assert twin[1] > 0.6 * source[1]


def test_a_second_parent_keeps_its_association(clone: dict[TableKey, pa.Table]) -> None:
    def found(tables: dict[TableKey, pa.Table]) -> float:
        products = dict(
            zip(tables[PRODUCT]["product_id"].to_pylist(), numbers(tables[PRODUCT]["list_price"]), strict=True)
        )
        listed = np.array([products[k] for k in tables[LINE]["product_id"].to_pylist()])
        return float(spearmanr(listed, numbers(tables[LINE]["price"]))[0])

    source = found({key: sample.rows for key, sample in grocer_sample().tables.items()})
    assert source > 0.8
    assert found(clone) > 0.6 * source


def test_personal_strings_are_made_up_and_categories_kept(clone: dict[TableKey, pa.Table]) -> None:
    rows = grocer_sample().tables[HOUSEHOLD].rows
    assert not set(rows["email"].to_pylist()) & set(clone[HOUSEHOLD]["email"].to_pylist())
    assert set(clone[HOUSEHOLD]["region"].to_pylist()) == {"north", "south", "west"}


def test_a_batch_is_the_same_whoever_makes_it() -> None:
    rows = {key: 40 * count for key, count in grocer_sample().source_rows.items()}
    first = Generator(grocer_model(), seed=1, rows=rows)
    batches = {(b.table, b.number): b.rows for b in first.batches()}
    assert len([at for at in batches if at[0] == LINE]) > 2
    other = Generator(grocer_model(), seed=1, rows=rows)
    for at in reversed(batches):
        assert other.batch(*at).rows == batches[at]
    another_seed = Generator(grocer_model(), seed=2, rows=rows)
    assert another_seed.batch(LINE, 0).rows != batches[LINE, 0]


def test_keys_continue_where_they_are_told_to() -> None:
    generator = Generator(grocer_model(), seed=1, next_keys={BASKET: 10_001})
    assert min(generator.batch(BASKET, 0).rows["basket_id"].to_pylist()) == 10_001
    assert min(generator.batch(LINE, 0).rows["basket_id"].to_pylist()) >= 10_001


def test_generating_needs_neither_sdv_nor_a_database_driver(tmp_path: Path) -> None:
    save_model(grocer_model(), tmp_path / "grocer.model")
    program = (
        "import sys; from pathlib import Path\n"
        "from dbclone.generate.batches import Generator; from dbclone.model.artifact import load_model\n"
        "generator = Generator(load_model(Path(sys.argv[1])), seed=1)\n"
        "assert sum(batch.rows.num_rows for batch in generator.batches()) > 1000\n"
        "print([name for name in ('sdv', 'rdt', 'torch', 'psycopg', 'sqlalchemy') if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "grocer.model")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
