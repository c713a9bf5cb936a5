"""Batches as files: Parquet and CSV for warehouses, a file of SQL for ``psql``; on a disk, or wherever fsspec writes.

Parquet and CSV get a folder per table and a file per batch. SQL gets one file, which makes tables, rows and keys in the
order in which the loader would. ``manifest.json`` is written last, so files without it are no twin; what a failed run
has written is deleted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import fsspec
import pyarrow.csv
import pyarrow.parquet

from dbclone.db.encode import csv_block
from dbclone.errors import ConfigurationError, TargetError
from dbclone.model.flow import Batch
from dbclone.schema.model import Schema, TableKey

Script = Callable[[Iterable[Batch]], Iterable[bytes]]
"""What makes a script of batches."""
MANIFEST = "manifest.json"
SQL_FILE = "twin.sql"


@dataclass(frozen=True, kw_only=True)
class Written:
    """What was written: rows per table, and the paths of the files below the folder, the manifest's not among them."""

    rows: Mapping[TableKey, int]
    files: tuple[str, ...]


class Folder:
    """A folder, or a prefix of a store, that is empty and will be filled. TargetError if it is not empty."""

    def __init__(self, to: str) -> None:
        try:
            self._system, root = fsspec.url_to_fs(to)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"{to}: nothing here can write there ({error})") from error
        self._root = root.rstrip("/")
        self.written: list[str] = []
        if self._system.exists(self._root) and self._system.ls(self._root, detail=False):
            raise TargetError(f"{to} is not empty: give an empty folder, or one that is not there yet")

    def open(self, path: str) -> Any:
        """Open a file below the folder for writing."""
        whole = f"{self._root}/{path}"
        self._system.makedirs(whole.rpartition("/")[0], exist_ok=True)
        self.written.append(path)
        return self._system.open(whole, "wb")

    def delete(self) -> None:
        """Delete what was written."""
        for path in self.written:
            with suppress(FileNotFoundError):
                self._system.rm_file(f"{self._root}/{path}")


def write_files(
    folder: Folder, form: str, batches: Iterable[Batch], schema: Schema, about: Mapping[str, Any], script: Script | None
) -> Written:
    """Write ``batches`` as files of a form (``parquet``, ``csv``), or what ``script`` makes of them as one file.

    ``about`` is put into the manifest.

    What was written is deleted if anything fails.
    """
    try:
        rows = _write_script(folder, batches, script) if script else _write_parts(folder, form, batches)
        written = Written(rows=rows, files=tuple(folder.written))
        with folder.open(MANIFEST) as file:
            file.write(_manifest(written, form, schema, about))
    except BaseException:
        folder.delete()
        raise
    return written


def _write_script(folder: Folder, batches: Iterable[Batch], script: Script) -> Counter[TableKey]:
    rows: Counter[TableKey] = Counter()

    def counted() -> Iterator[Batch]:
        for batch in batches:
            rows[batch.table] += batch.rows.num_rows
            yield batch

    with folder.open(SQL_FILE) as file:
        for part in script(counted()):
            file.write(part)
    return rows


def _write_parts(folder: Folder, form: str, batches: Iterable[Batch]) -> Counter[TableKey]:
    rows: Counter[TableKey] = Counter()
    for batch in batches:
        with folder.open(f"{_name(batch.table)}/part-{batch.number:06}.{form}") as file:
            if form == "parquet":
                pyarrow.parquet.write_table(batch.rows, file)
            else:
                file.write(_csv_line(batch.rows.column_names))
                file.write(csv_block(batch.rows))
        rows[batch.table] += batch.rows.num_rows
    return rows


def _name(table: TableKey) -> str:
    """Return the table's name as that of a folder. ``sales/2.order`` → ``sales%2F2.order``"""
    return quote(table, safe=" .-_")


def _csv_line(names: Sequence[str]) -> bytes:
    return (",".join('"' + name.replace('"', '""') + '"' for name in names) + "\n").encode()


def _manifest(written: Written, form: str, schema: Schema, about: Mapping[str, Any]) -> bytes:
    tables = [
        {
            "table": key,
            "rows": count,
            "columns": {column.name: column.type for column in schema.table(key).written_columns},
            "primary_key": list(schema.table(key).primary_key),
        }
        for key, count in written.rows.items()
    ]
    document = {**about, "format": form, "tables": tables, "files": list(written.files)}
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
