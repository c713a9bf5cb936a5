"""A Dask cluster on this machine: a scheduler and workers, each a process of its own, as in real life."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Cluster:
    """A scheduler and its workers, each a process of its own."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    names: Iterator[int] = field(default_factory=itertools.count)

    @property
    def address(self) -> str:
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def start(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        file = self.folder / "scheduler.json"
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--scheduler-file", str(file), "--no-dashboard"]
        log = (self.folder / f"{program} {next(self.names)}.log").open("wb")
        with log:
            process = subprocess.Popen([*command, *options], stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start("dask_worker", "--no-nanny", "--nthreads", "1", "--host", "127.0.0.1")


@contextmanager
def started(folder: Path) -> Iterator[Cluster]:
    """Start a scheduler; end it and all workers afterwards."""
    cluster = Cluster(folder)
    cluster.start("dask_scheduler", "--host", "127.0.0.1", "--port", "0")
    try:
        while not (folder / "scheduler.json").exists():
            time.sleep(0.05)
        yield cluster
    finally:
        for process in cluster.processes:
            process.kill()
            process.wait()
