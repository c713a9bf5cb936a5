"""The README's story in Python, stage by stage, and the pytest plugin that fills a database from a model file."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import ROOT
from tests.end_to_end.conftest import query

SCHEMA = """
    CREATE TABLE store (store_id integer PRIMARY KEY, size integer NOT NULL);
    INSERT INTO store SELECT n, n * 10 FROM generate_series(1, 30) n;
    CREATE TABLE sale (sale_id integer PRIMARY KEY, store_id integer NOT NULL REFERENCES store, amount integer);
    INSERT INTO sale SELECT n, 1 + n % 30, n % 90 FROM generate_series(1, 600) n;
"""
PLUGIN_TEST = """
import psycopg

def test_it_is_full(cloned_database):
    with psycopg.connect(cloned_database.replace("postgresql+psycopg", "postgresql")) as connection:
        assert connection.execute("SELECT count(*) FROM sale").fetchone() == (600,)
"""


@pytest.fixture(scope="module")
def story() -> str:
    """The README's example in Python."""
    (found,) = re.findall(r"```python\n(import dbclone.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return str(found)


def test_the_readme_tells_the_story_and_a_database_for_tests_is_filled_from_its_model(
    make_database: Callable[[], str], story: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_database(), make_database()
    query(source, SCHEMA)
    monkeypatch.chdir(tmp_path)
    variables: dict[str, object] = {"source": source}
    told = re.sub(r"^source = .*$", "", story, flags=re.MULTILINE).replace("shop.svg", "shop.mmd")
    exec(compile(told, "README.md", "exec"), variables)  # noqa: S102 - the README is ours
    tables = variables["tables"]
    assert isinstance(tables, dict)
    assert {key: rows.num_rows for key, rows in tables.items()} == {"store": 30, "sale": 600}
    assert set(tables["sale"]["store_id"].to_pylist()) <= set(tables["store"]["store_id"].to_pylist())
    assert (tmp_path / "shop.mmd").read_text().startswith("erDiagram")
    (tmp_path / "test_it.py").write_text(PLUGIN_TEST)
    from dbclone import make_settings, train_model

    train_model(source, make_settings(save_model=tmp_path / "full.model"))
    # By its module, not by its entry point, which only an installation of this very version has.
    options = [
        "--dbclone-model",
        "full.model",
        "--dbclone-target",
        target,
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:dbclone",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "dbclone.fixtures", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
