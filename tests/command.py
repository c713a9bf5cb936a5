"""Run dbclone as a user does: in a process of its own, with a password in every URL that must never come out again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

PASSWORD = "s3cret-Pa55word"  # noqa: S105 - not one: the servers of the tests ask for none
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)


def with_password(url: str) -> str:
    """Return ``url`` with :data:`PASSWORD` in it."""
    return make_url(url).set(username=make_url(url).username or "postgres", password=PASSWORD).render_as_string(False)


def start(*arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    """Start ``dbclone`` with these arguments; ``variables`` are added to an environment without DBCLONE_ variables."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DBCLONE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "dbclone", *map(str, arguments)],
        env={**environment, **variables},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], timeout_s: float = 300) -> Finished:
    """Wait for a command. Fails the test if the password is in what it printed."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert PASSWORD not in out, "the password is on stdout"
    assert PASSWORD not in err, "the password is on stderr"
    return Finished(code=process.returncode, out=out, err=err)


def dbclone(*arguments: str | Path, **variables: str) -> Finished:
    """Run ``dbclone`` to its end."""
    return finish(start(*arguments, **variables))
