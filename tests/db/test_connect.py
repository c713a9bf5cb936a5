"""Connecting: what a user may write, what the snapshot permits, and what is said when something fails."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from dbclone.db.connect import masked, open_database, resolve_url
from dbclone.db.dialects.base import Timeouts
from dbclone.errors import ConfigurationError, ConnectError

SECRET = "hunter2"  # noqa: S105


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_means_psycopg(scheme: str) -> None:
    assert resolve_url(f"{scheme}://ann@host/shop").drivername == "postgresql+psycopg"


def test_query_parameters_reach_the_driver() -> None:
    url = resolve_url("postgresql:///shop?service=crm&sslmode=require&passfile=/run/pass")
    assert url.query == {"service": "crm", "sslmode": "require", "passfile": "/run/pass"}


def test_a_url_is_read_from_the_first_line_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "source.url"
    path.write_text(f"  postgres://ann:{SECRET}@host/shop \nanother line\n")
    assert resolve_url(f"@{path}").password == SECRET


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"postgresql://ann:{SECRET}@host:port/shop",
        f"postgresql+psycopg2://ann:{SECRET}@host/shop",
        f"oracle://ann:{SECRET}@host/shop",
        "@/nowhere/url.txt",
        "",
    ],
)
def test_a_bad_url_is_one_line_without_the_password(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_url(text)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_kind_of_database_lists_those_that_are_known() -> None:
    with pytest.raises(ConfigurationError, match=r"'oracle'.*postgresql"):
        resolve_url("oracle://host/shop")


def test_an_empty_url_file_says_what_belongs_into_it(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_text("\n")
    with pytest.raises(ConfigurationError, match="first line"):
        resolve_url(f"@{path}")


def test_passwords_are_masked_wherever_they_stand_in_the_url() -> None:
    url = make_url(f"postgresql+psycopg://ann:{SECRET}@host/shop?sslpassword={SECRET}&password={SECRET}&passfile=p")
    assert masked(url) == "postgresql://ann:***@host/shop?passfile=p&password=***&sslpassword=***"


def test_a_password_may_come_from_a_command(tmp_path: Path) -> None:
    script = tmp_path / "token"
    script.write_text(f"#!/bin/sh\necho {SECRET}\necho further lines mean nothing\n")
    script.chmod(0o700)
    url = resolve_url(f"postgresql://ann@host/shop?sslmode=require&password_command={script}%20--for%20ann")
    assert url.password == SECRET
    assert url.query == {"sslmode": "require"}
    assert SECRET not in masked(url)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false%20hunter2", "false printed no password \\(exit code 1\\)"),
        ("true%20hunter2", "true printed no password \\(exit code 0\\)"),
        ("/nowhere/hunter2-tool", "cannot be run"),
        ("%22unclosed%20hunter2", "must be one command"),
    ],
)
def test_a_command_that_prints_no_password_is_named_by_its_program_alone(command: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as caught:
        resolve_url(f"postgresql://ann@host/shop?password_command={command}")
    assert "hunter2" not in str(caught.value).replace("/nowhere/hunter2-tool", "")
    assert caught.value.__cause__ is None


def test_the_password_file_of_the_environment_is_used(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq reads PGPASSFILE, PGSERVICEFILE and its other variables itself, since nothing here overrides them."""
    service = tmp_path / "services"
    url = make_url(database)
    host = url.query.get("host", url.host)
    service.write_text(f"[crm]\nhost={host}\nport={url.query.get('port', url.port)}\ndbname={url.database}\n")
    passwords = tmp_path / "passwords"
    passwords.write_text(f"*:*:*:*:{SECRET}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGSERVICEFILE", str(service))
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    with open_database(f"postgresql://{url.username}@/?service=crm") as opened, opened.connect() as connection:
        assert connection.scalar(text("SELECT current_database()")) == url.database
        assert SECRET not in opened.name


def test_an_open_database_shows_its_name_without_the_password(database: str) -> None:
    url = make_url(database).set(password=SECRET)
    with open_database(url.render_as_string(hide_password=False)) as opened:
        assert opened.dialect.name == "postgresql"
        assert SECRET not in repr(opened)
        with opened.connect() as connection:
            assert connection.scalar(text("SELECT current_setting('application_name')")) == "dbclone"


def test_a_database_that_is_not_there_is_named(database: str) -> None:
    url = make_url(database).set(database="no_such_database", password=SECRET)
    with pytest.raises(ConnectError, match=r"^target: .*no_such_database.*no such database") as caught:
        open_database(url.render_as_string(hide_password=False), purpose="target")
    assert SECRET not in str(caught.value)


