"""From a model to a loaded target: rehearse, generate, load, verify; or go on with a load that stopped.

Owns the choice of the mode. *All or nothing* is one transaction, which a failed check undoes: nobody sees a part of it.
*Resumable* commits what it has written, on several connections: what was written stays when a run is cut off.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

from dbclone.arrival import make_generator, rules_of, with_free_keys
from dbclone.config import Settings
from dbclone.db import ledger
from dbclone.db.connect import Database
from dbclone.db.ledger import BatchKey, Undertaking
from dbclone.db.load import LoadEvent, load
from dbclone.db.lock import held
from dbclone.db.rehearse import judge, rehearsal_rows, rehearse
from dbclone.db.resume import begin, carry_on
from dbclone.db.swap import drop_aside
from dbclone.db.target import TargetState
from dbclone.db.verify import verify
from dbclone.errors import PlanError, VerifyError, at_most
from dbclone.events import Checked, Progress, Said
from dbclone.generate.repair import ConditionError
from dbclone.generators import with_functions, without_functions
from dbclone.model.flow import Batch, Check, Loaded, Verdict
from dbclone.model.parts import Model
from dbclone.run.making import making
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Plan
from dbclone.stages import Run

if TYPE_CHECKING:
    from sqlalchemy import Connection

RESUMABLE_ROWS = 1_000_000
"""From so many rows on, a new target is loaded so that the load can go on: losing it costs more than ten seconds."""

_NOT_ABOUT_ROWS = {
    "report", "save_model", "sign", "require_signature", "started_at", "resume", "mode", "connections", "fast",
    "keep_old", "workers", "scheduler"
}  # fmt: skip
"""Settings that a run which goes on may have otherwise: they change no row and no definition."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Delivered:
    """What was loaded and found; ``repaired`` counts the rows changed for a constraint, per table and constraint."""

    model: Model
    loaded: Loaded
    checks: tuple[Check, ...]
    repaired: Mapping[TableKey, Mapping[str, int]]


@contextmanager
def held_target(run: Run, goal: Database) -> Iterator[None]:
    """Hold the target for the length of a block; TargetError if another run does."""
    with ExitStack() as stack:
        with run.stage("target"):
            stack.enter_context(held(goal))
        yield


def deliver(
    run: Run, goal: Database, model: Model, state: TargetState, settings: Settings, begun_with: Mapping[str, str]
) -> Delivered:
    """Rehearse, then generate, load and verify.

    ``begun_with`` says what the rows come from; a run that goes on with this one must say the same.
    """
    resumable = _is_resumable(goal, model.plan, state, settings)
    state = with_free_keys(run, goal, model, state, settings)
    verdicts = _rehearse(run, goal, model, state, settings)
    delivery = _Delivery(run, goal, model, state, settings, verdicts)
    if not resumable:
        return delivery.all_or_nothing()
    with run.stage("load"):
        undertaking = Undertaking(
            model=without_functions(model if settings.definition != "none" else dataclasses.replace(model, ddl=None)),
            seed=settings.seed,
            state=state,
            verdicts=verdicts,
            options=_options(settings, begun_with),
        )
        begin(goal, undertaking)
    return delivery.resumable(undertaking)


def resume(run: Run, goal: Database, settings: Settings, begun_with: Mapping[str, str]) -> Delivered:
    """Go on with the load that the target holds the ledger of; TargetError if it was begun with other options."""
    with run.stage("target"), goal.connect() as connection:
        undertaking = ledger.read(connection, goal.name)
        ledger.refuse_other(undertaking, _options(settings, begun_with), goal.name)
    run.versions |= {f"model {name}": version for name, version in undertaking.model.versions.items()}
    model, state = with_functions(undertaking.model, settings), undertaking.state
    return _Delivery(run, goal, model, state, settings, undertaking.verdicts).resumable(undertaking)


def _is_resumable(goal: Database, plan: Plan, state: TargetState, settings: Settings) -> bool:
    if settings.swap or state.schema is not None:
        return False
    if settings.mode != "auto":
        return settings.mode == "resumable"
    # What is added to rows that are there cannot be told from them afterwards: that is for the user to choose.
    return goal.dialect.resumable and state.is_new and plan.rows >= RESUMABLE_ROWS


def _options(settings: Settings, begun_with: Mapping[str, str]) -> dict[str, str]:
    """Return what a run was asked for, as text by option, as far as rows and definition depend on it."""
    values = settings.model_dump(mode="json", by_alias=True, exclude=_NOT_ABOUT_ROWS, exclude_defaults=True)
    return {
        **{f"--{name.replace('_', '-')}": json.dumps(value, sort_keys=True) for name, value in values.items()},
        **begun_with,
    }


