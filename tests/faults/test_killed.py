"""A run that is killed: the target is as it was, or complete, whatever the moment."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.command import finish, start
from tests.end_to_end.conftest import query
from tests.faults.conftest import SEED, Trained, checksums, quiet

KILLS = int(os.environ.get("DBCLONE_TEST_KILLS", "6"))
"""How often to kill, per kind of signal and server."""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=["kill", "term", "int"])
def test_at_any_moment(trained: Trained, make_twin: Callable[[], str], number: signal.Signals) -> None:
    moments = random.Random(7)  # noqa: S311 - the same moments each time, as far as a machine allows
    seen: Counter[str] = Counter()
    target = make_twin()
    for _ in range(KILLS):
        process = start("generate", trained.model, target, *SEED)
        time.sleep(moments.uniform(0, trained.seconds))
        process.send_signal(number)
        done = finish(process)
        state = trained.state(target)
        assert state == "complete" or done.code in (-number, 128 + number), done.err
        assert done.code != 0 or state == "complete"
        if state == "complete":
            target = make_twin()
        seen[state] += 1
    assert seen["as before"], "no run was disturbed"


def test_a_clone_that_ends_its_source_session_leaves_nothing_there(
    trained: Trained, make_twin: Callable[[], str]
) -> None:
    before = checksums(trained.source)
    target = make_twin()
    process = start("clone", trained.source, target, *SEED)
    until = time.monotonic() + 60
    while not query(
        trained.source,
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'dbclone' AND datname = current_database() "
        "AND state <> 'idle'",
    ):
        assert time.monotonic() < until
        assert process.poll() is None, finish(process).err
    process.kill()
    finish(process)
    quiet(trained.source)
    assert checksums(trained.source) == before
    assert trained.state(target) == "as before"


@pytest.mark.parametrize("which", ["source", "target"])
def test_the_server_ends_the_session(trained: Trained, make_twin: Callable[[], str], which: str) -> None:
    """An administrator ends every session of the run, as soon as there is one that does something."""
    before = checksums(trained.source)
    target = make_twin()
    url = trained.source if which == "source" else target
    process = start("clone", trained.source, target, *SEED)
    # Of the source's, the session that holds the snapshot; of the target's, the one that has written.
    busy = "backend_xmin IS NOT NULL" if which == "source" else "backend_xid IS NOT NULL"
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dbclone' "
        f"AND datname = current_database() AND {busy}"
    )
    while process.poll() is None and not query(url, end):
        time.sleep(0.002)
    done = finish(process)
    assert done.code in (3, 6), done.err
    assert which in done.err or "as it was" in done.err, done.err
    assert trained.state(target) == "as before"
    assert checksums(trained.source) == before
