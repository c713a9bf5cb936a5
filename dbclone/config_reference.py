"""The configuration for editors and readers: a JSON Schema and ``docs/configuration.md``, both made from the models.

``dbclone config schema`` and ``dbclone config reference`` print them; tests say when the shipped files are old.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dbclone.config import Document, Profile
from dbclone.options import OPTIONS

SCHEMA_FILE = "dbclone.schema.json"
"""In the package, and what ``dbclone config schema`` prints."""


def json_schema() -> str:
    """Return the JSON Schema of ``dbclone.yaml``, as it is shipped: ``dbclone/dbclone.schema.json``."""
    schema = Document.model_json_schema(by_alias=True)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "dbclone.yaml"}
    return json.dumps(_or_variable(schema), indent=2, ensure_ascii=False) + "\n"


def _or_variable(node: Any) -> Any:
    """Return a schema that takes ``${NAME}`` wherever it takes a number or a truth value; such text becomes one."""
    if isinstance(node, list):
        return [_or_variable(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _or_variable(value) for key, value in node.items()}
    if found.get("type") in ("integer", "number", "boolean"):
        about = {key: found.pop(key) for key in ("title", "description", "default") if key in found}
        return {**about, "anyOf": [found, {"type": "string", "pattern": r"\$\{"}]}
    if found.get("type") == "array":
        # A single text is a list of one.
        items = found.get("items", {})
        if items.get("type") == "string":
            about = {key: found.pop(key) for key in ("title", "description", "default") if key in found}
            return {**about, "anyOf": [found, items]}
    return found


def reference() -> str:
    """Return ``docs/configuration.md``: every key, its type, its option and what it is for."""
    return "\n".join(_lines()) + "\n"


_HEAD = """# Configuration: `dbclone.yaml`

Made from the models by `dbclone config reference`; what is said here is what is checked.

dbclone reads `./dbclone.yaml`, or the file that `--config FILE` names. Every option of the command line is a key of the
file, and any key of the file can be given with `--set KEY=VALUE`. What is said on the command line goes before what an
environment variable says, that before the profile, that before what the profile extends, that before the file itself.

```yaml
# yaml-language-server: $schema=SCHEMA
source: ${DBCLONE_SOURCE}              # an environment variable; ${NAME:-other} has a default
target: ${DBCLONE_TARGET}
scale: 0.1
exclude: [audit.*]
references:
  - order.customer_id=customer.id      # no foreign key says so
tables:
  "*_log": {action: empty}             # a pattern
  country: {scale: 1}
  customer: {rows: 5000}
profiles:
  staging:
    scale: 0.5
  ci:                                  # dbclone clone --profile ci
    extends: staging
    scale: 0.01
```

The first line tells editors where the JSON Schema is: `dbclone config schema > SCHEMA` puts it there.
Relative paths are taken from the folder of the file. A name of a table goes before a pattern; of several patterns the
last one that says anything counts. A mistake is reported with file, line, key and the nearest valid name."""


def _lines() -> Iterator[str]:
    yield _HEAD.replace("SCHEMA", SCHEMA_FILE)
    yield ""
    yield "## Keys"
    yield ""
    yield from _table(Document, "", skip=("profiles",))
    for key, model in _models(Document, ""):
        yield ""
        yield f"## `{key}`"
        yield ""
        yield _plain(model.__doc__ or "")
        yield ""
        yield from _table(model, key)
    yield ""
    yield "## `profiles.NAME`"
    yield ""
    yield "Every key above, and `extends`: the profile that this one starts from."


def leaves(model: type[BaseModel], key: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every key that holds a value, with its path: ``tables.*.rows``. A list of mappings is one value."""
    for name, info in _fields(model):
        path = f"{key}.{name}".lstrip(".")
        inner, several = _inner(info.annotation)
        if inner is None or "[]" in several:
            yield path, info
        else:
            yield from leaves(inner, path + several)


def _table(model: type[BaseModel], key: str, skip: tuple[str, ...] = ()) -> Iterator[str]:
    yield "| key | value | option | what it is for |"
    yield "|---|---|---|---|"
    for name, info in _fields(model):
        path = f"{key}.{name}".lstrip(".")
        if name not in skip:
            flags = " ".join(dict.fromkeys(f"`{o.flag}`" for o in OPTIONS.values() if o.key == path))
            yield f"| `{name}` | {_type(info)} | {flags} | {_about(info)} |"


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        yield info.alias or name, info


def _models(model: type[BaseModel], key: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the mappings within a model, each with its key: ``tables.*``."""
    for name, info in _fields(model):
        inner, several = _inner(info.annotation)
        if inner is not None and inner is not Profile:
            path = f"{key}.{name}".lstrip(".") + several
            yield path, inner
            yield from _models(inner, path)


def _inner(annotation: Any, several: str = "") -> tuple[type[BaseModel] | None, str]:
    """Return the model that a type holds, and how it is reached: ``.*`` by a name, ``[]`` by a number."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, several
    origin, arguments = get_origin(annotation), get_args(annotation)
    mark = "" if origin in (Union, UnionType, Annotated) else "[]" if origin is tuple else ".*"
    for argument in arguments[:1] if origin is Annotated else arguments:
        found, how = _inner(argument, several + mark)
        if found is not None:
            return found, how
    return None, ""


def _type(info: FieldInfo) -> str:
    return _named(info.annotation)


_NAMES = {"str": "text", "SecretStr": "URL", "Path": "file", "int": "whole number", "float": "number"}


def _named(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin is Annotated:
        return _named(arguments[0])
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_named(item) for item in arguments if item is not type(None)))
    if origin is tuple:
        return f"list of {_named(arguments[0])}s"
    if origin is not None:
        return "mapping"
    if annotation is Any:
        return "value"
    if annotation is bool:
        return "`true` or `false`"
    name = getattr(annotation, "__name__", str(annotation))
    return "mapping" if isinstance(annotation, type) and issubclass(annotation, BaseModel) else _NAMES.get(name, name)


def _plain(docstring: str) -> str:
    """Return a text of ours as Markdown."""
    return docstring.strip().replace("``", "`")


def _about(info: FieldInfo) -> str:
    text = _plain(info.description or "").replace(" May be repeated.", "")
    default = info.default
    shown = isinstance(default, int | float | str) and default is not False
    return f"{text} [{default}]" if shown and "[" not in text else text
