"""Single stages for notebooks and programs: each takes values and returns values, and opens a database by its URL.

The commands of the command line are in :mod:`dbclone.pipeline` and :mod:`dbclone.inspection`; they read the source in
one snapshot, judge the rows by the target and load them. These functions leave all that to the caller.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from dbclone import pipeline
from dbclone.config import Settings
from dbclone.db import sample as sampling
from dbclone.db.connect import open_database
from dbclone.generate.batches import Generator
from dbclone.model.flow import FanOut, Sample, TableSample
from dbclone.model.matching import parent_positions
from dbclone.model.parts import Model
from dbclone.model.rules import Learned
from dbclone.report.comparison import Comparison, compare_samples
from dbclone.report.diagram import diagram
from dbclone.schema.graph import edges
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Plan
from dbclone.stages import Run
from dbclone.steps import reflect as reflect_step
from dbclone.steps import refuse_to_learn, write_text


def reflect(source: str, settings: Settings | None = None) -> Schema:
    """Return the tables, columns, keys and constraints of a database. Raises ConnectError if it cannot be read."""
    run = Run(lambda _: None)
    with run.database(source, "source") as origin, origin.snapshot() as connection:
        return reflect_step(run, origin, connection, settings or Settings())


def draw(schema: Schema, file: Path) -> None:
    """Draw the schema: ``.svg`` by graphviz, ``.mmd`` as Mermaid. Raises ConfigurationError for what cannot be."""
    write_text(file, diagram(schema, file))


def make_plan(source: str, settings: Settings | None = None) -> Plan:
    """Return what a clone of a database would do: roles, stars, load steps, rows, cost, what each cut loses."""
    return pipeline.plan_source(source, settings or Settings()).plan


def take_sample(source: str, plan: Plan, *, seed: int = 0) -> Sample:
    """Return a referentially closed sample of a database, read in one snapshot."""
    with open_database(source, purpose="source") as origin, origin.snapshot() as connection:
        return sampling.take_sample(connection, origin.dialect, plan, seed=seed)


def learn_model(sample: Sample, plan: Plan, *, seed: int = 0) -> Model:
    """Return the model of a sample. It holds no definition of a target: ``train_model`` writes one that does.

    Raises ConfigurationError where SDV is not installed.
    """
    refuse_to_learn(Settings())
    from dbclone.learn.train import train

    return train(sample, plan, None, seed=seed)


def synthesize(model: Model, *, seed: int = 0, rows: Mapping[TableKey, int] | None = None) -> dict[TableKey, pa.Table]:
    """Return the rows of every table: as many as the plan says, or as ``rows`` does for some tables.

    All of them are held in memory; ``generate_into`` writes them to a database batch by batch.
    """
    generator = Generator(model, seed=seed, rows=rows)
    found: dict[TableKey, list[pa.Table]] = {}
    for batch in generator.batches():
        found.setdefault(batch.table, []).append(_plain(batch.rows))
    return {key: pa.concat_tables(parts) for key, parts in found.items()}


def evaluate(model: Model, sample: Sample, tables: Mapping[TableKey, pa.Table]) -> Comparison:
    """Return how rows that were made differ from the sample that was learned from: what the report draws."""
    schema = model.plan.schema
    kept = {key: TableSample(rows=rows, base=np.ones(rows.num_rows, dtype=bool)) for key, rows in tables.items()}
    twin = dataclasses.replace(
        sample,
        tables=kept,
        source_rows={key: rows.num_rows for key, rows in tables.items()},
        null_references={},
        fan_outs=tuple(_fan_outs(schema, tables)),
        copied={},
    )
    learned = {
        table.table: tuple(rule.column for rule in table.rules if isinstance(rule, Learned)) for table in model.tables
    }
    return compare_samples(schema, sample, twin, learned)


def _fan_outs(schema: Schema, tables: Mapping[TableKey, pa.Table]) -> list[FanOut]:
    found = []
    for edge in edges(schema):
        if edge.child in tables and edge.parent in tables:
            key, parent = edge.foreign_key, tables[edge.parent]
            place = parent_positions(tables[edge.child], parent, key.columns, key.parent_columns)
            counts = np.bincount(place[place >= 0], minlength=parent.num_rows)
            complete = np.ones(parent.num_rows, dtype=bool)
            cap = int(counts.max(initial=1))
            found.append(FanOut(child=edge.child, foreign_key=key.name, counts=counts, complete=complete, cap=cap))
    return found


def _plain(rows: pa.Table) -> pa.Table:
    """Return rows without dictionaries, so that batches can be put together."""
    columns = [c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in rows.itercolumns()]
    return pa.table(columns, names=rows.column_names)
