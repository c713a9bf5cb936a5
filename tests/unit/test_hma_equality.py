"""The closed form learns the very numbers that stock SDV learns, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dbclone.learn.closed_form import extend
from dbclone.learn.hma import extension_frame


def random_tables(seed: int, *, parents: int = 40, rows: int = 400) -> dict[str, pd.DataFrame]:
    """A parent and a child table with childless parents, single children, NULL keys, constant and nearly constant
    columns.
    """
    random = np.random.default_rng(seed)
    key = random.integers(0, parents * 3 // 4, rows).astype(float)
    key[-1] = parents - 1  # a single child
    key[random.random(rows) < 0.05] = np.nan
    level = random.normal(size=parents)[np.nan_to_num(key).astype(int)]
    child = pd.DataFrame(
        {
            "id": np.arange(rows),
            "parent_id": key,
            "amount": random.lognormal(size=rows) + level,
            "count": random.poisson(2, rows).astype(float),
            "constant": np.full(rows, 7.0),
            "flat": np.where(np.nan_to_num(key) % 3 == 0, 1.5, random.normal(size=rows)),
            "copy": 2 * level + random.normal(size=rows),
        }
    )
    parent = pd.DataFrame({"id": np.arange(parents).astype(float), "size": random.normal(size=parents)})
    return {"parent": parent, "child": child}


def metadata() -> Any:
    from sdv.metadata import Metadata

    number = {"sdtype": "numerical"}
    columns = dict.fromkeys(("amount", "count", "constant", "flat", "copy"), number)
    return Metadata.load_from_dict(
        {
            "tables": {
                "parent": {"primary_key": "id", "columns": {"id": {"sdtype": "id"}, "size": number}},
                "child": {"primary_key": "id",
                          "columns": {"id": {"sdtype": "id"}, "parent_id": {"sdtype": "id"}, **columns}},
            },
            "relationships": [
                {"parent_table_name": "parent", "parent_primary_key": "id",
                 "child_table_name": "child", "child_foreign_key": "parent_id"}
            ],
            "METADATA_SPEC_VERSION": "V1",
        }
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore")
def test_extensions_equal_those_of_stock_sdv(seed: int) -> None:
    from sdv.multi_table import HMASynthesizer

    stock = HMASynthesizer(metadata(), verbose=False)
    processed = stock.preprocess(random_tables(seed))["child"]
    expected = stock._get_extension("child", processed.copy(), "parent_id", "")

    columns = list(processed.columns.difference(["parent_id"]))
    known = processed.dropna(subset=["parent_id"])
    codes, parents = pd.factorize(known["parent_id"].to_numpy())
    raw = extend(known[columns].to_numpy(dtype=float), codes, len(parents))
    found = extension_frame(raw, columns, "__child__parent_id__", parents)

    assert list(found.index) == list(expected.index)
    assert set(found.columns) == set(expected.columns)
    wanted = expected[found.columns].to_numpy(dtype=float)
    assert (np.isnan(wanted) == np.isnan(found.to_numpy(dtype=float))).all()
    np.testing.assert_allclose(found.to_numpy(dtype=float), wanted, rtol=1e-9, atol=1e-9)
    assert (raw.rows == 1).any()
    assert np.isnan(wanted).any()
