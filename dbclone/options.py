"""The options of the command line, each declared once: its flag, its key in ``dbclone.yaml``, what it is for.

Commands take the annotated types below as parameters; :mod:`dbclone.config` describes the same keys in the
same words. An option that is added here needs a field of its key there; a test says so if it is forgotten.

Nothing but Typer is imported: ``dbclone --help`` must be quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

SOURCE_VARIABLE, TARGET_VARIABLE = "DBCLONE_SOURCE", "DBCLONE_TARGET"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option or argument. ``key`` is where it is in the file: ``diff.write_revision``, ``tables.*.rows``.

    ``name`` is the parameter of the commands that take it.
    """

    name: str
    flag: str
    key: str
    help: str


OPTIONS: dict[str, Option] = {}
"""Every option that the file has as well, by the name of its parameter."""


def _option(
    name: str,
    flag: str,
    help: str,
    *,
    key: str | None = None,
    metavar: str | None = None,
    variable: str | None = None,
    short: str | None = None,
) -> Any:
    """Declare an option; its key in the file is its flag, with underscores, unless another is given."""
    OPTIONS[name] = Option(name=name, flag=flag, key=key or flag[2:].replace("-", "_"), help=help)
    return typer.Option(flag, *([short] if short else []), metavar=metavar, envvar=variable, help=help)


def _argument(name: str, metavar: str, help: str, *, key: str, variable: str | None = None) -> Any:
    OPTIONS.setdefault(name, Option(name=name, flag=metavar, key=key, help=help))
    return typer.Argument(metavar=metavar, envvar=variable, help=help)


def help_of(key: str) -> str:
    """Return what the option of a key in the file is for."""
    return next(option.help for option in OPTIONS.values() if option.key == key)


# ---- The databases ------------------------------------------------------------------------------------------------

_FROM, _TO = "The database to learn from.", "The database to write to."
SourceOption = Annotated[str | None, _option("source", "--source", _FROM, metavar="URL", variable=SOURCE_VARIABLE)]
TargetOption = Annotated[str | None, _option("target", "--target", _TO, metavar="URL", variable=TARGET_VARIABLE)]
SourceArgument = Annotated[str | None, _argument("source", "SOURCE", _FROM, key="source", variable=SOURCE_VARIABLE)]
TargetArgument = Annotated[str | None, _argument("target", "TARGET", _TO, key="target", variable=TARGET_VARIABLE)]
_MODEL = "A model file, as dbclone train writes it."
ModelOption = Annotated[Path | None, _option("model", "--model", _MODEL, metavar="MODEL")]
ModelArgument = Annotated[Path | None, _argument("model", "MODEL", _MODEL, key="model")]

# ---- What is cloned, and how ---------------------------------------------------------------------------------------

Scale = Annotated[
    float | None, _option("scale", "--scale", "Rows to make, as a multiple of the source's. [1]", metavar="F")
]
Rows = Annotated[
    list[str] | None,
    _option("rows", "--rows", "Rows to make in one table. May be repeated.", key="tables.*.rows", metavar="TABLE=N"),
]
SampleRows = Annotated[
    int | None, _option("sample_rows", "--sample-rows", "Rows read per table, at most. [20000]", metavar="N")
]
Seed = Annotated[int | None, _option("seed", "--seed", "The same seed makes the same rows. [0]", metavar="N")]
ShiftDates = Annotated[
    str | None,
    _option(
        "shift_dates",
        "--shift-dates",
        "Move all dates and times by whole weeks, the latest to this day.",
        metavar="YYYY-MM-DD",
    ),
]
Tables = Annotated[
    list[str] | None,
    _option("tables", "--tables", "Tables to clone. May be repeated. [all]", key="include", metavar="GLOB"),
]
Exclude = Annotated[
    list[str] | None, _option("exclude", "--exclude", "Tables to leave out. May be repeated.", metavar="GLOB")
]
Reference = Annotated[
    list[str] | None,
    _option(
        "reference",
        "--reference",
        "A reference that no foreign key declares. May be repeated.",
        key="references",
        metavar="CHILD.COLUMN=PARENT.COLUMN",
    ),
]
OnExisting = Annotated[
    str | None,
    _option(
        "on_existing",
        "--on-existing",
        "What to do with a target that holds rows. [refuse]",
        metavar="refuse|truncate|append",
    ),
]
OnDrift = Annotated[
    str | None,
    _option(
        "on_drift",
        "--on-drift",
        "What to do with tables that are defined otherwise. [refuse]",
        metavar="refuse|migrate|ignore",
    ),
]
Schema = Annotated[
    str | None,
    _option(
        "schema", "--schema", "Where the target's definition comes from. [auto]", metavar="auto|native|portable|none"
    ),
]
To = Annotated[
    str | None, _option("to", "--to", "Write files here, not a database: a folder or a URL.", metavar="DIR_OR_URL")
]
Format = Annotated[
    str | None, _option("format", "--format", "What the files are. [parquet]", metavar="parquet|csv|sql")
]
Workers = Annotated[
    int | None, _option("workers", "--workers", "Processes of this machine that make rows. [1]", metavar="N")
]
Scheduler = Annotated[
    str | None,
    _option("scheduler", "--scheduler", "The Dask cluster that makes rows: tcp://host:8786.", metavar="ADDRESS"),
]

