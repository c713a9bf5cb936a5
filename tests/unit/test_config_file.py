"""``dbclone.yaml``: profiles, environment, precedence, and mistakes that are named with file, line, key and remedy."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from dbclone.config import Call
from dbclone.config_file import read_call
from dbclone.errors import ConfigurationError
from dbclone.schema.model import TableKey

FILE = """
scale: 0.5
source: ${SOURCE}
report: twin.html
tables:
  audit.*: {action: skip}
  "*": {scale: 2}
  store: {rows: 7}
polymorphic:
  - table: note
    column: subject_id
    type_column: subject
    targets: {Order: order.id, Store: store.id}
profiles:
  staging:
    seed: 3
    tables: {store: {rows: 70}}
  ci:
    extends: staging
    scale: 0.01
"""
ENVIRONMENT = {"SOURCE": "postgresql://ann@host/shop"}


def read(folder: Path, text: str = FILE, *, environment: dict[str, str] | None = None, **more: Any) -> Call:
    file = folder / "dbclone.yaml"
    file.write_text(dedent(text))
    given = more.pop("given", {})
    return read_call(given, file=file, environment=ENVIRONMENT if environment is None else environment, **more)


def refusal(folder: Path, text: str, **more: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read(folder, text, **more)
    lines = caught.value.details or (str(caught.value),)
    return [line.removeprefix(f"{folder}/") for line in lines]


def test_a_file_is_read_with_the_environment(tmp_path: Path) -> None:
    call = read(tmp_path)
    assert call.scale == 0.5
    assert call.source is not None
    assert call.source.get_secret_value() == "postgresql://ann@host/shop"
    assert call.settings().declared == (
        "note.subject_id[subject=Order]=order.id",
        "note.subject_id[subject=Store]=store.id",
    )


def test_a_profile_goes_before_what_it_extends_and_that_before_the_file(tmp_path: Path) -> None:
    call = read(tmp_path, profile="ci")
    assert (call.scale, call.seed, call.tables["store"].rows) == (0.01, 3, 70)
    assert read(tmp_path, profile="staging").scale == 0.5


def test_the_command_line_goes_before_the_profile(tmp_path: Path) -> None:
    given = {"scale": 0.25, "rows": ["store=1"], "seed": None}
    call = read(tmp_path, profile="ci", given=given)
    assert (call.scale, call.seed, call.tables["store"].rows) == (0.25, 3, 1)


def test_any_key_can_be_set(tmp_path: Path) -> None:
    call = read(tmp_path, set_keys=['tables."sales.order".action=empty', "exclude=[a, b]", "scale=4"])
    assert call.tables["sales.order"].action == "empty"
    assert (call.exclude, call.scale) == (("a", "b"), 4.0)


def test_a_name_goes_before_a_pattern_and_a_later_pattern_before_an_earlier(tmp_path: Path) -> None:
    settings = read(tmp_path).settings()
    keys = [TableKey(key) for key in ("store", "audit.log", "order")]
    assert settings.skipped(keys) == ("audit.log",)
    options = settings.plan_options(keys)
    assert dict(options.scales) == dict.fromkeys(keys, 2.0)
    assert options.rows == (("store", 7),)


def test_files_are_beside_the_configuration(tmp_path: Path) -> None:
    assert read(tmp_path).report == tmp_path / "twin.html"
    assert read(tmp_path, given={"report": Path("own.html")}).report == Path("own.html")


def test_a_url_is_never_shown(tmp_path: Path) -> None:
    call = read(tmp_path, environment={"SOURCE": "postgresql://ann:s3cret@host/shop"})
    assert "s3cret" not in repr(call)
    assert not hasattr(call.settings(), "source")


def test_a_default_stands_in_for_a_variable_and_a_dollar_may_be_plain(tmp_path: Path) -> None:
    assert read(tmp_path, "scale: ${SCALE:-0.3}", environment={}).scale == 0.3
    assert read(tmp_path, "scale: ${SCALE:-0.3}", environment={"SCALE": "2"}).scale == 2.0
    assert read(tmp_path, "exclude: $${A}", environment={}).exclude == ("${A}",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("scale: 1\nsacle: 2\n", "dbclone.yaml:2: sacle: there is no such key; did you mean scale?"),
        (
            "tables:\n  store:\n    row: 3\n",
            "dbclone.yaml:3: tables.store.row: there is no such key; did you mean rows?",
        ),
        ("tables:\n  store:\n    rows: many\n", "dbclone.yaml:3: tables.store.rows: input should be a valid integer"),
        ("on_existing: drop", "dbclone.yaml:1: on_existing: input should be 'refuse', 'truncate' or 'append'"),
        ("source: ${NOBODY}", "dbclone.yaml:1: source: the environment variable NOBODY is not set"),
        ("scale: 1\nseed: 2\nscale: 2\n", "dbclone.yaml:3: scale is there twice, first at "),
        ("scale: [1\n", "dbclone.yaml:2: "),
        ("- scale\n", "dbclone.yaml:1: the file is no mapping"),
        ("profiles:\n  ci:\n    extends: staging\n", "dbclone.yaml:3: extends staging: there is no such profile"),
        ("profiles:\n  ci:\n    extends: ci\n", "dbclone.yaml:3: extends ci: the profiles ci extend each other"),
        ("profiles: {ci: {sead: 1}}", "dbclone.yaml:1: sead: there is no such key; did you mean seed?"),
        ("report: no/such/folder.html", "dbclone.yaml:1: report: there is no folder"),
        ("scale: !!python/object:os.system 1", "dbclone.yaml:1: scale: what is written there is no plain value"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_what_is_right(tmp_path: Path, text: str, problem: str) -> None:
    profile = "ci" if text.startswith("profiles") else None
    (line,) = refusal(tmp_path, text, profile=profile)
    assert line.startswith(problem)


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    (line,) = refusal(tmp_path, FILE, profile="stagin")
    assert line.endswith("--profile stagin: there is no such profile; did you mean staging?")


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    lines = refusal(tmp_path, "scale: -1\nseed: x\n", given={"sample_rows": 0})
    assert [line.split(" ")[0] for line in lines] == ["dbclone.yaml:1:", "--sample-rows:", "dbclone.yaml:2:"]


@pytest.mark.parametrize("text", ["scale", "=3", "scale=[", 'tables."a=3'])
def test_what_cannot_be_set_is_refused(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, "", set_keys=[text])[0].startswith("--set")


def test_a_profile_without_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="--config"):
        read_call({}, profile="ci", environment={})
