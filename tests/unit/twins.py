"""Twins of small tables, made without a database: from a schema and all rows to the rows that are generated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from dbclone.generate.batches import Generator
from dbclone.learn.train import train
from dbclone.model.flow import FanOut, Sample, TableSample
from dbclone.model.matching import parent_positions
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import PlanOptions, make_plan


def generator(schema: Schema, tables: Mapping[str, pa.Table], *, scale: float = 1.0) -> Generator:
    """Return the generator of a model of these rows."""
    rows = {TableKey(name): table for name, table in tables.items()}
    counts = {key: table.num_rows for key, table in rows.items()}
    fan_outs, nulls = [], {}
    for table in schema.tables:
        for key in table.foreign_keys:
            position = parent_positions(rows[table.key], rows[key.parent], key.columns, key.parent_columns)
            parents = counts[key.parent]
            fan_outs.append(
                FanOut(
                    child=table.key,
                    foreign_key=key.name,
                    counts=np.bincount(position[position >= 0], minlength=parents),
                    complete=np.ones(parents, dtype=bool),
                    cap=10**6,
                )
            )
            nulls[table.key, key.name] = int((position < 0).sum())
    sample = Sample(
        tables={k: TableSample(rows=t, base=np.ones(t.num_rows, dtype=bool)) for k, t in rows.items()},
        source_rows=counts,
        null_references=nulls,
        fan_outs=tuple(fan_outs),
    )
    plan = make_plan(schema, counts, PlanOptions(scale=scale))
    return Generator(train(sample, plan, None, seed=0), seed=1)


def twin(schema: Schema, tables: Mapping[str, pa.Table], *, scale: float = 1.0) -> dict[str, pa.Table]:
    """Return the rows that are generated of a model of these rows, table by table."""
    made: dict[str, list[pa.Table]] = {}
    for batch in generator(schema, tables, scale=scale).batches():
        made.setdefault(batch.table, []).append(batch.rows)
    return {name: pa.concat_tables(parts).unify_dictionaries() for name, parts in made.items()}


def tuples(rows: pa.Table, *names: str) -> list[tuple[object, ...]]:
    """Return the values of these columns, row by row."""
    return list(zip(*(rows[name].to_pylist() for name in names), strict=True))
