"""A migration as a revision file of Alembic: in the project's own environment where there is one, else on its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from alembic.config import Config
from alembic.operations import ops
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from dbclone.db.migrate import Migration, rendered
from dbclone.errors import ConfigurationError
from dbclone.model.flow import Difference

MESSAGE = "bring the target to its source"

_TEMPLATE = '''"""{message}

Revision ID: {revision}
Revises:
Create Date: {created}
"""

from typing import Sequence, Union

import sqlalchemy as sa
from alembic import op
{imports}

revision: str = "{revision}"
down_revision: Union[str, Sequence[str], None] = None
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None


def upgrade() -> None:
    {upgrades}


def downgrade() -> None:
    {downgrades}
'''


def write_revision(
    folder: Path, connection: sa.Connection, forth: Migration, back: Migration | None, *, created: datetime | None
) -> Path:
    """Write a revision to ``folder`` and return its file.

    ``folder`` holds an ``alembic.ini`` or an ``env.py``, or is its ``versions``: the revision follows the heads there.
    Otherwise the file stands alone. Raises ConfigurationError if it cannot be written.
    """
    upgrades = "\n".join([*_comments(forth.remaining), *_code(connection, forth.operations)]).strip()
    if back is None:
        downgrades = 'raise NotImplementedError("what this revision drops cannot be made again")'
    else:
        downgrades = "\n".join(_code(connection, back.operations)).strip()
    imports = f"from sqlalchemy.dialects import {connection.dialect.name}"
    revision = hashlib.sha256(f"{created}{upgrades}".encode()).hexdigest()[:12]
    try:
        script = _environment(folder)
        if script is not None:
            made = script.generate_revision(
                revision,
                MESSAGE,
                head=list(script.get_heads()) or "base",
                upgrades=upgrades,
                downgrades=downgrades,
                imports=imports,
            )
            if made is None:
                raise CommandError("Alembic made no revision")
            return Path(made.path)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{revision}_{MESSAGE.replace(' ', '_')}.py"
        text = _TEMPLATE.format(
            message=MESSAGE,
            revision=revision,
            created=f"{created:%F %T}" if created else "",
            imports=imports,
            upgrades=upgrades,
            downgrades=downgrades,
        )
        file.write_text(text, encoding="utf-8")
    except (OSError, CommandError) as error:
        raise ConfigurationError(f"cannot write a revision to {folder}: {error}") from error
    return file


def _environment(folder: Path) -> ScriptDirectory | None:
    if (folder / "alembic.ini").exists():
        return ScriptDirectory.from_config(Config(str(folder / "alembic.ini")))
    for place in (folder, folder.parent):
        if (place / "env.py").exists() and (place / "script.py.mako").exists():
            return ScriptDirectory(str(place))
    return None


def _code(connection: sa.Connection, operations: Sequence[ops.MigrateOperation]) -> list[str]:
    return list(rendered(connection, operations)) if operations else ["    pass"]


def _comments(remaining: Sequence[Difference]) -> list[str]:
    if not remaining:
        return []
    return ["    # Not covered, to be done by hand:", *(f"    #   {item}" for item in remaining)]
