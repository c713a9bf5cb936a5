"""What a kind of database must provide so that a clone can take the place of another one in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

ASIDE = "_before_clone"
"""What the name of a schema ends in once its clone has taken its place."""


class Swapping(Protocol):
    """The hooks of a swap. Other sessions see nothing of it until its transaction is committed."""

    def obstacles(self, connection: Connection, schemas: Sequence[str]) -> tuple[str, ...]:
        """Return, for people, what keeps ``schemas`` from being swapped: what reads them from outside, and the like."""

    def set_aside(self, connection: Connection, schemas: Sequence[str]) -> None:
        """Rename ``schemas``, and make empty ones of their names, with the same owners and extensions."""

    def copy_grants(self, connection: Connection, schemas: Sequence[str]) -> None:
        """Grant on what is in ``schemas`` what was granted on what has the same name in those set aside."""

    def drop_aside(self, connection: Connection, schemas: Sequence[str]) -> None:
        """Drop what was set aside."""
