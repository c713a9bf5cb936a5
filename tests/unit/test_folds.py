"""Columns that follow from others: found in a sample, taken out before learning, put back exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from dbclone.config import Settings
from dbclone.errors import ConfigurationError
from dbclone.generate.batches import Generator
from dbclone.generators import with_generators
from dbclone.learn.folds import shared_categories
from dbclone.learn.train import train
from dbclone.model.artifact import load_model, save_model
from dbclone.model.folds import evened, piece_of, warped
from dbclone.model.marginal import fit_marginal
from dbclone.model.parts import Model
from dbclone.model.rules import Learned
from dbclone.report.fidelity import measure_fidelity
from dbclone.schema.model import TableKey
from tests.bench.chain import ACCOUNT, CLIENT, LINE, ORDER, PRODUCT, broken, chain
from tests.bench.halves import Source, plan_of, sample_of, twin_of

Floats = npt.NDArray[np.float64]
DAY = 86_400_000_000


@pytest.fixture(scope="module")
def source() -> Source:
    return chain(250)


@pytest.fixture(scope="module")
def model(source: Source) -> Model:
    plan = plan_of(source)
    return train(sample_of(source, plan), plan, None, seed=1)


@pytest.fixture(scope="module")
def clone(model: Model) -> dict[TableKey, pa.Table]:
    made: dict[TableKey, list[pa.Table]] = {}
    for batch in Generator(model, seed=1).batches():
        made.setdefault(batch.table, []).append(batch.rows)
    return {key: pa.concat_tables(tables).unify_dictionaries() for key, tables in made.items()}


@pytest.mark.parametrize(
    "relation",
    [
        "city → country",
        "category → department",
        "type → category",
        "total = price × quantity",
        "closed with status",
        "reason with status",
        "closed after placed",
    ],
)
def test_what_every_row_keeps_to_the_clone_keeps_to(clone: dict[TableKey, pa.Table], relation: str) -> None:
    assert broken(clone)[relation] == 0


def test_events_follow_their_parent(source: Source, clone: dict[TableKey, pa.Table]) -> None:
    assert broken(dict(source.rows))["placed after opened"] < 0.01
    assert broken(clone)["placed after opened"] < 0.02
    assert broken(clone)["opened after since"] < 0.02


def test_what_is_found_is_what_is_there(model: Model) -> None:
    folds = {(t.table, fold.column): fold for t in model.tables for fold in t.folds}
    assert folds[CLIENT, "country"].given == "city"
    assert folds[PRODUCT, "department"].given in ("category", "type")
    assert folds[PRODUCT, "category"].given == "type"
    assert folds[ORDER, "closed"].anchor == "placed"
    assert folds[ORDER, "closed"].given == "status"
    assert folds[ORDER, "placed"].anchor == "opened"
    assert folds[ACCOUNT, "opened"].foreign_key == "client_id_fkey"
    product = next(p for p in model.table(LINE).products)
    assert (product.column, set(product.factors)) == ("total", {"price", "quantity"})
    assert (LINE, "quantity") not in folds


def test_times_come_when_they_come_in_the_source(source: Source, clone: dict[TableKey, pa.Table]) -> None:
    hours = [_hours(rows[CLIENT]["since"]) for rows in (source.rows, clone)]
    shares = [np.bincount(h, minlength=24) / len(h) for h in hours]
    assert np.abs(shares[0] - shares[1]).sum() / 2 < 0.15
    assert np.abs(shares[0] - 1 / 24).sum() / 2 > 0.3


def test_a_combination_that_fewer_than_five_rows_have_is_not_kept() -> None:
    rows = 400
    random = np.random.default_rng(0)
    group = random.choice(6, rows, p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05])
    label = np.where(random.random(rows) < 0.9, group, (group + 1) % 6)
    label[np.flatnonzero(group == 0)[:2]] = 5  # a pair that two rows have
    marginal = shared_categories(label[group == 0].astype(float), label.astype(float))
    share = dict(zip(marginal.low.tolist(), np.diff(marginal.edges).tolist(), strict=True))
    rare = {code for code in range(6) if np.count_nonzero(label[group == 0] == code) < 5}
    pooled = {code: np.count_nonzero(label == code) for code in rare}
    total = sum(share.get(float(code), 0.0) for code in rare)
    for code in rare:
        assert share[float(code)] == pytest.approx(total * pooled[code] / sum(pooled.values()))


def test_moving_times_within_the_week_is_undone() -> None:
    random = np.random.default_rng(1)
    times = random.uniform(17_000 * DAY, 17_400 * DAY, 1_000)
    week = np.r_[0.0, np.cumsum(random.dirichlet(np.ones(168)))]
    assert warped(evened(times, week, 7 * DAY), week, 7 * DAY) == pytest.approx(times, abs=1000)
    assert (np.diff(warped(np.sort(times), week, 7 * DAY)) >= 0).all()


def test_pieces_are_found_by_value() -> None:
    pieces = np.array([np.nan, 0.0, 2.0, 5.0])
    assert piece_of(pieces, np.array([np.nan, 5.0, 0.0, 3.0])).tolist() == [0, 3, 1, 4]
    assert piece_of(pieces[1:], np.array([np.nan, 5.0])).tolist() == [3, 2]


def test_reliability_is_what_jitter_leaves() -> None:
    random = np.random.default_rng(2)
    values = np.where(random.random(200_000) < 0.7, 0.0, random.lognormal(size=200_000))
    marginal = fit_marginal(values)
    one, two = (marginal.encode(values, random.random(len(values))) for _ in range(2))
    assert marginal.reliability == pytest.approx(float(np.corrcoef(one, two)[0, 1]), abs=0.01)
    assert fit_marginal(random.normal(size=10_000)).reliability > 0.99


def test_folds_come_back_from_the_model_file(model: Model, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("folds") / "model"
    save_model(model, path)
    again = load_model(path)
    for one, two in zip(model.tables, again.tables, strict=True):
        assert [f.column for f in one.folds] == [f.column for f in two.folds]
        assert one.products == two.products


def test_association_with_a_parents_category_survives(source: Source) -> None:
    twin = twin_of(source)
    found = measure_fidelity(source.schema, source.rows, twin.source.rows, twin.columns)
    pair = next(f for f in found.figures if f.property == "parent" and f.name.startswith("kind with segment"))
    assert (pair.source or 0) > 0.4
    assert (pair.clone or 0) > 0.2


def _hours(times: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return times.cast(pa.int64()).to_numpy() // (DAY // 24) % 24


def test_what_depends_on_the_row_referred_to_follows_it() -> None:
    source = chain(120, skew=0.2)
    discount = [_DISCOUNTS[name] for name in _departments(dict(source.rows))]
    place = source.rows[LINE].column_names.index("discount")
    lines = source.rows[LINE].set_column(place, "discount", pa.array(discount))
    twin = twin_of(replace(source, rows={**source.rows, LINE: lines}))
    fold = next(fold for fold in twin.model.table(LINE).folds if fold.column == "discount")
    assert (fold.given, fold.given_key, fold.late) == ("department", "product_id_fkey", True)
    made = dict(twin.source.rows)
    assert [float(x) for x in made[LINE]["discount"].to_pylist()] == [float(_DISCOUNTS[n]) for n in _departments(made)]
    assert "total" not in twin.model.table(LINE).scores  # it is computed


_DISCOUNTS = {"food": "1.50", "home": "0.00", "toys": "7.25"}


def _departments(rows: dict[TableKey, pa.Table]) -> list[str]:
    names = dict(zip(rows[PRODUCT]["id"].to_pylist(), rows[PRODUCT]["department"].to_pylist(), strict=True))
    return [names[product] for product in rows[LINE]["product_id"].to_pylist()]


@pytest.mark.parametrize("table", [CLIENT, ORDER, LINE, PRODUCT])
def test_any_column_may_get_a_generator(model: Model, table: TableKey) -> None:
    """What followed from it keeps its own distribution; what was computed from it must get a generator as well."""
    columns = [rule.column for rule in model.table(table).rules if isinstance(rule, Learned)]
    factors = {factor for product in model.table(table).products for factor in product.factors}
    for column in columns:
        kind = model.plan.schema.table(table).column(column).kind
        value = "2024-01-01" if kind in ("date", "timestamp", "timestamptz") else "1"
        asked = {"tables": {table: {"columns": {column: {"generator": {"constant": value}}}}}}
        settings = Settings.model_validate(asked)
        if column in factors:
            with pytest.raises(ConfigurationError, match="is computed from"):
                with_generators(model, settings, functions=True)
            continue
        changed = with_generators(model, settings, functions=True)
        rows = {batch.table: batch.rows for batch in Generator(changed, seed=1).batches()}
        assert len(set(rows[table].column(column).to_pylist()) - {None}) == 1


def test_a_constant_must_be_of_the_columns_type(model: Model) -> None:
    settings = Settings.model_validate(
        {"tables": {"purchase": {"columns": {"placed": {"generator": {"constant": "x"}}}}}}
    )
    with pytest.raises(ConfigurationError, match=r"purchase\.placed: a value of the generator is none of type"):
        with_generators(model, settings, functions=True)
