"""Limits: locks, permissions, time, memory, disk, and other people at work."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from tests.command import dbclone, finish, start
from tests.conftest import Server
from tests.end_to_end.conftest import conninfo, query, tables
from tests.faults.conftest import SEED, Trained, checksums


@contextmanager
def held(url: str, statement: str) -> Iterator[psycopg.Connection]:
    """Carry out a statement in a transaction that stays open for the block, and is undone."""
    with psycopg.connect(conninfo(url)) as connection:
        connection.execute(statement.encode())
        yield connection
        connection.rollback()


def test_ddl_on_the_source_is_not_waited_for_long(trained: Trained, make_twin: Callable[[], str]) -> None:
    """A reader that waits for a lock has everybody else wait behind it."""
    target = make_twin()
    with held(trained.source, "LOCK TABLE customer IN ACCESS EXCLUSIVE MODE"):
        done = dbclone("clone", trained.source, target, *SEED)
    assert done.code == 3, done.err
    assert "source" in done.err
    assert "locked by another session" in done.err
    assert tables(target) == []


def test_ddl_on_the_source_meanwhile_does_not_matter(trained: Trained, make_twin: Callable[[], str]) -> None:
    """What was read is one state of the source, whatever others write into it meanwhile."""
    target = make_twin()
    process = start("clone", trained.source, target, *SEED)
    assert process.stderr is not None
    while (line := process.stderr.readline()) and not line.startswith("sample"):
        pass
    query(trained.source, "CREATE TABLE added (id int); INSERT INTO added VALUES (1)")
    try:
        done = finish(process)
    finally:
        query(trained.source, "DROP TABLE added")
    assert done.code == 0, done.err
    assert "public.added" not in tables(target)


def test_a_target_that_is_read_only(trained: Trained, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    database = make_url(target).database
    query(target, f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    done = dbclone("generate", trained.model, target, *SEED)
    assert done.code in (3, 5, 6), done.err
    assert "target" in done.err
    assert "read-only" in done.err
    assert trained.state(target) == "as before"


def test_a_target_where_nothing_may_be_made(trained: Trained, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    query(target, "DROP ROLE IF EXISTS dbclone_test_guest; CREATE ROLE dbclone_test_guest LOGIN")
    try:
        guest = make_url(target).set(username="dbclone_test_guest").render_as_string(hide_password=False)
        done = dbclone("generate", trained.model, guest, *SEED)
        assert done.code in (3, 5, 6), done.err
        assert "target" in done.err or "as it was" in done.err
        assert "permi" in done.err
    finally:
        query(target, "DROP OWNED BY dbclone_test_guest; DROP ROLE dbclone_test_guest")
    assert trained.state(target) == "as before"


def test_somebody_writes_into_the_target_meanwhile(trained: Trained, make_twin: Callable[[], str]) -> None:
    """A row that the run did not write is found, and the run undone; the row stays."""
    target = make_twin()
    assert dbclone("generate", trained.model, target, *SEED).code == 0
    query(target, 'TRUNCATE customer, article, "order", order_line, stock.tag, stock.article_tag')
    with held(target, "INSERT INTO stock.tag VALUES (1, 'theirs')") as theirs:
        process = start("generate", trained.model, target, *SEED)
        while process.poll() is None and not query(
            target,
            "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT granted "
            "AND datname = current_database() AND application_name = 'dbclone'",
        ):
            pass
        theirs.commit()
        done = finish(process)
    assert done.code in (5, 6, 7), done.err
    assert query(target, "SELECT * FROM stock.tag") == [(1, "theirs")]
    assert query(target, "SELECT count(*) FROM customer") == [(0,)]


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process can be set on Linux only")
def test_no_memory(trained: Trained, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    process = start("generate", trained.model, target, *SEED, "--scale", "3000")
    assert process.stderr is not None
    process.stderr.readline()
    # As much as it has, and hardly more.
    used = int(Path(f"/proc/{process.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(process.pid, resource.RLIMIT_AS, (used + 2**25, used + 2**25))
    done = finish(process)
    # 9 where Python is told; libraries written in C may end the process on their own.
    assert done.code != 0
    assert done.code != 9 or "no memory left" in done.err
    assert trained.state(target) == "as before"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="a small file system needs root on Linux")
def test_the_targets_disk_is_full(server: Server, trained: Trained) -> None:
    folder = Path("/var/tmp") / f"dbclone-test-{os.getpid()}"  # noqa: S108 - open to the server's account
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=777", "tmpfs", folder], check=False).returncode:
        folder.rmdir()
        pytest.skip("file systems cannot be mounted here")
    maintenance = server.maintenance.render_as_string(hide_password=False)
    name = f"dbclone_test_full_{os.getpid()}"
    try:
        with psycopg.connect(conninfo(maintenance), autocommit=True) as connection:
            (owned,) = connection.execute("SHOW data_directory").fetchone() or ("",)
            os.chown(folder, Path(owned).stat().st_uid, -1)
            connection.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'".encode())
            connection.execute(f"CREATE DATABASE {name} TABLESPACE {name}".encode())
            target = server.maintenance.set(database=name).render_as_string(hide_password=False)
            done = dbclone("generate", trained.model, target, *SEED, "--scale", "300")
            assert done.code in (3, 6), done.err
            assert "disk" in done.err or "space" in done.err
            assert trained.state(target) == "as before"
    finally:
        with psycopg.connect(conninfo(maintenance), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            connection.execute(f"DROP TABLESPACE IF EXISTS {name}".encode())
        subprocess.run(["umount", folder], check=True)
        folder.rmdir()


def test_the_source_is_only_read(trained: Trained) -> None:
    """Its checksums are what they were when it was filled, after all that was done to it above."""
    assert len(checksums(trained.source)) == 6
