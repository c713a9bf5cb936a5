"""The commands that only look: ``diff``, ``verify`` and ``metadata``; :mod:`dbclone.cli` has the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from dbclone import options, render
from dbclone.command import Context, carry_out
from dbclone.render import Outcome


def diff(
    first: Annotated[str | None, typer.Argument(metavar="SOURCE", help="The database as it should be.")] = None,
    second: Annotated[str | None, typer.Argument(metavar="TARGET", help="The database to compare with it.")] = None,
    source: options.SourceOption = None,
    target: options.TargetOption = None,
    tables: options.Tables = None,
    exclude: options.Exclude = None,
    write_revision: options.WriteRevision = None,
    config: options.Config = None,
    profile: options.Profile = None,
    set_keys: options.Set = None,
    as_json: options.Json = None,
    quiet: options.Quiet = None,
    progress: options.Progress = None,
    debug: options.Debug = None,
) -> None:
    """Print how the definition of TARGET differs from SOURCE's.

    Tables, keys, checks, types, views, functions, triggers, policies, sequences, comments. Exit code 0 if nothing
    differs, 5 if anything does. A revision is carried out on TARGET before it is written, and rolled back.
    """
    given = locals()

    def work(context: Context) -> Outcome:
        from dbclone import inspection

        folder = context.call.diff.write_revision
        source_url, target_url = context.two_urls()
        found = inspection.diff(source_url, target_url, context.settings, context.on_event, revision_folder=folder)
        return render.compared(found)

    carry_out("diff", work, given)


def verify(
    target: options.TargetArgument = None,
    source: options.SourceOption = None,
    model: options.ModelOption = None,
    require_signature: options.RequireSignature = None,
    privacy: options.Privacy = None,
    report: options.Report = None,
    sample_rows: options.SampleRows = None,
    seed: options.Seed = None,
    tables: options.Tables = None,
    exclude: options.Exclude = None,
    config: options.Config = None,
    profile: options.Profile = None,
    set_keys: options.Set = None,
    as_json: options.Json = None,
    quiet: options.Quiet = None,
    progress: options.Progress = None,
    debug: options.Debug = None,
) -> None:
    """Recount everything in TARGET.

    Rows, orphans, uniqueness, NOT NULL, CHECKs, sequences. With --source or --model, its schema is compared too, and
    with --source the distribution of every column.

    With --privacy: strings of the source that are in TARGET, rows too close to real ones, and how well attacks succeed
    (exit code 8 if a gate fails). Give it the --sample-rows and --seed that TARGET was made with.
    """
    given = locals()

    def work(context: Context) -> Outcome:
        from dbclone import inspection
        from dbclone.reporting import report_verified

        search = context.call.verify.privacy
        found = inspection.verify_target(
            context.target,
            context.settings,
            context.on_event,
            source=context.source if search else context.optional_source,
            model_file=context.call.model,
        )
        if search:
            from dbclone.privacy import verify_privacy

            searched = verify_privacy(context.target, context.source, context.settings, context.on_event)
            found = replace(found, privacy=searched)
        return render.verified(report_verified(found, context.settings))

    carry_out("verify", work, given)


def metadata(
    source: options.SourceArgument = None,
    metadata_out: options.MetadataOut = None,
    diagram: options.Diagram = None,
    tables: options.Tables = None,
    exclude: options.Exclude = None,
    config: options.Config = None,
    profile: options.Profile = None,
    set_keys: options.Set = None,
    as_json: options.Json = None,
    quiet: options.Quiet = None,
    progress: options.Progress = None,
    debug: options.Debug = None,
) -> None:
    """Print the metadata of SOURCE, as SDV loads it."""
    given = locals()

    def work(context: Context) -> Outcome:
        from dbclone import inspection

        found = inspection.source_metadata(
            context.source,
            context.settings,
            context.on_event,
            out=context.call.metadata.out,
            diagram_file=context.call.diagram,
        )
        return render.described(found)

    carry_out("metadata", work, given)
