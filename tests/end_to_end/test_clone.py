"""A whole database, from the command line to the last constraint."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command import PASSWORD, ROOT, Finished, dbclone
from tests.end_to_end.conftest import query, tables


@dataclass(frozen=True, kw_only=True)
class Cloned:
    """The shop's clone, and what the command left."""

    done: Finished
    source: str
    target: str
    model: Path
    report: Path


@pytest.fixture(scope="module")
def cloned(shop: str, make_twin: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Cloned:
    """The shop, cloned with everything that ``clone`` can write."""
    folder = tmp_path_factory.mktemp("cloned")
    model, report, target = folder / "shop.model", folder / "report.html", make_twin()
    done = dbclone("clone", shop, target, "--save-model", model, "--report", report, "--seed", "3", "--json")
    assert done.code == 0, done.err
    return Cloned(done=done, source=shop, target=target, model=model, report=report)


def count(url: str, table: str) -> int:
    name = ".".join(f'"{part}"' for part in table.split("."))
    return int(query(url, f"SELECT count(*) FROM {name}")[0][0])


def test_json_says_everything(cloned: Cloned) -> None:
    document = cloned.done.json
    assert (document["status"], document["exit_code"], document["seed"]) == ("ok", 0, 3)
    assert len(document["tables"]) == 6
    for table in document["tables"]:
        assert table["rows"] == table["source_rows"] == count(cloned.target, table["table"])
    assert document["checks"]
    assert all(check["passed"] for check in document["checks"])
    assert {"orphans", "unique", "not null", "check", "rows", "sequence", "distance"} <= {
        check["kind"] for check in document["checks"]
    }
    assert {"reflect", "plan", "sample", "learn", "load", "verify"} <= set(document["seconds"])
    assert {"dbclone", "python", "sdv", "source"} <= set(document["versions"])


def test_every_constraint_and_index_is_there_and_valid(cloned: Cloned) -> None:
    constraints = (
        "SELECT conrelid::regclass::text, conname, contype FROM pg_constraint "
        "WHERE conrelid <> 0 AND connamespace::regnamespace::text IN ('public', 'stock') AND convalidated ORDER BY 1, 2"
    )
    assert query(cloned.target, constraints) == query(cloned.source, constraints)
    indexes = "SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'stock') ORDER BY 1"
    assert query(cloned.target, indexes) == query(cloned.source, indexes)


def test_the_cycle_and_the_self_reference_are_filled_in(cloned: Cloned) -> None:
    for column, table in (("favourite", "customer"), ("referred_by", "customer"), ("suggested_by", "article")):
        share = f"SELECT avg(({column} IS NOT NULL)::int)::float FROM {table}"
        (there,), (here,) = query(cloned.source, share)[0], query(cloned.target, share)[0]
        assert abs(there - here) < 0.2, column


def test_sequences_go_on_after_the_last_key(cloned: Cloned) -> None:
    insert = "INSERT INTO {0} RETURNING id"
    customer = "customer (email, name, country, since) VALUES ('new', 'new', 'AT', '2024-01-01')"
    article = "article (sku, kind, price) VALUES ('new', 'toy', 1)"
    for statement in (customer, article):
        table = statement.split()[0]
        ((key,),) = query(cloned.target, insert.format(statement))
        assert key == query(cloned.target, f"SELECT max(id) FROM {table}")[0][0]
        query(cloned.target, f"DELETE FROM {table} WHERE id = {key}")


def test_no_personal_string_of_the_source_is_in_the_target(cloned: Cloned) -> None:
    for column, table in (("email", "customer"), ("name", "customer"), ("note", "order_line")):
        statement = f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL"
        assert not set(query(cloned.source, statement)) & set(query(cloned.target, statement)), column


def test_the_report_is_whole_and_without_secrets(cloned: Cloned) -> None:
    page = cloned.report.read_text()
    assert "checks passed" in page
    assert "customer_favourite_fkey" in page
    assert PASSWORD not in page
    assert "source.example" not in page
    assert not re.search(r'src\s*=|href\s*=\s*"(?!#)|@import', page)


def test_verification_has_a_report_too(cloned: Cloned, tmp_path: Path) -> None:
    file = tmp_path / "verified.html"
    done = dbclone("verify", cloned.target, "--report", file, "--json")
    assert (done.code, done.json["report"]) == (0, str(file))
    assert "checks passed" in file.read_text()
    assert PASSWORD not in file.read_text()


def test_the_figures_of_the_report_are_in_the_json(cloned: Cloned) -> None:
    quality = cloned.done.json["quality"]
    assert quality["clone_rows"] > 0
    assert {figure["property"] for figure in quality["figures"]} >= {"shape", "fan-out"}
    assert quality["pictures"]


def test_the_model_holds_no_string_of_the_source(cloned: Cloned) -> None:
    import zipfile

    with zipfile.ZipFile(cloned.model) as archive:
        data = b"".join(archive.read(name) for name in archive.namelist())
    assert b"source.example" not in data
    assert b"Real Person" not in data
    assert PASSWORD.encode() not in data


def test_the_model_makes_the_same_rows_again(cloned: Cloned, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    done = dbclone("generate", cloned.model, target, "--seed", "3", "--json")
    assert done.code == 0, done.err
    for table in tables(cloned.target):
        name = ".".join(f'"{part}"' for part in table.split("."))
        rows = f"SELECT md5(string_agg(r::text, E'\\n' ORDER BY r::text)) FROM {name} r"
        assert query(target, rows) == query(cloned.target, rows), table


def test_generate_needs_neither_sdv_nor_pandas(cloned: Cloned, make_twin: Callable[[], str], tmp_path: Path) -> None:
    for name in ("sdv", "rdt", "copulas", "torch", "pandas"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not for generate')")
    done = dbclone("generate", cloned.model, make_twin(), PYTHONPATH=str(tmp_path))
    assert done.code == 0, done.err


def test_generate_into_a_filled_target(cloned: Cloned, make_twin: Callable[[], str]) -> None:
    """Refused without a word about it; emptied first, or added to, when that was asked for."""
    target = make_twin()
    assert dbclone("generate", cloned.model, target, "--quiet").code == 0
    refused = dbclone("generate", cloned.model, target)
    assert refused.code == 5
    assert "--on-existing" in refused.err
    assert count(target, "customer") == 80
    truncated = dbclone("generate", cloned.model, target, "--on-existing", "truncate", "--scale", "2")
    assert truncated.code == 0, truncated.err
    assert count(target, "customer") == 160
    appended = dbclone("generate", cloned.model, target, "--on-existing", "append", "--seed", "9")
    assert appended.code == 0, appended.err
    assert count(target, "customer") == 240


def test_generate_takes_rows_per_table(cloned: Cloned, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    done = dbclone("generate", cloned.model, target, "--rows", "order_line=500", "--report", cloned.report.parent / "g")
    assert done.code == 0, done.err
    assert count(target, "order_line") == 500
    assert (cloned.report.parent / "g").exists()


def test_verify_finds_nothing_wrong(cloned: Cloned) -> None:
    done = dbclone("verify", cloned.target, "--source", cloned.source, "--model", cloned.model, "--json")
    assert done.code == 0, done.out
    assert {"schema", "distance", "orphans"} <= {check["kind"] for check in done.json["checks"]}


def test_verify_finds_what_is_broken(cloned: Cloned, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    assert dbclone("generate", cloned.model, target, "--quiet").code == 0
    query(
        target,
        "SET session_replication_role = replica; DELETE FROM article WHERE id IN (SELECT article FROM order_line)",
    )
    query(target, "ALTER TABLE customer DROP CONSTRAINT customer_email_key")
    done = dbclone("verify", target, "--source", cloned.source, "--json")
    assert done.code == 7
    assert done.json["status"] == "failed"
    failed = {(check["kind"], check["name"]) for check in done.json["checks"] if not check["passed"]}
    assert ("orphans", "order_line_article_fkey") in failed
    assert any(kind == "schema" and "customer_email_key" in name for kind, name in failed)
    assert "FAILED" in dbclone("verify", target).out


def test_plan_reads_for_people_and_for_machines(shop: str) -> None:
    done = dbclone("plan", shop)
    assert done.code == 0
    for word in ("child of", "link to", "itself", "Stars", "Load", "Cost"):
        assert word in done.out
    document = dbclone("plan", shop, "--json", "--scale", "2").json
    assert {step["step"] for step in document["plan"]["steps"]} >= {"load"}
    assert next(t for t in document["tables"] if t["table"] == "customer")["rows"] == 160


def test_a_dry_run_prints_the_plan_and_writes_nothing(shop: str, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    done = dbclone("clone", shop, target, "--dry-run")
    assert done.code == 0
    assert done.out == dbclone("plan", shop).out
    assert tables(target) == []


def test_metadata_is_what_sdv_loads(shop: str, tmp_path: Path) -> None:
    from sdv.metadata import Metadata

    out, drawing = tmp_path / "metadata.json", tmp_path / "schema.mmd"
    done = dbclone("metadata", shop, "--out", out, "--diagram", drawing, "--json")
    assert done.code == 0, done.err
    Metadata.load_from_json(str(out)).validate()
    assert drawing.read_text().startswith("erDiagram")
    assert done.json["metadata"] == json.loads(out.read_text())
    assert json.loads(dbclone("metadata", shop).out) == json.loads(out.read_text())


def test_train_writes_a_model_and_nothing_else(shop: str, make_twin: Callable[[], str], tmp_path: Path) -> None:
    model, target = tmp_path / "shop.model", make_twin()
    done = dbclone("train", "--out", model, "--tables", "customer", "--exclude", "order*", DBCLONE_SOURCE=shop)
    assert done.code == 0, done.err
    assert [file.name for file in tmp_path.iterdir()] == ["shop.model"]
    assert dbclone("generate", model, DBCLONE_TARGET=target).code == 0
    assert tables(target) == ["public.customer"]


def test_only_learning_pays_for_sdv_and_torch(cloned: Cloned, make_twin: Callable[[], str]) -> None:
    learning = {"sdv", "rdt", "copulas", "torch", "sdmetrics", "sklearn", "plotly"}
    assert not imported("plan", cloned.source) & (learning | {"scipy", "pandas"})
    assert not imported("verify", cloned.target, "--source", cloned.source) & (learning | {"scipy", "pandas"})
    # pandas is there: pyarrow imports it, if it is installed, with the first array that it takes from NumPy.
    assert not imported("generate", cloned.model, make_twin()) & learning


def imported(*arguments: str | Path) -> set[str]:
    """Return the packages that a command has imported when it ends."""
    script = (
        "import sys\nfrom dbclone import cli\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, *map(str, arguments), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stderr.splitlines()[-1].split())
