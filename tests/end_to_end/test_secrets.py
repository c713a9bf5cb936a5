"""No command prints the password of a database, or writes it to a file. ``dbclone`` looks at what each prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.command import PASSWORD, dbclone, with_password

SHOP = """
    CREATE TABLE customer (id int PRIMARY KEY, email text, visits int);
    INSERT INTO customer SELECT n, 'someone' || n || '@corp.biz', n % 7 FROM generate_series(1, 150) n;
"""


@pytest.fixture
def urls(make_database: Callable[[], str]) -> tuple[str, str]:
    """Two databases with the same rows, and a password in each URL that the servers of the tests do not ask for."""
    found = make_database(), make_database()
    for url in found:
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(SHOP.encode())
    return with_password(found[0]), with_password(found[1])


def test_no_command_that_looks_shows_a_password_or_a_row(urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    page, file, metadata = tmp_path / "page.html", tmp_path / "dbclone.yaml", tmp_path / "metadata.json"
    done = [
        dbclone("plan", source, "--json"),
        dbclone("plan", source, "--debug", "--rows", "nothing=1"),
        dbclone("init", source, "-o", file),
        dbclone("metadata", source, "--out", metadata),
        dbclone("diff", source, target),
        dbclone("verify", target, "--source", source, "--privacy", "--report", page, "--json"),
    ]
    assert [finished.code for finished in done] == [0, 2, 0, 0, 0, 8]
    assert done[-1].json["privacy"]["passed"] is False
    for text in (*(finished.out + finished.err for finished in done), *(f.read_text() for f in tmp_path.iterdir())):
        assert PASSWORD not in text
        assert "corp.biz" not in text
