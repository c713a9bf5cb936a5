"""The example databases: where each one's files are, and loading one with real data.

An example is a folder: SQL files with the tables and their constraints; ``load.py`` with a function ``load``, which
makes the rows or reads them from a package of its own (none are shipped with dbclone); a ``README.md`` with the facts.
In a checkout the folders are ``schemas/NAME``, in an installed wheel ``dbclone/examples/NAME``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from runpy import run_path

from dbclone.errors import ConfigurationError

_INSTALLED = Path(__file__).parent
_CHECKOUT = Path(__file__).parents[2] / "schemas"


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What a loader did. ``rows`` and ``duplicates_dropped`` by table; ``notes`` are sentences for people."""

    rows: Mapping[str, int]
    duplicates_dropped: Mapping[str, int]
    notes: tuple[str, ...]


def example_names() -> tuple[str, ...]:
    """Return the names of the examples at hand, in alphabetical order."""
    folders = (path.parent for root in (_INSTALLED, _CHECKOUT) for path in root.glob("*/load.py"))
    return tuple(sorted({folder.name for folder in folders}))


def example_path(name: str) -> Path:
    """Return the folder of example ``name``."""
    if name not in example_names():
        raise ConfigurationError(f"there is no example {name!r}: choose one of {', '.join(example_names())}")
    return next(root / name for root in (_INSTALLED, _CHECKOUT) if (root / name).is_dir())


def load_example(
    name: str, url: str, *, full: bool = False, progress: Callable[[str], None] | None = None
) -> LoadReport:
    """Create example ``name`` in the empty database at ``url`` and fill it; all of it or nothing.

    Without ``full``, the largest tables are cut to a slice. ``progress`` is called with a line per step.
    """
    load: Callable[..., LoadReport] = run_path(str(example_path(name) / "load.py"))["load"]
    return load(url, full=full, progress=progress)
