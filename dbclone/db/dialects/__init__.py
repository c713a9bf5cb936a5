"""One package per kind of database: everything that differs between them, and nothing else.

:func:`dialect_for` imports only the dialect that is asked for, so that no driver but the one in use need be installed.
"""

from __future__ import annotations

from importlib import import_module

from dbclone.db.dialects.base import Dialect
from dbclone.errors import ConfigurationError

DIALECTS = {
    "mysql": ("dbclone.db.dialects.mysql", "MySQL"),
    "postgresql": ("dbclone.db.dialects.postgresql", "PostgreSQL"),
    "sqlite": ("dbclone.db.dialects.sqlite", "SQLite"),
}
"""Module and class by the name that SQLAlchemy gives the kind of database."""

ALIASES = {"mariadb": "mysql", "postgres": "postgresql"}
"""Other names that people write in URLs."""


def dialect_for(name: str) -> Dialect:
    """Return the dialect called ``name`` (``postgresql``; a driver after ``+`` is ignored).

    Raises ConfigurationError, listing the dialects there are, or naming the package that one of them lacks.
    """
    kind = name.partition("+")[0].lower()
    try:
        module, cls = DIALECTS[ALIASES.get(kind, kind)]
    except KeyError:
        known = ", ".join(sorted(DIALECTS))
        raise ConfigurationError(f"no kind of database is called {kind!r}; dbclone knows: {known}") from None
    try:
        dialect: Dialect = getattr(import_module(module), cls)()
    except ModuleNotFoundError as error:
        extra = ALIASES.get(kind, kind)
        raise ConfigurationError(
            f"{extra} needs the package {error.name}, which is not installed: pip install 'dbclone[{extra}]'"
        ) from None
    return dialect
