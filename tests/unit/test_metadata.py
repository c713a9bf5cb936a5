"""The metadata of a database is what SDV itself loads and validates; what SDV cannot hold is said."""

from __future__ import annotations

import json
from pathlib import Path

from dbclone.learn.metadata import database_metadata, describe_database, metadata_notes
from tests.unit.shop import SHOP, column, foreign_key, schema, table


def test_sdv_loads_and_validates_the_file(tmp_path: Path) -> None:
    from sdv.metadata import Metadata

    file = tmp_path / "metadata.json"
    file.write_text(json.dumps(describe_database(SHOP).metadata))
    loaded = Metadata.load_from_json(str(file))
    loaded.validate()
    assert loaded.to_dict() == database_metadata(SHOP).to_dict()
    assert set(loaded.tables) == {"article", "customer", "order", '"order line"'}


def test_composite_keys_are_kept_in_the_order_of_the_primary_key() -> None:
    relationships = describe_database(SHOP).metadata["relationships"]
    assert {
        "parent_table_name": "order",
        "child_table_name": '"order line"',
        "parent_primary_key": ["customer", "number"],
        "child_foreign_key": ["customer", "order number"],
    } in relationships


def test_what_sdv_cannot_hold_is_left_out_and_noted() -> None:
    notes = {(note.table, note.message.split(" ")[0]): note.message for note in metadata_notes(SHOP)}
    assert "self-reference" in notes["article", "article_part"]
    assert "another foreign key" in notes['"order line"', "line_article_again"]
    assert sum("cycle" in message for message in notes.values()) == 1
    assert len(describe_database(SHOP).metadata["relationships"]) == 4


def test_a_reference_to_a_unique_key_is_left_out() -> None:
    parent = table("parent", column("id"), column("code", "text"), primary_key=("id",))
    key = foreign_key("by_code", ("parent_code",), "parent", ("code",))
    child = table("child", column("parent_code", "text"), foreign_keys=(key,))
    (note,) = metadata_notes(schema(parent, child))
    assert "other columns of parent than its primary key" in note.message


def test_sdtypes_follow_the_kinds() -> None:
    columns = describe_database(SHOP).metadata["tables"]["article"]["columns"]
    assert columns["id"] == {"sdtype": "id"}
    assert columns["bought_by"] == {"sdtype": "id", "range_is_nullable": True}
    customer = describe_database(SHOP).metadata["tables"]["customer"]
    assert customer["alternate_keys"] == ["email"]
    assert customer["columns"]["since"] == {
        "sdtype": "datetime",
        "datetime_format": "%Y-%m-%d",
        "range_is_nullable": True,
    }
