"""What a user may say about a run, validated: the keys of ``dbclone.yaml``, which the command line has as well.

Owns the models of the keys. :mod:`dbclone.config_file` reads the file and puts it together with profile and options;
the JSON Schema and ``docs/configuration.md`` are made from these models by :mod:`dbclone.config_reference`.

URLs are not settings: they can hold a password, and settings may be printed, saved and reported. :class:`Call` keeps
them in a type that does not show itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from dbclone.options import help_of
from dbclone.report.gates import Limits
from dbclone.schema.model import TableKey
from dbclone.schema.plan import PlanOptions

Action = Literal["synthesize", "copy", "empty", "skip"]
OnExisting = Literal["refuse", "truncate", "append"]
NewColumns = Literal["refuse", "generate", "classify"]
OnDrift = Literal["refuse", "migrate", "ignore"]
Mode = Literal["auto", "all-or-nothing", "resumable"]
Format = Literal["parquet", "csv", "sql"]
Definition = Literal["auto", "native", "portable", "none"]

MAX_SEED = 2**63 - 1


class Keys(BaseModel):
    """A mapping of the file: other keys than its fields are refused."""

    # hide_input_in_errors: what a user typed may be a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _listed(value: object) -> object:
    """Return a single text as a list of one, as people write it: ``exclude: audit.*``."""
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_listed)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class GeneratorKeys(Keys):
    """How the values of a column are made; one of the first six."""

    faker: Annotated[str | None, Field(description="A provider of Faker: `job`, `color_name`.")] = None
    pattern: Annotated[str | None, Field(description="A regular expression of characters, classes and counts.")] = None
    choices: Annotated[
        tuple[Any, ...] | Mapping[str, Factor] | None,
        Field(description="Values, all alike, or a mapping of values to weights."),
    ] = None
    constant: Annotated[str | int | float | bool | None, Field(description="One value for every row.")] = None
    expression: Annotated[str | None, Field(description="SQL over the other columns of the row.")] = None
    function: Annotated[
        str | None,
        Field(description="`module:function`; called with the rows' indexes and as many random numbers, 0 to 1."),
    ] = None
    locale: Annotated[str, Field(description="Of Faker.")] = "en_US"

    @model_validator(mode="after")
    def _one(self) -> GeneratorKeys:
        names = [name for name in type(self).model_fields if name != "locale"]
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"say one of {', '.join(names)}")
        return self


def _faker(value: object) -> object:
    """Return a plain text as the provider of Faker that it names."""
    return {"faker": value} if isinstance(value, str) else value


class ColumnKeys(Keys):
    """What is said about a column."""

    kind: Annotated[
        str | None, Field(description="What it holds, where that was not recognised: `email`, `category`, `secret` …")
    ] = None
    generator: Annotated[
        GeneratorKeys | None, BeforeValidator(_faker), Field(description="How its values are made.")
    ] = None
    keep_null_share: Annotated[bool, Field(description="Whether as many are NULL as in the source.")] = True
    unique: Annotated[bool | None, Field(description="Whether all its values differ. [as the schema says]")] = None


class TableKeys(Keys):
    """What is said about the tables that a name or a pattern matches."""

    action: Annotated[
        Action | None,
        Field(
            description="synthesize: rows are learned and made. copy: the source's own rows are taken over. empty: the "
            "table is made without rows. skip: the table is left out. [synthesize]"
        ),
    ] = None
    rows: Annotated[Count | None, Field(description=help_of("tables.*.rows"))] = None
    scale: Annotated[Factor | None, Field(description="Rows to make here, as a multiple of the source's.")] = None
    columns: Annotated[Mapping[str, ColumnKeys], Field(description="Per column.")] = Field(default_factory=dict)

    def over(self, other: TableKeys) -> TableKeys:
        """Return what is said here, and where nothing is, what ``other`` says."""
        mine = {name: getattr(self, name) for name in self.model_fields_set}
        return other.model_copy(update={**mine, "columns": {**other.columns, **self.columns}})


class Polymorphic(Keys):
    """A column that refers to one of several tables, which another column names."""

    table: Annotated[str, Field(description="The table that refers.")]
    column: Annotated[str, Field(description="The column that refers.")]
    type_column: Annotated[str, Field(description="The column whose value says to which table.")]
    targets: Annotated[
        Mapping[str, str], Field(min_length=1, description="Per value of the type column: the PARENT.COLUMN meant.")
    ]

    @property
    def references(self) -> tuple[str, ...]:
        """The same as the texts of ``references``, one per target."""
        left = f"{self.table}.{self.column}[{self.type_column}="
        return tuple(f"{left}{label}]={parent}" for label, parent in self.targets.items())


class HookKeys(Keys):
    """SQL that is carried out on the target, within the transaction of the load."""

    before_load: Annotated[
        Paths, Field(description="Files, carried out when the tables are there and before rows are written.")
    ] = ()
    after_load: Annotated[
        Paths, Field(description="Files, carried out when everything is there and before it is verified.")
    ] = ()


_GATES = Limits()


class PrivacyKeys(Keys):
    """The gates of ``verify --privacy``: what each measure must keep."""

    source_strings: Annotated[Count, Field(description="Strings of a column found in the target, at most.")] = (
        _GATES.source_strings
    )
    identical_rows: Annotated[Share, Field(description="Equal rows beyond the share of other real rows.")] = (
        _GATES.identical_rows
    )
    closest_record: Annotated[
        float, Field(ge=0, description="Distance to the closest real row, as a multiple of other real rows', at least.")
    ] = _GATES.closest_record
    membership_inference: Annotated[Share, Field(description="Area under the curve of the attack, at most.")] = (
        _GATES.membership_inference
    )
    singling_out: Annotated[Share, Field(description="Risk beyond that of people who are not in it, at most.")] = (
        _GATES.singling_out
    )
    linkability: Annotated[Share, Field(description="Risk beyond that of people who are not in it, at most.")] = (
        _GATES.linkability
    )
    rare_combinations: Annotated[Share, Field(description="Rare pairs beyond the share of other real rows.")] = (
        _GATES.rare_combinations
    )


class SettingKeys(Keys):
    """Every setting of a run that a user may give."""

    scale: Annotated[Factor, Field(description=help_of("scale"))] = 1.0
    sample_rows: Annotated[int, Field(ge=1, description=help_of("sample_rows"))] = 20_000
    seed: Annotated[int, Field(ge=0, le=MAX_SEED, description=help_of("seed"))] = 0
    shift_dates: Annotated[date | None, Field(description=help_of("shift_dates"))] = None
    include: Annotated[Texts, Field(description=help_of("include"))] = ()
    exclude: Annotated[Texts, Field(description=help_of("exclude"))] = ()
    references: Annotated[Texts, Field(description=help_of("references"))] = ()
    polymorphic: Annotated[
        tuple[Polymorphic, ...], Field(description="Columns that refer to one of several tables.")
    ] = ()
    tables: Annotated[
        Mapping[str, TableKeys],
        Field(description="Per table, or pattern as sales.*; a name goes before a pattern, a later before an earlier."),
    ] = Field(default_factory=dict)
    hooks: Annotated[HookKeys, Field(description=HookKeys.__doc__)] = HookKeys()
    new_columns: Annotated[NewColumns, Field(description=help_of("new_columns"))] = "classify"
    privacy: Annotated[PrivacyKeys, Field(description=PrivacyKeys.__doc__)] = PrivacyKeys()
    on_existing: Annotated[OnExisting, Field(description=help_of("on_existing"))] = "refuse"
    on_drift: Annotated[OnDrift, Field(description=help_of("on_drift"))] = "refuse"
    definition: Annotated[Definition, Field(alias="schema", description=help_of("schema"))] = "auto"
    """``--schema``: a field of that name would hide a method of pydantic's."""
    to: Annotated[str | None, Field(description=help_of("to"))] = None
    format: Annotated[Format, Field(description=help_of("format"))] = "parquet"
    workers: Annotated[int, Field(ge=1, le=1024, description=help_of("workers"))] = 1
    scheduler: Annotated[str | None, Field(description=help_of("scheduler"))] = None
    mode: Annotated[Mode, Field(description=help_of("mode"))] = "auto"
    resume: Annotated[bool, Field(description=help_of("resume"))] = False
    swap: Annotated[bool, Field(description=help_of("swap"))] = False
    keep_old: Annotated[bool, Field(description=help_of("keep_old"))] = False
    unlogged: Annotated[bool, Field(description=help_of("unlogged"))] = False
    connections: Annotated[int, Field(ge=1, le=64, description=help_of("connections"))] = 2
    fast: Annotated[bool, Field(description=help_of("fast"))] = False
    save_model: Annotated[Path | None, Field(description=help_of("save_model"))] = None
    sign: Annotated[Path | None, Field(description=help_of("sign"))] = None
    require_signature: Annotated[Path | None, Field(description=help_of("require_signature"))] = None
    report: Annotated[Path | None, Field(description=help_of("report"))] = None

    @staticmethod
    def matches(pattern: str, key: TableKey) -> bool:
        """Whether what is said about a pattern of tables, or a name, is about this one."""
        return pattern == key or fnmatchcase(key, pattern)

    def table(self, key: TableKey) -> TableKeys:
        """Return what is said about a table: by its name, then by the patterns that match it, the last first."""
        found = TableKeys()
        for pattern, keys in self.tables.items():
            if pattern != key and self.matches(pattern, key):
                found = keys.over(found)
        return self.tables[key].over(found) if key in self.tables else found

    def plan_options(self, keys: Iterable[TableKey]) -> PlanOptions:
        """Return what the plan of these tables needs to know."""
        said = {key: self.table(key) for key in keys}
        rows = {key: 0 if item.action == "empty" else item.rows for key, item in said.items()}
        return PlanOptions(
            scale=self.scale,
            scales=tuple((key, item.scale) for key, item in said.items() if item.scale is not None),
            rows=tuple((key, count) for key, count in rows.items() if count is not None),
            copied=tuple(key for key, item in said.items() if item.action == "copy"),
            sample_rows=self.sample_rows,
        )

    def changes(self, keys: Iterable[TableKey]) -> tuple[str, ...]:
        """Return, for people, what makes the plan another one than that of no settings at all."""
        found = [
            f"{name}: {', '.join(globs)}"
            for name, globs in (("only", self.include), ("left out", self.exclude))
            if globs
        ]
        found += [f"declared: {text}" for text in self.declared]
        for key in keys:
            said = self.table(key)
            parts: list[str] = [said.action] if said.action else []
            parts += [f"{said.rows:,} rows"] if said.rows is not None else []
            parts += [f"scale {said.scale:g}"] if said.scale is not None else []
            parts += [f"{name} as asked for" for name, column in said.columns.items() if column.generator is not None]
            if parts:
                found.append(f"{key}: {', '.join(parts)}")
        return tuple(found)

    def skipped(self, keys: Iterable[TableKey]) -> tuple[TableKey, ...]:
        """Return the tables that are left out, as by ``exclude``."""
        return tuple(key for key in keys if self.table(key).action == "skip")

    def kinds(self, keys: Iterable[TableKey]) -> dict[tuple[TableKey, str], str]:
        """Return what is said that columns hold."""
        return {
            (key, name): column.kind
            for key in keys
            for name, column in self.table(key).columns.items()
            if column.kind is not None
        }

    @property
    def limits(self) -> Limits:
        """The privacy gates."""
        return Limits(**self.privacy.model_dump())

    @property
    def declared(self) -> tuple[str, ...]:
        """Every reference that is declared, polymorphic ones included."""
        return (*self.references, *(text for pair in self.polymorphic for text in pair.references))


