"""A clone as ``dbclone.yaml`` describes it: actions per table, generators per column, hooks, a profile."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import dbclone
from tests.end_to_end.conftest import query

SCHEMA = """
    CREATE TABLE region (code text PRIMARY KEY, name text NOT NULL);
    INSERT INTO region SELECT 'R' || n * n, 'Region number ' || n FROM generate_series(1, 7) n;
    CREATE TABLE country (country_id integer PRIMARY KEY, region text NOT NULL REFERENCES region, name text);
    INSERT INTO country
        SELECT n * 100 - 7, 'R' || (n % 7 + 1) * (n % 7 + 1), 'Country ' || n FROM generate_series(1, 20) n;
    CREATE TABLE product (
        product_id integer PRIMARY KEY,
        sku text NOT NULL UNIQUE,
        country integer REFERENCES country,
        job text, grade text, label text, origin text,
        price numeric(8, 2) NOT NULL, quantity integer NOT NULL, total numeric(10, 2) NOT NULL,
        CHECK (price > 0)
    );
    INSERT INTO product SELECT n, 'old' || n, (n % 20 + 1) * 100 - 7, 'j', 'g', 'l', CASE WHEN n % 4 = 0 THEN 'o' END,
        1 + n % 30, 1 + n % 5, (1 + n % 30) * (1 + n % 5) FROM generate_series(1, 300) n;
    CREATE TABLE audit_log (id integer PRIMARY KEY, what text);
    INSERT INTO audit_log SELECT n, 'x' FROM generate_series(1, 50) n;
    CREATE TABLE secret_log (id integer PRIMARY KEY);
"""

FILE = r"""
source: ${SHOP_SOURCE}
target: ${SHOP_TARGET}
quiet: true
tables:
  region: {action: copy}
  country: {action: copy}
  "*_log": {action: empty}
  secret_log: {action: skip}
  product:
    rows: 200
    columns:
      sku: {generator: {pattern: "[A-F]{2}-[0-9]{4}"}}
      job: {generator: job}
      grade: {generator: {choices: {gold: 1, silver: 3}}}
      label: {generator: {function: "tests.end_to_end.test_configuration:labels"}}
      origin: {generator: {constant: here}}
      total: {generator: {expression: price * quantity}}
hooks:
  before_load: before.sql
  after_load: [after.sql]
profiles:
  many: {tables: {product: {rows: 260}}}
"""


def labels(index: list[int], random: list[float]) -> list[str | None]:
    """Return a label per row; every tenth has none."""
    return [None if i % 10 == 0 else f"row {i}, {r < 0.5}" for i, r in zip(index, random, strict=True)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dbclone.yaml").write_text(FILE)
    (tmp_path / "before.sql").write_text("CREATE TABLE hook AS SELECT count(*) AS before FROM product;")
    after = "ALTER TABLE hook ADD after bigint; UPDATE hook SET after = (SELECT count(*) FROM product);"
    (tmp_path / "after.sql").write_text(after)
    return tmp_path


def test_a_clone_is_made_as_the_file_says(make_database: Callable[[], str], folder: Path) -> None:
    source, target = make_database(), make_database()
    query(source, SCHEMA)
    model = folder / "shop.model"
    urls = {"SHOP_SOURCE": source, "SHOP_TARGET": target}
    arguments = ("--config", folder / "dbclone.yaml", "--profile", "many")
    done = dbclone("clone", *arguments, "--save-model", model, "--json", **urls)
    assert done.code == 0, done.err
    for table in ("region", "country"):
        same = f"SELECT * FROM {table} ORDER BY 1"
        assert query(target, same) == query(source, same)
    assert query(target, "SELECT count(*), count(DISTINCT country) > 5 FROM product") == [(260, True)]
    assert query(target, "SELECT count(*) FROM audit_log") == [(0,)]
    assert query(target, "SELECT to_regclass('secret_log')") == [(None,)]
    assert query(target, "SELECT before, after FROM hook") == [(0, 260)]
    rows = query(
        target, "SELECT sku, job, grade, label, origin, total = price * quantity FROM product ORDER BY product_id"
    )
    assert len({row[0] for row in rows}) == 260
    assert all(re.fullmatch("[A-F]{2}-[0-9]{4}", row[0]) for row in rows)
    assert len({row[1] for row in rows}) > 50
    assert 0.5 < sum(row[2] == "silver" for row in rows) / 260 < 0.95
    assert sum(row[3] is None for row in rows) == 26
    assert {row[4] for row in rows} == {"here", None}
    assert all(row[5] for row in rows)
    # The model holds no code: without the file, labels are made as they were learned.
    again = make_database()
    done = dbclone("generate", model, again, "--json")
    assert done.code == 0, done.err
    assert query(again, "SELECT * FROM country ORDER BY 1") == query(source, "SELECT * FROM country ORDER BY 1")
    assert not query(again, "SELECT 1 FROM product WHERE label LIKE 'row %'")


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("tables.prodct.rows=3", "no table is called 'prodct'; did you mean product?"),
        ("tables.product.columns.skuu.kind=email", "product has no column skuu; did you mean sku?"),
        ("tables.region.action=synthesize", "country cannot be copied: country_region_fkey refers to region"),
        ("tables.product.columns.grade.generator=jobb", "product.grade: Faker has no provider jobb; did you mean job?"),
        ("tables.product.columns.country.generator={constant: 3}", "product.country: it is part of a foreign key"),
        ("tables.product.columns.sku.generator={constant: 3}", "product.sku: its values must differ"),
        (
            "tables.product.columns.label.generator={function: nowhere:x}",
            "product.label: nowhere:x: the module nowhere",
        ),
        ("tables.product.columns.total.generator={expression: total + 1}", "product.total: the expression reads the"),
        (
            "tables.product.columns.label.generator={expression: (SELECT 1)}",
            "product.label: '(SELECT 1)' is no expression over the columns of a row",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_by_name_before_anything_is_learned(
    make_database: Callable[[], str], folder: Path, key: str, problem: str
) -> None:
    source = make_database()
    query(source, SCHEMA)
    done = dbclone(
        "config", "check", "--config", folder / "dbclone.yaml", "--set", key, SHOP_SOURCE=source, SHOP_TARGET="-"
    )
    assert done.code in (2, 4)
    assert problem in done.err
