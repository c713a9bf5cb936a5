"""PgBouncer in between, in transaction mode: each transaction may run in another session of the server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from tests.command import dbclone
from tests.conftest import Server
from tests.faults.conftest import SEED, Trained

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no pgbouncer on this machine")


def answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def pooled(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Return a function from the URL of a database to the one by way of PgBouncer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    at = server.maintenance
    upstream = {"host": at.query.get("host") or at.host, "port": at.port or at.query.get("port"), "user": at.username}
    settings = Path(tmp_path_factory.mktemp("pgbouncer")) / "pgbouncer.ini"
    settings.write_text(
        "[databases]\n* = " + " ".join(f"{k}={v}" for k, v in upstream.items() if v) + "\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        "pool_mode = transaction\ndefault_pool_size = 8\nserver_reset_query =\n"
    )
    for folder in (settings.parent, *settings.parent.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)  # it does not run as root
    owner = Path(str(upstream["host"])).owner() if str(upstream["host"]).startswith("/") else "nobody"
    user = ["-u", owner] if os.geteuid() == 0 else []
    process = subprocess.Popen([str(PROGRAM), *user, settings])
    try:
        until = time.monotonic() + 10
        while not answers(port):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)

        def by_way(url: str) -> str:
            given = make_url(url)
            pooled = URL.create(given.drivername, given.username, given.password, "127.0.0.1", port, given.database)
            return pooled.render_as_string(hide_password=False)

        yield by_way
    finally:
        process.terminate()
        process.wait(10)


def test_through_a_pooler(trained: Trained, make_twin: Callable[[], str], pooled: Callable[[str], str]) -> None:
    target = make_twin()
    done = dbclone("clone", pooled(trained.source), pooled(target), *SEED, "--json")
    assert done.code == 0, done.err
    assert all(check["passed"] for check in done.json["checks"])
