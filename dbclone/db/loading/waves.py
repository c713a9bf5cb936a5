"""What comes after the rows, on several connections: keys and indexes, then foreign keys, as ``pg_restore -j`` would.

The order of the definition is kept, but for runs of statements of one wave: those do not need each other. Two of a wave
that lock the same table are not carried out at once; of the others, those of the largest tables come first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from dbclone.db import ledger
from dbclone.db.dialects.base import Dialect
from dbclone.db.ledger import Noted
from dbclone.db.loading.pool import Pool
from dbclone.db.loading.session import Session
from dbclone.model.flow import Statement
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Plan

VALIDATION = "FK VALIDATION"
"""The kind of a statement that has the rows checked under a foreign key that is there already."""

SCRIPT = "SCRIPT"
"""The kind of SQL of the user's own."""

_WAVES = {"CONSTRAINT": "keys", "INDEX": "keys", "CHECK CONSTRAINT": "keys", VALIDATION: "validations"}
"""The wave of a statement, by its kind."""

ALONE = "alone"
"""Anything else: one after the other, in its place."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Statements that belong together, in one transaction: an object and its comments, after ``settings``."""

    settings: Statement | None
    steps: tuple[Noted, ...]

    @property
    def first(self) -> Statement:
        """What it is about."""
        return self.steps[0].statement

    @property
    def wave(self) -> str:
        """The wave that it is of."""
        return _WAVES.get(self.first.kind, ALONE) if self.first.table else ALONE


def in_steps(dialect: Dialect, plan: Plan, statements: Iterable[Statement]) -> list[Statement]:
    """Return the statements such that foreign keys are added first, all of them, and the rows checked afterwards.

    Adding a foreign key locks both tables, so that those to one parent would wait for each other; checking the rows
    of one that is there does not lock the parent.
    """
    found: list[Statement] = []
    for is_key, group in groupby(statements, key=lambda statement: statement.kind == "FK CONSTRAINT"):
        validations: list[Statement] = []
        for statement in group:
            key = statement.table
            table = plan.schema.table(key) if is_key and key is not None and key in plan.schema else None
            split = dialect.unchecked_key(statement.sql) if table is not None and not table.partitioned else None
            if split is None:
                found.append(statement)
            else:
                added, validated = split
                found.append(Statement(kind=statement.kind, name=statement.name, sql=added, table=statement.table))
                validations.append(
                    Statement(kind=VALIDATION, name=statement.name, sql=validated, table=statement.table)
                )
        found += validations
    return found


def tasks(noted: Sequence[Noted]) -> Iterator[Task]:
    """Yield what is still to be done, in order."""
    settings: Statement | None = None
    steps: list[Noted] = []
    for item in noted:
        if steps and item.statement.kind == "COMMENT":
            steps.append(item)
            continue
        if steps:
            yield Task(settings=settings, steps=tuple(steps))
        steps = []
        if item.statement.kind == "SETTINGS":
            settings = item.statement
        else:
            steps = [item]
    if steps:
        yield Task(settings=settings, steps=tuple(steps))


def carry_out(pool: Callable[[int], Pool], connections: int, plan: Plan, noted: Sequence[Noted]) -> None:
    """Carry out all statements that were not yet, wave by wave, on so many connections at most."""
    remaining = [task for task in tasks(noted) if not task.steps[0].done]
    for name, group in groupby(remaining, key=lambda task: task.wave):
        wave = list(group)
        tables = {task.first.table for task in wave}
        if name != ALONE:
            wave.sort(key=lambda task: -_rows(plan, task.first.table))
        _Wave(pool(1 if name == ALONE else min(connections, len(tables))), wave).run()


def _rows(plan: Plan, table: TableKey | None) -> int:
    return plan.table(table).rows if table is not None and table in plan.schema else 0


class _Wave:
    """The tasks of one wave, handed to whichever session is free."""

    def __init__(self, pool: Pool, waiting: list[Task]) -> None:
        self.pool = pool
        self.waiting = waiting
        self.locked: set[TableKey | None] = set()
        self.changed = threading.Condition()

    def run(self) -> None:
        self.pool.run(self._work, cancel=True)

    def _work(self, session: Session) -> None:
        while (task := self._next()) is not None:
            try:
                _carry_out(session, task)
            finally:
                with self.changed:
                    self.locked.discard(task.first.table)
                    self.changed.notify_all()

    def _next(self) -> Task | None:
        """Return a task whose table nobody is at, when there is one; None if there are none left."""
        with self.changed:
            while self.waiting and not self.pool.stopped.is_set():
                for task in self.waiting:
                    if task.first.table not in self.locked:
                        self.waiting.remove(task)
                        self.locked.add(task.first.table)
                        return task
                self.changed.wait(timeout=0.5)
        return None


def _carry_out(session: Session, task: Task) -> None:
    """Carry out a task and note its statements, all or none."""
    with session.connection.begin():
        session.dialect.begin_load(session.connection)
        session.dialect.relax_commit(session.connection)
        if task.settings is not None:
            session.dialect.execute(session.connection, task.settings.sql)
        for step in task.steps:
            session.run("scripts" if step.statement.kind == SCRIPT else "constraints", [step.statement])
            ledger.note_statement(session.connection, step.number)
