"""The stages, wired: one function per command, each from values to a frozen result.

Owns the order of the stages and the lives of the connections: everything that is read of the source is read in one
snapshot, which is closed before learning begins; everything that can refuse a run, the target first of all, is asked
before a row is read. What a stage does is the business of its room.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dbclone.config import Settings
from dbclone.db.compare import compare
from dbclone.db.connect import Database
from dbclone.db.ddl import check_ddl, target_ddl
from dbclone.db.discover import discover
from dbclone.db.drift import differences, read_definitions, scope_of
from dbclone.db.load import LoadEvent, load, undone
from dbclone.db.migrate import migrate, proposals, read_wanted, refuse_remaining, rehearsed
from dbclone.db.reflect import reflect_schema, select_tables
from dbclone.db.rehearse import judge, rehearsal_rows, rehearse
from dbclone.db.revision import write_revision
from dbclone.db.sample import count_rows, take_sample
from dbclone.db.target import TargetState, count_taken, prepare_target, same_database
from dbclone.db.verify import verify
from dbclone.errors import ConfigurationError, PlanError, TargetError, VerifyError, at_most
from dbclone.events import Checked, OnEvent, Progress, Said, ignore
from dbclone.generate.batches import Generator
from dbclone.generate.repair import ConditionError
from dbclone.learn.metadata import describe_database
from dbclone.model.artifact import load_model, save_model
from dbclone.model.flow import Check, Ddl, Loaded, Sample, Verdict
from dbclone.model.parts import Model
from dbclone.report.diagram import diagram
from dbclone.report.html import Report, TableRows, render_html
from dbclone.results import Cloned, Compared, Described, Planned, Trained, Verified
from dbclone.run.local import ahead
from dbclone.schema.declared import declare
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Plan, PlanOptions, make_plan
from dbclone.stages import Run

if TYPE_CHECKING:
    from sqlalchemy import Connection


FREE_KEY_ROUNDS = 4
"""How often values that must be unique are made anew because the target has them already."""


def plan_source(source: str, settings: Settings, on_event: OnEvent = ignore, *, target: str | None = None) -> Planned:
    """Return the plan of a clone of ``source``. Counts rows, reads some to find references that are not declared."""
    run = Run(on_event)
    with run.database(source, "source") as origin, origin.snapshot() as connection:
        plan = _plan(run, origin, connection, settings)
        found = _foreseen(run, target, plan, settings) if target else ()
        return Planned(source=run.names["source"], plan=plan, record=run.record(), target=found)


def _foreseen(run: Run, target: str, plan: Plan, settings: Settings) -> tuple[str, ...]:
    """Return, for people, what would be done to what the target holds, or why it would be refused."""
    own = settings.definition == "none" and settings.on_drift == "refuse"
    with run.database(target, "target") as goal, run.stage("target"):
        try:
            state = prepare_target(goal, plan.schema, settings.on_existing, "ignore" if own else settings.on_drift)
        except TargetError as error:
            return (f"it would be refused: {error}", *error.details)
        return state.explained


def clone(source: str, target: str, settings: Settings, on_event: OnEvent = ignore) -> Cloned:
    """Write a synthetic twin of ``source`` into ``target``.

    The target is asked whether it may be written to before a row of the source is read, and again by the loader.
    """
    run = Run(on_event)
    _refuse_without_sdv()
    with run.database(source, "source") as origin, run.database(target, "target") as goal:
        with run.stage("target"):
            if same_database(origin, goal):
                raise TargetError(
                    f"source and target are the same database, {run.names['target']}: choose another target"
                )
        with origin.snapshot() as connection:
            plan = _plan(run, origin, connection, settings)
            ddl = _definition(run, origin, plan.schema, settings)
            state = _target_state(run, goal, plan, ddl, settings, origin)
            sample = _sample(run, origin, connection, plan, settings)
        model = _learn(run, sample, plan, ddl, settings)
        loaded, checks, repaired = _load(run, goal, model, state, settings)
        result = Cloned(
            source=run.names["source"],
            target=run.names["target"],
            plan=plan,
            rows=loaded.rows,
            checks=checks,
            seed=settings.seed,
            record=run.record(),
            model_file=settings.save_model,
            repaired=repaired,
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
            ddl = _definition(run, origin, plan.schema, settings)
            run.warn("reflect", ddl.lost if ddl else ())
            sample = _sample(run, origin, connection, plan, settings)
        _learn(run, sample, plan, ddl, settings)
        return Trained(
            source=run.names["source"], plan=plan, file=settings.save_model, seed=settings.seed, record=run.record()
        )


def generate_into(model_file: Path, target: str, settings: Settings, on_event: OnEvent = ignore) -> Cloned:
    """Write a twin into ``target`` from a model file alone."""
    run = Run(on_event)
    with run.stage("plan"):
        model = load_model(model_file)
        model = dataclasses.replace(model, plan=_resized(model.plan, settings.plan_options))
        run.versions |= {f"model {name}": version for name, version in model.versions.items()}
    with run.database(target, "target") as goal:
        ddl = None if settings.definition == "none" else model.ddl
        state = _target_state(run, goal, model.plan, ddl, settings)
        loaded, checks, repaired = _load(run, goal, model, state, settings)
        result = Cloned(
            source=str(model_file),
            target=run.names["target"],
            plan=model.plan,
            rows=loaded.rows,
            checks=checks,
            seed=settings.seed,
            record=run.record(),
            repaired=repaired,
        )
        return _reported(run, result, settings, None, goal)


def diff(
    source: str, target: str, settings: Settings, on_event: OnEvent = ignore, *, revision_folder: Path | None = None
) -> Compared:
    """Return how the definition of ``target`` differs from the source; write a revision that makes up for it."""
    run = Run(on_event)
    with run.database(source, "source") as origin, run.database(target, "target") as goal:
        with run.stage("reflect"), origin.snapshot() as connection:
            whole = reflect_schema(connection, origin.dialect)
            schema = select_tables(whole, settings.tables, settings.exclude)
        with run.stage("compare"):
            scope = scope_of(whole, schema, everything=not settings.tables and not settings.exclude)
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
        return Verified(target=run.names["target"], rows=rows, checks=tuple(checks), record=run.record())


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
        source=run.names["source"],
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
        schema = declare(reflect_schema(connection, database.dialect), settings.reference)
        run.versions[purpose] = f"{schema.dialect} {schema.server_version}"
        return select_tables(schema, settings.tables, settings.exclude)


def _plan(run: Run, origin: Database, connection: Connection, settings: Settings) -> Plan:
    schema = _reflect(run, origin, connection, settings)
    with run.stage("plan"):
        rows = count_rows(connection, origin.dialect, schema)
        schema, found = discover(connection, origin.dialect, schema, rows)
        plan = make_plan(schema, rows, settings.plan_options)
        return dataclasses.replace(plan, notes=(*plan.notes, *found))


def _definition(run: Run, origin: Database, schema: Schema, settings: Settings) -> Ddl | None:
    """Return what builds the target; None where its own schema is used."""
    if settings.definition == "none":
        return None
    with run.stage("reflect"):
        return target_ddl(origin, schema, prefer=settings.definition)


def _target_state(
    run: Run, goal: Database, plan: Plan, ddl: Ddl | None, settings: Settings, origin: Database | None = None
) -> TargetState:
    """Return what is at the target; TargetError if it cannot be written to."""
    own = settings.definition == "none" and settings.on_drift == "refuse"
    with run.stage("target"):
        state = prepare_target(goal, plan.schema, settings.on_existing, "ignore" if own else settings.on_drift)
        if state.is_new and ddl is None:
            raise TargetError(
                f"{goal.name} has none of the tables, and --schema none creates none: run the application's migrations "
                "on it first, or choose another --schema"
            )
        if state.is_new and ddl is not None:
            check_ddl(goal, ddl)
            run.warn("target", ddl.lost)
        if not state.is_new and settings.on_drift == "migrate":
            state = _migrating(goal, plan, state, origin)
        for line in state.explained:
            run.on_event(Said(text=line))
        return state


def _migrating(goal: Database, plan: Plan, state: TargetState, origin: Database | None) -> TargetState:
    """Return the state with the migration that the loader will carry out, after trying it once."""
    if origin is None:
        raise ConfigurationError(
            "--on-drift migrate compares with a live source, and a model file is none: use clone, or bring the target "
            "up to date with the revision that dbclone diff SOURCE TARGET --write-revision writes"
        )
    with origin.connect() as connection:
        whole = reflect_schema(connection, origin.dialect)
    wanted = read_wanted(origin, plan.schema, scope_of(whole, plan.schema, everything=False))

    def change(connection: Connection) -> None:
        refuse_remaining(migrate(connection, goal.dialect, wanted).remaining)

    state = dataclasses.replace(state, migrate=change)
    with undone(goal, plan, None, state=state):
        return state


def _sample(run: Run, origin: Database, connection: Connection, plan: Plan, settings: Settings) -> Sample:
    with run.stage("sample"):
        return take_sample(connection, origin.dialect, plan, seed=settings.seed)


def _learn(run: Run, sample: Sample, plan: Plan, ddl: Ddl | None, settings: Settings) -> Model:
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


def _generator(
    model: Model,
    state: TargetState,
    settings: Settings,
    *,
    rows: Mapping[TableKey, int] | None = None,
    verdicts: Sequence[Verdict] = (),
) -> Generator:
    return Generator(
        model,
        seed=settings.seed,
        rows=rows,
        next_keys=state.next_key,
        next_values=state.next_value,
        rows_before=state.rows,
        verdicts=verdicts,
    )


def _rules(goal: Database, connection: Connection, plan: Plan, state: TargetState) -> Schema:
    """Return the schema whose rules the loaded rows must keep: the target's own where that is used as it is."""
    if not state.ignores_drift:
        return plan.schema
    return reflect_schema(connection, goal.dialect).keep(table.key for table in plan.schema.tables)


