"""What every database that SQLAlchemy speaks can do by plain SQL: the hooks that a new dialect need not write.

:mod:`.catalogue` asks SQLAlchemy's Inspector, :mod:`.reading` and :mod:`.verifying` are queries in SQLAlchemy Core,
:mod:`.writing` has what needs no statement of a database's own. A dialect overrides what its database can do better,
and says the rest: how rows are sent, what an error means, what its own definition is.
"""

from __future__ import annotations

from dbclone.db.dialects.generic.catalogue import Reflecting
from dbclone.db.dialects.generic.verifying import Verifying
from dbclone.db.dialects.generic.writing import RefusedRow, Writing


class Generic(Reflecting, Verifying, Writing):
    """A database with nothing but what SQL and SQLAlchemy's Inspector give."""


__all__ = ["Generic", "RefusedRow"]
