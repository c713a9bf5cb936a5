"""A made-up grocer in memory: households, their baskets, the baskets' lines, and products, with known associations."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pyarrow as pa

from dbclone.learn.train import train
from dbclone.model.flow import FanOut, Sample, TableSample
from dbclone.model.parts import Model
from dbclone.schema.model import Column, ForeignKey, Schema, Table, TableKey
from dbclone.schema.plan import Plan, PlanOptions, make_plan

HOUSEHOLD, PRODUCT, BASKET, LINE = (TableKey(name) for name in ("household", "product", "basket", "line"))


def _integer(name: str) -> Column:
    return Column(name=name, type="integer", kind="integer", nullable=False, bytes=4)


def _text(name: str) -> Column:
    return Column(name=name, type="text", kind="text", nullable=True)


def _price(name: str) -> Column:
    return Column(name=name, type="numeric(10,2)", kind="decimal", nullable=False, precision=10, scale=2)


def _references(column: str, parent: TableKey) -> ForeignKey:
    return ForeignKey(name=f"{column}_fkey", columns=(column,), parent=parent, parent_columns=(column,))


SCHEMA = Schema(
    dialect="postgresql",
    server_version="18",
    default_schema="public",
    tables=(
        Table(
            schema="public", name="basket", key=BASKET, primary_key=("basket_id",),
            columns=(_integer("basket_id"), _integer("household_id"), _integer("minutes")),
            foreign_keys=(_references("household_id", HOUSEHOLD),),
        ),
        Table(
            schema="public", name="household", key=HOUSEHOLD, primary_key=("household_id",),
            columns=(_integer("household_id"), _integer("income"), _text("email"), _text("region")),
        ),
        Table(
            schema="public", name="line", key=LINE, primary_key=("basket_id", "product_id"),
            columns=(_integer("basket_id"), _integer("product_id"), _integer("quantity"), _price("price")),
            foreign_keys=(_references("basket_id", BASKET), _references("product_id", PRODUCT)),
        ),
        Table(
            schema="public", name="product", key=PRODUCT, primary_key=("product_id",),
            columns=(_integer("product_id"), _price("list_price")),
        ),
    ),
)  # fmt: skip


@lru_cache(maxsize=1)
def grocer_sample() -> Sample:
    """Return 400 households, 150 products and all their baskets and lines."""
    random = np.random.default_rng(5)
    wealth, level = random.normal(size=400), random.normal(size=150)
    household = pa.table(
        {
            "household_id": np.arange(400),
            "income": np.clip(np.round(50 + 20 * wealth + random.normal(scale=5, size=400)), 0, None).astype(int),
            "email": [f"user{n}@real-mail.org" for n in range(400)],
            "region": random.choice(["north", "south", "west"], 400, p=[0.6, 0.3, 0.1]),
        }
    )
    product = pa.table({"product_id": np.arange(150), "list_price": [f"{x:.2f}" for x in np.exp(1 + 0.8 * level)]})
    baskets = random.poisson(4 * np.exp(0.4 * wealth))
    owner = np.repeat(np.arange(400), baskets)
    basket = pa.table(
        {
            "basket_id": np.arange(len(owner)),
            "household_id": owner,
            "minutes": np.round(np.exp(3 + 0.3 * wealth[owner] + random.normal(scale=0.3, size=len(owner)))).astype(
                int
            ),
        }
    )
    popularity = random.gamma(0.8, size=150) + 0.05
    lines = np.minimum(1 + random.poisson(3, len(owner)), 10)
    bought = [random.choice(150, n, replace=False, p=popularity / popularity.sum()) for n in lines]
    of, sold = np.repeat(np.arange(len(owner)), lines), np.concatenate(bought)
    price = np.exp(1 + 0.8 * level[sold] + 0.4 * wealth[owner[of]] + random.normal(scale=0.2, size=len(of)))
    line = pa.table(
        {
            "basket_id": of,
            "product_id": sold,
            "quantity": 1 + random.poisson(0.6, len(of)),
            "price": [f"{x:.2f}" for x in price],
        }
    )
    tables = {HOUSEHOLD: household, PRODUCT: product, BASKET: basket, LINE: line}

    def fan_out(child: TableKey, column: str, parents: int) -> FanOut:
        counts = np.bincount(tables[child][column].to_numpy(), minlength=parents)
        name = f"{column}_fkey"
        return FanOut(child=child, foreign_key=name, counts=counts, complete=np.ones(parents, dtype=bool), cap=10**6)

    return Sample(
        tables={k: TableSample(rows=t, base=np.ones(t.num_rows, dtype=bool)) for k, t in tables.items()},
        source_rows={k: t.num_rows for k, t in tables.items()},
        null_references={},
        fan_outs=(
            fan_out(BASKET, "household_id", 400),
            fan_out(LINE, "basket_id", basket.num_rows),
            fan_out(LINE, "product_id", 150),
        ),
    )


def grocer_plan(**options: object) -> Plan:
    """Return the plan of a clone of the grocer."""
    return make_plan(SCHEMA, grocer_sample().source_rows, PlanOptions(**options))  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def grocer_model() -> Model:
    """Return what is learned of the grocer."""
    return train(grocer_sample(), grocer_plan(), None, seed=0)
