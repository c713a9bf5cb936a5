"""The model file: a zip of one JSON document and NumPy arrays. Nothing in it is run when it is read.

``model.json`` holds every dataclass as an object with its class name under ``$``; arrays stand there as ``{"@": n}``
and lie beside it as ``arrays/n.npy``, which are read with pickles refused. ``digest`` in the header is the SHA-256 of
all other members, so that a truncated or altered file is recognised before anything is built from it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dbclone.errors import ConfigurationError
from dbclone.model import flow, marginal, parts, rules
from dbclone.schema import model as schema_model
from dbclone.schema import plan

FORMAT = "dbclone model"
VERSION = 1
MOST_BYTES = 2 * 2**30
"""A larger member is not a model: the arrays of a 1,000-table schema are some tens of megabytes."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def _dataclasses(module: Any) -> dict[str, type[Any]]:
    return {n: c for n, c in vars(module).items() if isinstance(c, type) and dataclasses.is_dataclass(c)}


_CLASSES: Mapping[str, type[Any]] = {
    **_dataclasses(schema_model),
    **_dataclasses(plan),
    **_dataclasses(marginal),
    **_dataclasses(rules),
    **{name: getattr(flow, name) for name in ("Ddl", "Statement")},
    **_dataclasses(parts),
}


def save_model(model: parts.Model, path: Path) -> None:
    """Write the model to ``path``, beside it first and then moved, so that a file of that name is always whole."""
    arrays: list[npt.NDArray[Any]] = []
    members = {"model.json": json.dumps(_encode(model, arrays), separators=(",", ":")).encode()}
    for number, array in enumerate(arrays):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, allow_pickle=False)
        members[f"arrays/{number}.npy"] = buffer.getvalue()
    header = {"format": FORMAT, "version": VERSION, "digest": _digest(members), "versions": dict(model.versions)}
    with (
        tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, data in {"header.json": json.dumps(header, indent=1).encode(), **members}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    Path(file.name).replace(path)


def load_model(path: Path) -> parts.Model:
    """Return the model in ``path``. Raises ConfigurationError if it is missing, damaged or of another version."""
    try:
        with zipfile.ZipFile(path) as archive:
            header = json.loads(_read(archive, "header.json"))
            if not isinstance(header, dict) or header.get("format") != FORMAT:
                raise ConfigurationError(f"{path} is not a dbclone model")
            if header.get("version") != VERSION:
                raise ConfigurationError(
                    f"{path} is a model of format version {header.get('version')}, this dbclone reads {VERSION}; "
                    "train it again with this version"
                )
            members = {name: _read(archive, name) for name in archive.namelist() if name != "header.json"}
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no model file {path}") from error
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise ConfigurationError(
            f"{path} is not a whole dbclone model: truncated or damaged; train it again"
        ) from error
    if _digest(members) != header.get("digest"):
        raise ConfigurationError(f"{path} was altered or damaged: its digest does not match; train it again")
    try:
        arrays = {
            int(Path(name).stem): np.load(io.BytesIO(data), allow_pickle=False)
            for name, data in members.items()
            if name.startswith("arrays/")
        }
        model = _decode(json.loads(members["model.json"]), arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{path} does not describe a model of this version; train it again") from error
    if not isinstance(model, parts.Model):
        raise ConfigurationError(f"{path} does not hold a model")
    return model


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MOST_BYTES:
        raise ValueError(f"member {name} is too large")
    return archive.read(name)


def _digest(members: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(members):
        digest.update(f"{name}\0{len(members[name])}\0".encode())
        digest.update(members[name])
    return digest.hexdigest()


def _encode(value: Any, arrays: list[npt.NDArray[Any]]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"@": len(arrays) - 1}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _encode(getattr(value, f.name), arrays) for f in dataclasses.fields(value)}
        return {"$": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): _encode(item, arrays) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_encode(item, arrays) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _decode(value: Any, arrays: Mapping[int, npt.NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "@" in value:
        return arrays[value["@"]]
    items = {key: _decode(item, arrays) for key, item in value.items() if key != "$"}
    return _CLASSES[value["$"]](**items) if "$" in value else items
