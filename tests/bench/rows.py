"""``python -m tests.bench.rows MODEL TABLE=N …``: make the rows of a table, let them go, tell speed and peak memory.

Other tables get the rows that are given for them. The seconds are those of the CPU.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from dbclone.generate.batches import Generator
from dbclone.model.artifact import load_model
from dbclone.schema.model import TableKey


def main(model_file: str, *sizes: str) -> None:
    rows = {TableKey(name): int(count) for name, _, count in (size.partition("=") for size in sizes)}
    table = next(iter(rows))
    generator = Generator(load_model(Path(model_file)), seed=1, rows=rows)
    started, made = time.process_time(), 0
    for number in range(generator.batch_count(table)):
        made += generator.batch(table, number).rows.num_rows
    seconds = time.process_time() - started
    figures = {"rows": made, "cpu_s": round(seconds, 2), "rows_per_s": round(made / seconds), "peak_mb": _peak_mb()}
    print(json.dumps(figures))


def _peak_mb() -> int | None:
    """Return the peak of this process's memory; Linux counts the parent's in ``ru_maxrss``, so that is no use."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) // 1024 if found else None


if __name__ == "__main__":
    main(*sys.argv[1:])
