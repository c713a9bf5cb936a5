"""A pytest plugin: ``cloned_database`` is the URL of a database that was filled from a model file.

Pytest finds it where dbclone is installed. The model is named by ``--dbclone-model FILE``, or ``dbclone_model`` in
pytest's configuration, the database by ``--dbclone-target URL`` or ``dbclone_target``; without one, a database is
made in the embedded PostgreSQL and dropped at the end.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dbclone.config import Settings

_OPTIONS = {
    "model": "model file from which cloned_database is filled",
    "target": "URL of the database that cloned_database fills; what is in its tables is deleted first",
    "seed": "the same seed makes the same rows",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--dbclone-model``, ``--dbclone-target`` and ``--dbclone-seed``, and the same as settings."""
    group = parser.getgroup("dbclone")
    for name, text in _OPTIONS.items():
        group.addoption(f"--dbclone-{name}", help=text)
        parser.addini(f"dbclone_{name}", help=text)


def _said(config: pytest.Config, name: str) -> str:
    return str(config.getoption(f"dbclone_{name}") or config.getini(f"dbclone_{name}") or "")


@pytest.fixture(scope="session")
def cloned_database(pytestconfig: pytest.Config) -> Iterator[str]:
    """Give the URL of a database full of rows made from the model file, the same ones for every run."""
    model = _said(pytestconfig, "model")
    if not model:
        raise pytest.UsageError("cloned_database needs a model file: --dbclone-model FILE, or dbclone_model")
    from dbclone.config_file import make_settings

    settings = make_settings(seed=int(_said(pytestconfig, "seed") or 0), on_existing="truncate")
    file = pytestconfig.rootpath / model
    target = _said(pytestconfig, "target")
    if target:
        _fill(file, target, settings)
        yield target
        return
    from dbclone.db import embedded

    server, name = embedded.start(), f"dbclone_test_{uuid.uuid4().hex[:12]}"
    server.create_database(name)
    try:
        _fill(file, server.url(name), settings)
        yield server.url(name)
    finally:
        server.drop_database(name)


def _fill(model: Path, target: str, settings: Settings) -> None:
    from dbclone import pipeline

    pipeline.generate_into(model, target, settings)
