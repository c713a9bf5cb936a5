"""Make batches on this machine while others are being written."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def ahead(items: Iterable[Item], *, most: int = 2) -> Generator[Item]:
    """Yield ``items`` in order, made in a thread that runs at most ``most`` items ahead.

    NumPy, Arrow and libpq all release the interpreter's lock, so making and writing overlap. An error of the maker is
    raised here, after the items made before it. Closing the iterator stops the maker.
    """
    made: queue.Queue[object] = queue.Queue(maxsize=most)
    stopped = threading.Event()
    errors: list[BaseException] = []

    def put(item: object) -> None:
        while not stopped.is_set():
            with contextlib.suppress(queue.Full):
                made.put(item, timeout=0.1)
                return

    def make() -> None:
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that reads
            errors.append(error)
        put(_END)

    thread = threading.Thread(target=make, name="dbclone-generate", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            yield item  # type: ignore[misc]
        if errors:
            raise errors[0]
    finally:
        stopped.set()
        thread.join()
