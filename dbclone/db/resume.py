"""Load so that it can go on: what is written stays, and a ledger in the target says how far it got.

:func:`begin` creates the tables and the ledger in one transaction. :func:`carry_on` does the rest, from wherever it
stopped: batches by several COPY streams, a transaction each; then keys, indexes and foreign keys on several
connections; sequences, statistics, the caller's checks; and last of all it removes the ledger.

Into an *existing* target, batches go one after the other under its live constraints. Foreign keys that point to rows of
later batches, to the table itself or in a circle, are dropped when it begins and added again after the rows.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Connection

from dbclone.db import ledger
from dbclone.db.connect import Database
from dbclone.db.ddl import refuse_ddl
from dbclone.db.dialects.base import Fault
from dbclone.db.ledger import BatchKey, Undertaking
from dbclone.db.loading import streams, waves
from dbclone.db.loading.pool import Pool
from dbclone.db.loading.session import Session
from dbclone.db.loading.tally import OnLoad, Part, Tally, ignore
from dbclone.errors import TargetError, Terminated
from dbclone.model.flow import Batch, Loaded, Statement
from dbclone.schema.model import ForeignKey, Table
from dbclone.schema.plan import Plan


def begin(target: Database, undertaking: Undertaking, *, on_event: OnLoad | None = None) -> None:
    """Create the tables, or make them ready, and the ledger: all of it, or nothing.

    Raises TargetError or LoadError; the target is then as it was.
    """
    state, model = undertaking.state, undertaking.model
    if state.is_new and model.ddl is None:
        raise TargetError("the target has none of the tables, and there is no definition to create them from")
    with target.connect() as connection:
        session = Session(connection, target.dialect, Tally(model.plan, on_event or ignore))
        with session.translated(lambda _part, _fault: "the target is as it was"), connection.begin():
            target.dialect.begin_load(connection)
            ledger.refuse_unfinished(connection, target.name)
            if state.is_new and model.ddl is not None:
                refuse_ddl(target, connection, model.ddl)
                session.define(model.ddl, state)
                after = waves.in_steps(target.dialect, model.plan, model.ddl.after)
            else:
                session.make_ready(state)
                after = waves.in_steps(target.dialect, model.plan, session.suspend(backward_keys(model.plan)))
            session.carry_out(state.before_load)
            after += [Statement(kind=waves.SCRIPT, name=script.name, sql=script.sql) for script in state.after_load]
            with session.at("definition", f"the ledger, schema {ledger.SCHEMA}"):
                ledger.create(connection, undertaking, after)
                if state.unlogged:
                    # A crash empties it together with the tables: what it says stays true.
                    target.dialect.make_unlogged(connection, [(ledger.SCHEMA, "batch")])


def carry_on(
    target: Database,
    undertaking: Undertaking,
    batches: Callable[[Collection[BatchKey]], Generator[Batch]],
    *,
    connections: int = 2,
    on_event: OnLoad | None = None,
    warn: Callable[[str], None],
    check: Callable[[Connection], None] | None = None,
) -> Loaded:
    """Do what is still to be done of a load that began, and return what all of it wrote.

    ``batches`` returns those that remain, given the ones that are there. ``check`` is called when all is in place; what
    it raises leaves the target marked as not complete. An interruption finishes the batches at hand, tells ``warn`` how
    to go on, and is raised again.
    """
    load = _Continued(target, undertaking, on_event or ignore)
    try:
        with load.timed("rows"):
            load.fill(batches, connections)
        with load.timed("constraints"):
            load.constrain(connections)
        load.settle()
        if check is not None:
            with load.timed("checks"):
                load.check(check)
        with load.timed("commit"):
            load.end()
    except (KeyboardInterrupt, Terminated):
        warn(stays(load.tally))
        raise
    seconds = {name: round(value, 3) for name, value in load.seconds.items()}
    return Loaded(rows=dict(load.tally.rows), seconds=seconds, warnings=tuple(load.tally.warnings))


class _Continued:
    """A load that began, from wherever it stopped."""

    def __init__(self, target: Database, undertaking: Undertaking, on_event: OnLoad) -> None:
        self.target = target
        self.plan, self.state = undertaking.model.plan, undertaking.state
        with target.connect() as connection:
            self.written = ledger.batches(connection)
            self.noted = ledger.statements(connection)
        if self.state.unlogged and not self.written and any(item.done for item in self.noted):
            raise TargetError(
                f"the server of {target.name} crashed, which emptied the unlogged tables after their keys had been "
                "made: start over with an empty database"
            )
        rows = {table.key: 0 for table in self.plan.schema.tables}
        for (table, _), count in self.written.items():
            rows[table] += count
        self.tally = Tally(self.plan, on_event, rows)
        self.seconds: dict[str, float] = defaultdict(float)

    def fill(self, batches: Callable[[Collection[BatchKey]], Generator[Batch]], connections: int) -> None:
        """Write the batches that are not there."""
        with closing(batches(self.written)) as remaining:
            streams.write(self._pool(connections if self.state.is_new else 1), remaining, live=not self.state.is_new)

    def constrain(self, connections: int) -> None:
        """Add the keys, indexes, constraints and whatever else is not there."""
        noted = self.noted
        waves.carry_out(self._pool, connections, self.plan, noted)

    def settle(self) -> None:
        """Fill views, set sequences and take statistics: all that may be done twice."""
        tables = self.plan.schema.tables
        with self._session() as session:
            if not self.state.is_new:
                with session.at("constraints", "materialized views"):
                    session.dialect.refresh_views(session.connection, tables)
            with session.at("sequences"):
                session.dialect.advance_sequences(session.connection, tables)
            with session.at("statistics"):
                session.dialect.analyze(session.connection, tables)
            for part, seconds in session.seconds.items():
                self.seconds[part] += seconds

    def check(self, check: Callable[[Connection], None]) -> None:
        """Have the result checked."""
        with self._session() as session, session.at("checks"):
            check(session.connection)

    def end(self) -> None:
        """Remove the ledger: the target is complete."""
        with self._session() as session, session.at("commit"):
            ledger.drop(session.connection)

    @contextmanager
    def timed(self, part: Part) -> Iterator[None]:
        """Count the time of a block."""
        started = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - started

    def _pool(self, connections: int) -> Pool:
        return Pool(self.target, self.tally, connections, self._outcome)

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """Give a session in a transaction of its own."""
        with self.target.connect() as connection:
            session = Session(connection, self.target.dialect, self.tally)
            with session.translated(self._outcome), connection.begin():
                session.dialect.begin_load(connection)
                yield session

    def _outcome(self, part: Part, fault: Fault) -> str:
        if part == "commit" and fault.disconnected:
            return "whether it was committed is not known: the same command with --resume finds out"
        return stays(self.tally)


def stays(tally: Tally) -> str:
    """Return, for people, what is at the target, and how to go on."""
    return (
        f"what was written stays: {sum(tally.rows.values()):,} of {tally.plan.rows:,} rows are at the target, which is "
        f"marked as not complete (schema {ledger.SCHEMA}); the same command with --resume goes on from there"
    )


def backward_keys(plan: Plan) -> list[tuple[Table, ForeignKey]]:
    """Return the foreign keys that point to rows which may be written later: in a circle, or within the table."""
    position = {table.table: number for number, table in enumerate(plan.tables)}
    tables = [plan.schema.table(table.table) for table in plan.tables]
    return [
        (table, key)
        for table in tables
        for key in table.foreign_keys
        if key.parent in position and position[key.parent] >= position[table.key]
    ]
