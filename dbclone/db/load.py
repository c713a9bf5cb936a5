"""Load: batches into the target.

*All or nothing* (:func:`load`): one connection, one transaction: definition, rows, keys and constraints, sequences,
statistics, the caller's checks, commit. *Resumable* (:func:`dbclone.db.resume.load_resumable`): what is written stays,
batch by batch, and a ledger beside it says how far it got.

A *new* target gets its tables first and its keys after the rows; steps that only make cycles loadable under live
constraints are not needed then. An *existing* target keeps its constraints throughout.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from dbclone.db.connect import Database
from dbclone.db.ddl import refuse_ddl
from dbclone.db.dialects.base import Fault
from dbclone.db.loading.session import Nulled, Session, row_key
from dbclone.db.loading.tally import LoadEvent, OnLoad, Part, Tally, ignore
from dbclone.db.swap import copy_grants, set_aside
from dbclone.db.target import TargetState
from dbclone.errors import ConnectError, LoadError, TargetError, at_most
from dbclone.model.flow import Batch, Ddl, Loaded, Statement
from dbclone.schema.model import ForeignKey, Table
from dbclone.schema.plan import Backfill, Load, Plan, Suspend

__all__ = ["LoadEvent", "load", "undone"]

UNCHANGED = "the target is as it was"
UNKNOWN = "whether the rows were committed is not known: run dbclone verify"


def load(
    target: Database,
    plan: Plan,
    ddl: Ddl | None,
    batches: Iterable[Batch],
    *,
    state: TargetState,
    on_event: OnLoad | None = None,
    check: Callable[[Connection], None] | None = None,
) -> Loaded:
    """Write ``batches``, which come table by table, and return what was written.

    ``check`` is called within the transaction, when all is in place; what it raises undoes the load. ``seconds`` of the
    result has one entry per part and ``waiting``, the time in which the next batch was not there yet.

    Raises TargetError before anything is written, and LoadError after a rollback; its message says what state the
    target is in. An interruption rolls back, too.
    """
    if state.is_new and ddl is None:
        raise TargetError("the target has none of the tables, and there is no definition to create them from")
    with target.connect() as connection:
        if state.is_new and ddl is not None:
            refuse_ddl(target, connection, ddl)
            connection.rollback()
        session = Session(connection, target.dialect, Tally(plan, on_event or ignore))
        started = time.perf_counter()
        with session.translated(_outcome), _removed_if_failed(session, target), connection.begin():
            target.dialect.begin_load(connection)
            with session.at("definition", "room for the clone"):
                set_aside(target, connection, state)
            if state.is_new and ddl is not None:
                _into_new(session, ddl, batches, state)
            else:
                _into_existing(session, batches, state)
            with session.at("definition", "the same grants"):
                copy_grants(target, connection, state)
            _finish(session, check, state)
        spent = sum(session.seconds.values())
        session.seconds["commit"] = max(time.perf_counter() - started - spent, 0.0)
    seconds = {name: round(value, 3) for name, value in session.seconds.items()}
    return Loaded(rows=dict(session.tally.rows), seconds=seconds, warnings=tuple(session.tally.warnings))


@contextmanager
def undone(target: Database, plan: Plan, ddl: Ddl | None, *, state: TargetState) -> Iterator[Connection]:
    """Give a connection to the target as it is when rows are about to be written; all of it is undone afterwards.

    Raises LoadError as :func:`load` does.
    """
    with target.connect() as connection:
        session = Session(connection, target.dialect, Tally(plan, ignore))
        with session.translated(_outcome), _removed(session, target), connection.begin() as transaction:
            target.dialect.begin_load(connection)
            set_aside(target, connection, state)
            if state.is_new and ddl is not None:
                session.run("definition", ddl.before)
            else:
                session.make_ready(state)
            session.part = "checks"
            yield connection
            transaction.rollback()


@contextmanager
def _removed_if_failed(session: Session, target: Database) -> Iterator[None]:
    """Drop what was made if the block fails; it is the run's own, since the target had none of the tables."""
    try:
        yield
    except BaseException:
        _remove(session, target)
        raise