# ---- How it is loaded ----------------------------------------------------------------------------------------------

Mode = Annotated[
    str | None,
    _option(
        "mode",
        "--mode",
        "One transaction, undone as a whole; or batches that stay, on several connections, so that a run that was cut "
        "off can go on. auto: resumable for a new target of a million rows or more. [auto]",
        metavar="auto|all-or-nothing|resumable",
    ),
]
Resume = Annotated[
    bool | None,
    _option("resume", "--resume", "Go on with a resumable run that was cut off; the other options as they were."),
]
Connections = Annotated[
    int | None,
    _option(
        "connections",
        "--connections",
        "Connections that load at once in a resumable run; each may take 512 MB of the server's memory. [2]",
        metavar="N",
    ),
]
Swap = Annotated[
    bool | None,
    _option(
        "swap",
        "--swap",
        "Build beside the tables that are there, and take their place in one transaction: nobody sees half a clone.",
    ),
]
KeepOld = Annotated[
    bool | None,
    _option("keep_old", "--keep-old", "Keep what a swap replaces, in schemas whose names end in _before_clone."),
]
Unlogged = Annotated[
    bool | None,
    _option(
        "unlogged",
        "--unlogged",
        "Make new tables UNLOGGED, for good. The price: a crash of the server empties them, and neither replicas nor "
        "backups of its files have their rows; ALTER TABLE … SET LOGGED changes one, and writes it once more.",
    ),
]
Fast = Annotated[
    bool | None,
    _option(
        "fast",
        "--fast",
        "Neither rehearse nor verify. The price: what the target refuses is found late, and nothing is recounted.",
    ),
]

# ---- What is written ------------------------------------------------------------------------------------------------

SaveModel = Annotated[Path | None, _option("save_model", "--save-model", "Keep what was learned.", metavar="FILE")]
TrainOut = Annotated[
    Path | None, _option("train_out", "--out", "The model file to write.", key="save_model", metavar="MODEL")
]
Sign = Annotated[
    Path | None,
    _option("sign", "--sign", "Sign the model with this Ed25519 private key (PEM).", metavar="KEY"),
]
RequireSignature = Annotated[
    Path | None,
    _option(
        "require_signature",
        "--require-signature",
        "Use the model only if the owner of this public key (PEM) signed it.",
        metavar="KEY",
    ),
]
Report = Annotated[Path | None, _option("report", "--report", "Write a page about the run: FILE.html.", metavar="FILE")]
DryRun = Annotated[bool | None, _option("dry_run", "--dry-run", "Print the plan and stop.")]
WriteRevision = Annotated[
    Path | None,
    _option(
        "write_revision",
        "--write-revision",
        "Write an Alembic revision that brings TARGET to SOURCE.",
        key="diff.write_revision",
        metavar="DIR",
    ),
]
MetadataOut = Annotated[
    Path | None,
    _option("metadata_out", "--out", "Write it here, not to stdout.", key="metadata.out", metavar="FILE.json"),
]
Diagram = Annotated[
    Path | None,
    _option("diagram", "--diagram", "Draw the schema: FILE.svg or .mmd.", metavar="FILE"),
]
Full = Annotated[
    bool | None, _option("full", "--full", "All 20.9 million promotions, not a slice of them.", key="demo.full")
]
InitOut = Annotated[
    Path | None,
    _option("init_out", "--out", "The file to write. [dbclone.yaml]", key="init.out", metavar="FILE", short="-o"),
]
Privacy = Annotated[
    bool | None,
    _option("privacy", "--privacy", "Search TARGET for what is in the source.", key="verify.privacy"),
]
NewColumns = Annotated[
    str | None,
    _option(
        "new_columns",
        "--new-columns",
        "What to do with columns that the file does not list. [classify]",
        metavar="refuse|generate|classify",
    ),
]
Json = Annotated[bool | None, _option("as_json", "--json", "Print one JSON object on stdout.", key="json")]
Quiet = Annotated[bool | None, _option("quiet", "--quiet", "Say nothing on stderr but errors.")]
Progress = Annotated[
    str | None,
    _option(
        "progress",
        "--progress",
        "How to say on stderr what is going on: bars on a terminal, lines elsewhere, or JSON lines. [auto]",
        metavar="auto|plain|json",
    ),
]
Debug = Annotated[bool | None, _option("debug", "--debug", "Show the traceback of an error.")]

# ---- The file itself: the only options that it does not have -----------------------------------------------------

FILE_OPTIONS = ("config", "profile", "set_keys")
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The configuration file. [dbclone.yaml, if there is one]"),
]
Profile = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="The profile of the file to use.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Any key of the file, as tables.store.action=copy. May be repeated."
    ),
]
