"""What there is at the target, and which keys are free there: everything that may refuse it before rows are made.

Owns the questions that are asked of the target and the state that answers them; writing is
:mod:`dbclone.delivery`'s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dbclone.config import Settings
from dbclone.db import ledger
from dbclone.db.across import flat, is_across, state_across
from dbclone.db.connect import Database
from dbclone.db.ddl import check_ddl
from dbclone.db.drift import scope_of
from dbclone.db.load import undone
from dbclone.db.migrate import migrate, read_wanted, refuse_remaining
from dbclone.db.reflect import reflect_schema
from dbclone.db.swap import prepare_swap
from dbclone.db.target import Script, TargetState, count_taken, prepare_target
from dbclone.errors import ConfigurationError, TargetError, at_most
from dbclone.events import Said
from dbclone.generate.batches import Generator
from dbclone.model.flow import Ddl, Verdict
from dbclone.model.parts import Model
from dbclone.model.rules import SequenceKey
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Plan
from dbclone.stages import Run

if TYPE_CHECKING:
    from sqlalchemy import Connection

FREE_KEY_ROUNDS = 6
"""How often values that must be unique are made anew because the target has them already."""


def target_state(
    run: Run, goal: Database, plan: Plan, ddl: Ddl | None, settings: Settings, origin: Database | None = None
) -> TargetState:
    """Return what is at the target; TargetError if it cannot be written to."""
    own = settings.definition == "none" and settings.on_drift == "refuse"
    with run.stage("target"):
        _refuse_options(goal, plan.schema, settings)
        with goal.connect() as connection:
            ledger.refuse_unfinished(connection, goal.name)
        wanted = flat(plan.schema, goal)
        if settings.swap:
            state = prepare_swap(goal, wanted)
        else:
            state = prepare_target(goal, wanted, settings.on_existing, "ignore" if own else settings.on_drift)
        added = [t.table for t in plan.tables if t.copied and state.rows.get(t.table) and t.table not in state.kept]
        if added:
            raise TargetError(
                f"{goal.name} holds rows in tables that are to be copied, {', '.join(at_most(added))}: choose "
                "--on-existing truncate, or another action for them"
            )
        if state.is_new and ddl is None:
            raise TargetError(
                f"{goal.name} has none of the tables, and --schema none creates none: run the application's migrations "
                "on it first, or choose another --schema"
            )
        if is_across(plan.schema, goal):
            state = state_across(goal, plan, ddl, state)
            ddl = state.ddl
        if state.is_new and ddl is not None:
            check_ddl(goal, ddl)
            run.warn("target", ddl.lost)
        if not state.is_new and settings.on_drift == "migrate":
            state = _migrating(goal, plan, state, origin)
        for line in state.explained:
            run.on_event(Said(text=line))
        if settings.unlogged and not state.is_new:
            raise ConfigurationError("--unlogged is for new tables: those of the target stay as they are")
        hooks = settings.hooks
        return dataclasses.replace(
            state,
            before_load=_scripts(hooks.before_load),
            after_load=_scripts(hooks.after_load),
            unlogged=settings.unlogged,
        )


def _refuse_options(goal: Database, schema: Schema, settings: Settings) -> None:
    """Raise ConfigurationError for ways of loading that exclude each other, or that the target does not have."""
    if settings.mode == "resumable" and not goal.dialect.resumable:
        raise ConfigurationError(f"--mode resumable: a load of {goal.dialect.name} cannot be committed bit by bit")
    if settings.mode == "resumable" and is_across(schema, goal):
        raise ConfigurationError("--mode resumable: source and target are of different kinds; leave it out")
    if settings.swap and settings.mode == "resumable":
        raise ConfigurationError("--swap is one transaction, and so cannot be resumable: leave out one of them")
    if settings.swap and (settings.on_existing != "refuse" or settings.on_drift != "refuse"):
        raise ConfigurationError("--swap makes all tables anew: leave out --on-existing and --on-drift")
    if settings.unlogged and not goal.dialect.unlogged_tables:
        raise ConfigurationError(f"--unlogged: {goal.dialect.name} has no such tables")
    if settings.keep_old and not settings.swap:
        raise ConfigurationError("--keep-old is about what --swap replaces: give both")


def _scripts(files: Sequence[Path]) -> tuple[Script, ...]:
    """Return the SQL of hooks. Raises ConfigurationError for a file that cannot be read."""
    found = []
    for file in files:
        try:
            found.append(Script(name=str(file), sql=file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigurationError(f"hooks: cannot read {file}: {reason}") from None
    return tuple(found)


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


def make_generator(
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


def rules_of(goal: Database, connection: Connection, plan: Plan, state: TargetState) -> Schema:
    """Return the schema whose rules the loaded rows must keep: the target's own where that is used as it is."""
    if not state.ignores_drift:
        return plan.schema
    return reflect_schema(connection, goal.dialect).keep(table.key for table in plan.schema.tables)


def with_free_keys(run: Run, goal: Database, model: Model, state: TargetState, settings: Settings) -> TargetState:
    """Return the state such that no unique value that will be made is in the target already.

    Values that are made by a row's index are made by higher ones; by ever higher ones, until codes need more characters
    than those that are there. Raises TargetError if that does not help.
    """
    for number in range(FREE_KEY_ROUNDS):
        with run.stage("target"), goal.connect() as connection:
            taken = _taken(goal, connection, make_generator(model, state, settings), state.at_target(model.plan), state)
        if not taken:
            return state
        moved = {key: state.rows[key] + 10**number * model.plan.table(key).rows for key, _, _ in taken}
        state = dataclasses.replace(state, rows={**state.rows, **moved})
    raise TargetError(
        f"rows cannot be added to {goal.name}: values that must be unique are there already; choose another --seed, "
        "fewer rows, --on-existing truncate, or leave these tables out with --exclude",
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
        numbered = {name for name in table.primary_key if key in state.next_key}
        numbered |= {name for other, name in state.next_value if other == key}
        numbered = {name for name in numbered if isinstance(generator.shared.rule(key, name), SequenceKey)}
        keys = [k for k in table.uniques() if not (numbered | referencing) & set(k)]
        for number in range(generator.batch_count(key) if keys else 0):
            rows = generator.batch(key, number).rows
            for columns in (k for k in keys if set(k) <= set(rows.column_names)):
                count = count_taken(connection, goal.dialect, table, columns, rows)
                if count:
                    found[key, columns] = found.get((key, columns), 0) + count
    return [(key, columns, count) for (key, columns), count in found.items()]
