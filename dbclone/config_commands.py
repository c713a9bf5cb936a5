"""``dbclone config``: what may be in ``dbclone.yaml``."""

from __future__ import annotations

import typer

from dbclone import options, render
from dbclone.command import Context, carry_out
from dbclone.render import Outcome

app = typer.Typer(
    help="What may be in dbclone.yaml.", no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)


@app.command()
def check(
    source: options.SourceArgument = None,
    config: options.Config = None,
    profile: options.Profile = None,
    set_keys: options.Set = None,
    as_json: options.Json = None,
    quiet: options.Quiet = None,
    progress: options.Progress = None,
    debug: options.Debug = None,
) -> None:
    """Check dbclone.yaml against SOURCE.

    Every table and column that it names, every generator, and whether the schema can be cloned as it says. Counts
    rows, reads some to find references that no foreign key declares, and writes nothing.
    """
    given = locals()

    def work(context: Context) -> Outcome:
        from dbclone import pipeline

        return render.checked(pipeline.plan_source(context.source, context.settings, context.on_event))

    carry_out("config check", work, given)


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
