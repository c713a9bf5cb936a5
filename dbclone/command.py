"""How every command is carried out: what it is called with, its errors as lines or JSON, its exit code.

With :mod:`dbclone.progress`, the only module that prints, and the only one that reads the environment and the clock.
Results go to stdout, talk to stderr; with ``--json`` stdout holds one JSON object, whatever happens.
"""

from __future__ import annotations

import json
import os
import platform
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from dbclone import __version__, render
from dbclone.errors import ConfigurationError, Terminated, interruption
from dbclone.options import SOURCE_VARIABLE, TARGET_VARIABLE
from dbclone.progress import Talk
from dbclone.render import Outcome, without_secrets

if TYPE_CHECKING:
    from pydantic import SecretStr

    from dbclone.config import Call, Settings
    from dbclone.events import OnEvent


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the body of a command works with. ``urls`` are the databases given as arguments."""

    call: Call
    settings: Settings
    on_event: OnEvent
    urls: tuple[str | None, str | None]

    @property
    def source(self) -> str:
        """The source's URL; ConfigurationError if there is none."""
        return _required(_shown(self.call.source), "SOURCE", SOURCE_VARIABLE)

    @property
    def target(self) -> str:
        """The target's URL; ConfigurationError if there is none."""
        return _required(_shown(self.call.target), "TARGET", TARGET_VARIABLE)

    @property
    def optional_source(self) -> str | None:
        """The source's URL, where it need not be given."""
        return _shown(self.call.source)

    @property
    def model(self) -> Path:
        """The model file; ConfigurationError if there is none."""
        if self.call.model is None:
            raise ConfigurationError("MODEL is missing: give a model file, as dbclone train writes it")
        return self.call.model

    def two_urls(self, *, target_needed: bool = True) -> tuple[str, str]:
        """Return source and target of a command that takes both as arguments."""
        return two_urls(*self.urls, _shown(self.call.source), _shown(self.call.target), target_needed=target_needed)


def two_urls(
    first: str | None, second: str | None, source: str | None, target: str | None, *, target_needed: bool
) -> tuple[str, str]:
    """Return source and target: two arguments, or one and the other from its option, variable or the file.

    Where both have been set already, a single argument could replace either: that is refused, not guessed.
    """
    if first and second:
        return first, second
    if first and source and target:
        raise ConfigurationError(
            f"one URL is given, and both {SOURCE_VARIABLE} (--source) and {TARGET_VARIABLE} (--target) are set: "
            "give two URLs, SOURCE and TARGET, or none"
        )
    if first and source:
        return source, first
    source = _required(first or source, "SOURCE", SOURCE_VARIABLE)
    return source, _required(target, "TARGET", TARGET_VARIABLE) if target_needed else target or ""


def _shown(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _required(url: str | None, name: str, variable: str) -> str:
    if not url:
        raise ConfigurationError(f"{name} is missing: give a database URL, or set {variable}")
    return url


def carry_out(command: str, work: Callable[[Context], Outcome], given: Mapping[str, Any]) -> NoReturn:
    """Carry out a command and end with its exit code: every error becomes lines for people, or JSON, here.

    ``given`` are the command's parameters by name.
    """
    talk = Talk(quiet=bool(given["quiet"]))
    as_json, debug, seed = bool(given["as_json"]), bool(given["debug"]), given.get("seed")
    failed = False
    try:
        # pydantic, a tenth of a second, comes with the settings: --help needs none.
        from dbclone.config_file import read_call

        call = read_call(
            given,
            file=given["config"],
            profile=given["profile"],
            set_keys=given["set_keys"] or (),
            environment=os.environ,
        )
        as_json, debug, talk.quiet, talk.form = call.as_json, call.debug, call.quiet, call.progress
        settings = call.settings(datetime.now().astimezone())
        with talk:
            outcome = work(
                Context(
                    call=call,
                    settings=settings,
                    on_event=talk.on_event,
                    urls=(given.get("first"), given.get("second")),
                )
            )
    except (Exception, KeyboardInterrupt, Terminated) as error:  # noqa: BLE001 - the last: it reports whatever it is
        failed = True
        outcome = render.failed(interruption(error) or error, talk.stage)
        if debug:
            typer.echo(without_secrets(traceback.format_exc()), err=True)
        say(outcome.lines)
    if as_json:
        print_json({"command": command, "seed": seed, **talk.record()}, outcome)
    elif not failed:
        typer.echo("\n".join(outcome.lines))
    raise typer.Exit(outcome.exit_code)


def print_json(record: Mapping[str, Any], outcome: Outcome) -> None:
    """Print the one JSON object of a command."""
    document = {
        "status": "failed" if outcome.exit_code else "ok",
        "exit_code": outcome.exit_code,
        "tables": [],
        **record,
        **outcome.data,
        "versions": {"dbclone": __version__, "python": platform.python_version(), **outcome.versions},
    }
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def say(lines: Sequence[str]) -> None:
    """Print lines on stderr."""
    for line in lines:
        typer.echo(without_secrets(line), err=True)
