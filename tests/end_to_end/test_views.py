"""Materialized views of the twin: filled, or there without rows and said."""

from __future__ import annotations

from collections.abc import Callable

from tests.command import dbclone
from tests.end_to_end.conftest import query

SCHEMA = """
    CREATE TABLE item (
        item_id integer PRIMARY KEY,
        colour text NOT NULL CHECK (colour IN ('red', 'green', 'blue'))
    );
    INSERT INTO item VALUES (1, 'red'), (2, 'green'), (3, 'blue');
    CREATE MATERIALIZED VIEW item_count AS SELECT count(*) AS items FROM item;
    CREATE MATERIALIZED VIEW by_colour AS SELECT colour, item_id FROM item;
    CREATE UNIQUE INDEX by_colour_key ON by_colour (colour);
"""


def test_a_view_whose_own_key_the_rows_break_stays_empty_and_is_named(make_database: Callable[[], str]) -> None:
    source, target = make_database(), make_database()
    query(source, SCHEMA)
    done = dbclone("clone", source, target, "--rows", "item=50", "--json")
    assert done.code == 0, done.err
    warnings = done.json["warnings"]
    assert [w for w in warnings if "by_colour" in w and "two rows have the same key" in w]
    assert query(target, "SELECT items FROM item_count") == [(50,)]
    assert query(target, "SELECT relname, relispopulated FROM pg_class WHERE relkind = 'm' ORDER BY 1") == [
        ("by_colour", False),
        ("item_count", True),
    ]
