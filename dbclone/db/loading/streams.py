"""Rows by several COPY streams: each batch is a transaction of its own, which notes it in the ledger."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Iterable

from dbclone.db import ledger
from dbclone.db.loading.pool import Pool
from dbclone.db.loading.session import Session
from dbclone.model.flow import Batch

_END = object()


def write(pool: Pool, batches: Iterable[Batch], *, live: bool) -> None:
    """Write ``batches`` by all sessions of the pool; no more are made than it has room for.

    With ``live``, the tables have constraints and triggers: the pool must then be one session, which keeps the order,
    and the triggers are disabled within each transaction.
    """
    waiting: queue.Queue[object] = queue.Queue(maxsize=pool.connections)

    def feed() -> None:
        for batch in batches:
            if not _put(pool, waiting, batch):
                return
        for _ in range(pool.connections):
            _put(pool, waiting, _END)

    def work(session: Session) -> None:
        while not pool.stopped.is_set():
            with contextlib.suppress(queue.Empty):
                item = waiting.get(timeout=0.1)
                if not isinstance(item, Batch):
                    return
                _write(session, item, live=live)

    pool.run(work, feed)


def _put(pool: Pool, waiting: queue.Queue[object], item: object) -> bool:
    """Put an item into the queue when there is room; False if the pool was stopped."""
    while not pool.stopped.is_set():
        with contextlib.suppress(queue.Full):
            waiting.put(item, timeout=0.1)
            return True
    return False


def _write(session: Session, batch: Batch, *, live: bool) -> None:
    """Write a batch and note it, both or neither."""
    connection, dialect = session.connection, session.dialect
    with connection.begin():
        dialect.begin_load(connection)
        dialect.relax_commit(connection)
        if live:
            table = session.schema.table(batch.table)
            triggers = dialect.disable_triggers(connection, [table])
            session.write_one(batch)
            for sql in triggers.enable:
                dialect.execute(connection, sql)
        else:
            session.write_one(batch)
        ledger.note_batch(connection, batch)
    session.tally.wrote(batch.table, batch.rows.num_rows)
