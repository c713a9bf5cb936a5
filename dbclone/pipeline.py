"""The stages, wired: one function per command, each from values to a frozen result.

Owns the order of the stages, the seconds each takes, which stage an error comes from, and the lives of the connections:
everything that is read of the source is read in one snapshot, which is closed before learning begins; everything that
can refuse a run (the target first of all) is asked before a row is read. What a stage does is the business of its room.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dbclone import __version__
from dbclone.config import Settings
from dbclone.db.connect import Database, open_database
from dbclone.db.ddl import check_ddl, target_ddl
from dbclone.db.load import LoadEvent, load
from dbclone.db.reflect import reflect_schema, select_tables
from dbclone.db.sample import count_rows, take_sample
from dbclone.db.target import TargetState, prepare_target, same_database
from dbclone.db.compare import compare
from dbclone.db.verify import verify
from dbclone.errors import ConfigurationError, DbcloneError, TargetError, VerifyError, at_most
from dbclone.events import Checked, OnEvent, Progress, Stage, StageFinished, StageStarted, Warned, ignore
from dbclone.generate.batches import Generator
from dbclone.learn.metadata import describe_database
from dbclone.model.artifact import load_model, save_model
from dbclone.model.flow import Check, Ddl, Loaded, Sample
from dbclone.model.parts import Model
from dbclone.report.diagram import diagram
from dbclone.report.html import Report, TableRows, render_html
from dbclone.results import Cloned, Described, Planned, Record, Trained, Verified
from dbclone.run.local import ahead
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Plan, PlanOptions, make_plan

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Run:
    """One run under way: times its stages, names the failed one, passes events on."""

    def __init__(self, on_event: OnEvent) -> None:
        self.on_event = on_event
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        self.versions = {"dbclone": __version__, "python": platform.python_version()}
        self._inner: list[float] = []

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Run a block as a stage; an error in it carries the stage's name.

        A stage within another, as ``verify`` is within ``load``, is not counted as time of the outer one.
        """
        self.on_event(StageStarted(stage=stage))
        self._inner.append(0.0)
        begun = time.perf_counter()
        try:
            yield
        except DbcloneError as error:
            error.stage = error.stage or stage
            raise
        finally:
            whole = time.perf_counter() - begun
            own = whole - self._inner.pop()
            if self._inner:
                self._inner[-1] += whole
            self.seconds[stage] = self.seconds.get(stage, 0.0) + own
            self.on_event(StageFinished(stage=stage, seconds=own))

    def warn(self, stage: Stage, messages: Iterable[str]) -> None:
        """Warn of each message, once."""
        for message in messages:
            if message not in self.warnings:
                self.warnings.append(message)
                self.on_event(Warned(stage=stage, message=message))

    @contextmanager
    def database(self, url: str, purpose: Literal["source", "target"]) -> Iterator[Database]:
        """Open a database for the length of a block."""
        with self.stage("connect"):
            database = open_database(url, purpose=purpose)
        with database:
            yield database

    def record(self) -> Record:
        """Return what is known so far."""
        return Record(seconds=dict(self.seconds), warnings=tuple(self.warnings), versions=dict(self.versions))


def plan_source(source: str, settings: Settings, on_event: OnEvent = ignore) -> Planned:
    """Return the plan of a clone of ``source``. Counts rows, reads none."""
    run = Run(on_event)
    with run.database(source, "source") as origin, origin.snapshot() as connection:
        plan = _plan(run, origin, connection, settings)
        return Planned(source=origin.name, plan=plan, record=run.record())


def clone(source: str, target: str, settings: Settings, on_event: OnEvent = ignore) -> Cloned:
    """Write a synthetic twin of ``source`` into ``target``.

    The target is asked whether it may be written to before a row of the source is read, and again by the loader.
    """
    run = Run(on_event)
    _refuse_without_sdv()
    with run.database(source, "source") as origin, run.database(target, "target") as goal:
        with run.stage("target"):
            if same_database(origin, goal):
                raise TargetError(f"source and target are the same database, {goal.name}: choose another target")
        with origin.snapshot() as connection:
            plan = _plan(run, origin, connection, settings)
            ddl = _definition(run, origin, plan.schema)
            state = _target_state(run, goal, plan.schema, ddl, settings)
            sample = _sample(run, origin, connection, plan, settings)
        model = _learn(run, sample, plan, ddl, settings)
        loaded, checks = _load(run, goal, model, state, settings)
        result = Cloned(
            source=origin.name,
            target=goal.name,
            plan=plan,
            rows=loaded.rows,
            checks=checks,
            seed=settings.seed,
            record=run.record(),
            model_file=settings.save_model,
        )
        return _reported(run, result, settings, origin, goal)


