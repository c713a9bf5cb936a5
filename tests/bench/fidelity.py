"""Fidelity: how close a clone comes to a second sample of the same database.

A real database is cut into two disjoint halves A and B. What B scores against A is the *ceiling*; a clone learned from
A is scored against A in the same way. Scores are those of SDMetrics' multi-table quality report, our own figures of
:mod:`dbclone.report.fidelity`, and a classifier that tries to tell the two apart. Stock SDV runs beside where it
accepts the schema.

``python -m tests.bench.fidelity [--smoke] [--url NAME=URL …] [--only NAME …] [--no-stock]``
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from dbclone.model.matching import parent_positions
from dbclone.report.distances import series_pair
from dbclone.report.fidelity import Property, measure_fidelity
from dbclone.schema.model import Schema, TableKey
from tests.bench.chain import broken, chain
from tests.bench.halves import Columns, Source, halves, read, twin_of
from tests.bench.journey import journey

Floats = npt.NDArray[np.float64]

STOCK_LIMIT_S = 240
MOST_DETECTED = 6_000
PROPERTIES: tuple[Property, ...] = (
    "shape", "pair", "fan-out", "parent", "grandparent", "within parent", "gap", "offset", "weekday", "hour",
)  # fmt: skip
SCORES = ("Column Shapes", "Column Pair Trends", "Cardinality", "Intertable Trends")


def run(source: Source, *, stock: bool = True, seed: int = 0) -> dict[str, Any]:
    """Return all figures of one database: per contender (``ceiling``, ``dbclone``, ``stock``) and figure."""
    entity, a, b = halves(source, seed)
    twin = twin_of(a)
    contenders = {"ceiling": b, "dbclone": twin.source}
    figures: dict[str, Any] = {"bench": "fidelity", "database": source.name, "entities": entity}
    figures["rows"] = sum(rows.num_rows for rows in a.rows.values())
    figures["learn_s"], figures["generate_s"] = round(twin.learn_s, 2), round(twin.generate_s, 2)
    if stock and is_legal(source.schema):
        other = _in_time(a, twin.columns)
        figures["stock_s"] = other[1] if other else f"> {STOCK_LIMIT_S}"
        if other:
            contenders["stock"] = other[0]
    for name, rows in contenders.items():
        figures[name] = score(a, rows, twin.columns)
        if source.name == "chain":
            figures[name]["broken"] = broken(dict(rows.rows))
    return figures


def score(a: Source, other: Source, columns: Columns) -> dict[str, Any]:
    """Return every figure of ``other`` against ``a``."""
    report = sdmetrics_scores(a, other, columns)
    found = measure_fidelity(a.schema, a.rows, other.rows, columns)
    means = {name: found.mean(name) for name in PROPERTIES}
    figures: dict[str, Any] = {name: _rounded(value) for name, value in {**report, **means}.items()}
    figures["detection"] = _rounded(detection(a, other, columns))
    figures["worst"] = [
        f"{f.property} {f.table}: {f.name} {f.distance:.2f}"
        + ("" if f.source is None or f.clone is None else f" ({f.source:.2f} → {f.clone:.2f})")
        for f in found.worst(30)
    ]
    return figures


# ---- SDMetrics ------------------------------------------------------------------------------------------------------


def sdmetrics_scores(a: Source, other: Source, columns: Columns) -> dict[str, float]:
    """Return the four properties of SDMetrics' multi-table quality report."""
    from sdmetrics.reports.multi_table.quality_report import QualityReport

    real, metadata = frames(a, a, columns)
    synthetic, _ = frames(other, a, columns)
    report = QualityReport()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        report.generate(real, synthetic, metadata, verbose=False)
        table = report.get_properties()
    return dict(zip(table["Property"], table["Score"], strict=True))


