"""Every option of the command line is a key of the file and the other way round; what is shipped says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import yaml
from typer.main import get_command

from dbclone.cli import app
from dbclone.config import Call, Document
from dbclone.config_file import read_call
from dbclone.config_reference import SCHEMA_FILE, json_schema, leaves, reference
from dbclone.options import FILE_OPTIONS, OPTIONS
from tests.command import ROOT

NOT_IN_THE_FILE = {*FILE_OPTIONS, "help", "first", "second", "version", "install_completion", "show_completion"}
"""What chooses the file or the command, and two arguments that are --source and --target by place."""


def parameters() -> Iterator[tuple[str, str]]:
    """Yield every command with each of its parameters."""
    waiting = [("dbclone", get_command(app))]
    while waiting:
        name, command = waiting.pop()
        yield from ((name, parameter.name or "") for parameter in command.params)
        waiting += [(f"{name} {key}", inner) for key, inner in getattr(command, "commands", {}).items()]


def test_every_option_has_a_key_of_the_file() -> None:
    missing = [item for item in parameters() if item[1] not in {*OPTIONS, *NOT_IN_THE_FILE}]
    assert not missing
    keys = {path for path, _ in leaves(Document)}
    assert not {option.key for option in OPTIONS.values()} - keys


def test_every_option_that_is_declared_is_taken_by_a_command() -> None:
    assert set(OPTIONS) == {name for _, name in parameters()} - NOT_IN_THE_FILE


def test_every_key_of_the_file_can_be_given_on_the_command_line() -> None:
    """By an option of its own, or by --set, which takes any key: a whole list or mapping is one."""
    for path, value in EXAMPLES.items():
        key = path.replace("*", "store")
        more = [f"{key.removesuffix('locale')}faker=name"] if key.endswith("locale") else []
        call = read_call({}, set_keys=[f"{key}={json.dumps(value)}", *more], environment={})
        assert call != Call(), path
    own = {option.key for option in OPTIONS.values()}
    assert {path for path, _ in leaves(Document) if not path.startswith("profiles")} <= own | set(EXAMPLES)


EXAMPLES = {
    "polymorphic": [{"table": "a", "column": "b", "type_column": "c", "targets": {"D": "d.id"}}],
    "tables.*.action": "empty",
    "privacy.source_strings": 1,
    "privacy.identical_rows": 1,
    "privacy.closest_record": 1,
    "privacy.membership_inference": 1,
    "privacy.singling_out": 1,
    "privacy.linkability": 1,
    "privacy.rare_combinations": 1,
    "tables.*.scale": 2,
    "tables.*.columns.*.kind": "email",
    "tables.*.columns.*.keep_null_share": False,
    "tables.*.columns.*.unique": True,
    "tables.*.columns.*.generator.faker": "job",
    "tables.*.columns.*.generator.pattern": "[a-z]",
    "tables.*.columns.*.generator.choices": {"a": 1},
    "tables.*.columns.*.generator.constant": 3,
    "tables.*.columns.*.generator.expression": "a + b",
    "tables.*.columns.*.generator.function": "shop.values:sku",
    "tables.*.columns.*.generator.locale": "de_DE",
    "hooks.before_load": "before.sql",
    "hooks.after_load": ["a.sql", "b.sql"],
}


def test_the_shipped_schema_is_current() -> None:
    shipped = (files("dbclone") / SCHEMA_FILE).read_text(encoding="utf-8")
    assert shipped == json_schema(), f"dbclone config schema > dbclone/{SCHEMA_FILE}"


def test_the_reference_is_current() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == reference(), (
        "dbclone config reference > docs/configuration.md"
    )


def test_the_example_of_the_reference_is_a_valid_file(tmp_path: Path) -> None:
    text = (ROOT / "docs/configuration.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    file = tmp_path / "dbclone.yaml"
    file.write_text(text)
    urls = {"DBCLONE_SOURCE": "embedded:a", "DBCLONE_TARGET": "embedded:b"}
    for profile in (None, *yaml.safe_load(text)["profiles"]):
        read_call({}, file=file, profile=profile, environment=urls)