def train_model(source: str, settings: Settings, on_event: OnEvent = ignore) -> Trained:
    """Learn ``source`` and write the model to ``settings.save_model``."""
    if settings.save_model is None:
        raise ConfigurationError("train needs a file to write the model to")
    run = Run(on_event)
    _refuse_without_sdv()
    with run.database(source, "source") as origin:
        with origin.snapshot() as connection:
            plan = _plan(run, origin, connection, settings)
            ddl = _definition(run, origin, plan.schema)
            run.warn("reflect", ddl.lost)
            sample = _sample(run, origin, connection, plan, settings)
        _learn(run, sample, plan, ddl, settings)
        return Trained(source=origin.name, plan=plan, file=settings.save_model, record=run.record())


def generate_into(model_file: Path, target: str, settings: Settings, on_event: OnEvent = ignore) -> Cloned:
    """Write a twin into ``target`` from a model file alone."""
    run = Run(on_event)
    with run.stage("plan"):
        model = load_model(model_file)
        model = dataclasses.replace(model, plan=_resized(model.plan, settings.plan_options))
        run.versions |= {f"model {name}": version for name, version in model.versions.items()}
    with run.database(target, "target") as goal:
        state = _target_state(run, goal, model.plan.schema, model.ddl, settings)
        loaded, checks = _load(run, goal, model, state, settings)
        result = Cloned(
            source=str(model_file),
            target=goal.name,
            plan=model.plan,
            rows=loaded.rows,
            checks=checks,
            seed=settings.seed,
            record=run.record(),
        )
        return _reported(run, result, settings, None, goal)


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
    model = load_model(model_file) if model_file else None
    checks: list[Check] = []
    with ExitStack() as stack:
        goal = stack.enter_context(run.database(target, "target"))
        origin = stack.enter_context(run.database(source, "source")) if source else None
        with goal.snapshot() as connection:
            live = _reflect(run, goal, connection, settings, "target")
            with run.stage("verify"):
                rows = count_rows(connection, goal.dialect, live)
                checks += verify(connection, goal.dialect, live)
        if model is not None:
            checks += _missing(select_tables(model.plan.schema, settings.tables, settings.exclude), live)
        if origin is not None:
            with origin.snapshot() as connection:
                wanted = _reflect(run, origin, connection, settings)
            with run.stage("compare"):
                checks += compare(origin, goal, wanted)
        run.on_event(Checked(checks=tuple(checks)))
        return Verified(target=goal.name, rows=rows, checks=tuple(checks), record=run.record())


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
        schema = _reflect(run, origin, connection, settings)
    described = describe_database(schema)
    with run.stage("report"):
        # The diagram first, which may fail: metadata without it would be half of what was asked for.
        if diagram_file:
            _write(diagram_file, diagram(schema, diagram_file))
        if out:
            _write(out, json.dumps(described.metadata, indent=4, ensure_ascii=False) + "\n")
    run.warn("reflect", (f"{note.table}: {note.message}" for note in described.notes))
    return Described(
        source=origin.name,
        metadata=described.metadata,
        notes=described.notes,
        record=run.record(),
        file=out,
        diagram_file=diagram_file,
    )


def _refuse_without_sdv() -> None:
    if find_spec("sdv") is None:
        raise ConfigurationError("learning needs SDV, which is not installed: pip install sdv")


def _reflect(
    run: Run,
    database: Database,
    connection: Connection,
    settings: Settings,
    purpose: Literal["source", "target"] = "source",
) -> Schema:
    with run.stage("reflect"):
        schema = reflect_schema(connection, database.dialect)
        run.versions[purpose] = f"{schema.dialect} {schema.server_version}"
        return select_tables(schema, settings.tables, settings.exclude)


def _plan(run: Run, origin: Database, connection: Connection, settings: Settings) -> Plan:
    schema = _reflect(run, origin, connection, settings)
    with run.stage("plan"):
        return make_plan(schema, count_rows(connection, origin.dialect, schema), settings.plan_options)


def _definition(run: Run, origin: Database, schema: Schema) -> Ddl:
    with run.stage("reflect"):
        return target_ddl(origin, schema)


def _target_state(run: Run, goal: Database, schema: Schema, ddl: Ddl | None, settings: Settings) -> TargetState:
    """Return what is at the target; TargetError if it cannot be written to."""
    with run.stage("target"):
        state = prepare_target(goal, schema, settings.on_existing)
        if state.is_new and ddl is not None:
            check_ddl(goal, ddl)
            run.warn("target", ddl.lost)
        return state


