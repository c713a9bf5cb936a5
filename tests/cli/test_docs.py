"""What the documents say can be done: every command is one, every link leads somewhere, every code has its line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dbclone import errors
from dbclone.errors import DbcloneError
from tests.command import ROOT
from tests.documented import commands, parse

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shell(text: str) -> str:
    """Return all shell blocks of a document, and what stands between backticks in its text."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    inline = [" ".join(code.split()) for code in re.findall(r"`(dbclone [^`]+)`", prose)]
    return "\n".join([*blocks, *(code for code in inline if "…" not in code)])


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_every_command_is_one(file: Path) -> None:
    for arguments in commands(shell(file.read_text())):
        parse(arguments)


def test_commands_are_found() -> None:
    assert sum(len(list(commands(shell(file.read_text())))) for file in DOCUMENTS) > 20


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: file.name)
def test_every_link_within_the_project_leads_somewhere(file: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", file.read_text())
    assert all((file.parent / link).exists() for link in links if "://" not in link)


def test_every_exit_code_has_a_line() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text()
    lines = [line.split("|")[1] for line in text.splitlines() if re.match(r"\| \d", line)]
    shown = {int(code) for line in lines for code in re.findall(r"\d+", line)}
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DbcloneError)]
    assert {kind.exit_code for kind in kinds} | {0, errors.INTERRUPTED_EXIT_CODE} <= shown