@contextmanager
def _removed(session: Session, target: Database) -> Iterator[None]:
    """Drop what was made at the end of the block, however that comes."""
    try:
        yield
    finally:
        _remove(session, target)


def _remove(session: Session, target: Database) -> None:
    """Undo what a rollback does not."""
    if session.dialect.transactional_ddl or not session.made:
        return
    try:
        # Another connection: this one may be lost.
        with target.connect() as connection:
            session.dialect.remove(connection, session.made)
    except Exception as error:
        if session.dialect.fault(error) is None and not isinstance(error, ConnectError):
            raise
        raise LoadError(
            "the load failed, and what it had made at the target could not be dropped again: drop it by hand",
            details=at_most([f"{statement.kind.lower()} {statement.name}" for statement in session.made]),
        ) from None


def _outcome(part: Part, fault: Fault) -> str:
    return UNKNOWN if part == "commit" and fault.disconnected else UNCHANGED


def _into_new(session: Session, ddl: Ddl, batches: Iterable[Batch], state: TargetState) -> None:
    """Create the tables, fill them, then create keys, indexes, constraints and the rest."""
    session.define(ddl, state)
    session.carry_out(state.before_load)
    session.write(batches, nulled={})
    session.run("constraints", ddl.after)


def _into_existing(session: Session, batches: Iterable[Batch], state: TargetState) -> None:
    """Fill tables that are there, under their own constraints."""
    session.make_ready(state)
    session.carry_out(state.before_load)
    connection, dialect, tables = session.connection, session.dialect, session.schema.tables
    batches = (batch for batch in batches if batch.table not in state.kept)
    with session.at("definition", "the tables' triggers"):
        triggers = dialect.disable_triggers(connection, tables)
    nulled, suspended = _cycles(session.tally.plan) if dialect.enforces_references else ({}, [])
    again = session.suspend(suspended)
    with session.at("definition", "the order of checks"):
        dialect.defer_constraints(connection)
    session.write(batches, nulled)
    with session.at("constraints", "the deferred constraints"):
        dialect.check_deferred(connection)
    enable = [Statement(kind="TRIGGER", name="trigger", sql=sql) for sql in triggers.enable]
    session.run("constraints", [*again, *enable])
    with session.at("constraints", "materialized views"):
        dialect.refresh_views(connection, tables)


def _finish(session: Session, check: Callable[[Connection], None] | None, state: TargetState) -> None:
    """Set sequences, take statistics, have the result checked. The commit is all that follows."""
    session.carry_out(state.after_load)
    with session.at("sequences"):
        session.dialect.advance_sequences(session.connection, session.schema.tables)
    with session.at("statistics"):
        session.dialect.analyze(session.connection, session.schema.tables)
    if check is not None:
        with session.at("checks"):
            check(session.connection)
    session.part, session.doing = "commit", ""
    session.tally.tell("commit")


def _cycles(plan: Plan) -> tuple[Nulled, list[tuple[Table, ForeignKey]]]:
    """Return the columns to be filled in afterwards, and the foreign keys to be taken away for the load."""
    schema = plan.schema
    nulled = {step.table: step.null for step in plan.steps if isinstance(step, Load) and step.null}
    # Without a key there is nothing to find a row by: its foreign key is suspended instead.
    keyless = {key for key in nulled if not row_key(schema.table(key), nulled[key])}
    suspended = [
        (schema.table(step.table), _foreign_key(schema.table(step.table), step.foreign_key))
        for step in plan.steps
        if isinstance(step, Suspend) or (isinstance(step, Backfill) and step.table in keyless)
    ]
    return {key: columns for key, columns in nulled.items() if key not in keyless}, suspended


def _foreign_key(table: Table, name: str) -> ForeignKey:
    return next(key for key in table.foreign_keys if key.name == name)
