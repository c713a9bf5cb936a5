"""Rehearse: ask the target beforehand, in transactions that are rolled back: what would fail does so in seconds.

:func:`judge` has it judge generated rows by the conditions of their tables: it alone knows its functions, operators
and collations. :func:`rehearse` loads a few hundred rows per table as the loader will load them all: definition, rows,
keys, constraints, triggers and views.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
from sqlalchemy import Connection

from dbclone.db.connect import Database
from dbclone.db.load import load, undone
from dbclone.db.target import TargetState, refuse_hidden
from dbclone.model.flow import Batch, Ddl, Verdict
from dbclone.schema.model import Check, Table, TableKey
from dbclone.schema.plan import Plan

ROWS = 300
"""Rows per table of a rehearsal."""
FROM_ROWS = 50_000
"""A run of fewer rows is not rehearsed: it loads about as fast itself."""

Candidates = tuple[Table, Sequence[Check], pa.Table]


def judge(
    target: Database, plan: Plan, ddl: Ddl | None, candidates: Iterable[Candidates], *, state: TargetState
) -> tuple[Verdict, ...]:
    """Return what the target says of candidate rows under each of their checks; nothing stays there.

    Checks that the target cannot evaluate on their own, outside its table, have no verdict.
    """
    with undone(target, plan, ddl, state=state) as connection:
        return tuple(verdict for asked in candidates for verdict in _verdicts(connection, target, *asked))


def _verdicts(
    connection: Connection, target: Database, table: Table, checks: Sequence[Check], rows: pa.Table
) -> Iterator[Verdict]:
    names = list(dict.fromkeys(name for check in checks for name in check.columns))
    expressions = [check.expression for check in checks]
    passed = target.dialect.judge_rows(connection, table, rows.select(names), expressions)
    for check, found in zip(checks, passed, strict=True):
        if found is not None:
            yield Verdict(table=table.key, check=check.name, rows=rows.select(list(check.columns)), passed=found)


def rehearsal_rows(plan: Plan) -> Mapping[TableKey, int]:
    """Return the rows per table of a rehearsal; none if the run is too small for one."""
    if plan.rows < FROM_ROWS:
        return {}
    return {table.table: min(table.rows, ROWS) for table in plan.tables}


def rehearse(
    target: Database,
    plan: Plan,
    ddl: Ddl | None,
    batches: Iterable[Batch],
    *,
    state: TargetState,
    check: Callable[[Connection], None],
) -> None:
    """Load ``batches`` as :func:`~dbclone.db.load.load` does, with ``check`` at the end, and undo it.

    Raises what :func:`load` raises, and TargetError if the rows could not be counted there afterwards.
    """

    def check_and_undo(connection: Connection) -> None:
        refuse_hidden(connection, target.dialect, plan.schema.tables)
        check(connection)
        raise _Undo

    try:
        load(target, plan, ddl, batches, state=state, check=check_and_undo)
    except _Undo:
        return


class _Undo(Exception):  # noqa: N818 - not an error
    """Ends a rehearsal that went well: what is raised within the loader's transaction rolls it back."""
