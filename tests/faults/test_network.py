"""A network that cuts, stalls or slows, on either side."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from tests.command import dbclone, finish, start
from tests.faults.conftest import SEED, Trained, checksums
from tests.faults.proxy import proxied


@pytest.mark.parametrize("after", [200, 8_000, 40_000, 90_000])
def test_the_target_is_cut_off(trained: Trained, make_twin: Callable[[], str], after: int) -> None:
    target = make_twin()
    with proxied(target, "cut", after=after) as proxy:
        done = dbclone("generate", trained.model, proxy.url(target), *SEED)
        assert proxy.struck.is_set()
    assert done.code in (3, 6), done.err
    assert trained.state(target) == "as before"


@pytest.mark.parametrize("after", [200, 30_000])
def test_the_source_is_cut_off(trained: Trained, make_twin: Callable[[], str], after: int) -> None:
    target = make_twin()
    before = checksums(trained.source)
    with proxied(trained.source, "cut", after=after) as proxy:
        done = dbclone("clone", proxy.url(trained.source), target, *SEED)
        assert proxy.struck.is_set()
    assert done.code == 3, done.err
    assert "source" in done.err
    assert trained.state(target) == "as before"
    assert checksums(trained.source) == before


def test_a_slow_target_is_filled(trained: Trained, make_twin: Callable[[], str]) -> None:
    target = make_twin()
    with proxied(target, "slow") as proxy:
        done = dbclone("generate", trained.model, proxy.url(target), *SEED)
    assert done.code == 0, done.err
    assert trained.state(target) == "complete"


def test_a_run_that_hangs_can_be_ended(trained: Trained, make_twin: Callable[[], str]) -> None:
    """An orchestrator says SIGTERM, and would say SIGKILL after its grace."""
    target = make_twin()
    with proxied(target, "stall", after=40_000) as proxy:
        process = start("generate", trained.model, proxy.url(target), *SEED)
        assert proxy.struck.wait(60)
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        done = finish(process, timeout_s=20)
    assert done.code == 128 + signal.SIGTERM, done.err
    assert "terminated" in done.err
    assert trained.state(target) == "as before"
