"""The commands that look and write to no database: ``diff``, ``verify`` and ``metadata``.

Each opens its databases, reads them in snapshots and returns a frozen result. Beside :mod:`dbclone.pipeline`, which
holds the commands that learn and write.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from dbclone.config import Settings
from dbclone.db import ledger
from dbclone.db.compare import compare
from dbclone.db.drift import differences, read_definitions, scope_of
from dbclone.db.migrate import proposals, read_wanted, rehearsed
from dbclone.db.reflect import reflect_schema
from dbclone.db.revision import write_revision
from dbclone.db.sample import count_rows
from dbclone.db.verify import verify
from dbclone.events import Checked, OnEvent, ignore
from dbclone.learn.metadata import describe_database
from dbclone.model.artifact import load_model
from dbclone.model.flow import Check
from dbclone.report.diagram import diagram
from dbclone.results import Compared, Described, Verified
from dbclone.schema.model import Schema, TableKey
from dbclone.stages import Run
from dbclone.steps import chosen, reflect, write_text


def diff(
    source: str, target: str, settings: Settings, on_event: OnEvent = ignore, *, revision_folder: Path | None = None
) -> Compared:
    """Return how the definition of ``target`` differs from the source; write a revision that makes up for it."""
    run = Run(on_event)
    with run.database(source, "source") as origin, run.database(target, "target") as goal:
        with run.stage("reflect"), origin.snapshot() as connection:
            whole = reflect_schema(connection, origin.dialect)
            schema = chosen(whole, settings)
        with run.stage("compare"):
            scope = scope_of(whole, schema, everything=len(schema.tables) == len(whole.tables))
            wanted = read_wanted(origin, schema, scope)
            theirs = scope.of_target(read_definitions(goal), wanted.definitions.keys())
            found = differences(wanted.definitions, theirs)
            with goal.snapshot() as connection:
                proposed = proposals(connection, wanted, found)
        result = Compared(
            source=run.names["source"],
            target=run.names["target"],
            differences=found,
            proposals=proposed,
            record=run.record(),
        )
        if revision_folder is None or not found:
            return result
        with run.stage("report"):
            forth, back = rehearsed(goal, wanted)
            with goal.connect() as connection:
                file = write_revision(revision_folder, connection, forth, back, created=settings.started_at)
        return dataclasses.replace(result, record=run.record(), revision_file=file, by_hand=forth.remaining)


def verify_target(
    target: str,
    settings: Settings,
    on_event: OnEvent = ignore,
    *,
    source: str | None = None,
    model_file: Path | None = None,
) -> Verified:
    """Recount everything in ``target``; compare it with ``source`` and with the schema of a model, where given.

    Failed checks are in the result, not raised.
    """
    run = Run(on_event)
    model = load_model(model_file, trusted_key=settings.require_signature) if model_file else None
    checks: list[Check] = []
    with ExitStack() as stack:
        goal = stack.enter_context(run.database(target, "target"))
        origin = stack.enter_context(run.database(source, "source")) if source else None
        with goal.snapshot() as connection:
            if ledger.is_unfinished(connection):
                unfinished = "a run that wrote to it has not ended: the same command with --resume goes on with it"
                table = TableKey(ledger.SCHEMA)
                checks.append(
                    Check(kind="schema", table=table, name="complete", passed=False, found=1, message=unfinished)
                )
            live = reflect(run, goal, connection, settings, "target")
            with run.stage("verify"):
                rows = count_rows(connection, goal.dialect, live)
                checks += verify(connection, goal.dialect, live)
        if model is not None:
            checks += _missing(chosen(model.plan.schema, settings), live)
        if origin is not None:
            with origin.snapshot() as connection:
                wanted = reflect(run, origin, connection, settings)
            with run.stage("compare"):
                checks += compare(origin, goal, wanted)
        run.on_event(Checked(checks=tuple(checks)))
        return Verified(
            target=run.names["target"],
            source=run.names.get("source", str(model_file or "")),
            rows=rows,
            checks=tuple(checks),
            schema=live,
            record=run.record(),
        )


def _missing(wanted: Schema, live: Schema) -> Iterator[Check]:
    """Yield a failed check for each table and column of ``wanted`` that ``live`` lacks, and one that passed if none."""
    missing = [(table.key, "table") for table in wanted.tables if table.key not in live]
    for table in wanted.tables:
        if table.key in live:
            there = {column.name for column in live.table(table.key).columns}
            missing += [(table.key, f"column {c.name}") for c in table.columns if c.name not in there]
    for key, name in missing:
        yield Check(kind="schema", table=key, name=name, passed=False, found=1, message="the target lacks it")
    if not missing:
        yield Check(kind="schema", table=wanted.tables[0].key, name="tables and columns", passed=True, found=0)


def source_metadata(
    source: str,
    settings: Settings,
    on_event: OnEvent = ignore,
    *,
    out: Path | None = None,
    diagram_file: Path | None = None,
) -> Described:
    """Return the schema of ``source`` as SDV's metadata; write it and a diagram to the files given."""
    run = Run(on_event)
    with run.database(source, "source") as origin, origin.snapshot() as connection:
        schema = reflect(run, origin, connection, settings)
    described = describe_database(schema)
    with run.stage("report"):
        # The diagram first, which may fail: metadata without it would be half of what was asked for.
        if diagram_file:
            write_text(diagram_file, diagram(schema, diagram_file))
        if out:
            write_text(out, json.dumps(described.metadata, indent=4, ensure_ascii=False) + "\n")
    run.warn("reflect", (f"{note.table}: {note.message}" for note in described.notes))
    return Described(
        source=run.names["source"],
        metadata=described.metadata,
        notes=described.notes,
        record=run.record(),
        file=out,
        diagram_file=diagram_file,
    )
