"""A made-up bank-like shop of four levels with known parameters: client → account → order → line, and products.

Everything that is hard to keep has its known value here: a grandparent's effect on grandchildren, a power law of
popularity, hierarchies of categories, totals that are products, times that follow one another, NULLs that belong
together.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.schema.model import Column, ForeignKey, Schema, Table, TableKey, TypeKind
from tests.bench.halves import Source

CLIENT, ACCOUNT, ORDER, LINE, PRODUCT = (TableKey(n) for n in ("client", "account", "purchase", "line", "product"))

_DAY = 86_400_000_000
_CITIES = {"FR": ("Paris", "Lyon", "Lille"), "DE": ("Berlin", "Bonn", "Ulm", "Jena"), "IT": ("Rome", "Turin")}
_TYPES = {
    "food": {"dairy": ("milk", "cheese"), "bakery": ("bread", "cake", "pie")},
    "home": {"kitchen": ("pan", "pot"), "garden": ("spade", "seed", "hose")},
    "toys": {"games": ("chess", "cards")},
}
Integers = npt.NDArray[np.int64]
Objects = npt.NDArray[np.object_]


def _column(name: str, kind: TypeKind, type: str = "", *, nullable: bool = False, scale: int | None = None) -> Column:
    size = 4 if kind == "integer" else None
    precision = 12 if scale is not None else None
    return Column(
        name=name, type=type or kind, kind=kind, nullable=nullable, bytes=size, precision=precision, scale=scale
    )


def _money(name: str) -> Column:
    return _column(name, "decimal", "numeric(12,2)", scale=2)


def _time(name: str, *, nullable: bool = False) -> Column:
    return _column(name, "timestamp", "timestamp without time zone", nullable=nullable)


def _refers(column: str, parent: TableKey) -> tuple[ForeignKey, ...]:
    return (ForeignKey(name=f"{column}_fkey", columns=(column,), parent=parent, parent_columns=("id",)),)


def _table(key: TableKey, *columns: Column, foreign_keys: tuple[ForeignKey, ...] = ()) -> Table:
    own = (_column("id", "integer"), *columns)
    return Table(schema="public", name=key, key=key, primary_key=("id",), columns=own, foreign_keys=foreign_keys)


SCHEMA = Schema(
    dialect="postgresql",
    server_version="18",
    default_schema="public",
    tables=(
        _table(
            ACCOUNT, _column("client_id", "integer"), _time("opened"), _column("kind", "text"), _money("credit"),
            foreign_keys=_refers("client_id", CLIENT),
        ),
        _table(
            CLIENT, _column("country", "text"), _column("city", "text"), _column("income", "integer"),
            _column("segment", "text"), _time("since"),
        ),
        _table(
            LINE, _column("purchase_id", "integer"), _column("product_id", "integer"), _column("quantity", "integer"),
            _money("price"), _money("total"), _money("discount"),
            foreign_keys=(*_refers("purchase_id", ORDER), *_refers("product_id", PRODUCT)),
        ),
        _table(
            PRODUCT, _column("department", "text"), _column("category", "text"), _column("type", "text"),
            _money("list_price"),
        ),
        _table(
            ORDER, _column("account_id", "integer"), _time("placed"), _column("status", "text"),
            _time("closed", nullable=True), _column("reason", "text", nullable=True),
            foreign_keys=_refers("account_id", ACCOUNT),
        ),
    ),
)  # fmt: skip


def chain(clients: int, seed: int = 0, *, skew: float = 1.1) -> Source:
    """Return about 2.5 accounts a client, 4 orders an account, 3 lines an order, and a product for each client.

    The n-th product is bought in proportion to n to the power of −``skew``.
    """
    random = np.random.default_rng(seed)
    wealth = random.normal(size=clients)
    country = random.choice(["FR", "DE", "IT"], clients, p=[0.5, 0.35, 0.15])
    since = random.uniform(0, 1000, clients)
    client = {
        "country": country,
        "city": [random.choice(_CITIES[c]) for c in country],
        "income": np.maximum(np.round(30_000 * np.exp(0.5 * wealth), -2), 8_000).astype(np.int64),
        "segment": np.where(wealth + random.normal(size=clients) > 0.8, "gold", "basic"),
        "since": _moments(since, random),
    }
    owner = np.repeat(np.arange(clients), random.poisson(2.5 * np.exp(0.2 * wealth)))
    opened = since[owner] + random.exponential(60, len(owner))
    gold = (client["segment"] == "gold")[owner]
    account = {
        "client_id": owner,
        "opened": _moments(opened, random),
        "kind": np.where(random.random(len(owner)) < np.where(gold, 0.8, 0.2), "card", "cash"),
        "credit": _cents(np.where(random.random(len(owner)) < 0.4, 0.0, np.exp(6 + 0.6 * wealth[owner]
                         + random.normal(scale=0.5, size=len(owner))))),
    }  # fmt: skip
    of = np.repeat(np.arange(len(owner)), random.negative_binomial(1.5, 1.5 / 5.5, len(owner)))
    placed = opened[of] + _within(of, random.exponential(12, len(of)) * np.exp(random.normal(size=len(owner)))[of])
    status = random.choice(["closed", "open", "failed"], len(of), p=[0.75, 0.15, 0.1])
    closed = placed + random.exponential(3, len(of))
    order = {
        "account_id": of,
        "placed": _moments(placed, random),
        "status": status,
        "closed": pa.array(_moments(closed, random), mask=status == "open"),
        "reason": pa.array(random.choice(["stock", "payment", "fraud"], len(of)), mask=status != "failed"),
    }
    order["closed"] = _not_before(order["closed"], order["placed"])
    inside = np.repeat(np.arange(len(of)), 1 + random.poisson(2, len(of)))
    product, level = _products(max(clients, 30), random)
    popularity = (1.0 + np.arange(len(level))) ** -skew
    sold = random.choice(len(level), len(inside), p=popularity / popularity.sum())
    quantity = 1 + random.poisson(0.7, len(inside)) * (random.random(len(inside)) < 0.5)
    rich = wealth[owner[of[inside]]]
    price = _cents(np.exp(1 + 0.7 * level[sold] + 0.35 * rich + random.normal(scale=0.2, size=len(inside))))
    line = {
        "purchase_id": inside,
        "product_id": sold,
        "quantity": quantity,
        "price": price,
        "total": _cents(price * quantity),
        "discount": _cents(np.where(random.random(len(inside)) < 0.7, 0, price * random.beta(1.5, 5, len(inside)))),
    }
    made = {CLIENT: client, ACCOUNT: account, ORDER: order, LINE: line, PRODUCT: product}
    return Source(name="chain", schema=SCHEMA, rows={key: _rows(key, columns) for key, columns in made.items()})


def broken(rows: dict[TableKey, pa.Table]) -> dict[str, float]:
    """Return, per relation that every row of the source keeps, the share of rows that break it."""
    client, order, line, product = (rows[key].to_pandas() for key in (CLIENT, ORDER, LINE, PRODUCT))
    account = rows[ACCOUNT].to_pandas()
    city = {city: country for country, cities in _CITIES.items() for city in cities}
    above = {c: d for d, within in _TYPES.items() for c in within}
    below = {t: c for within in _TYPES.values() for c, types in within.items() for t in types}
    numbers = line[["quantity", "price", "total"]].astype(float)
    opened = account.set_index("id")["opened"].reindex(order["account_id"]).to_numpy()
    since = client.set_index("id")["since"].reindex(account["client_id"]).to_numpy()
    faults = {
        "city → country": client["city"].astype(str).map(city) != client["country"].astype(str),
        "category → department": product["category"].astype(str).map(above) != product["department"].astype(str),
        "type → category": product["type"].astype(str).map(below) != product["category"].astype(str),
        "total = price × quantity": (numbers["quantity"] * numbers["price"] - numbers["total"]).abs() > 0.006,
        "closed with status": order["closed"].isna() != (order["status"].astype(str) == "open"),
        "reason with status": order["reason"].isna() != (order["status"].astype(str) != "failed"),
        "closed after placed": order["closed"] < order["placed"],
        "placed after opened": order["placed"] < opened,
        "opened after since": account["opened"] < since,
        "discount at most price": line["discount"].astype(float) > line["price"].astype(float),
    }
    return {name: round(float(fault.mean()), 4) for name, fault in faults.items()}


def _products(count: int, random: np.random.Generator) -> tuple[dict[str, object], npt.NDArray[np.float64]]:
    paths = [(d, c, t) for d, within in _TYPES.items() for c, types in within.items() for t in types]
    at = random.choice(len(paths), count, p=np.arange(1, len(paths) + 1) / (len(paths) * (len(paths) + 1) / 2))
    level = random.normal(size=count) + 0.1 * at
    names = {name: [paths[n][place] for n in at] for place, name in enumerate(("department", "category", "type"))}
    return {**names, "list_price": _cents(np.exp(1 + 0.7 * level))}, level


def _within(parent: Integers, gaps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the sum of gaps up to each row within its parent."""
    total = np.cumsum(gaps)
    first = np.unique(parent, return_index=True)[1]
    before = np.zeros(len(gaps))
    before[first] = total[first] - gaps[first]
    return np.asarray(total - np.maximum.accumulate(before))