class _Delivery:
    """One load with all that it takes, in either mode."""

    def __init__(
        self,
        run: Run,
        goal: Database,
        model: Model,
        state: TargetState,
        settings: Settings,
        verdicts: tuple[Verdict, ...],
    ) -> None:
        self.run, self.goal, self.model, self.state, self.settings = run, goal, model, state, settings
        self.generator = make_generator(model, state, settings, verdicts=verdicts)
        self.checks: list[Check] = []
        self.written: dict[TableKey, int] = {}

    def all_or_nothing(self) -> Delivered:
        """Load and verify in one transaction: a failed check undoes the load."""
        with self.run.stage("load"), closing(self._making()) as batches:
            loaded = load(
                self.goal,
                self.state.at_target(self.model.plan),
                self.state.ddl or self.model.ddl,
                batches,
                state=self.state,
                on_event=self._on_event,
                check=self._check("the target is as it was"),
            )
            self.run.warn("load", loaded.warnings)
            if not self.settings.keep_old:
                self.run.warn("load", drop_aside(self.goal, self.state))
        return self._delivered(loaded)

    def resumable(self, undertaking: Undertaking) -> Delivered:
        """Do what is still to be done of a load that began."""

        def remaining(done: Collection[BatchKey]) -> Generator[Batch]:
            kept = [(key, number) for key in self.state.kept for number in range(self.generator.batch_count(key))]
            self.generator.leave_out([*done, *kept])
            return self._making()

        with self.run.stage("load"):
            self.run.on_event(Said(text="what is written stays: if this run is cut off, --resume goes on with it"))
            loaded = carry_on(
                self.goal,
                undertaking,
                remaining,
                connections=self.settings.connections,
                on_event=self._on_event,
                warn=lambda message: self.run.warn("load", [message]),
                check=self._check(f"the rows stay, and the target is marked as not complete (schema {ledger.SCHEMA})"),
            )
            self.run.warn("load", loaded.warnings)
        return self._delivered(loaded)

    def _making(self) -> Generator[Batch]:
        return making(self.generator, workers=self.settings.workers, scheduler=self.settings.scheduler)

    def _delivered(self, loaded: Loaded) -> Delivered:
        return Delivered(model=self.model, loaded=loaded, checks=tuple(self.checks), repaired=self.generator.repaired())

    def _on_event(self, event: LoadEvent) -> None:
        if event.table is not None:
            self.written[event.table] = event.rows
            done = sum(self.written.values())
            self.run.on_event(Progress(stage="load", table=event.table, done=done, total=self.model.plan.rows))

    def _check(self, otherwise: str) -> Callable[[Connection], None] | None:
        """Return what verifies the loaded rows; None if nothing is to. ``otherwise`` is what follows if they fail."""
        if self.settings.fast:
            return None
        counted = {key: count for key, count in self.generator.rows.items() if key not in self.state.kept}
        expected = None if self.state.on_existing == "append" else counted

        def check(connection: Connection) -> None:
            with self.run.stage("verify"):
                rules = rules_of(self.goal, connection, self.state.at_target(self.model.plan), self.state)
                self.checks = list(verify(connection, self.goal.dialect, rules, expected_rows=expected))
                self.run.on_event(Checked(checks=tuple(self.checks)))
                _refuse_failed(self.checks, otherwise)

        return check


def _rehearse(run: Run, goal: Database, model: Model, state: TargetState, settings: Settings) -> tuple[Verdict, ...]:
    """Have the target judge rows by its constraints, and a long run rehearsed; return what it said."""
    plan, ddl = state.at_target(model.plan), state.ddl or model.ddl

    def check(connection: Connection) -> None:
        _refuse_failed(
            verify(connection, goal.dialect, rules_of(goal, connection, plan, state)), "the target is as it was"
        )

    with run.stage("rehearse"):
        generator = make_generator(model, state, settings)
        # Conditions are in the source's words: a target of another kind has no say in them.
        keys = [table.table for table in plan.tables] if state.schema is None else []
        asked = [(plan.schema.table(key), *generator.candidates(key)) for key in keys]
        asked = [(table, conditions, rows) for table, conditions, rows in asked if conditions]
        verdicts = judge(goal, plan, ddl, asked, state=state) if asked else ()
        if rows := {} if settings.fast else rehearsal_rows(plan):
            few = make_generator(model, state, settings, rows=rows, verdicts=verdicts)
            try:
                rehearse(goal, plan, ddl, few.batches(), state=state, check=check)
            except ConditionError:
                raise
            except PlanError as error:
                # Keys that few rows cannot have, many may: those of the load itself are asked for there.
                run.warn("rehearse", [f"so few rows could not be made as a rehearsal: {error}"])
        return verdicts


def _refuse_failed(checks: Iterable[Check], otherwise: str) -> None:
    failed = [
        f"{check.kind} {check.table} {check.name}: {check.message or f'{check.found:g} found'}"
        for check in checks
        if not check.passed
    ]
    if failed:
        raise VerifyError(
            f"{len(failed)} check{'s' * (len(failed) > 1)} on the loaded rows failed; {otherwise}",
            details=at_most(failed),
        )