def _with_free_keys(run: Run, goal: Database, model: Model, state: TargetState, settings: Settings) -> TargetState:
    """Return the state such that no unique value that will be made is in the target already.

    Values that are made by a row's index are made by higher ones. Raises TargetError if that does not help.
    """
    for _ in range(FREE_KEY_ROUNDS):
        with run.stage("target"), goal.connect() as connection:
            taken = _taken(goal, connection, _generator(model, state, settings), model.plan, state)
        if not taken:
            return state
        moved = {key: state.rows[key] + model.plan.table(key).rows for key, _, _ in taken}
        state = dataclasses.replace(state, rows={**state.rows, **moved})
    raise TargetError(
        f"rows cannot be added to {goal.name}: values that must be unique are there already; choose another --seed, "
        "fewer rows, or --on-existing truncate",
        details=at_most([f"{table}: {count:,} values of {', '.join(columns)}" for table, columns, count in taken]),
    )


def _taken(
    goal: Database, connection: Connection, generator: Generator, plan: Plan, state: TargetState
) -> list[tuple[TableKey, tuple[str, ...], int]]:
    """Return the keys, of tables that hold rows, whose values are there already: table, columns, how many."""
    found: dict[tuple[TableKey, tuple[str, ...]], int] = {}
    for key in (table.table for table in plan.tables if state.rows.get(table.table) and not table.copied):
        table = plan.schema.table(key)
        referencing = {name for foreign_key in table.foreign_keys for name in foreign_key.columns}
        numbered = {(name,) for name in table.primary_key if key in state.next_key}
        numbered |= {(name,) for other, name in state.next_value if other == key}
        keys = [k for k in table.uniques() if k not in numbered and not referencing & set(k)]
        for number in range(generator.batch_count(key) if keys else 0):
            rows = generator.batch(key, number).rows
            for columns in (k for k in keys if set(k) <= set(rows.column_names)):
                count = count_taken(connection, goal.dialect, table, columns, rows)
                if count:
                    found[key, columns] = found.get((key, columns), 0) + count
    return [(key, columns, count) for (key, columns), count in found.items()]