def _moments(days: npt.NDArray[np.float64], random: np.random.Generator) -> npt.NDArray[np.datetime64]:
    """Return times in whole seconds: by day, most on weekdays, within opening hours."""
    day = np.floor(days).astype(np.int64) + 17_000
    sunday = (day + 3) % 7 == 6
    day = day + np.where(sunday & (random.random(len(day)) < 0.8), 1, 0)
    hour = np.clip(random.normal(13, 3, len(day)), 0, 23.99)
    return np.asarray(day * _DAY + np.floor(hour * 3600).astype(np.int64) * 1_000_000).astype("datetime64[us]")


def _not_before(values: pa.Array, other: npt.NDArray[np.datetime64]) -> pa.Array:
    known = values.is_null().to_numpy(zero_copy_only=False)
    late = np.maximum(np.asarray(values.to_numpy(zero_copy_only=False), dtype="datetime64[us]"), other)
    return pa.array(late, mask=known)


def _cents(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.round(values, 2))


def _rows(key: TableKey, columns: dict[str, object]) -> pa.Table:
    table = SCHEMA.table(key)
    size = len(next(iter(columns.values())))  # type: ignore[arg-type]
    data = {"id": np.arange(size), **columns}
    made = {}
    for column in table.columns:
        values = data[column.name]
        if column.kind == "decimal":
            values = [f"{value:.2f}" for value in values]  # type: ignore[attr-defined]
        made[column.name] = values if isinstance(values, pa.Array) else pa.array(values)
    return pa.table(made)
