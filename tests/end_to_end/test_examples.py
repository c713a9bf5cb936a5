"""The examples at work: compose.yaml's shop, cloned by its own command with the rights that operations.md grants."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml
from sqlalchemy import make_url

from tests.command import ROOT, dbclone
from tests.conftest import Server
from tests.end_to_end.conftest import conninfo, query


@pytest.fixture
def roles(server: Server) -> Iterator[dict[str, str]]:
    """Roles of this test only, in place of those that operations.md names: reader and owner."""
    names = {role: f"{role}_{uuid.uuid4().hex[:8]}" for role in ("dbclone_reader", "dbclone_owner")}
    yield names
    maintenance = server.maintenance.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        for name in names.values():
            with contextlib.suppress(psycopg.errors.UndefinedObject):
                connection.execute(f"DROP ROLE {name}".encode())


def test_the_demo_of_compose_needs_no_more_rights_than_operations_grants(
    server: Server, roles: dict[str, str], tmp_path: Path
) -> None:
    source, target = server.create_database(), server.create_database()
    try:
        query(source, (ROOT / "docker/shop.sql").read_text())
        reading, owning = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL)
        for role, name in roles.items():
            reading, owning = reading.replace(role, name), owning.replace(role, name)
        query(source, reading)
        query(target, owning.partition("\n")[0])
        query(target, f"ALTER DATABASE {make_url(target).database} OWNER TO {roles['dbclone_owner']}")
        compose = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())
        command = [word.replace("/reports", str(tmp_path)) for word in compose["services"]["clone"]["command"]]
        done = dbclone(
            *command,
            DBCLONE_SOURCE=as_role(source, roles["dbclone_reader"], "choose one"),
            DBCLONE_TARGET=as_role(target, roles["dbclone_owner"], "choose another"),
        )
        assert done.code == 0, done.err
        assert query(target, "SELECT count(*), count(DISTINCT customer_id) > 50 FROM purchase") == [(900, True)]
        assert "checks passed" in (tmp_path / "shop.html").read_text()
        connecting = psycopg.connect(conninfo(source), user=roles["dbclone_reader"], password="choose one")  # noqa: S106
        with connecting as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("DELETE FROM purchase")
    finally:
        server.drop_database(target)
        server.drop_database(source)


def as_role(url: str, role: str, password: str) -> str:
    """Return the URL with another user."""
    return make_url(url).set(username=role, password=password).render_as_string(hide_password=False)
