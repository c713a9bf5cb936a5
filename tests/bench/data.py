"""Made-up retail data for benchmarks: households, products and transactions, with skew, association and fan-out."""

from __future__ import annotations

import numpy as np
import pandas as pd


def retail(households: int, *, per_household: int = 40, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return ``household``, twice as many ``product``, and about ``per_household`` times as many ``transaction``."""
    random = np.random.default_rng(seed)
    wealth = random.normal(size=households)
    household = pd.DataFrame(
        {
            "household_id": np.arange(households),
            "income": np.clip(np.round(5 + 2.5 * wealth + random.normal(scale=0.7, size=households)), 0, 11),
            "age": np.clip(np.round(45 + 8 * wealth + random.normal(scale=12, size=households)), 18, 95),
            "size": np.clip(random.poisson(1.3, households) + 1, 1, 5).astype(float),
        }
    )
    products = 2 * households
    level = random.normal(size=products)
    product = pd.DataFrame(
        {
            "product_id": np.arange(products),
            "department": random.choice(10, products, p=[0.35, 0.2, 0.1, 0.08, 0.06, 0.06, 0.05, 0.04, 0.04, 0.02]),
            "weight": np.round(np.exp(0.5 * level + random.normal(scale=0.5, size=products)), 3),
            "brand": (random.random(products) < 0.3).astype(float),
        }
    )
    popularity = random.gamma(0.6, size=products) + 0.02
    counts = np.maximum(random.poisson(per_household * np.exp(0.25 * wealth - 0.03)), 1)
    owner = np.repeat(np.arange(households), counts)
    rows = len(owner)
    quantity = np.maximum(1, random.poisson(0.4 + 0.15 * np.exp(0.3 * wealth[owner]))).astype(float)
    sold = random.choice(products, rows, p=popularity / popularity.sum())
    price = np.round(np.exp(1 + 0.4 * level[sold] + 0.1 * wealth[owner] + random.normal(scale=0.4, size=rows)), 2)
    usual_day = random.uniform(100, 600, households)
    discount = np.round(np.where(random.random(rows) < 0.45, price * random.beta(1.5, 5, rows), 0), 2)
    transaction = pd.DataFrame(
        {
            "transaction_id": np.arange(rows),
            "household_id": owner,
            "product_id": sold,
            "day": np.clip((usual_day[owner] + random.normal(scale=90, size=rows)).round(), 1, 711),
            "minute": np.clip(random.normal(900, 250, rows).round(), 0, 1439),
            "quantity": quantity,
            "sales_value": np.round(price * quantity, 2),
            "discount": discount,
        }
    )  # fmt: skip
    return {"household": household, "product": product, "transaction": transaction}
