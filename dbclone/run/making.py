"""Where batches are made: in a thread of this process, in processes of this machine, or on a Dask cluster.

A batch is a function of model, seed, table and number, so it does not matter who makes it, how often or when: all three
give the same batches in the same order, and whatever is lost with a worker is made again by another. Rows are handed
back to the process that loads them, whose one transaction stays all or nothing; it was never the bottleneck in that.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Generator, Mapping
from itertools import islice
from typing import NamedTuple, Protocol

from dbclone.errors import ConfigurationError
from dbclone.generate.batches import Generator as Batches
from dbclone.model.flow import Batch
from dbclone.run.local import ahead
from dbclone.schema.model import TableKey


class Made(NamedTuple):
    """A batch that was made elsewhere, and how many of its rows were repaired, per constraint."""

    batch: Batch
    repaired: Mapping[str, int]


class Pending(Protocol):
    """A batch that is being made."""

    def result(self) -> Made:
        """Wait for the batch and return it."""


Submit = Callable[[TableKey, int], Pending]


def making(batches: Batches, *, workers: int = 1, scheduler: str | None = None) -> Generator[Batch]:
    """Yield all batches in order, made by ``workers`` processes, or by the cluster whose scheduler is at an address.

    Closing the iterator stops what is being made.
    """
    if scheduler and workers > 1:
        raise ConfigurationError("--workers is for this machine and --scheduler for a cluster: give one of them")
    if scheduler:
        from dbclone.run.dask import on_cluster

        return on_cluster(batches, scheduler)
    if workers > 1:
        from dbclone.run.processes import in_processes

        return in_processes(batches, workers)
    return ahead(batches.batches())


def in_order(batches: Batches, submit: Submit, *, most: int) -> Generator[Batch]:
    """Yield all batches in order, at most ``most`` of them under way or waiting."""
    numbers = batches.numbers()
    pending = deque((at, submit(*at)) for at in islice(numbers, most))
    while pending:
        (table, number), first = pending.popleft()
        made = first.result()
        batches.note_repaired(table, number, made.repaired)
        pending.extend((at, submit(*at)) for at in islice(numbers, 1))
        yield made.batch


def packed(batches: Batches) -> bytes:
    """Return what :func:`make` needs to make any batch, anywhere."""
    return pickle.dumps(batches, protocol=pickle.HIGHEST_PROTOCOL)


def make(batches: Batches, table: TableKey, number: int) -> Made:
    """Make one batch."""
    batch = batches.batch(table, number)
    return Made(batch=batch, repaired=batches.repaired_in(table, number))
