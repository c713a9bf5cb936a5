"""Speed and memory: stock SDV against the closed form, rows a second, peak memory, one process against two.

Rows are made in processes of their own, whose peak memory they tell (:mod:`tests.bench.rows`). Seconds of making rows
are those of the CPU: other work on the machine does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dbclone.generate.batches import Generator
from dbclone.learn.train import train
from dbclone.model.artifact import load_model, save_model
from dbclone.model.flow import FanOut, Sample, TableSample
from dbclone.run.making import making
from dbclone.schema.model import Column, ForeignKey, Schema, Table, TableKey
from dbclone.schema.plan import PlanOptions, make_plan
from tests.bench.data import retail
from tests.bench.learn import metadata_of

CUSTOMER, PRODUCT, SALE, PERSON = (TableKey(name) for name in ("customer", "product", "sale", "person"))
SAMPLED = 20_000


def run(*, smoke: bool, full: bool = False) -> list[dict[str, Any]]:
    """Return the figures; ``smoke``: of few rows; ``full``: of a hundred million rows as well."""
    with tempfile.TemporaryDirectory(prefix="dbclone-bench-") as folder:
        nine, people = Path(folder) / "nine.model", Path(folder) / "people.model"
        save_model(_nine(), nine)
        save_model(_people(), people)
        million = 60_000 if smoke else 1_000_000
        children, parents = (million, 2_000) if smoke else (10 * million, 100_000)
        figures = [
            _stock(10 if smoke else 60),
            _made("nine columns, one parent and a second", nine, SALE, million),
            _made("names, e-mails and phones", people, PERSON, million),
            _made("a second parent", nine, SALE, children, customer=parents, product=parents),
        ]
        figures += [_made("the same, longer", nine, SALE, rows) for rows in (2 * million, 4 * million)]
        if full:
            figures.append(_made("a hundred million rows", people, PERSON, 100_000_000))
        figures += [_parallel(nine, 4 * million, workers) for workers in (1, 2)]
        return figures


# ---- Models ----------------------------------------------------------------------------------------------------------


def _column(name: str, kind: Any, type_: str, **more: Any) -> Column:
    return Column(name=name, kind=kind, type=type_, nullable=False, **more)


def _whole(name: str) -> Column:
    return _column(name, "integer", "integer", bytes=4)


def _price(name: str) -> Column:
    return _column(name, "decimal", "numeric(10,2)", precision=10, scale=2)


def _text(name: str) -> Column:
    return _column(name, "text", "text")


def _table(key: TableKey, *columns: Column, foreign_keys: tuple[ForeignKey, ...] = ()) -> Table:
    return Table(
        schema="public", name=key, key=key, primary_key=("id",), columns=(_whole("id"), *columns),
        foreign_keys=foreign_keys,
    )  # fmt: skip


def _refers(column: str, parent: TableKey) -> ForeignKey:
    return ForeignKey(name=f"{column}_fkey", columns=(column,), parent=parent, parent_columns=("id",))


def _nine() -> Any:
    """Return the model of a table of nine columns without names, with two parents."""
    random = np.random.default_rng(1)
    customers, products = 2_000, 500
    of = np.sort((customers * random.random(SAMPLED) ** 2).astype(int))
    sold = (products * random.random(SAMPLED) ** 2).astype(int)
    prices = [f"{value:.2f}" for value in np.exp(random.normal(2, 0.8, SAMPLED))]
    when = np.datetime64("2024-01-01T00:00", "us") + random.integers(0, 60_000_000, SAMPLED).astype("timedelta64[s]")
    rows = {
        CUSTOMER: pa.table({"id": np.arange(customers), "age": random.integers(18, 90, customers)}),
        PRODUCT: pa.table({"id": np.arange(products), "weight": random.integers(1, 900, products)}),
        SALE: pa.table(
            {
                "id": np.arange(SAMPLED),
                "customer_id": of,
                "product_id": sold,
                "quantity": 1 + random.poisson(0.6, SAMPLED),
                "price": prices,
                "discount": [f"{value:.2f}" for value in random.exponential(2, SAMPLED)],
                "sold_at": when,
                "channel": random.choice(["web", "shop", "phone"], SAMPLED, p=[0.6, 0.3, 0.1]),
                "store": random.integers(0, 40, SAMPLED),
            }
        ),
    }
    sale = _table(
        SALE, _whole("customer_id"), _whole("product_id"), _whole("quantity"), _price("price"), _price("discount"),
        _column("sold_at", "timestamp", "timestamp without time zone"), _text("channel"), _whole("store"),
        foreign_keys=(_refers("customer_id", CUSTOMER), _refers("product_id", PRODUCT)),
    )  # fmt: skip
    tables = (_table(CUSTOMER, _whole("age")), _table(PRODUCT, _whole("weight")), sale)
    counted = {"customer_id_fkey": np.bincount(of, minlength=customers),
               "product_id_fkey": np.bincount(sold, minlength=products)}  # fmt: skip
    return _learned(tables, rows, counted)


def _people() -> Any:
    """Return the model of a table of nine columns with names, e-mails and phone numbers."""
    random = np.random.default_rng(2)
    first, last = ("Anna", "Bert", "Clara", "David"), ("Meyer", "Smith", "Brown", "Novak")
    rows = pa.table(
        {
            "id": np.arange(SAMPLED),
            "first_name": random.choice(first, SAMPLED),
            "last_name": random.choice(last, SAMPLED),
            "email": [f"user{n}@real-mail.org" for n in range(SAMPLED)],
            "phone": [f"+49 30 {1_000_000 + 7 * n}" for n in range(SAMPLED)],
            "city": random.choice(["Berlin", "Paris", "Rome"], SAMPLED),
            "balance": [f"{value:.2f}" for value in random.exponential(200, SAMPLED)],
            "visits": random.poisson(3, SAMPLED),
            "active": random.random(SAMPLED) < 0.8,
        }
    )
    table = _table(
        PERSON, _text("first_name"), _text("last_name"), _text("email"), _text("phone"), _text("city"),
        _price("balance"), _whole("visits"), _column("active", "boolean", "boolean"),
    )  # fmt: skip
    return _learned((table,), {PERSON: rows}, {})


def _learned(tables: tuple[Table, ...], rows: dict[TableKey, pa.Table], counted: dict[str, Any]) -> Any:
    schema = Schema(dialect="postgresql", server_version="18", default_schema="public", tables=tables)
    counts = {key: table.num_rows for key, table in rows.items()}
    sample = Sample(
        tables={key: TableSample(rows=t, base=np.ones(t.num_rows, dtype=bool)) for key, t in rows.items()},
        source_rows=counts,
        null_references={},
        fan_outs=tuple(
            FanOut(child=SALE, foreign_key=name, counts=n, complete=np.ones(len(n), dtype=bool), cap=10**6)
            for name, n in counted.items()
        ),
    )
    return train(sample, make_plan(schema, counts, PlanOptions()), None, seed=0)


# ---- Measures --------------------------------------------------------------------------------------------------------


def _stock(households: int) -> dict[str, Any]:
    """Return how many rows a second stock HMA1 samples with one parent."""
    from sdv.multi_table import HMASynthesizer

    data = {name: frame for name, frame in retail(households).items() if name != "product"}
    data["transaction"] = data["transaction"].drop(columns="product_id")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        synthesizer = HMASynthesizer(metadata_of(data, ["household"]), verbose=False)
        synthesizer.fit(data)
        started = time.process_time()
        made = synthesizer.sample_scale(1.0)
        seconds = time.process_time() - started
    rows = sum(map(len, made.values()))
    return {"bench": "stock sample, one parent", "rows": rows, "rows_per_s": round(rows / seconds)}


def _made(name: str, model: Path, table: TableKey, rows: int, **others: int) -> dict[str, Any]:
    """Return rows a second of CPU and the peak memory of a process that makes rows and lets them go."""
    command = [sys.executable, "-m", "tests.bench.rows", str(model), f"{table}={rows}"]
    command += [f"{other}={count}" for other, count in others.items()]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {"bench": name, **json.loads(done.stdout)}


def _parallel(model_file: Path, rows: int, workers: int) -> dict[str, Any]:
    """Return rows a second by the clock, from the second batch on: starting processes is not what is measured."""
    generator = Generator(load_model(model_file), seed=1, rows={SALE: rows})
    with closing(making(generator, workers=workers)) as batches:
        made = [(time.perf_counter(), batch.rows.num_rows) for batch in batches if batch.table == SALE]
    seconds = made[-1][0] - made[0][0]
    later = sum(count for _, count in made[1:])
    return {"bench": f"{workers} process{'es' * (workers > 1)}", "rows": rows, "rows_per_s": round(later / seconds)}


# ---- The plot --------------------------------------------------------------------------------------------------------


def plot(figures: list[dict[str, Any]]) -> str:
    """Return the rows a second as an SVG of bars, by powers of ten."""
    bars = [(str(f["bench"]), float(f["rows_per_s"])) for f in figures if f.get("rows_per_s")]
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{24 * len(bars) + 10}" '
             'font-family="sans-serif" font-size="12">']  # fmt: skip
    for place, (name, speed) in enumerate(bars):
        at, width = 24 * place + 5, 60 * max(float(np.log10(max(speed, 1))), 0.05)
        lines.append(f'<text x="290" y="{at + 14}" text-anchor="end">{name}</text>')
        lines.append(f'<rect x="300" y="{at}" width="{width:.0f}" height="18" fill="#4477aa"/>')
        lines.append(f'<text x="{306 + width:.0f}" y="{at + 14}">{speed:,.0f} rows/s</text>')
    return "\n".join([*lines, "</svg>", ""])
