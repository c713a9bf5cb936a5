"""What each command of the pipeline returns: frozen values, with nothing in them that may not be shown.

Databases are named by their URLs without the password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbclone.model.flow import Check, Difference
from dbclone.report.privacy import Privacy
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Note, Plan

if TYPE_CHECKING:
    from dbclone.report.comparison import Comparison


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of any run: seconds per stage in order, warnings for people, and versions of what took part."""

    seconds: Mapping[str, float]
    warnings: tuple[str, ...]
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What ``plan`` returns. ``target`` says, for people, what would be done to what a target holds already,
    ``changed`` what the configuration makes different.
    """

    source: str
    plan: Plan
    record: Record
    target: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    diagram_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What ``train`` returns: the plan that was learned, and the file that was written."""

    source: str
    plan: Plan
    file: Path
    seed: int
    record: Record


@dataclass(frozen=True, kw_only=True)
class Cloned:
    """What ``clone`` and ``generate`` return; ``source`` is the model's file for the latter."""

    source: str
    target: str
    plan: Plan
    rows: Mapping[TableKey, int]
    checks: tuple[Check, ...]
    seed: int
    record: Record
    model_file: Path | None = None
    report_file: Path | None = None
    comparison: Comparison | None = None
    repaired: Mapping[TableKey, Mapping[str, int]] = field(default_factory=dict)
    """Rows that were changed so that they keep a constraint, per table and constraint."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What ``generate --to`` returns: where the files are, and how many rows each table has there."""

    source: str
    to: str
    format: str
    plan: Plan
    rows: Mapping[TableKey, int]
    files: int
    seed: int
    record: Record


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What ``verify`` returns; it is for the caller to look at ``passed``."""

    target: str
    rows: Mapping[TableKey, int]
    checks: tuple[Check, ...]
    record: Record
    schema: Schema
    source: str = ""
    privacy: Privacy | None = None
    """What ``--privacy`` found."""
    report_file: Path | None = None

    @property
    def passed(self) -> bool:
        """Whether every check passed; the privacy gates are apart."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """What ``diff`` returns.

    ``proposals`` is what Alembic's comparison proposes, as code; ``by_hand`` is what the revision that was written does
    not cover.
    """

    source: str
    target: str
    differences: tuple[Difference, ...]
    proposals: tuple[str, ...]
    record: Record
    revision_file: Path | None = None
    by_hand: tuple[Difference, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Begun:
    """What ``init`` returns: the file that was written, and how many columns end as what."""

    source: str
    file: Path
    endings: Mapping[str, int]
    record: Record


@dataclass(frozen=True, kw_only=True)
class Described:
    """What ``metadata`` returns: SDV's metadata as JSON data, what SDV cannot hold, and the files written."""

    source: str
    metadata: Mapping[str, Any]
    notes: tuple[Note, ...]
    record: Record
    file: Path | None = None
    diagram_file: Path | None = None