def _rehearse(run: Run, goal: Database, model: Model, state: TargetState, settings: Settings) -> tuple[Verdict, ...]:
    """Have the target judge rows by its constraints, and a long run rehearsed; return what it said."""
    plan = model.plan

    def check(connection: Connection) -> None:
        _refuse_failed(verify(connection, goal.dialect, _rules(goal, connection, plan, state)))

    with run.stage("rehearse"):
        generator = _generator(model, state, settings)
        asked = [(plan.schema.table(key), *generator.candidates(key)) for key in (t.table for t in plan.tables)]
        asked = [(table, conditions, rows) for table, conditions, rows in asked if conditions]
        verdicts = judge(goal, plan, model.ddl, asked, state=state) if asked else ()
        if rows := rehearsal_rows(plan):
            few = _generator(model, state, settings, rows=rows, verdicts=verdicts)
            try:
                rehearse(goal, plan, model.ddl, few.batches(), state=state, check=check)
            except ConditionError:
                raise
            except PlanError as error:
                # Keys that few rows cannot have, many may: those of the load itself are asked for there.
                run.warn("rehearse", [f"so few rows could not be made as a rehearsal: {error}"])
        return verdicts


def _load(
    run: Run, goal: Database, model: Model, state: TargetState, settings: Settings
) -> tuple[Loaded, tuple[Check, ...], dict[TableKey, dict[str, int]]]:
    """Rehearse, then generate, load and verify in one transaction: a failed check undoes the load."""
    plan, written = model.plan, dict[TableKey, int]()
    checks: list[Check] = []

    def on_event(event: LoadEvent) -> None:
        if event.table is not None:
            written[event.table] = event.rows
            done = sum(written.values())
            run.on_event(Progress(stage="load", table=event.table, done=done, total=plan.rows))

    def check(connection: Connection) -> None:
        with run.stage("verify"):
            checks.extend(
                verify(connection, goal.dialect, _rules(goal, connection, plan, state), expected_rows=expected)
            )
            run.on_event(Checked(checks=tuple(checks)))
            _refuse_failed(checks)

    state = _with_free_keys(run, goal, model, state, settings)
    verdicts = _rehearse(run, goal, model, state, settings)
    generator = _generator(model, state, settings, verdicts=verdicts)
    counted = {key: count for key, count in generator.rows.items() if key not in state.kept}
    expected = None if state.on_existing == "append" else counted
    with run.stage("load"), closing(ahead(generator.batches())) as batches:
        loaded = load(goal, plan, model.ddl, batches, state=state, on_event=on_event, check=check)
        run.warn("load", loaded.warnings)
    return loaded, tuple(checks), generator.repaired()


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
                TableRows(table=t.table, source_rows=t.source_rows, rows=result.rows[t.table])
                for t in result.plan.tables
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
