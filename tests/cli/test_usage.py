"""The command line without a database: help, errors of usage, and what happens to errors."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dbclone import __version__, pipeline
from dbclone.cli import app
from dbclone.command import two_urls
from dbclone.errors import ConfigurationError
from tests.command import PASSWORD, ROOT, dbclone

COMMANDS = ("clone", "plan", "train", "generate", "verify", "metadata", "demo")
SECRET_URL = f"postgresql://ann:{PASSWORD}@127.0.0.1:1/shop"
"""Nothing listens on port 1."""


def test_help_names_every_command() -> None:
    done = dbclone("--help")
    assert done.code == 0
    for command in COMMANDS:
        assert f"  {command} " in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    for option in ("--json", "--quiet", "--debug"):
        assert option in result.stdout


def test_help_imports_nothing_heavy() -> None:
    """Measured at 0.15 s. A time would depend on the machine; what is imported does not."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dbclone", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert not imported & {"numpy", "pandas", "pyarrow", "sqlalchemy", "psycopg", "pydantic", "networkx", "sdv", "rich"}


def test_version() -> None:
    assert dbclone("--version").out == f"dbclone {__version__}\n"


def test_without_a_command_help_is_shown() -> None:
    done = dbclone()
    assert done.code == 2
    assert "clone" in done.err


def test_an_unknown_option_is_an_error_of_usage() -> None:
    done = dbclone("plan", SECRET_URL, "--scales", "2")
    assert done.code == 2
    assert "--scale" in done.err
    assert done.out == ""


def test_errors_of_usage_are_json_when_json_is_asked_for() -> None:
    done = dbclone("plan", SECRET_URL, "--json", "--nonsense")
    assert done.code == 2
    assert done.json["status"] == "failed"
    assert done.json["error"]["exit_code"] == 2


def test_a_url_in_the_wrong_place_is_repeated_without_its_password() -> None:
    done = dbclone("plan", SECRET_URL, SECRET_URL)
    assert done.code == 2
    assert "postgresql://ann:***@" in done.err


@pytest.mark.parametrize("command", [["plan"], ["train", "--out", "m"], ["metadata"], ["clone"]])
def test_a_missing_source_names_the_variable(command: list[str]) -> None:
    done = dbclone(*command)
    assert done.code == 2
    assert "DBCLONE_SOURCE" in done.err


def test_clone_without_a_target_names_the_variable() -> None:
    done = dbclone("clone", SECRET_URL)
    assert done.code == 2
    assert "DBCLONE_TARGET" in done.err


@pytest.mark.parametrize(
    "options",
    [["--scale", "0"], ["--scale=-1"], ["--rows", "store"], ["--sample-rows", "0"], ["--on-existing", "drop"]],
)
def test_wrong_values_are_refused_before_connecting(options: list[str]) -> None:
    done = dbclone("clone", SECRET_URL, SECRET_URL, *options)
    assert done.code == 2
    assert done.err.startswith(f"error: {options[0].partition('=')[0]}")


def test_json_of_an_error_has_every_part() -> None:
    done = dbclone("plan", SECRET_URL, "--json", "--scale", "0")
    document = done.json
    assert document["status"] == "failed"
    assert document["exit_code"] == document["error"]["exit_code"] == done.code == 2
    assert document["versions"]["dbclone"] == __version__
    assert document["tables"] == document["checks"] == document["warnings"] == []
    assert set(document["error"]) == {"exit_code", "stage", "message", "details"}


def test_an_unreachable_host_is_exit_code_3_and_one_line() -> None:
    done = dbclone("plan", SECRET_URL, "--quiet")
    assert done.code == 3
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("error: connect: source: ")


def test_a_host_that_does_not_exist_is_exit_code_3() -> None:
    assert dbclone("plan", f"postgresql://ann:{PASSWORD}@no-such-host.invalid/shop").code == 3


def test_a_server_that_is_no_database_is_exit_code_3() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        listener.settimeout(0.01)
        done = dbclone("plan", f"postgresql://ann:{PASSWORD}@127.0.0.1:{port}/shop?connect_timeout=2")
    assert done.code == 3


@pytest.mark.parametrize("url", ["shop", "oracle://ann@host/shop", "embedded:", "@/no/such/file"])
def test_what_is_no_url_is_exit_code_2(url: str) -> None:
    assert dbclone("plan", url).code == 2


def test_the_url_may_come_from_a_file_and_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.write_text(SECRET_URL + "\n")
    assert dbclone("plan", f"@{file}").code == 3
    assert dbclone("plan", DBCLONE_SOURCE=f"@{file}").code == 3
    assert dbclone("plan", DBCLONE_SOURCE=SECRET_URL).code == 3


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("a", "b", None, None), ("a", "b")),
        (("a", "b", "S", "T"), ("a", "b")),
        (("b", None, "S", None), ("S", "b")),
        (("a", None, None, "T"), ("a", "T")),
        ((None, None, "S", "T"), ("S", "T")),
    ],
)
def test_one_url_goes_where_one_is_missing(
    given: tuple[str | None, str | None, str | None, str | None], expected: tuple[str, str]
) -> None:
    assert two_urls(*given, target_needed=True) == expected


def test_one_url_that_could_replace_either_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="both"):
        two_urls("a", None, "S", "T", target_needed=True)


def _raising(error: BaseException) -> object:
    def plan_source(*_: object, **__: object) -> None:
        raise error

    return plan_source


def test_a_bug_is_one_line_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "plan_source", _raising(ValueError("the value of a row")))
    result = CliRunner().invoke(app, ["plan", SECRET_URL])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "error: this is a bug in dbclone (ValueError): --debug shows where; please report it"
    ]


def test_debug_shows_the_traceback_of_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "plan_source", _raising(ValueError(f"cannot use {SECRET_URL}")))
    result = CliRunner().invoke(app, ["plan", SECRET_URL, "--debug"])
    assert "Traceback" in result.stderr
    assert PASSWORD not in result.stderr


def test_ctrl_c_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "plan_source", _raising(KeyboardInterrupt()))
    result = CliRunner().invoke(app, ["plan", SECRET_URL, "--json"])
    assert result.exit_code == 130
    assert json.loads(result.stdout)["error"]["message"] == "interrupted"


def test_the_chain_of_causes_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    error = ConfigurationError("the report cannot be written", details=["first problem", "second problem"])
    error.__cause__ = ConfigurationError("graphviz is missing")
    monkeypatch.setattr(pipeline, "plan_source", _raising(error))
    result = CliRunner().invoke(app, ["plan", SECRET_URL])
    assert result.stderr.splitlines() == [
        "error: the report cannot be written ← graphviz is missing",
        "  first problem",
        "  second problem",
    ]
