"""The gates of ``verify --privacy``: what each measure must keep, and what it must keep if nothing else is said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What each measure must keep: the gates. Ratios and shares are between 0 and 1."""

    source_strings: int = 0
    identical_rows: float = 0.02
    """More than other real rows have, at most."""
    closest_record: float = 0.8
    """At least this multiple of the distance that other real rows have."""
    membership_inference: float = 0.6
    singling_out: float = 0.1
    linkability: float = 0.1
    rare_combinations: float = 0.05
    """More than other real rows have, at most."""
