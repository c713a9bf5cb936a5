"""A resumable run that is cut off goes on, exactly once: the rows are those of an undisturbed run."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.command import dbclone, finish, start
from tests.end_to_end.conftest import conninfo, query
from tests.faults.conftest import SEED, Trained, checksums, quiet

RESUMABLE = ("--mode", "resumable", *SEED)
BATCHES = "SELECT count(*) FROM dbclone_ledger.batch"
MOMENTS = {
    "rows": ("batch", "INSERT", f"({BATCHES}) >= 2"),
    "constraints": ("statement", "UPDATE", "(SELECT count(*) FROM dbclone_ledger.statement WHERE done) >= 3"),
}
OBSTACLE = 4242

# Whoever notes something in the ledger waits for a lock of the test, from a moment on. The ledger is not there when the
# run begins: an event trigger sees it come.
STALL = """
    CREATE SCHEMA stall;
    CREATE FUNCTION stall.wait() RETURNS trigger LANGUAGE plpgsql AS $wait$ BEGIN
        IF {moment} THEN PERFORM pg_advisory_xact_lock({obstacle}); END IF;
        RETURN NULL;
    END $wait$;
    CREATE FUNCTION stall.prepare() RETURNS event_trigger LANGUAGE plpgsql AS $prepare$ BEGIN
        IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'dbclone_ledger.{table}') THEN
            CREATE TRIGGER stall BEFORE {event} ON dbclone_ledger.{table} EXECUTE FUNCTION stall.wait();
        END IF;
    END $prepare$;
    CREATE EVENT TRIGGER stall ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION stall.prepare();
"""


@contextlib.contextmanager
def stuck(target: str, moment: str, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Give a run that has reached a moment and cannot get further until the end of the block."""
    table, event, reached = MOMENTS[moment]
    query(target, STALL.format(table=table, event=event, moment=reached, obstacle=OBSTACLE))
    with psycopg.connect(conninfo(target)) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [OBSTACLE])
        process = start(*arguments)
        end = time.monotonic() + 60
        waiting = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = {OBSTACLE} AND NOT granted"
        while not query(target, waiting):
            assert process.poll() is None, finish(process).err
            assert time.monotonic() < end
        yield process
    quiet(target)
    query(target, "DROP EVENT TRIGGER stall; DROP TRIGGER stall ON dbclone_ledger." + table)
    query(target, "DROP SCHEMA stall CASCADE")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_goes_on_where_it_stopped(trained: Trained, make_twin: Callable[[], str], moment: str) -> None:
    target = make_twin()
    command = ("generate", trained.model, target, *RESUMABLE)
    with stuck(target, moment, *command) as process:
        second = dbclone(*command)
        assert second.code == 5, second.err
        assert "another run is writing" in second.err
        process.kill()
        finish(process)
    there = query(target, f"{BATCHES}")[0][0]

    assert dbclone("verify", target).code == 7
    refused = dbclone(*command)
    assert refused.code == 5
    assert "not complete" in refused.err
    assert "--resume" in refused.err
    other = dbclone("generate", trained.model, target, "--mode", "resumable", "--seed", "6", "--resume")
    assert other.code == 5
    assert "--seed: 5 then, 6 now" in other.err
    assert query(target, BATCHES) == [(there,)]

    done = dbclone(*command, "--resume")
    assert done.code == 0, done.err
    assert trained.state(target) == "complete"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
def test_an_interrupted_run_says_how_to_go_on(
    trained: Trained, make_twin: Callable[[], str], number: signal.Signals, code: int
) -> None:
    target = make_twin()
    command = ("generate", trained.model, target, *RESUMABLE)
    with stuck(target, "rows", *command) as process:
        process.send_signal(number)
        # The batch at hand is finished, and this one waits for the lock.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
    done = finish(process)
    assert done.code == code, done.err
    assert "the same command with --resume goes on from there" in done.err
    assert query(target, f"{BATCHES} HAVING count(*) > 2")

    assert dbclone(*command, "--resume").code == 0
    assert trained.state(target) == "complete"


def test_a_run_whose_sessions_are_ended_says_how_to_go_on(trained: Trained, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    command = ("generate", trained.model, target, *RESUMABLE)
    with stuck(target, "rows", *command) as process:
        ended = query(
            target,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'dbclone' AND datname = current_database()",
        )
        assert ended
        done = finish(process)
    assert done.code in (3, 6), done.err
    assert "--resume" in done.err

    assert dbclone(*command, "--resume").code == 0
    assert trained.state(target) == "complete"


def test_rows_added_to_others_go_on_too(trained: Trained, make_twin: Callable[[], str]) -> None:
    targets = [make_twin(), make_twin()]
    add = ("--mode", "resumable", "--on-existing", "append", "--seed", "6")
    for target in targets:
        assert dbclone("generate", trained.model, target, *SEED).code == 0
    assert dbclone("generate", trained.model, targets[0], *add).code == 0
    with stuck(targets[1], "rows", "generate", trained.model, targets[1], *add) as process:
        process.kill()
        finish(process)
    done = dbclone("generate", trained.model, targets[1], *add, "--resume")
    assert done.code == 0, done.err
    assert checksums(targets[1]) == checksums(targets[0])
    keys = "SELECT conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint ORDER BY 1, 2"
    assert query(targets[1], keys) == query(targets[0], keys)
