"""The model file: a zip of one JSON document and NumPy arrays. Nothing in it is run when it is read.

``model.json`` holds every dataclass as an object with its class name under ``$``; arrays stand there as ``{"@": n}``
and lie beside it as ``arrays/n.npy``, which are read with pickles refused. ``digest`` in the header is the SHA-256 of
all other members, so that a truncated or altered file is recognised before anything is built from it. Who has altered
a file can make its digest right again; only a signature (:mod:`dbclone.model.signature`) says whose file it is.

A file is read as one that a stranger sent: nothing is unpacked to a path, no member may be larger than its bounds, no
array than the bytes that are there, and every value must have the type of the field that it is for.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from dbclone.errors import ConfigurationError
from dbclone.model import flow, folds, marginal, parts, rules
from dbclone.model.typed import Shapes
from dbclone.schema import model as schema_model
from dbclone.schema import plan

FORMAT = "dbclone model"
VERSION = 1
MOST_BYTES = 2**30
"""More, unpacked, is not a model: the arrays of a 1,000-table schema are some tens of megabytes."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def _dataclasses(module: Any) -> dict[str, type[Any]]:
    return {n: c for n, c in vars(module).items() if isinstance(c, type) and dataclasses.is_dataclass(c)}


_CLASSES: dict[str, type[Any]] = {
    **_dataclasses(schema_model),
    **_dataclasses(plan),
    **_dataclasses(marginal),
    **_dataclasses(rules),
    **_dataclasses(folds),
    **{name: getattr(flow, name) for name in ("Ddl", "Statement")},
    **_dataclasses(parts),
}
del _CLASSES["FunctionRule"]  # names code, and nothing in a file is run
_SHAPES = Shapes({"Rule": rules.Rule, **_CLASSES})

_DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, RuntimeError, struct.error)
"""What the standard library raises for a zip that is none, is cut, encrypted, or packed in a way that it does not know
(NotImplementedError is a RuntimeError; so is RecursionError, for JSON that is nested too deeply)."""


def save_model(model: parts.Model, path: Path, *, signing_key: Path | None = None) -> None:
    """Write the model to ``path``, beside it first and then moved, so that a file of that name is always whole.

    With the file of a private key, the model is signed by it. Raises ConfigurationError if that is no such key.
    """
    arrays: list[npt.NDArray[Any]] = []
    members = {"model.json": json.dumps(_encode(model, arrays), separators=(",", ":")).encode()}
    for number, array in enumerate(arrays):
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, array, allow_pickle=False)
        members[f"arrays/{number}.npy"] = buffer.getvalue()
    header = {"format": FORMAT, "version": VERSION, "digest": _digest(members), "versions": dict(model.versions)}
    if signing_key is not None:
        header["signature"] = _signatures().sign(_signed(header), signing_key)
    with (
        tempfile.NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, data in {"header.json": json.dumps(header, indent=1).encode(), **members}.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    Path(file.name).replace(path)


def refuse_signing_key(signing_key: Path) -> None:
    """Raise ConfigurationError if models cannot be signed by this key: to be asked before one is learned."""
    _signatures().read_private_key(signing_key)


def load_model(path: Path, *, trusted_key: Path | None = None) -> parts.Model:
    """Return the model in ``path``; with the file of a public key, only if the model was signed by its owner.

    Raises ConfigurationError if it is missing, damaged, of another version, or not signed by that key.
    """
    header, members = _read(path)
    if header.get("version") != VERSION:
        raise ConfigurationError(
            f"{path} is a model of format version {_shown(header.get('version'))}, this dbclone reads {VERSION}; "
            "train it again with this version"
        )
    if _digest(members) != header.get("digest"):
        raise ConfigurationError(f"{path} was altered or damaged: its digest does not match; train it again")
    if trusted_key is not None:
        _signatures().require_signature(path, header.get("signature"), _signed(header), trusted_key)
    try:
        arrays = {int(Path(name).stem): _array(data) for name, data in members.items() if name.startswith("arrays/")}
        model = _decode(json.loads(members["model.json"]), arrays)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path} does not describe a model of this version; train it again") from error
    if not isinstance(model, parts.Model):
        raise ConfigurationError(f"{path} does not hold a model")
    return model


def _read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the header and all other members of a model file."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            if size > MOST_BYTES:
                raise ConfigurationError(f"{path} is not a dbclone model: {size:,} bytes, more than any model has")
            header = json.loads(archive.read("header.json"))
            if not isinstance(header, dict) or header.get("format") != FORMAT:
                raise ConfigurationError(f"{path} is not a dbclone model")
            return header, {name: archive.read(name) for name in archive.namelist() if name != "header.json"}
    except FileNotFoundError as error:
        raise ConfigurationError(f"there is no model file {path}") from error
    except (OSError, *_DAMAGED) as error:
        raise ConfigurationError(
            f"{path} is not a whole dbclone model: truncated or damaged; train it again"
        ) from error


def _array(data: bytes) -> npt.NDArray[Any]:
    """Return the array that ``data`` are. Its size is compared first: a header may claim any."""
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("an array of another format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject or any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ValueError("an array of another size than its header says, or of objects")
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _shown(version: Any) -> str:
    """Return the version that a file claims, if it is one: anything may stand there."""
    return str(version) if isinstance(version, int) else "unknown"


def _signed(header: Mapping[str, Any]) -> bytes:
    """Return what a signature is of: the digest of all members, and the version that they are read as."""
    return f"{FORMAT} {header['version']} {header['digest']}".encode()


def _signatures() -> ModuleType:
    """Return :mod:`dbclone.model.signature`, which needs a package that is not needed otherwise."""
    try:
        from dbclone.model import signature
    except ImportError as error:
        raise ConfigurationError("signatures need the package cryptography: pip install 'dbclone[sign]'") from error
    return signature


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
    if "$" not in value:
        return items
    kind = _CLASSES[value["$"]]
    if wrong := _SHAPES.wrong(kind, items):
        raise TypeError(f"{kind.__name__}: {', '.join(wrong)}")
    return kind(**items)
