"""``dbclone config``: what may be in ``dbclone.yaml``."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="What may be in dbclone.yaml.", no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)


@app.command()
def schema() -> None:
    """Print the JSON Schema of dbclone.yaml, for editors."""
    from dbclone.config_reference import json_schema

    typer.echo(json_schema(), nl=False)


@app.command()
def reference() -> None:
    """Print every key of dbclone.yaml with its type, its option and what it is for, as Markdown."""
    from dbclone.config_reference import reference as text

    typer.echo(text(), nl=False)
