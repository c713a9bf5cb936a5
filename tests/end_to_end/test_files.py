"""A twin as files: what is read back is what the database would have got, and nothing half-written is left."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset
import pytest

from dbclone.config import Settings
from dbclone.db.dialects.postgresql.script import text_block
from dbclone.db.embedded import client_bin_dir
from dbclone.generate.batches import Generator
from dbclone.model.artifact import load_model
from dbclone.pipeline import train_model
from dbclone.run.files import Folder, write_files
from tests.command import dbclone
from tests.end_to_end.conftest import conninfo, query

SOURCE = r"""
    CREATE SCHEMA sales;
    CREATE TYPE sales.state AS ENUM ('new', 'on its way', 'done');
    CREATE TABLE sales."Customer/1" (
        id serial PRIMARY KEY, note text, best_id int, token uuid DEFAULT gen_random_uuid()
    );
    CREATE TABLE sales.purchase (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state sales.state, price numeric(8, 2) CHECK (price >= 0),
        customer_id int NOT NULL REFERENCES sales."Customer/1", at timestamptz, paid boolean
    );
    INSERT INTO sales."Customer/1" (note)
    SELECT (ARRAY[E'a\tb', E'line\n\\.\nend', '', NULL, '\N', 'say "so"'])[1 + n % 6] FROM generate_series(1, 240) n;
    INSERT INTO sales.purchase (state, price, customer_id, at, paid)
    SELECT (enum_range(NULL::sales.state))[1 + n % 3], n / 7.0, 1 + n * n % 240,
           timestamp '2024-01-01' + n * interval '1 h', CASE WHEN n % 5 > 0 THEN n % 2 = 0 END
    FROM generate_series(1, 900) n;
    ALTER TABLE sales."Customer/1" ADD FOREIGN KEY (best_id) REFERENCES sales.purchase;
    UPDATE sales."Customer/1" c SET best_id = (SELECT min(id) FROM sales.purchase p WHERE p.customer_id = c.id);
"""
CUSTOMER = 'sales."Customer/1"'
TABLES = (CUSTOMER, "sales.purchase")


@pytest.fixture(scope="module")
def model(make_twin: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    source, file = make_twin(), tmp_path_factory.mktemp("files") / "shop.model"
    query(source, SOURCE)
    train_model(source, Settings(save_model=file))
    return file


def contents(url: str) -> list[object]:
    return [query(url, f"SELECT t::text FROM {name} t ORDER BY id") for name in TABLES]


def test_a_script_for_psql_makes_what_a_load_makes(model: Path, make_twin: Callable[[], str], tmp_path: Path) -> None:
    loaded, restored = make_twin(), make_twin()
    assert dbclone("generate", model, loaded, "--seed", "4").code == 0
    done = dbclone("generate", model, "--to", tmp_path / "twin", "--format", "sql", "--seed", "4", "--json")
    assert done.code == 0, done.err
    assert (done.json["files"], [table["rows"] for table in done.json["tables"]]) == (1, [240, 900])
    subprocess.run(
        [psql(), "-qX", "-d", conninfo(restored), "-f", tmp_path / "twin" / "twin.sql"], check=True, capture_output=True
    )
    assert contents(restored) == contents(loaded)
    verified = dbclone("verify", restored, "--model", model)
    assert verified.code == 0, verified.out
    next_id = "INSERT INTO sales.\"Customer/1\" (note) VALUES ('x') RETURNING id"
    assert query(restored, next_id) == query(loaded, next_id)


def psql() -> str:
    """Return the client that comes with the embedded server, or the machine's."""
    folder = client_bin_dir()
    found = shutil.which("psql", path=str(folder)) if folder else None
    program = found or shutil.which("psql")
    assert program, "no psql to carry out the script with"
    return program


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_parts_hold_the_rows_of_the_batches(model: Path, tmp_path: Path, form: str) -> None:
    done = dbclone(
        "generate", model, "--to", tmp_path, "--format", form, "--seed", "4", "--rows", "sales.purchase=70000"
    )
    assert done.code == 0, done.err
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert {table["table"]: table["rows"] for table in manifest["tables"]} == {
        CUSTOMER: 240,
        "sales.purchase": 70_000,
    }
    assert all((tmp_path / file).exists() for file in manifest["files"])
    wanted = Generator(load_model(model), seed=4, rows={"sales.purchase": 70_000})  # type: ignore[dict-item]
    for table, folder in ((CUSTOMER, "sales.%22Customer%2F1%22"), ("sales.purchase", "sales.purchase")):
        found = pa.concat_tables(_read(file) for file in sorted((tmp_path / folder).iterdir()))
        made = [wanted.batch(table, n).rows for n in range(wanted.batch_count(table))]  # type: ignore[arg-type]
        assert text_block(found.combine_chunks()) == b"".join(map(text_block, made))


def _read(file: Path) -> pa.Table:
    if file.suffix == ".parquet":
        return pyarrow.parquet.read_table(file, partitioning=None)
    return pyarrow.csv.read_csv(
        file,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""],
            column_types={"price": pa.decimal128(8, 2), "at": pa.timestamp("us", "UTC"), "token": pa.string()},
        ),
    )  # fmt: skip


def test_files_go_wherever_fsspec_writes(model: Path) -> None:
    folder = Folder("memory://twin/here")
    generator = Generator(load_model(model), seed=4)
    written = write_files(folder, "parquet", generator.batches(), generator.shared.schema, {}, None)
    store = fsspec.filesystem("memory")
    assert {*store.find("/twin/here")} == {f"/twin/here/{file}" for file in (*written.files, "manifest.json")}
    store.rm("/twin", recursive=True)


def test_what_a_failed_run_wrote_is_deleted(model: Path, tmp_path: Path) -> None:
    generator = Generator(load_model(model), seed=4)

    def failing() -> Iterator[object]:
        yield generator.batch("sales.purchase", 0)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_files(Folder(str(tmp_path)), "csv", failing(), generator.shared.schema, {}, None)  # type: ignore[arg-type]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_cannot_be_written_is_refused_before_anything_is(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for options, code, said in (
        (("--to", tmp_path), 5, "is not empty"),
        (("--to", "nowhere://a/b"), 2, "nothing here can write there"),
        (("--to", tmp_path / "new", "--format", "xml"), 2, "format"),
        (("--to", tmp_path / "new", "--format", "sql", "--schema", "none"), 4, "in a circle"),
    ):
        done = dbclone("generate", model, *options)
        assert (done.code, said in done.err) == (code, True), done.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
