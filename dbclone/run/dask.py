"""Make batches on a Dask cluster that is there already.

The cluster gets the model once, as a task whose input the scheduler keeps: whatever a lost worker had, the scheduler
has made again by another. A worker makes one batch per thread at a time, by a generator of that thread.
"""

from __future__ import annotations

import hashlib
import pickle
import threading
from collections.abc import Generator, Mapping
from importlib.metadata import version
from typing import Any

from dbclone.errors import ConfigurationError, ConnectError, ResourceError
from dbclone.generate.batches import Generator as Batches
from dbclone.model.flow import Batch
from dbclone.run.making import Made, in_order, make, packed
from dbclone.schema.model import TableKey

DECIDING = ("dbclone", "numpy", "pyarrow", "scipy", "faker")
"""Packages whose version may change the rows that a seed makes."""
TIMEOUT_S = 15
AHEAD = 2
"""Batches per thread of the cluster that are under way or waiting for the loader."""


def on_cluster(batches: Batches, address: str) -> Generator[Batch]:
    """Yield all batches in order, made by the workers of the scheduler at ``address``.

    Raises ConnectError if it cannot be reached, ConfigurationError if its workers would make other rows or none.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise ConfigurationError("a Dask cluster needs a package: pip install 'dbclone[distributed]'") from error
    try:
        client: Any = Client(address, timeout=TIMEOUT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise ConnectError(f"the Dask scheduler at {address} cannot be reached") from error
    with client:
        threads = _ready(client, address)
        content = packed(batches)
        digest = hashlib.blake2b(content, digest_size=16).hexdigest()
        model = client.submit(bytes, content, key=f"dbclone-{digest}")
        deciding = deciding_versions()

        def submit(table: TableKey, number: int) -> _Pending:
            key = f"dbclone-{digest}-{table}-{number}"
            return _Pending(client.submit(_make, model, digest, table, number, deciding, key=key), address)

        try:
            yield from in_order(batches, submit, most=AHEAD * threads)
        except KilledWorker as error:
            raise ResourceError(
                f"workers of {address} died again and again over the same batch, most likely for lack of memory: "
                "give them more, or fewer threads"
            ) from error


class _Pending:
    """A batch that the cluster makes."""

    def __init__(self, future: Any, address: str) -> None:
        self._future, self._address = future, address

    def result(self) -> Made:
        from distributed.client import FutureCancelledError

        try:
            made: Made = self._future.result()
        except FutureCancelledError as error:
            raise ConnectError(f"the connection to the Dask scheduler at {self._address} was lost") from error
        return made


def _ready(client: Any, address: str) -> int:
    """Return how many threads the cluster has; ConfigurationError if its workers are not as this process is."""
    try:
        client.wait_for_workers(1, timeout=TIMEOUT_S)
    except TimeoutError as error:
        raise ConfigurationError(f"the Dask scheduler at {address} has no workers") from error
    mine = deciding_versions()
    for worker, found in client.run(deciding_versions, on_error="return").items():
        if isinstance(found, Exception):
            raise ConfigurationError(f"worker {worker} of {address} has no dbclone: install the same version there")
        refuse_other(worker, mine, found)
    return max(int(sum(client.nthreads().values())), 1)


def deciding_versions() -> dict[str, str]:
    """Return the versions that decide which rows a seed makes."""
    return {name: version(name) for name in DECIDING}


def refuse_other(worker: str, wanted: Mapping[str, str], found: Mapping[str, str]) -> None:
    other = [f"{name} {found[name]} instead of {wanted[name]}" for name in wanted if found[name] != wanted[name]]
    if other:
        raise ConfigurationError(f"worker {worker} would make other rows: it has {', '.join(other)}")


# ---- On the worker ---------------------------------------------------------------------------------------------------

_own = threading.local()


def _make(content: bytes, digest: str, table: TableKey, number: int, deciding: Mapping[str, str]) -> Made:
    if getattr(_own, "digest", None) != digest:
        # A worker that joined later was not asked before.
        refuse_other("of the cluster", deciding, deciding_versions())
        _own.batches, _own.digest = pickle.loads(content), digest  # noqa: S301 - from the cluster's own client
    return make(_own.batches, table, number)
