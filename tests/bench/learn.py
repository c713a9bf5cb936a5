"""Learning: the closed form against stock SDV's fit, on the same data in the same run."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from dbclone.learn.hma import StarTable, learn_star
from dbclone.learn.links import learn_link
from dbclone.learn.stars import branch_model, score_branch, star_correlation
from dbclone.model.marginal import fit_marginal
from dbclone.schema.model import TableKey
from tests.bench.data import retail


def run(parents: int, *, with_stock: bool = True) -> dict[str, Any]:
    """Return seconds of both for ``parents`` households and about forty times as many transactions."""
    data = retail(parents)
    started = time.perf_counter()
    _closed_form(data)
    ours = time.perf_counter() - started
    rows = len(data["transaction"])
    figures: dict[str, Any] = {"bench": "learn", "parents": parents, "rows": rows, "dbclone_s": round(ours, 2)}
    if with_stock:
        started = time.perf_counter()
        _stock(data)
        stock = time.perf_counter() - started
        figures |= {"stock_s": round(stock, 2), "times_faster": round(stock / ours, 1)}
    return figures


def warm_up() -> None:
    """Import everything and fit once: both sides are measured without it."""
    data = retail(5)
    _stock(data)
    _closed_form(data)


def metadata_of(data: dict[str, Any], parents: Sequence[str]) -> Any:
    """Return SDV's metadata of made-up retail data, with ``parents`` of the transactions."""
    from sdv.metadata import Metadata

    tables = {
        name: {
            "primary_key": f"{name}_id",
            "columns": {c: {"sdtype": "id" if c.endswith("_id") else "numerical"} for c in frame.columns},
        }
        for name, frame in data.items()
    }
    relationships = [
        {
            "parent_table_name": parent,
            "parent_primary_key": f"{parent}_id",
            "child_table_name": "transaction",
            "child_foreign_key": f"{parent}_id",
        }
        for parent in parents
    ]
    return Metadata.load_from_dict({"tables": tables, "relationships": relationships, "METADATA_SPEC_VERSION": "V1"})


def _stock(data: dict[str, Any]) -> None:
    from sdv.multi_table import HMASynthesizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        synthesizer = HMASynthesizer(metadata_of(data, ["household", "product"]), verbose=False)
        synthesizer.fit(data)


def _closed_form(data: dict[str, Any]) -> None:
    def table(name: str, **extra: Any) -> StarTable:
        axes = data[name].drop(columns=[c for c in data[name] if c.endswith("_id")]).to_numpy(dtype=float)
        marginals = [fit_marginal(axes[:, n]) for n in range(axes.shape[1])]
        return StarTable(axes=axes, marginals=marginals, latents=np.zeros((len(axes), 0)), **extra)

    owner = data["transaction"]["household_id"].to_numpy()
    learned = learn_star(table("household"), [table("transaction", parent=owner)])
    random = np.random.default_rng(0)
    counts = np.bincount(owner, minlength=len(data["household"])).astype(float)
    branch = score_branch(
        learned, 0, child=TableKey("transaction"), detail="correlations", counts=counts, null_share=0.0, jitter=random
    )
    correlation = star_correlation(learned.scores, learned.scores[:, :0], [branch])
    branch_model(branch, learned.scores.shape[1], correlation, random)
    sold = data["transaction"]["product_id"].to_numpy()
    learn_link(
        child=TableKey("transaction"),
        foreign_key="product_id",
        parent=TableKey("product"),
        child_scores=_scores(table("transaction"), random),
        position=sold,
        parent_scores=_scores(table("product"), random),
        counts=np.bincount(sold, minlength=len(data["product"])).astype(float),
        base=np.ones(len(data["product"]), dtype=bool),
        null_share=0.0,
    )


def _scores(table: StarTable, random: np.random.Generator) -> np.ndarray[Any, Any]:
    columns = [m.encode(table.axes[:, n], random.random(len(table.axes))) for n, m in enumerate(table.marginals)]
    return np.column_stack(columns)
