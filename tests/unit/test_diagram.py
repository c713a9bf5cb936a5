"""Diagrams in both notations, whatever the names are."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from dbclone.errors import ConfigurationError
from dbclone.report.diagram import diagram, dot, mermaid, plan_diagram, star_colours, svg
from dbclone.schema.plan import PlanOptions, make_plan
from tests.unit.shop import SHOP, column, schema, table


def test_mermaid_shows_cardinality_of_every_foreign_key() -> None:
    text = mermaid(SHOP)
    assert '"customer" ||--o{ "order" : "order_customer"' in text
    assert '"article" |o--o{ "article" : "article_part"' in text
    assert text.count("--o") == 7


def test_mermaid_holds_no_character_that_mermaid_refuses() -> None:
    odd = table('bad "name" 100%', column("2019 \\ sales", type="numeric(10,2)"), primary_key=("2019 \\ sales",))
    name, attribute = re.findall(r'"([^"]*)" \{\n +(.*)\n', mermaid(schema(odd)))[0]
    assert not re.search(r'["%\\]', name)
    assert attribute == "numeric(10_2) _2019_sales PK"


def test_dot_escapes_names() -> None:
    text = dot(schema(table('<b> & "q"', column("x<y"))))
    assert '"\\"<b> & \\"\\"q' in text
    assert "&lt;b&gt; &amp; &quot;&quot;q&quot;&quot;" in text
    assert "x&lt;y" in text


def test_svg_without_graphviz_names_the_other_notation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"\.mmd"):
        svg(SHOP)


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
def test_graphviz_draws_it() -> None:
    assert "<svg" in svg(SHOP)


def test_another_suffix_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"\.svg or \.mmd"):
        diagram(SHOP, Path("schema.png"))


def test_a_plan_is_drawn_with_the_tables_of_a_star_in_one_colour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(SHOP, {table.key: 100 for table in SHOP.tables}, PlanOptions())
    monkeypatch.setattr("shutil.which", lambda _: None)
    file, text = plan_diagram(SHOP, plan.stars, tmp_path / "plan.svg")
    assert file == tmp_path / "plan.mmd"
    assert text.startswith("flowchart LR")
    colours = star_colours(plan.stars)
    assert text.count("style ") == len(colours)
    for star in plan.stars:
        assert colours[star.parent] in text
    assert all(colour in dot(SHOP, plan.stars) for colour in colours.values())
    with pytest.raises(ConfigurationError, match="must end in"):
        plan_diagram(SHOP, plan.stars, tmp_path / "plan.png")