def test_an_unknown_user_is_named(database: str) -> None:
    with pytest.raises(ConnectError, match=r"source: .*nobody_at_all"):
        open_database(make_url(database).set(username="nobody_at_all").render_as_string(hide_password=False))


def test_a_port_nobody_listens_on_is_said_to_be_so() -> None:
    with pytest.raises(ConnectError, match="no server listens"):
        open_database(f"postgresql://ann:{SECRET}@127.0.0.1:1/shop")


def test_a_host_that_does_not_exist_is_said_to_be_so() -> None:
    with pytest.raises(ConnectError, match=r"no-such-host\.invalid.*no host of this name"):
        open_database("postgresql://ann@no-such-host.invalid/shop")


def test_an_unknown_parameter_does_not_show_the_connection_string() -> None:
    with pytest.raises(ConnectError, match="parameter") as caught:
        open_database(f"postgresql://ann:{SECRET}@127.0.0.1/shop?nonsense=1")
    assert SECRET not in str(caught.value)


def test_a_wrong_password_is_said_to_be_wrong(database: str) -> None:
    # Servers under test trust everybody, so the driver's own words are used.
    with open_database(database) as opened:
        error = psycopg.OperationalError('FATAL:  password authentication failed for user "ann"')
        explained = opened.dialect.explain(error, "postgresql://ann:***@host/shop")
    assert str(explained) == "wrong user or password for postgresql://ann:***@host/shop"


def test_identity_is_that_of_the_database_not_of_the_url(database: str, make_database: Callable[[], str]) -> None:
    other = make_url(database)
    same = other.update_query_dict({"options": "-c work_mem=1MB"}).render_as_string(hide_password=False)
    with open_database(database) as one, open_database(same) as two, open_database(make_database()) as three:
        assert one.identity() == two.identity()
        assert one.identity() != three.identity()


@pytest.fixture
def filled(database: str) -> str:
    with open_database(database) as opened, opened.engine.begin() as connection:
        connection.execute(text("CREATE TABLE thing (id int PRIMARY KEY)"))
        connection.execute(text("INSERT INTO thing VALUES (1)"))
    return database


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO thing VALUES (2)", "DROP TABLE thing", "CREATE TABLE other (id int)", "SELECT nextval('numbers')"],
)
def test_a_snapshot_cannot_write_even_as_the_owner(filled: str, statement: str) -> None:
    with open_database(filled) as opened:
        with opened.engine.begin() as connection:
            connection.execute(text("CREATE SEQUENCE numbers"))
        with pytest.raises(DBAPIError, match="read-only transaction"), opened.snapshot() as snapshot:
            snapshot.execute(text(statement))
        with opened.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM thing")) == 1


def test_a_snapshot_sees_one_state(filled: str) -> None:
    with open_database(filled) as opened, opened.snapshot() as snapshot:
        before = snapshot.scalar(text("SELECT count(*) FROM thing"))
        with opened.engine.begin() as connection:
            connection.execute(text("INSERT INTO thing VALUES (2)"))
        assert snapshot.scalar(text("SELECT count(*) FROM thing")) == before == 1


def test_a_statement_that_takes_too_long_is_ended(filled: str) -> None:
    timeouts = Timeouts(statement_s=1)
    with (
        open_database(filled) as opened,
        pytest.raises(ConnectError, match="too long"),
        opened.snapshot(timeouts) as snapshot,
    ):
        snapshot.execute(text("SELECT pg_sleep(30)"))


def test_a_locked_table_does_not_make_others_wait(filled: str) -> None:
    with open_database(filled) as opened, opened.engine.begin() as owner:
        owner.execute(text("LOCK TABLE thing IN ACCESS EXCLUSIVE MODE"))
        with pytest.raises(ConnectError, match="locked"), opened.snapshot(Timeouts(lock_s=1)) as snapshot:
            snapshot.execute(text("SELECT count(*) FROM thing"))


@pytest.fixture
def stranger(filled: str) -> Iterator[str]:
    """The URL of a role that may connect and nothing else."""
    role = f"dbclone_test_{uuid.uuid4().hex[:12]}"
    conninfo = make_url(filled).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        yield make_url(filled).set(username=role).render_as_string(hide_password=False)
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def test_a_missing_right_is_a_connect_error(stranger: str) -> None:
    with (
        open_database(stranger) as opened,
        pytest.raises(ConnectError, match=r"not permitted: permission denied for table thing"),
        opened.snapshot() as snapshot,
    ):
        snapshot.execute(text("SELECT * FROM thing"))


def test_identity_needs_no_rights(filled: str, stranger: str) -> None:
    with open_database(filled) as owner, open_database(stranger) as other:
        assert owner.identity() == other.identity()
