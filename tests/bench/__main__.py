"""``python -m tests.bench [--smoke] [--full]``: run the benchmarks, print a line for each, write ``bench.json``.

Figures are ratios against something else in the same run: machines are noisy, ratios less so. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench import dialects, fidelity, learn, load


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure learning, loading and fidelity."
    )
    parser.add_argument("--smoke", action="store_true", help="small data, about 80 seconds: only shows that it runs")
    parser.add_argument("--full", action="store_true", help="with all 20.9 million promotions")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where the figures go")
    options = parser.parse_args()
    learn.warm_up()
    figures = [_told(learn.run(parents)) for parents in ((30,) if options.smoke else (300, 1_000))]
    figures.append(_told(load.run(smoke=options.smoke, full=options.full)))
    figures += fidelity.main(["--smoke"] if options.smoke else [])
    figures += [_told(found) for found in dialects.run(smoke=options.smoke)]
    options.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _told(figures: dict[str, Any]) -> dict[str, Any]:
    print(_line(figures), flush=True)
    return figures


def _line(figures: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in figures.items())


if __name__ == "__main__":
    main()
