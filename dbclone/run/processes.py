"""Make batches in processes of this machine.

Processes are spawned, not forked: a fork would take the threads' locks and the database's connection with it. One that
is killed (by the system, for lack of memory) is replaced, and what it was making is made again.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait

from dbclone.errors import ResourceError
from dbclone.generate.batches import Generator as Batches
from dbclone.model.flow import Batch
from dbclone.run.making import Made, in_order, make, packed
from dbclone.schema.model import TableKey

ATTEMPTS = 3
"""How often one batch is tried: whose worker dies every time does not fit into memory."""
SPARE = 2
"""Batches that wait for the loader while every process makes another."""


def in_processes(batches: Batches, workers: int) -> Generator[Batch]:
    """Yield all batches in order, made by so many processes. ResourceError if they are killed again and again."""
    pool = _Pool(batches, workers)
    try:
        yield from in_order(batches, pool.submit, most=workers + SPARE)
    finally:
        pool.close()


class _Pool:
    """Processes that make batches, replaced when one of them dies."""

    def __init__(self, batches: Batches, workers: int) -> None:
        self._packed, self._workers = packed(batches), workers
        self._executor = self._started()
        self._pending: list[_Pending] = []

    def submit(self, table: TableKey, number: int) -> _Pending:
        pending = _Pending(self, table, number)
        self._pending.append(pending)
        self.send(pending)
        return pending

    def send(self, pending: _Pending) -> None:
        """Have a batch made, by new processes if the old ones are gone."""
        try:
            pending.future = self._executor.submit(_make, pending.table, pending.number)
        except BrokenProcessPool:
            self.restart(self._executor)
            pending.future = self._executor.submit(_make, pending.table, pending.number)
        pending.sent_to = self._executor

    def restart(self, broken: ProcessPoolExecutor) -> None:
        """Replace the processes, unless that was done, and send what they had not finished to the new ones."""
        if self._executor is not broken:
            return
        broken.shutdown(wait=True, cancel_futures=True)
        self._executor = self._started()
        for pending in self._pending:
            if pending.future is not None and pending.lost:
                self.send(pending)

    def done(self, pending: _Pending) -> None:
        self._pending.remove(pending)

    def close(self) -> None:
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._workers, spawn, initializer=_start, initargs=(self._packed,))


class _Pending:
    """A batch that is being made; asked for, it is made again if its process died."""

    def __init__(self, pool: _Pool, table: TableKey, number: int) -> None:
        self.pool, self.table, self.number = pool, table, number
        self.future: Future[Made] | None = None
        self.sent_to: ProcessPoolExecutor | None = None

    @property
    def lost(self) -> bool:
        """Whether the process died before the batch was made."""
        future = self.future
        return future is not None and (
            future.cancelled() or (future.done() and isinstance(future.exception(), BrokenProcessPool))
        )

    def result(self) -> Made:
        for _ in range(ATTEMPTS):
            future, sent_to = self.future, self.sent_to
            if future is None or sent_to is None:
                raise LookupError("a batch was asked for that nobody makes")
            try:
                made = future.result()
            except BrokenProcessPool:
                self.pool.restart(sent_to)
            else:
                self.pool.done(self)
                return made
        raise ResourceError(
            f"{self.table}: the processes that were to make batch {self.number} were killed {ATTEMPTS} times, most "
            "likely for lack of memory: use fewer --workers"
        )


# ---- In the worker -------------------------------------------------------------------------------------------------

_packed: bytes = b""
_batches: Batches | None = None


def _start(packed_batches: bytes) -> None:
    """Begin a worker: Ctrl-C is the parent's to handle, and a worker without a parent ends."""
    global _packed
    _packed = packed_batches
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _make(table: TableKey, number: int) -> Made:
    global _batches
    if _batches is None:
        _batches = pickle.loads(_packed)  # noqa: S301 - of this program's own parent process
    return make(_batches, table, number)
