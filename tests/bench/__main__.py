"""``python -m tests.bench [--smoke] [--full]``: run the benchmarks, print a line for each.

Writes ``bench.json`` and a plot of the rows a second, ``bench.svg``.

Figures are ratios against something else in the same run: machines are noisy, ratios less so. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench import dialects, fidelity, learn, load, speed


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure learning, generating, loading, fidelity."
    )
    parser.add_argument("--smoke", action="store_true", help="small data, under two minutes: only shows that it runs")
    parser.add_argument("--full", action="store_true", help="with all 20.9 million promotions")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), help="where the figures go")
    options = parser.parse_args()
    learn.warm_up()
    figures = [_told(learn.run(parents)) for parents in ((30,) if options.smoke else (300, 1_000))]
    if not options.smoke:
        figures += [_told(learn.run(parents, with_stock=parents == 2_500)) for parents in (2_500, 5_000, 20_000)]
    figures += map(_told, speed.run(smoke=options.smoke, full=options.full))
    figures.append(_told(load.run(smoke=options.smoke, full=options.full)))
    options.out.with_suffix(".svg").write_text(speed.plot(figures), encoding="utf-8")
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