def frames(source: Source, reference: Source, columns: Columns) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Return rows as SDMetrics and SDV want them: whole numbers for keys, one column per key.

    Tables without rows are left out, as are foreign keys to them.
    """
    kept = [t for t in reference.schema.tables if reference.rows[t.key].num_rows and source.rows[t.key].num_rows]
    names = {t.key for t in kept}
    made, tables, relationships = {}, {}, []
    for table in kept:
        rows = source.rows[table.key]
        frame = {"_key": np.arange(rows.num_rows)}
        described: dict[str, Any] = {"_key": {"sdtype": "id"}}
        for key in table.foreign_keys:
            if key.parent not in names or key.parent == table.key or not set(key.columns) <= set(rows.column_names):
                continue
            at = parent_positions(rows, source.rows[key.parent], key.columns, key.parent_columns)
            name = "_to_" + "_".join((key.parent, *key.columns))
            frame[name] = np.where(at < 0, np.nan, at) if (at < 0).any() else at
            described[name] = {"sdtype": "id"}
            relationships.append({"parent_table_name": key.parent, "parent_primary_key": "_key",
                                  "child_table_name": table.key, "child_foreign_key": name})  # fmt: skip
        for name in columns.get(table.key, ()):
            if name not in rows.column_names:
                continue
            kind = table.column(name).kind
            frame[name], described[name] = _values(kind, rows[name])
        made[str(table.key)] = pd.DataFrame(frame)
        tables[str(table.key)] = {"primary_key": "_key", "columns": described}
    return made, {"tables": tables, "relationships": relationships, "METADATA_SPEC_VERSION": "V1"}


def _values(kind: Any, values: pa.ChunkedArray) -> tuple[Any, dict[str, str]]:
    if kind in ("text", "enum", "boolean"):
        plain = values.cast(pa.string()).to_pandas()
        return plain, {"sdtype": "categorical"}
    series, _ = series_pair(kind, values, values)
    if kind in ("date", "timestamp", "timestamptz"):
        unit = "D" if kind == "date" else "us"
        filled = np.where(np.isnan(series.values), 0, series.values).clip(-2e15, 8e15).astype(np.int64)
        times = pd.Series(filled.astype(f"datetime64[{unit}]").astype("datetime64[us]"))
        return times.mask(np.isnan(series.values)), {"sdtype": "datetime"}
    return np.clip(series.values, -1e300, 1e300), {"sdtype": "numerical"}


# ---- Detection ------------------------------------------------------------------------------------------------------


def detection(a: Source, other: Source, columns: Columns) -> float | None:
    """Return the mean over tables of how well a random forest tells their rows from A's: AUC, 0.5 if not at all.

    A row comes with its parents' columns, and with the number of its children per foreign key and their means.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score

    found = []
    for table in a.schema.tables:
        sides = [side.rows[table.key].num_rows for side in (a, other)]
        if min(sides) < 40:
            continue
        both = _features(table.key, a, other, columns)
        if not both[0].shape[1]:
            continue
        random = np.random.default_rng(0)
        size = min(MOST_DETECTED, *sides)
        x = np.concatenate([side[random.permutation(len(side))[:size]] for side in both])
        y = np.repeat([0, 1], size)
        train = random.random(len(y)) < 0.5
        forest = RandomForestClassifier(60, min_samples_leaf=3, random_state=0)
        forest.fit(x[train], y[train])
        auc = float(roc_auc_score(y[~train], forest.predict_proba(x[~train])[:, 1]))
        found.append(max(auc, 0.5))
    return float(np.mean(found)) if found else None