class Settings(SettingKeys):
    """Every setting of a run. ``started_at`` is when it began, for the report: the clock is passed in."""

    started_at: datetime | None = None


class DiffKeys(Keys):
    """What only ``dbclone diff`` needs."""

    write_revision: Annotated[Path | None, Field(description=help_of("diff.write_revision"))] = None


class MetadataKeys(Keys):
    """What only ``dbclone metadata`` needs."""

    out: Annotated[Path | None, Field(description=help_of("metadata.out"))] = None


class InitKeys(Keys):
    """What only ``dbclone init`` needs."""

    out: Annotated[Path, Field(description=help_of("init.out"))] = Path("dbclone.yaml")


class VerifyKeys(Keys):
    """What only ``dbclone verify`` needs."""

    privacy: Annotated[bool, Field(description=help_of("verify.privacy"))] = False


class DemoKeys(Keys):
    """What only ``dbclone demo`` needs."""

    full: Annotated[bool, Field(description=help_of("demo.full"))] = False


class Call(SettingKeys):
    """Everything that a command is called with: the settings, the databases, and how it talks."""

    source: Annotated[SecretStr | None, Field(description=help_of("source"))] = None
    target: Annotated[SecretStr | None, Field(description=help_of("target"))] = None
    model: Annotated[Path | None, Field(description=help_of("model"))] = None
    dry_run: Annotated[bool, Field(description=help_of("dry_run"))] = False
    diagram: Annotated[Path | None, Field(description=help_of("diagram"))] = None
    diff: Annotated[DiffKeys, Field(description=DiffKeys.__doc__)] = DiffKeys()
    metadata: Annotated[MetadataKeys, Field(description=MetadataKeys.__doc__)] = MetadataKeys()
    init: Annotated[InitKeys, Field(description=InitKeys.__doc__)] = InitKeys()
    verify: Annotated[VerifyKeys, Field(description=VerifyKeys.__doc__)] = VerifyKeys()
    demo: Annotated[DemoKeys, Field(description=DemoKeys.__doc__)] = DemoKeys()
    as_json: Annotated[bool, Field(alias="json", description=help_of("json"))] = False
    quiet: Annotated[bool, Field(description=help_of("quiet"))] = False
    progress: Annotated[Literal["auto", "plain", "json"], Field(description=help_of("progress"))] = "auto"
    debug: Annotated[bool, Field(description=help_of("debug"))] = False

    def settings(self, started_at: datetime | None = None) -> Settings:
        """Return what the pipeline needs to know: no URL."""
        values = {name: getattr(self, name) for name in SettingKeys.model_fields}
        return Settings.model_construct(**values, started_at=started_at)


class Profile(Call):
    """A variant of the file's settings: what it says goes before what the file says at its top."""

    extends: Annotated[str | None, Field(description="The profile that this one starts from.")] = None


class Document(Call):
    """The whole of ``dbclone.yaml``."""

    profiles: Annotated[Mapping[str, Profile], Field(description="Variants, chosen by --profile.")] = Field(
        default_factory=dict
    )
