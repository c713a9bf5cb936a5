"""Diagrams in both notations, whatever the names are."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from dbclone.errors import ConfigurationError
from dbclone.report.diagram import diagram, dot, mermaid, svg
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