def _features(table: TableKey, a: Source, other: Source, columns: Columns) -> tuple[Floats, Floats]:
    schema = a.schema
    own = [_series(schema, table, name, a, other) for name in columns.get(table, ())]
    parts: list[tuple[Floats, Floats]] = [(one[:, None], two[:, None]) for one, two in own]
    for key in schema.table(table).foreign_keys:
        at = [_positions(side, table, key) for side in (a, other)]
        if key.parent == table or any(position is None for position in at):
            continue
        for name in columns.get(key.parent, ()):
            values = _series(schema, key.parent, name, a, other)
            parts.append(tuple(_taken(v, p)[:, None] for v, p in zip(values, at, strict=True)))  # type: ignore[arg-type]
    for child in schema.tables:
        for key in child.foreign_keys:
            at = [_positions(side, child.key, key) for side in (a, other)]
            if key.parent != table or child.key == table or any(position is None for position in at):
                continue
            sizes = [side.rows[table].num_rows for side in (a, other)]
            parts.append(tuple(_sums(p, None, n)[:, None] for p, n in zip(at, sizes, strict=True)))  # type: ignore[arg-type]
            for name in columns.get(child.key, ()):
                values = _series(schema, child.key, name, a, other)
                means = [_sums(p, v, n) for p, v, n in zip(at, values, sizes, strict=True)]
                parts.append((means[0][:, None], means[1][:, None]))
    empty = [np.zeros((side.rows[table].num_rows, 0)) for side in (a, other)]
    one = np.concatenate([empty[0], *(part[0] for part in parts)], axis=1)
    two = np.concatenate([empty[1], *(part[1] for part in parts)], axis=1)
    return np.nan_to_num(one, nan=-1e30), np.nan_to_num(two, nan=-1e30)


def _series(schema: Schema, table: TableKey, name: str, a: Source, other: Source) -> tuple[Floats, Floats]:
    one, two = series_pair(schema.table(table).column(name).kind, a.rows[table][name], other.rows[table][name])
    return np.clip(one.values, -1e30, 1e30), np.clip(two.values, -1e30, 1e30)


def _positions(side: Source, table: TableKey, key: Any) -> Any:
    if not side.rows[table].num_rows or not side.rows[key.parent].num_rows:
        return None
    if not set(key.columns) <= set(side.rows[table].column_names):
        return None
    return parent_positions(side.rows[table], side.rows[key.parent], key.columns, key.parent_columns)


def _taken(values: Floats, at: npt.NDArray[np.int64]) -> Floats:
    return np.where(at >= 0, values[np.maximum(at, 0)], np.nan)


def _sums(at: npt.NDArray[np.int64], values: Floats | None, parents: int) -> Floats:
    """Return how many children each parent has, or the mean of their values (NaN for none)."""
    known = at >= 0 if values is None else (at >= 0) & ~np.isnan(values)
    count = np.bincount(at[known], minlength=parents).astype(float)
    if values is None:
        return count
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.bincount(at[known], values[known], minlength=parents) / count)


# ---- Stock SDV ------------------------------------------------------------------------------------------------------


def is_legal(schema: Schema) -> bool:
    """Whether stock HMASynthesizer takes the schema: at most five tables on two levels, no self-reference."""
    parents = {key.parent for table in schema.tables for key in table.foreign_keys}
    children = {table.key for table in schema.tables if table.foreign_keys}
    return len(schema.tables) <= 5 and not parents & children


def _in_time(a: Source, columns: Columns) -> tuple[Source, float] | None:
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_stock, args=(a, columns, send), daemon=True)
    started = time.perf_counter()
    process.start()
    send.close()
    if not receive.poll(STOCK_LIMIT_S):
        process.terminate()
        return None
    made = receive.recv()  # EOFError if it failed: its own traceback says why
    process.join()
    return made, round(time.perf_counter() - started, 2)