def _sample(run: Run, origin: Database, connection: Connection, plan: Plan, settings: Settings) -> Sample:
    with run.stage("sample"):
        return take_sample(connection, origin.dialect, plan, seed=settings.seed)


def _learn(run: Run, sample: Sample, plan: Plan, ddl: Ddl, settings: Settings) -> Model:
    # SDV comes with learning: generate must not load it.
    from dbclone.learn.train import train

    done = count()
    total = sum(bool(star.branches) for star in plan.stars)

    def on_table(table: TableKey) -> None:
        run.on_event(Progress(stage="learn", table=table, done=next(done), total=total))

    with run.stage("learn"):
        model = train(sample, plan, ddl, seed=settings.seed, on_table=on_table)
        run.versions |= model.versions
        if settings.save_model:
            with _writing(settings.save_model):
                save_model(model, settings.save_model)
        return model


def _resized(plan: Plan, options: PlanOptions) -> Plan:
    """Return the plan of a model with other numbers of rows; stars and steps stay what was learned."""
    source_rows = {table.table: table.source_rows for table in plan.tables}
    asked = make_plan(plan.schema, source_rows, dataclasses.replace(options, latents=plan.latents))
    tables = tuple(dataclasses.replace(table, rows=asked.table(table.table).rows) for table in plan.tables)
    return dataclasses.replace(plan, tables=tables)


def _load(
    run: Run, goal: Database, model: Model, state: TargetState, settings: Settings
) -> tuple[Loaded, tuple[Check, ...]]:
    """Generate, load and verify in one transaction: a failed check undoes the load."""
    plan, written = model.plan, dict[TableKey, int]()
    checks: list[Check] = []

    def on_event(event: LoadEvent) -> None:
        if event.table is not None:
            written[event.table] = event.rows
            done = sum(written.values())
            run.on_event(Progress(stage="load", table=event.table, done=done, total=plan.rows))

    def check(connection: Connection) -> None:
        with run.stage("verify"):
            checks.extend(verify(connection, goal.dialect, plan.schema, expected_rows=expected))
            run.on_event(Checked(checks=tuple(checks)))
            _refuse_failed(checks)

    generator = Generator(model, seed=settings.seed, next_keys=state.next_key)
    expected = None if state.on_existing == "append" else generator.rows
    with run.stage("load"), closing(ahead(generator.batches())) as batches:
        loaded = load(goal, plan, model.ddl, batches, state=state, on_event=on_event, check=check)
    return loaded, tuple(checks)


def _refuse_failed(checks: Iterable[Check]) -> None:
    failed = [
        f"{check.kind} {check.table} {check.name}: {check.message or f'{check.found:g} found'}"
        for check in checks
        if not check.passed
    ]
    if failed:
        raise VerifyError(
            f"{len(failed)} check{'s' * (len(failed) > 1)} on the loaded rows failed; the target is as it was",
            details=at_most(failed),
        )


def _reported(run: Run, result: Cloned, settings: Settings, origin: Database | None, goal: Database) -> Cloned:
    """Write the report, if one is asked for; with the source at hand, compare the distributions for it."""
    if settings.report is None:
        return result
    checks = result.checks
    if origin is not None:
        with run.stage("compare"):
            found = compare(origin, goal, result.plan.schema)
        checks += tuple(check for check in found if check.kind == "distance")
        run.warn("compare", (f"{c.table} {c.name}: {c.message}" for c in found if not c.passed))
        run.on_event(Checked(checks=checks))
    record = run.record()
    with run.stage("report"):
        report = Report(
            source=result.source,
            target=result.target,
            schema=result.plan.schema,
            tables=tuple(
                TableRows(table=t.table, source_rows=t.source_rows, rows=result.rows[t.table]) for t in result.plan.tables
            ),
            checks=checks,
            seconds=record.seconds,
            warnings=record.warnings,
            notes=tuple(f"{note.table}: {note.message}" for note in result.plan.notes),
            seed=result.seed,
            versions=record.versions,
            started=f"{settings.started_at:%Y-%m-%d %H:%M %Z}" if settings.started_at else "",
        )
        _write(settings.report, render_html(report))
    return dataclasses.replace(result, checks=checks, record=run.record(), report_file=settings.report)


def _write(file: Path, text: str) -> None:
    with _writing(file):
        file.write_text(text, encoding="utf-8")


@contextmanager
def _writing(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"cannot write {file}: {error.strerror}") from error
