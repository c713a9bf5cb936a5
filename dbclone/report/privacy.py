"""Privacy: what was measured of a twin against its source, and the gates it must pass.

Owns the values that the report's privacy page and ``--json`` show; none of them holds a value of a row. How the attacks
work is in :mod:`dbclone.report.attacks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dbclone.report import attacks
from dbclone.report.attacks import Measured, Rows
from dbclone.report.gates import Limits
from dbclone.schema.model import TableKey, to_json

Measure = Literal[
    "source strings",
    "identical rows",
    "closest record",
    "membership inference",
    "singling out",
    "linkability",
    "rare combinations",
]

EXPLAINED: Mapping[Measure, str] = {
    "source strings": "strings of columns that are no shared category, found anywhere in the target",
    "identical rows": "share of rows equal to a real row in every learned column, against that of other real rows",
    "closest record": "distance of rows to the closest real row, as a multiple of that of other real rows",
    "membership inference": "how well rows that were learned from are told from others by the twin (0.5: not at all)",
    "singling out": "how much oftener a description taken from the twin fits one real row than one that is not in it",
    "linkability": "how much oftener the twin links two halves of a real row than of one that is not in it",
    "rare combinations": "share of rows with a pair of labels that one real row has, against that of other real rows",
}

NOT_PROMISED = (
    "These are attacks that were tried, not a proof that no other succeeds.",
    "What many rows have in common is kept, and may say something about everyone who belongs to them.",
    "Strings shorter than six characters, and single words of free text, are not searched for.",
    "Values are compared as they are spelled: a changed spelling of a real value would not be found.",
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One measure of one table or column.

    ``value`` is compared with ``limit``; ``reference`` is what real rows that are not in the twin have, ``margin`` the
    half width of the 95 % interval of ``value``.
    """

    measure: Measure
    table: TableKey
    column: str | None = None
    value: float
    limit: float
    passed: bool
    reference: float | None = None
    margin: float = 0.0
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """What ``verify --privacy`` found.

    ``compared`` counts the source's strings that were searched for, ``searched`` those of the target. ``skipped`` says
    what was not measured, and why.
    """

    findings: tuple[Finding, ...]
    compared: int
    searched: int
    skipped: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every gate is passed."""
        return all(finding.passed for finding in self.findings)

    @property
    def failed(self) -> tuple[Finding, ...]:
        """The findings that break a gate."""
        return tuple(finding for finding in self.findings if not finding.passed)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data: every finding, what it means, and what is not promised."""
        return {
            "passed": self.passed,
            "findings": [to_json(finding) | {"passed": finding.passed} for finding in self.findings],
            "compared_strings": self.compared,
            "searched_strings": self.searched,
            "skipped": list(self.skipped),
            "measures": dict(EXPLAINED),
            "not_promised": list(NOT_PROMISED),
        }


FEWEST_ROWS = 100
"""Of fewer rows in a sample nothing can be said."""


def table_findings(
    table: TableKey, twins: Rows, members: Rows, strangers: Rows, limits: Limits, *, known: bool, seed: int
) -> Iterator[Finding]:
    """Yield every measure of one table. ``known``: the strangers are rows that the model was not learned from.

    A gate fails only if the measure breaks it by more than its margin, so that chance alone fails none.
    """
    random = np.random.default_rng(seed)
    if twins.columns >= 3:
        found = attacks.identical_rows(twins, members, strangers)
        yield _above(table, "identical rows", found, found.reference + limits.identical_rows)
        found = attacks.closest_record(twins, members, strangers)
        yield Finding(
            measure="closest record",
            table=table,
            value=found.value,
            limit=limits.closest_record,
            passed=found.value + found.margin >= limits.closest_record,
            reference=found.reference,
            margin=found.margin,
        )
    if known and twins.columns >= 2:
        yield _above(
            table, "membership inference", attacks.membership(twins, members, strangers), limits.membership_inference
        )
        yield _above(
            table, "singling out", attacks.singling_out(twins, members, strangers, random), limits.singling_out
        )
        yield _above(table, "linkability", attacks.linkability(twins, members, strangers, random), limits.linkability)
    if twins.labels.shape[1] >= 2:
        found = attacks.rare_combinations(twins, members, strangers)
        yield _above(table, "rare combinations", found, found.reference + limits.rare_combinations)


def _above(table: TableKey, measure: Measure, found: Measured, limit: float) -> Finding:
    return Finding(
        measure=measure,
        table=table,
        value=found.value,
        limit=limit,
        passed=found.value - found.margin <= limit,
        reference=found.reference,
        margin=found.margin,
    )


def privacy_lines(privacy: Privacy) -> Iterator[str]:
    """Yield lines for people: each measure with its worst table, then everything that breaks a gate."""
    yield f"{privacy.compared:,} strings of the source searched for among {privacy.searched:,} of the target"
    for measure, explained in EXPLAINED.items():
        found = [finding for finding in privacy.findings if finding.measure == measure]
        if found:
            worst = _worst(found)
            said = "passed" if all(f.passed for f in found) else "FAILED"
            at_worst = f"{worst.value:.4g} at worst ({_where(worst)}; limit {worst.limit:.4g})"
            yield f"{measure}: {said}, {at_worst}: {explained}"
    for finding in privacy.failed:
        yield f"FAILED {finding.measure} {_where(finding)}: {finding.message or _numbers(finding)}"
    yield from privacy.skipped
    yield from NOT_PROMISED


def _worst(found: Sequence[Finding]) -> Finding:
    if found[0].measure == "closest record":
        return min(found, key=lambda finding: finding.value - finding.limit)
    return max(found, key=lambda finding: finding.value - finding.limit)


def _where(finding: Finding) -> str:
    return finding.table if finding.column is None else f"{finding.table}.{finding.column}"


def _numbers(finding: Finding) -> str:
    against = "" if finding.reference is None else f", other real rows {finding.reference:.4g}"
    return f"{finding.value:.4g} ± {finding.margin:.2g}, limit {finding.limit:.4g}{against}"
