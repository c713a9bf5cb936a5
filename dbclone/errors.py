"""Every error that dbclone raises on purpose, and the exit code each one ends the command with.

::

    DbcloneError                      1
    ├── ConfigurationError            2   an option, a file or a value is wrong
    ├── ConnectError                  3   a database cannot be reached, or does not permit what is needed
    ├── PlanError                     4   the schema cannot be cloned as asked
    ├── TargetError                   5   the target is refused
    ├── LoadError                     6   the target did not take the rows
    ├── VerifyError                   7   what was loaded is not right
    ├── GateError                     8   a quality or privacy gate failed
    └── ResourceError                 9   this machine ran out of memory or disk space

A message says what happened, to which table and column, and what to do. No password and no row value is ever in it.
"""

from __future__ import annotations

from collections.abc import Sequence


class DbcloneError(Exception):
    """Root of the tree. ``str(error)`` is one line for people; ``exit_code`` is for scripts.

    ``stage`` is set by the pipeline to the stage that failed; ``details`` are further lines, one problem each.
    """

    exit_code = 1
    stage: str | None = None

    def __init__(self, message: str, *, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.details = tuple(details)


class ConfigurationError(DbcloneError):
    """An option, a configuration file, a model file or a missing package."""

    exit_code = 2


class ConnectError(DbcloneError):
    """A database cannot be reached, refuses the credentials, or does not permit what the stage needs."""

    exit_code = 3


class PlanError(DbcloneError):
    """The schema cannot be cloned as asked. Raised before any row is read or written."""

    exit_code = 4


class TargetError(DbcloneError):
    """The target is refused: it holds rows, is the source itself, or lacks the tables."""

    exit_code = 5


class LoadError(DbcloneError):
    """The target did not take the rows or a constraint. The message says what state the target is in."""

    exit_code = 6


class VerifyError(DbcloneError):
    """A check on the loaded target failed."""

    exit_code = 7


class GateError(DbcloneError):
    """A quality or privacy gate failed."""

    exit_code = 8


class ResourceError(DbcloneError):
    """This machine ran out of memory or disk space."""

    exit_code = 9


INTERRUPTED_EXIT_CODE = 130


class Terminated(SystemExit):
    """SIGTERM, as orchestrators send it before they kill: everything is undone, as for Ctrl-C."""

    exit_code = 143

    def __init__(self) -> None:
        super().__init__(self.exit_code)


def interruption(error: BaseException | None) -> BaseException | None:
    """Return the interruption that ``error`` came of: undoing a transaction can fail, too, if the network hangs."""
    while error is not None and not isinstance(error, KeyboardInterrupt | Terminated):
        error = error.__context__
    return error


def at_most(lines: Sequence[str], limit: int = 10) -> tuple[str, ...]:
    """Return ``lines``, capped at ``limit`` with a last line that counts the rest."""
    if len(lines) <= limit:
        return tuple(lines)
    return (*lines[:limit], f"… and {len(lines) - limit} more")
