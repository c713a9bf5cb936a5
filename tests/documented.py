"""Commands of dbclone as documentation and examples write them: found, and parsed by the command line itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer.main import get_command

from dbclone.cli import app


def parse(arguments: Sequence[str]) -> None:
    """Have the command line parse a command without running it; fails the test if it would be refused."""
    command: Any = get_command(app)
    rest = list(arguments)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    # Parsing these two would carry them out, on the shell of whoever runs the tests.
    asked = [word for word in rest if word in ("--install-completion", "--show-completion")]
    if asked:
        assert set(asked) <= {flag for parameter in command.params for flag in parameter.opts}
        return
    try:
        command.make_context(command.name, rest)
    except typer.Exit:
        pass  # --help and --version end it
    except typer.TyperException as error:
        raise AssertionError(f"dbclone {' '.join(arguments)}: {error.format_message()}") from error


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of every command of dbclone in a shell script: variables before it and pipes are left out."""
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in joined.splitlines():
        words = shlex.split(line, comments=True)
        while words and (re.fullmatch(r"[A-Z_]+=.*", words[0]) or words[0] in ("$", "sudo")):
            words = words[1:]
        if words and words[0].rpartition("/")[2] == "dbclone":
            end = next((n for n, word in enumerate(words) if word in ("|", ">", "&&", ";", "||")), len(words))
            yield words[1:end]
