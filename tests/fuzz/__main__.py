"""Fuzz one reader for some seconds: a finding is an exception that the reader does not promise, and ends the run."""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["dbclone", "zipfile", "json", "sqlglot"]):
    from dbclone.errors import ConfigurationError
    from dbclone.model.artifact import load_model, save_model
    from dbclone.schema import checks
    from dbclone.schema.model import Check
    from tests.unit.grocer import grocer_model
    from tests.unit.test_artifact import members, rewrite

Target = Callable[[bytes], None]


def fuzz_model(folder: Path) -> tuple[Target, Sequence[bytes]]:
    """Return what loads a model file of any bytes, and a whole one to begin with."""
    file = folder / "a.model"

    def load(data: bytes) -> None:
        file.write_bytes(data)
        try:
            load_model(file)
        except ConfigurationError:
            return

    save_model(grocer_model(), file)
    return load, [file.read_bytes()]


def fuzz_members(folder: Path) -> tuple[Target, Sequence[bytes]]:
    """Return what loads a model file some of whose values are others, with a digest that is right."""
    file, whole = folder / "b.model", folder / "whole.model"
    save_model(grocer_model(), whole)
    content = whole.read_bytes()
    text = members(whole)["model.json"]
    places = list(_places(json.loads(text)))
    others = (None, True, -1, 2**70, 0.5, "", "public.x", [], {}, {"@": 0}, {"@": -1}, {"$": "Table"}, {"$": []}, [[]])

    def load(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        document = json.loads(text)
        for _ in range(provider.ConsumeIntInRange(1, 4)):
            *path, last = places[provider.ConsumeIntInRange(0, len(places) - 1)]
            with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the place away
                functools.reduce(lambda node, step: node[step], path, document)[last] = others[
                    provider.ConsumeIntInRange(0, len(others) - 1)
                ]
        changed = json.dumps(document).encode()
        file.write_bytes(content)
        rewrite(file, lambda parts: parts.update({"model.json": changed}), sign=True)
        try:
            load_model(file)
        except ConfigurationError:
            return

    return load, [bytes(range(64))]


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a JSON document but the whole."""
    if path:
        yield path
    for step, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from _places(child, (*path, step))


def fuzz_checks(folder: Path) -> tuple[Target, Sequence[bytes]]:
    """Return what reads any text as a CHECK, in each dialect's SQL."""
    del folder
    readers = (checks.parse_check, checks.comparisons, checks.literals, checks.patterns)

    def read(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for dialect in ("postgresql", "mariadb", "sqlite"):
            for reader in readers:
                reader(Check(name="any", expression=text, columns=("a", "b")), dialect)
            checks.columns_named(text, ("a", "b"), dialect)
            checks.to_duckdb(text, dialect)

    return read, [b"a > 0 AND (b IS NULL OR b ~ '^x+$'::text)", b"((price * (quantity)::numeric) = total)"]


TARGETS: dict[str, Callable[[Path], tuple[Target, Sequence[bytes]]]] = {
    "model": fuzz_model,
    "members": fuzz_members,
    "checks": fuzz_checks,
}


def main() -> None:
    """Run libFuzzer on one target. It ends the process, with its own exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        target, seeds = TARGETS[options.target](Path(folder))
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / str(number)).write_bytes(seed)
        settings = ("-timeout=20", f"-artifact_prefix={Path.cwd()}/")
        atheris.Setup([sys.argv[0], f"-max_total_time={options.seconds}", *settings, str(corpus)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
