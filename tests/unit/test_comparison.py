"""Source and clone side by side: shares that add up, labels that the clone has, and a page that shows them."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pyarrow as pa
import pytest

from dbclone.model.flow import FanOut, Sample, TableSample
from dbclone.report.comparison import Comparison, compare_samples
from dbclone.report.html import render_html
from dbclone.schema.model import Column, ForeignKey, Schema, Table, TableKey
from tests.unit.test_report_html import REPORT

SHOP, SALE = TableKey("shop"), TableKey("sale")
SCHEMA = Schema(
    dialect="postgresql",
    server_version="15",
    default_schema="public",
    tables=(
        Table(
            schema="public",
            name="sale",
            key=SALE,
            columns=(
                Column(name="shop_id", type="integer", kind="integer", nullable=False),
                Column(name="price", type="integer", kind="integer", nullable=True),
                Column(name="colour", type="text", kind="text", nullable=False),
                Column(name="sold", type="timestamp", kind="timestamp", nullable=False),
            ),
            primary_key=(),
            foreign_keys=(
                ForeignKey(name="sale_shop_fk", columns=("shop_id",), parent=SHOP, parent_columns=("shop_id",)),
            ),
        ),
        Table(
            schema="public",
            name="shop",
            key=SHOP,
            columns=(Column(name="shop_id", type="integer", kind="integer", nullable=False),),
            primary_key=("shop_id",),
        ),
    ),
)
COLUMNS = {SALE: ("price", "colour", "sold")}


def sample(seed: int, *, colours: tuple[str, ...], most: int, shops: int = 40) -> Sample:
    random = np.random.default_rng(seed)
    owner = np.sort(random.integers(0, shops, 400))
    price = random.integers(0, most, 400)
    rows = pa.table(
        {
            "shop_id": pa.array(owner),
            "price": pa.array([None if p % 10 == 0 else int(p) for p in price], pa.int64()),
            "colour": pa.array([colours[p % len(colours)] for p in price]),
            "sold": pa.array(random.integers(0, 10**15, 400)).cast(pa.timestamp("us")),
        }
    )
    shop = pa.table({"shop_id": pa.array(np.arange(shops))})
    fan_out = FanOut(
        child=SALE,
        foreign_key="sale_shop_fk",
        counts=np.bincount(owner, minlength=shops),
        complete=np.ones(shops, dtype=bool),
        cap=100,
    )
    return Sample(
        tables={
            key: TableSample(rows=table, base=np.ones(table.num_rows, dtype=bool))
            for key, table in ((SALE, rows), (SHOP, shop))
        },
        source_rows={SALE: 400, SHOP: shops},
        null_references={},
        fan_outs=(fan_out,),
    )


SECRET = "only-in-the-source"  # noqa: S105 - a colour
SOURCE = sample(1, colours=("red", "green", SECRET), most=900)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare_samples(SCHEMA, SOURCE, sample(2, colours=("red", "green"), most=300), COLUMNS)


def test_shares_of_both_sides_add_up(comparison: Comparison) -> None:
    for picture in comparison.pictures:
        assert sum(picture.source) == pytest.approx(1)
        assert sum(picture.clone) == pytest.approx(1)
        assert len(picture.source) == len(picture.clone)
    assert {picture.of for picture in comparison.pictures} == {"values", "labels", "weekday", "hour", "children"}


def test_nothing_is_shown_that_only_the_source_has(comparison: Comparison) -> None:
    (price,) = (p for p in comparison.pictures if p.name == "price")
    assert int(price.labels[1]) < 300
    assert price.source[-1] > 0.5
    assert 0.05 < price.nulls[0] < 0.2
    (colour,) = (p for p in comparison.pictures if p.name == "colour")
    assert colour.labels == ("red", "green", "other") or colour.labels == ("green", "red", "other")
    assert colour.source[2] == pytest.approx(1 / 3, abs=0.1)
    assert colour.clone[2] == 0


def test_the_farthest_come_first_and_a_twin_is_near(comparison: Comparison) -> None:
    found = [figure.distance for figure in comparison.worst]
    assert found == sorted(found, reverse=True)
    assert len(found) == 10
    same = compare_samples(SCHEMA, SOURCE, SOURCE, COLUMNS)
    assert all(figure.distance == 0 for figure in same.fidelity.figures)
    ceiling = same.ceiling.mean("shape")
    assert ceiling is not None
    assert 0 < ceiling < 0.3
    assert same.ceiling.mean("fan-out") is None


def test_so_few_parents_that_they_are_no_distribution_tell_no_distance() -> None:
    few = sample(3, colours=("red",), most=9, shops=2)
    found = compare_samples(SCHEMA, few, few, COLUMNS)
    assert found.fidelity.mean("fan-out") is None
    assert found.pictured("children")


def test_the_page_shows_every_picture_and_still_loads_nothing(comparison: Comparison) -> None:
    page = render_html(dataclasses.replace(REPORT, comparison=comparison))
    for title in ("Quality", "Columns", "Associations", "Children per parent", "Weekdays and hours", "Schema"):
        assert f"<h2>{title}</h2>" in page
    assert page.count('<svg class="chart"') == len(comparison.pictures)
    assert page.count('<svg class="map"') == 3 * len(comparison.associations)
    assert SECRET not in page
    assert not re.search(r'src\s*=|href\s*=\s*"(?!#)|url\(|@import|https?://', page)
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors == set(re.findall(r'<section id="([^"]+)"', page))
