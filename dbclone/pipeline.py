"""The stages, wired: one function per command, each from values to a frozen result.

Owns the order of the stages and the lives of the connections: everything that is read of the source is read in one
snapshot, which is closed before learning begins; everything that can refuse a run, the target first of all, is asked
before a row is read. What a stage does is the business of its room.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from dbclone.arrival import target_state
from dbclone.config import Settings
from dbclone.db import ledger
from dbclone.db.across import flat
from dbclone.db.connect import Database, name_of
from dbclone.db.ledger import fingerprint
from dbclone.db.sample import take_sample
from dbclone.db.target import prepare_target, same_database
from dbclone.delivery import Delivered, deliver, held_target, resume
from dbclone.errors import ConfigurationError, TargetError
from dbclone.events import OnEvent, Progress, ignore
from dbclone.generators import with_generators, without_functions
from dbclone.model.artifact import save_model
from dbclone.model.flow import Ddl, Sample
from dbclone.model.parts import Model
from dbclone.report.diagram import plan_diagram
from dbclone.reporting import reported
from dbclone.results import Cloned, Planned, Trained
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Plan
from dbclone.stages import Run
from dbclone.steps import definition, model_of, moved, plan_of, refuse_to_learn, said_of, write_text, writing

if TYPE_CHECKING:
    from sqlalchemy import Connection


def plan_source(
    source: str,
    settings: Settings,
    on_event: OnEvent = ignore,
    *,
    target: str | None = None,
    diagram_file: Path | None = None,
) -> Planned:
    """Return the plan of a clone of ``source``. Counts rows, reads some to find references that are not declared.

    ``diagram_file`` gets the graph of foreign keys, stars coloured: by graphviz if there is one, else as Mermaid.
    """
    run = Run(on_event)
    with run.database(source, "source") as origin, origin.snapshot() as connection:
        plan = plan_of(run, origin, connection, settings)
        found = _foreseen(run, target, plan, settings) if target else ()
    if diagram_file is not None:
        diagram_file, text = plan_diagram(plan.schema, plan.stars, diagram_file)
        write_text(diagram_file, text)
    return Planned(
        source=run.names["source"],
        plan=plan,
        record=run.record(),
        target=found,
        changed=settings.changes(table.table for table in plan.tables),
        diagram_file=diagram_file,
    )


def _foreseen(run: Run, target: str, plan: Plan, settings: Settings) -> tuple[str, ...]:
    """Return, for people, what would be done to what the target holds, or why it would be refused."""
    own = settings.definition == "none" and settings.on_drift == "refuse"
    with run.database(target, "target") as goal, run.stage("target"):
        try:
            with goal.connect() as connection:
                ledger.refuse_unfinished(connection, goal.name)
            state = prepare_target(
                goal, flat(plan.schema, goal), settings.on_existing, "ignore" if own else settings.on_drift
            )
        except TargetError as error:
            return (f"it would be refused: {error}", *error.details)
        return state.explained


def clone(source: str, target: str, settings: Settings, on_event: OnEvent = ignore) -> Cloned:
    """Write a synthetic twin of ``source`` into ``target``.

    The target is asked whether it may be written to before a row of the source is read, and again by the loader.
    """
    run = Run(on_event)
    if settings.resume:
        return _resumed(run, target, settings, {"source": name_of(source)})
    refuse_to_learn(settings)
    with run.database(source, "source") as origin, run.database(target, "target") as goal, held_target(run, goal):
        with run.stage("target"):
            if same_database(origin, goal):
                raise TargetError(
                    f"source and target are the same database, {run.names['target']}: choose another target"
                )
        with origin.snapshot() as connection:
            plan = plan_of(run, origin, connection, settings)
            ddl = definition(run, origin, plan.schema, settings)
            state = target_state(run, goal, plan, ddl, settings, origin)
            sample = _sample(run, origin, connection, plan, settings)
        model = _learn(run, sample, plan, ddl, settings)
        delivered = deliver(run, goal, model, state, settings, {"source": run.names["source"]})
        result = _cloned(run, delivered, settings, run.names["source"])
        return reported(run, result, settings, origin, goal, model=model, sample=sample)


def _resumed(run: Run, target: str, settings: Settings, begun_with: Mapping[str, str]) -> Cloned:
    """Go on with a load that was begun with the same options, from the target alone."""
    with run.database(target, "target") as goal, held_target(run, goal):
        delivered = resume(run, goal, settings, begun_with)
        (source,) = begun_with.values()
        result = _cloned(run, delivered, settings, source)
        return reported(run, result, settings, None, goal, model=delivered.model)


def _cloned(run: Run, delivered: Delivered, settings: Settings, source: str) -> Cloned:
    return Cloned(
        source=source,
        target=run.names["target"],
        plan=delivered.model.plan,
        rows=delivered.loaded.rows,
        checks=delivered.checks,
        seed=settings.seed,
        record=run.record(),
        model_file=settings.save_model,
        repaired=delivered.repaired,
    )


def train_model(source: str, settings: Settings, on_event: OnEvent = ignore) -> Trained:
    """Learn ``source`` and write the model to ``settings.save_model``."""
    if settings.save_model is None:
        raise ConfigurationError("train needs a file to write the model to")
    run = Run(on_event)
    refuse_to_learn(settings)
    with run.database(source, "source") as origin:
        with origin.snapshot() as connection:
            plan = plan_of(run, origin, connection, settings)
            ddl = definition(run, origin, plan.schema, settings)
            run.warn("reflect", ddl.lost if ddl else ())
            sample = _sample(run, origin, connection, plan, settings)
        _learn(run, sample, plan, ddl, settings)
        return Trained(
            source=run.names["source"], plan=plan, file=settings.save_model, seed=settings.seed, record=run.record()
        )


def generate_into(model_file: Path, target: str, settings: Settings, on_event: OnEvent = ignore) -> Cloned:
    """Write a twin into ``target`` from a model file alone."""
    run = Run(on_event)
    model = model_of(run, model_file, settings)
    begun_with = {"model": f"{model_file} ({fingerprint(without_functions(model))})"}
    if settings.resume:
        return _resumed(run, target, settings, begun_with)
    with run.database(target, "target") as goal, held_target(run, goal):
        ddl = None if settings.definition == "none" else model.ddl
        state = target_state(run, goal, model.plan, ddl, settings)
        delivered = deliver(run, goal, model, state, settings, begun_with)
        return reported(run, _cloned(run, delivered, settings, str(model_file)), settings, None, goal, model=model)


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
        model = train(sample, plan, ddl, seed=settings.seed, on_table=on_table, said=said_of(plan.schema, settings))
        model = with_generators(model, settings, functions=False)
        run.versions |= model.versions
        if settings.save_model:
            with writing(settings.save_model):
                save_model(model, settings.save_model, signing_key=settings.sign)
        return with_generators(moved(model, settings), settings, functions=True)
