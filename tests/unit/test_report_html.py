"""The report page: self-contained, escaped, verdict first."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

from dbclone.model.flow import Check
from dbclone.report.html import Report, TableRows, render_html
from dbclone.report.privacy import NOT_PROMISED, Finding, Privacy
from dbclone.report.quality import measure_quality
from dbclone.schema.model import TableKey
from tests.unit.shop import SHOP

ORDER, CUSTOMER = TableKey("order"), TableKey("customer")
CHECKS = (
    Check(kind="rows", table=ORDER, name="rows", passed=True, found=20, expected=20),
    Check(kind="distance", table=CUSTOMER, name="since", passed=True, found=0.25),
    Check(kind="distance", table=CUSTOMER, name="favourite", passed=True, found=0.75),
)
REPORT = Report(
    source="postgresql://u:***@h/<shop>",
    target="postgresql://u:***@h/twin",
    schema=SHOP,
    tables=(TableRows(table=ORDER, source_rows=10, rows=20),),
    checks=CHECKS,
    seconds={"reflect": 0.5, "load": 2.0},
    warnings=("<script>alert(1)</script>",),
    notes=("a note",),
    seed=7,
    versions={"dbclone": "0.1.0"},
)


class _Balance(HTMLParser):
    """Keeps the stack of open tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    page = render_html(REPORT)
    balance = _Balance()
    balance.feed(page)
    assert balance.open == []
    assert "default-src 'none'" in page
    assert not re.search(r'src\s*=|href\s*=\s*"(?!#)|url\(|@import|https?://', page)


def test_everything_from_outside_is_escaped() -> None:
    page = render_html(REPORT)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "/&lt;shop&gt;" in page


def test_the_verdict_counts_checks_and_comes_first() -> None:
    assert "All 1 checks passed" in render_html(REPORT).split("<section")[0]
    failed = Check(kind="orphans", table=ORDER, name="order_customer", passed=False, found=3, expected=0)
    page = render_html(dataclasses.replace(REPORT, checks=(*CHECKS, failed)))
    assert "1 of 4 checks failed" in page.split("<section")[0]


def test_quality_is_read_from_the_distances() -> None:
    quality = measure_quality(CHECKS)
    assert [item.column for item in quality.distances] == ["favourite", "since"]
    assert quality.shapes == 0.5
    assert quality.median == 0.5
    assert measure_quality(()).shapes is None


def test_the_privacy_page_shows_each_gate_and_what_is_not_promised() -> None:
    passed = Finding(measure="source strings", table=CUSTOMER, column="email", value=0, limit=0, passed=True)
    failed = Finding(measure="linkability", table=ORDER, value=0.4, limit=0.1, passed=False, reference=0.02)
    privacy = Privacy(findings=(passed, failed), compared=1200, searched=900, skipped=("order: too few rows",))
    page = render_html(dataclasses.replace(REPORT, privacy=privacy))
    assert "1 privacy gates failed" in page.split("<section")[0]
    for text in ("1,200 strings", "customer.email", "0.02", "order: too few rows", *NOT_PROMISED):
        assert text in page
    clean = render_html(dataclasses.replace(REPORT, privacy=Privacy(findings=(passed,), compared=1, searched=1)))
    assert "All 1 privacy gates passed" in clean.split("<section")[0]
    assert 'id="privacy"' not in render_html(REPORT)
