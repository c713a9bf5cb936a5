"""What a user may say about a run, validated.

Owns :class:`Settings` and the reading of single values (``TABLE=N``). Where the values come from is the command line's
business; URLs are not settings: they can hold a password, and settings may be printed, saved and reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dbclone.errors import ConfigurationError, at_most
from dbclone.schema.model import TableKey
from dbclone.schema.plan import PlanOptions

OnExisting = Literal["refuse", "truncate", "append"]
OnDrift = Literal["refuse", "migrate", "ignore"]
Definition = Literal["auto", "native", "portable", "none"]

MAX_SEED = 2**63 - 1


class Settings(BaseModel):
    """Every setting of a run. A setting has the name of its option: ``sample_rows`` is ``--sample-rows``."""

    # hide_input_in_errors: what a user typed may be a secret in the wrong place.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    rows: Mapping[TableKey, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    sample_rows: Annotated[int, Field(ge=1)] = 20_000
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    on_existing: OnExisting = "refuse"
    on_drift: OnDrift = "refuse"
    definition: Annotated[Definition, Field(alias="schema")] = "auto"
    """``--schema``: a field of that name would hide a method of pydantic's."""
    save_model: Path | None = None
    report: Path | None = None
    started_at: datetime | None = None
    """When the run began, for the report: the clock is passed in."""

    @property
    def plan_options(self) -> PlanOptions:
        """What the plan needs to know."""
        return PlanOptions(scale=self.scale, rows=tuple(self.rows.items()), sample_rows=self.sample_rows)


def make_settings(**values: Any) -> Settings:
    """Return the settings; a value of None means the default.

    Raises ConfigurationError that names every wrong option.
    """
    given = {name: value for name, value in values.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems = [f"{_option(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]
        raise _configuration_error(problems) from None
    problems = [
        f"{_option((name,))}: there is no folder {path.parent} to write {path.name} to"
        for name in ("save_model", "report")
        if (path := getattr(settings, name)) is not None and not path.absolute().parent.is_dir()
    ]
    if problems:
        raise _configuration_error(problems)
    return settings


def parse_rows(texts: Sequence[str]) -> dict[TableKey, int]:
    """Return ``--rows`` options as rows by table: ``["store=10"]`` → ``{"store": 10}``."""
    rows: dict[TableKey, int] = {}
    for text in texts:
        table, equals, count = text.rpartition("=")
        try:
            rows[TableKey(table.strip())] = int(count)
        except ValueError:
            equals = ""
        if not equals or not table.strip():
            raise ConfigurationError(f"--rows {text}: write TABLE=N, for instance --rows store=100")
    return rows


def _option(location: Sequence[int | str]) -> str:
    """Return the option that an error of pydantic is about: ``("rows", "store")`` → ``--rows store``."""
    name, *rest = (str(part) for part in location)
    return " ".join([f"--{name.replace('_', '-')}", *rest])


def _configuration_error(problems: Sequence[str]) -> ConfigurationError:
    if len(problems) == 1:
        return ConfigurationError(problems[0])
    return ConfigurationError(f"{len(problems)} options are wrong", details=at_most(problems))
