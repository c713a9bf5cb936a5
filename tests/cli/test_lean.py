"""Without SDV, torch and pandas everything but learning works: ``pip install dbclone`` alone has none of them."""

from __future__ import annotations

import subprocess
import sys

from tests.command import ROOT

HEAVY = ("sdv", "rdt", "copulas", "ctgan", "deepecho", "sdmetrics", "torch", "pandas", "plotly", "sklearn")

BLOCKED = f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in {HEAVY!r} else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
"""None of the modules is found, as where they are not installed."""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


def test_everything_but_learning_is_imported_without_them() -> None:
    modules = "pipeline, inspection, reporting, privacy, cli, config_reference, fixtures"
    done = run(f"import dbclone\nfrom dbclone import {modules}\nprint(dbclone.clone, dbclone.generate_into)")
    assert done.returncode == 0, done.stderr


def test_learning_without_them_says_what_to_install() -> None:
    done = run("import dbclone\ndbclone.train_model('embedded:none', dbclone.make_settings(save_model='m.model'))")
    assert "pip install 'dbclone[train]'" in done.stderr


def test_importing_dbclone_is_quick() -> None:
    """What is imported does not depend on the machine; a time would. Names are looked up when they are asked for."""
    code = "import sys, dbclone; print(sorted(name for name in sys.modules if '.' not in name))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in (*HEAVY, "numpy", "pyarrow", "sqlalchemy", "pydantic", "duckdb", "typer"):
        assert f"'{name}'" not in done.stdout
