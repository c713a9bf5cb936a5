"""dbclone: a synthetic twin of a live database, every key intact.

The stages, in order: ``reflect → plan → sample → learn → generate → load → verify → report``. What the command line
does is here as functions (:func:`clone`, :func:`train_model`, :func:`generate_into`, :func:`verify_target` …), and so
are single stages, from values to values (:func:`reflect`, :func:`make_plan`, :func:`take_sample`,
:func:`learn_model`, :func:`synthesize`, :func:`evaluate`). Importing this package loads neither SDV nor a database
driver: a name is looked up when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dbclone.errors import DbcloneError

__version__ = "0.1.0"

_HOMES = {
    "clone": "pipeline",
    "generate_into": "pipeline",
    "plan_source": "pipeline",
    "train_model": "pipeline",
    "diff": "inspection",
    "source_metadata": "inspection",
    "verify_target": "inspection",
    "draw": "library",
    "evaluate": "library",
    "learn_model": "library",
    "make_plan": "library",
    "reflect": "library",
    "synthesize": "library",
    "take_sample": "library",
    "make_settings": "config_file",
    "Settings": "config",
    "load_model": "model.artifact",
    "save_model": "model.artifact",
}
"""Where each public name lives. None is called like a module of the package: that would hide one of them."""

__all__ = [  # noqa: PLE0604 - names of _HOMES are strings
    "DbcloneError",
    "__version__",
    *_HOMES,
]

if TYPE_CHECKING:
    from dbclone.config import Settings as Settings
    from dbclone.config_file import make_settings as make_settings
    from dbclone.inspection import diff as diff
    from dbclone.inspection import source_metadata as source_metadata
    from dbclone.inspection import verify_target as verify_target
    from dbclone.library import draw as draw
    from dbclone.library import evaluate as evaluate
    from dbclone.library import learn_model as learn_model
    from dbclone.library import make_plan as make_plan
    from dbclone.library import reflect as reflect
    from dbclone.library import synthesize as synthesize
    from dbclone.library import take_sample as take_sample
    from dbclone.model.artifact import load_model as load_model
    from dbclone.model.artifact import save_model as save_model
    from dbclone.pipeline import clone as clone
    from dbclone.pipeline import generate_into as generate_into
    from dbclone.pipeline import plan_source as plan_source
    from dbclone.pipeline import train_model as train_model


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dbclone' has no attribute {name!r}")
    return getattr(import_module(f"dbclone.{_HOMES[name]}"), name)
