"""A batch is the same bytes whoever makes it, in any order: one process, several, a cluster, some of them killed."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dbclone.errors import ConfigurationError, ConnectError, ResourceError
from dbclone.generate.batches import Generator
from dbclone.model.flow import Batch
from dbclone.run import dask, processes
from dbclone.run.making import making
from tests.cluster import Cluster, started
from tests.unit.grocer import grocer_model, grocer_sample

SCALE = 40


def generator() -> Generator:
    return Generator(grocer_model(), seed=3, rows={k: SCALE * n for k, n in grocer_sample().source_rows.items()})


def checksum(batches: Iterable[Batch]) -> str:
    """Return a checksum of rows, tables, numbers and order."""
    digest = hashlib.sha256()
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.rows.schema) as stream:
            stream.write_table(batch.rows)
        digest.update(f"{batch.table} {batch.number} {batch.first_row}".encode())
        digest.update(sink.getvalue())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def wanted() -> str:
    made = generator()
    numbers = list(made.numbers())
    assert len(numbers) > 8
    return checksum(made.batches())


def test_batches_are_the_same_in_any_order(wanted: str) -> None:
    made = generator()
    numbers = list(made.numbers())
    backwards = {at: made.batch(*at) for at in reversed(numbers)}
    assert checksum(backwards[at] for at in numbers) == wanted
    assert checksum(generator().batch(*at) for at in numbers) == wanted


def test_processes_make_the_same_batches(wanted: str) -> None:
    with closing(making(generator(), workers=4)) as batches:
        assert checksum(batches) == wanted


def test_a_killed_process_is_replaced_and_its_batches_made_again(wanted: str) -> None:
    def killing(batches: Iterable[Batch]) -> Iterator[Batch]:
        for number, batch in enumerate(batches):
            if number == 2:
                for child in multiprocessing.active_children():
                    os.kill(child.pid or 0, signal.SIGKILL)
            yield batch

    with closing(making(generator(), workers=2)) as batches:
        assert checksum(killing(batches)) == wanted
    assert not multiprocessing.active_children()


def test_a_batch_that_kills_every_process_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is unpickled in the worker ends it, as the system would for lack of memory.
    monkeypatch.setattr(processes, "packed", lambda _: pickle.dumps(Deadly()))
    with (
        pytest.raises(ResourceError, match=r"batch 0 were killed 3 times.*fewer --workers"),
        closing(making(generator(), workers=2)) as batches,
    ):
        next(batches)


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (9,)


def test_an_error_in_a_process_is_raised_where_the_batches_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "packed", lambda _: pickle.dumps(Wrong()))
    with pytest.raises(ValueError, match="no number"), closing(making(generator(), workers=2)) as batches:
        next(batches)


class Wrong:
    """Cannot be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


# ---- A cluster -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with started(tmp_path) as cluster:
        yield cluster


def test_a_cluster_makes_the_same_batches_though_a_worker_is_killed(cluster: Cluster, wanted: str) -> None:
    first = cluster.worker()

    def killing(batches: Iterable[Batch]) -> Iterator[Batch]:
        for number, batch in enumerate(batches):
            if number == 1:
                cluster.worker()
            if number == 3:
                first.kill()
            yield batch

    with closing(making(generator(), scheduler=cluster.address)) as batches:
        assert checksum(killing(batches)) == wanted


def test_a_cluster_that_is_not_there_or_has_no_workers_is_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask, "TIMEOUT_S", 1)
    with pytest.raises(ConfigurationError, match="has no workers"):
        next(making(generator(), scheduler=cluster.address))
    cluster.processes[0].kill()
    cluster.processes[0].wait()
    with pytest.raises(ConnectError, match="cannot be reached"):
        next(making(generator(), scheduler=cluster.address))
    with pytest.raises(ConfigurationError, match="give one of them"):
        next(making(generator(), scheduler=cluster.address, workers=2))


def test_workers_that_would_make_other_rows_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"worker w would make other rows: it has numpy 1 instead of 2"):
        dask.refuse_other("w", {"numpy": "2", "faker": "1"}, {"numpy": "1", "faker": "1"})