def _stock(a: Source, columns: Columns, send: Any) -> None:
    from sdv.metadata import Metadata
    from sdv.multi_table import HMASynthesizer

    data, metadata = frames(a, a, columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        synthesizer = HMASynthesizer(Metadata.load_from_dict(metadata), verbose=False)
        synthesizer.fit(data)
        made = synthesizer.sample_scale(1.0)
    send.send(_as_source(a, made, columns))


def _as_source(a: Source, made: Mapping[str, pd.DataFrame], columns: Columns) -> Source:
    """Return frames as rows of the schema: keys from whole numbers, values in the columns' types."""
    rows = {}
    for table in a.schema.tables:
        frame = made[table.key]
        data: dict[str, Any] = {}
        for key in table.foreign_keys:
            data[key.columns[0]] = pa.array(frame["_to_" + "_".join((key.parent, *key.columns))].astype("Int64"))
        data[table.primary_key[0]] = pa.array(frame["_key"].astype("Int64"))
        for name in columns.get(table.key, ()):
            kind = table.column(name).kind
            values = pa.array(frame[name], from_pandas=True)
            data[name] = values.cast(pa.timestamp("us")) if kind == "timestamp" else values
        rows[table.key] = pa.table(data)
    return Source(name=a.name, schema=a.schema, rows=rows)


# ---- The table ------------------------------------------------------------------------------------------------------


def table_of(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the figures for people: one line each, our score with its share of the ceiling."""
    lines = []
    for result in results:
        lines.append(
            f"\n{result['database']}: {result['rows']:,} rows, halves by {result['entities']}, "
            f"learned in {result['learn_s']} s, made in {result['generate_s']} s, stock: {result.get('stock_s', '–')} s"
        )
        lines.append(f"  {'':24}{'ceiling':>9}{'dbclone':>9}{'of it':>8}{'stock':>9}")
        for name in (*SCORES, *PROPERTIES, "detection"):
            values = [result.get(side, {}).get(name) for side in ("ceiling", "dbclone", "stock")]
            if values[1] is None:
                continue
            share = f"{values[1] / values[0]:.3f}" if name in SCORES and values[0] else ""
            cells = "".join(f"{'–' if v is None else f'{v:.3f}':>9}" for v in values[:2])
            lines.append(f"  {name:24}{cells}{share:>8}{'–' if values[2] is None else f'{values[2]:.3f}':>9}")
        faults = result["dbclone"].get("broken", {})
        lines += [f"  broken: {name:30}{share:>8.4f}" for name, share in faults.items() if share]
    lines.append("\nmedian over the databases")
    for name, value in medians(results).items():
        lines.append(f"  {name:40}{value:>8.3f}")
    return "\n".join(lines)


def medians(results: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return our scores as shares of the ceiling, and our distances beyond the ceiling's, median over databases."""
    found: dict[str, float] = {}
    for name in SCORES:
        shares = [
            r["dbclone"][name] / r["ceiling"][name]
            for r in results
            if r["dbclone"].get(name) is not None and r["ceiling"].get(name)
        ]
        if shares:
            found[f"{name}, share of the ceiling"] = statistics.median(shares)
    for wanted in (*PROPERTIES, "detection"):
        beyond = [
            r["dbclone"][wanted] - r["ceiling"][wanted]
            for r in results
            if r["dbclone"].get(wanted) is not None and r["ceiling"].get(wanted) is not None
        ]
        if beyond:
            found[f"{wanted}, beyond the ceiling's"] = statistics.median(beyond)
    return found


def _rounded(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(float(value), 4)


def sources(options: argparse.Namespace) -> list[Source]:
    """Return the databases to measure: two of the bench's own, and those of the URLs given."""
    made = [chain(100 if options.smoke else 800), journey(60 if options.smoke else 300, 0.05 if options.smoke else 0.1)]
    made += [read(name, url) for name, _, url in (item.partition("=") for item in options.url)]
    return [source for source in made if not options.only or source.name in options.only]


def main(arguments: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fidelity", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small data and no stock SDV: only shows that it runs")
    parser.add_argument("--url", action="append", default=[], metavar="NAME=URL", help="measure this database, too")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only databases of this name")
    parser.add_argument("--no-stock", action="store_true", help="leave stock SDV out")
    parser.add_argument("--worst", action="store_true", help="print the figures farthest off")
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    options = parser.parse_args(arguments)
    results = [run(source, stock=not (options.no_stock or options.smoke)) for source in sources(options)]
    print(table_of(results))
    if options.worst:
        for result in results:
            print(f"\n{result['database']}", *result["dbclone"]["worst"], sep="\n  ")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return results


if __name__ == "__main__":
    main()
