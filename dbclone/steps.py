"""Steps that several commands take: reflect, plan, define the target, write a file.

Each runs as its stage and returns the stage's value; the commands in :mod:`dbclone.pipeline` and
:mod:`dbclone.inspection` put them in order.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dbclone.config import Settings
from dbclone.db import ledger
from dbclone.db.connect import Database
from dbclone.db.ddl import target_ddl
from dbclone.db.discover import discover
from dbclone.db.reflect import reflect_schema, refuse_unknown, select_tables
from dbclone.db.sample import count_rows
from dbclone.errors import ConfigurationError, PlanError, at_most
from dbclone.generators import check_columns, refuse_wrong_columns, with_generators
from dbclone.model.artifact import load_model, refuse_signing_key
from dbclone.model.flow import Ddl
from dbclone.model.parts import Model
from dbclone.model.shift import shifted
from dbclone.schema.bookkeeping import copied_tables
from dbclone.schema.declared import declare
from dbclone.schema.model import Column, Schema, Table
from dbclone.schema.plan import Plan, make_plan
from dbclone.stages import Run

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dbclone.learn.classes import Said


def refuse_to_learn(settings: Settings) -> None:
    """Raise ConfigurationError for what would keep a model from being learned or saved, before a database is asked."""
    if find_spec("sdv") is None:
        raise ConfigurationError("learning needs SDV, which is not installed: pip install 'dbclone[train]'")
    if settings.sign is not None:
        if settings.save_model is None:
            raise ConfigurationError("--sign needs a model file to sign: give --save-model FILE, too")
        refuse_signing_key(settings.sign)


def reflect(
    run: Run,
    database: Database,
    connection: Connection,
    settings: Settings,
    purpose: Literal["source", "target"] = "source",
) -> Schema:
    with run.stage("reflect"):
        if purpose == "source":
            ledger.refuse_unfinished(connection, database.name)
        schema = declare(reflect_schema(connection, database.dialect), settings.declared)
        run.versions[purpose] = f"{schema.dialect} {schema.server_version}"
        found = chosen(schema, settings)
        if purpose == "source" and settings.new_columns == "refuse":
            _refuse_new_columns(found, settings)
        return found


def listed_columns(table: Table) -> tuple[Column, ...]:
    """Return the columns whose kind is a question: those that are written, refer to nothing, and can be generated."""
    referring = {name for key in table.foreign_keys for name in key.columns}
    return tuple(c for c in table.written_columns if c.name not in referring and c.kind != "other")


def _refuse_new_columns(schema: Schema, settings: Settings) -> None:
    """Raise PlanError if the configuration says nothing of a column that could hold anything."""
    said = {table.key: settings.table(table.key) for table in schema.tables}
    copied = copied_tables(schema) | {key for key, keys in said.items() if keys.action in ("copy", "empty")}
    new = [
        f"{table.key}.{column.name}"
        for table in schema.tables
        for column in listed_columns(table)
        if table.key not in copied and column.name not in said[table.key].columns
    ]
    if new:
        raise PlanError(
            f"{len(new)} columns are new since the configuration was written: say what each holds under "
            "tables.<name>.columns.<name>.kind, or give --new-columns generate, which carries nothing over from them",
            details=at_most(new),
        )


def said_of(schema: Schema, settings: Settings) -> Said:
    """Return what the settings say that columns hold."""
    # Here, with learning: the rest of this module serves commands that learn nothing.
    from dbclone.learn.classes import Said

    kinds = settings.kinds(table.key for table in schema.tables)
    return Said(kinds=kinds, only=settings.new_columns == "generate")


def chosen(schema: Schema, settings: Settings) -> Schema:
    """Return the schema with the tables that the settings choose; refuse settings for tables that are not there."""
    keys = [table.key for table in schema.tables]
    refuse_unknown(schema, settings.tables)
    refuse_wrong_columns(schema, settings)
    return select_tables(schema, settings.include, (*settings.exclude, *settings.skipped(keys)))


def plan_of(run: Run, origin: Database, connection: Connection, settings: Settings) -> Plan:
    schema = reflect(run, origin, connection, settings)
    with run.stage("plan"):
        rows = count_rows(connection, origin.dialect, schema)
        schema, found = discover(connection, origin.dialect, schema, rows)
        plan = make_plan(schema, rows, settings.plan_options(rows))
        check_columns(schema, settings)
        return dataclasses.replace(plan, notes=(*plan.notes, *found))


def model_of(run: Run, file: Path, settings: Settings) -> Model:
    """Return the model of a file, with the rows and the generators that the settings ask for."""
    with run.stage("plan"):
        model = load_model(file, trusted_key=settings.require_signature)
        model = dataclasses.replace(model, plan=_resized(model.plan, settings))
        run.versions |= {f"model {name}": version for name, version in model.versions.items()}
        return with_generators(moved(model, settings), settings, functions=True)


def moved(model: Model, settings: Settings) -> Model:
    """Return the model whose dates end where the settings ask for."""
    return model if settings.shift_dates is None else shifted(model, settings.shift_dates)


def _resized(plan: Plan, settings: Settings) -> Plan:
    """Return the plan of a model with other numbers of rows; stars and steps stay what was learned."""
    source_rows = {table.table: table.source_rows for table in plan.tables}
    refuse_unknown(plan.schema, settings.tables)
    options = settings.plan_options(source_rows)
    asked = make_plan(plan.schema, source_rows, dataclasses.replace(options, latents=plan.latents))
    tables = tuple(dataclasses.replace(table, rows=asked.table(table.table).rows) for table in plan.tables)
    return dataclasses.replace(plan, tables=tables)


def definition(run: Run, origin: Database, schema: Schema, settings: Settings) -> Ddl | None:
    """Return what builds the target; None where its own schema is used."""
    if settings.definition == "none":
        return None
    with run.stage("reflect"):
        return target_ddl(origin, schema, prefer=settings.definition)


def write_text(file: Path, text: str) -> None:
    with writing(file):
        file.write_text(text, encoding="utf-8")


@contextmanager
def writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from error
