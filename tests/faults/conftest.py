"""A shop, a model of it, and what may be left of a run that was disturbed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.command import dbclone
from tests.end_to_end.conftest import make_twin, query, shop, tables

__all__ = ["make_twin", "shop"]  # the fixtures of the end-to-end tests

State = Literal["as before", "complete"]
SEED = ("--seed", "5")


def checksums(url: str) -> Mapping[str, str]:
    """Return, per table, a checksum of its rows, whatever order they are stored in."""
    found = {}
    for table in tables(url):
        name = ".".join(f'"{part}"' for part in table.split("."))
        rows = f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {name} t"
        found[table] = str(query(url, rows)[0][0])
    return found


def quiet(url: str, timeout_s: float = 20) -> None:
    """Wait until no other session is in the database: a server takes a moment to see that a client is gone."""
    until = time.monotonic() + timeout_s
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    while query(url, others) != [(0,)]:
        assert time.monotonic() < until, "a session of the run is still there"
        time.sleep(0.05)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model of the shop, and the checksums that an undisturbed run with :data:`SEED` leaves, in ``seconds``."""

    model: Path
    source: str
    undisturbed: Mapping[str, str]
    seconds: float

    def state(self, target: str) -> State:
        """Return the state of a target that was empty before; fails if it is neither as before nor complete."""
        quiet(target)
        left = checksums(target)
        if not left:
            assert query(target, "SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_'") == [(2,)]
            return "as before"
        assert left == self.undisturbed
        return "complete"


@pytest.fixture(scope="module")
def trained(shop: str, make_twin: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The shop, learned once, and one undisturbed run."""
    model = tmp_path_factory.mktemp("model") / "shop.model"
    assert dbclone("train", shop, "--out", model).code == 0
    target = make_twin()
    started = time.monotonic()
    done = dbclone("generate", model, target, *SEED)
    assert done.code == 0, done.err
    seconds = time.monotonic() - started
    return Trained(model=model, source=shop, undisturbed=checksums(target), seconds=seconds)
