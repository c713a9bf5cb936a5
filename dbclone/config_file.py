"""``dbclone.yaml``, read: profiles put over the file, options over profiles, and every problem named with its line.

Owns the precedence: command line, then the profile, then what it extends, then the file, then the default. ``${NAME}``
in a text is the environment's value, ``${NAME:-other}`` has a default, ``$${`` is a plain ``${``. The environment is
passed in, and only names of variables are ever shown.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from dbclone.config import Call, Document, Settings
from dbclone.errors import ConfigurationError, at_most
from dbclone.options import OPTIONS

DEFAULT_FILE = "dbclone.yaml"

Location = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$(\$\{)|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, kw_only=True)
class Said:
    """Values as they were given, nested like the file, and where each was: ``dbclone.yaml:12`` or ``--scale``."""

    values: dict[str, Any] = field(default_factory=dict, repr=False)
    where: dict[Location, str] = field(default_factory=dict)

    def over(self, other: Said) -> Said:
        """Return what is said here over ``other``: mappings are merged, everything else is replaced."""
        return Said(values=_merged(other.values, self.values), where={**other.where, **self.where})


def read_call(
    given: Mapping[str, Any],
    *,
    file: Path | None = None,
    profile: str | None = None,
    set_keys: Sequence[str] = (),
    environment: Mapping[str, str],
) -> Call:
    """Return what a command is called with: ``given`` are its parameters by name, None where not given.

    ``file`` is ``./dbclone.yaml`` if there is one and no other is named. Raises ConfigurationError, which names every
    problem.
    """
    if file is None and Path(DEFAULT_FILE).is_file():
        file = Path(DEFAULT_FILE)
    said = Said()
    if file is not None:
        said = with_environment(_chosen(read_file(file), file, profile), environment)
        said = _beside(said, file)
    elif profile is not None:
        raise ConfigurationError(f"--profile {profile}: there is no {DEFAULT_FILE} here; name the file with --config")
    return validated(_options(given).over(_set(set_keys)).over(said), Call)


def make_settings(**values: Any) -> Settings:
    """Return settings by name; a value of None means the default. Raises ConfigurationError naming every wrong one."""
    return validated(_options(values), Call).settings()


# ---- The file -----------------------------------------------------------------------------------------------------


def read_file(file: Path) -> Said:
    """Return what a file says, with the line of every key."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"cannot read {file}: {reason}") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigurationError(f"{file}:{mark.line + 1 if mark else 1}: {error.problem}") from None
    where: dict[Location, str] = {}
    values = _plain(root, (), str(file), where) if root is not None else {}
    if not isinstance(values, dict):
        raise ConfigurationError(f"{file}:1: the file is no mapping: write keys as scale: 0.1")
    return Said(values=values, where=where)


def _plain(node: yaml.Node, path: Location, file: str, where: dict[Location, str]) -> Any:
    """Return a node as plain values, and note where each is. Raises ConfigurationError for a key said twice."""
    where.setdefault(path, f"{file}:{node.start_mark.line + 1}")
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, place = str(key_node.value), f"{file}:{key_node.start_mark.line + 1}"
            if key in values:
                raise ConfigurationError(f"{place}: {key} is there twice, first at {where[(*path, key)]}")
            where[(*path, key)] = place
            values[key] = _plain(value_node, (*path, key), file, where)
        return values
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, number), file, where) for number, item in enumerate(node.value)]
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError):
        place = f"{file}:{node.start_mark.line + 1}"
        raise ConfigurationError(f"{place}: {_dotted(path)}: what is written there is no plain value") from None


def _chosen(document: Said, file: Path, profile: str | None) -> Said:
    """Return the file's values with those of a profile over them."""
    profiles = document.values.get("profiles") or {}
    values = {name: value for name, value in document.values.items() if name != "profiles"}
    said = Said(values=values, where=document.where)
    for name in reversed(_lineage(profiles, document.where, file, profile)):
        mine = {key: value for key, value in (profiles[name] or {}).items() if key != "extends"}
        head: Location = ("profiles", name)
        where = {path[2:]: place for path, place in document.where.items() if path[:2] == head and len(path) > 2}
        said = Said(values=mine, where=where).over(said)
    return said


def _lineage(profiles: Any, where: Mapping[Location, str], file: Path, profile: str | None) -> list[str]:
    """Return a profile, the one that it extends, the one that this extends, and so on."""
    if not isinstance(profiles, dict):
        raise ConfigurationError(f"{where[('profiles',)]}: profiles: write one mapping per profile")
    found: list[str] = []
    place = f"{file}: --profile"
    while profile is not None:
        if profile not in profiles:
            raise ConfigurationError(f"{place} {profile}: there is no such profile{_near(profile, profiles)}")
        if profile in found:
            raise ConfigurationError(f"{place} {profile}: the profiles {', '.join(found)} extend each other")
        found.append(profile)
        keys = profiles[profile] or {}
        if not isinstance(keys, dict):
            raise ConfigurationError(f"{where[('profiles', profile)]}: {profile}: write keys as scale: 0.1")
        place = f"{where.get(('profiles', profile, 'extends'), file)}: extends"
        profile = keys.get("extends")
    return found


def with_environment(said: Said, environment: Mapping[str, str]) -> Said:
    """Return the values with ``${NAME}`` replaced. Raises ConfigurationError naming every variable that is not set."""
    problems: list[str] = []

    def replaced(value: Any, path: Location) -> Any:
        if isinstance(value, dict):
            return {key: replaced(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [replaced(item, (*path, number)) for number, item in enumerate(value)]
        if not isinstance(value, str):
            return value

        def variable(match: re.Match[str]) -> str:
            plain, name, default = match.groups()
            if plain:
                return "${"
            if environment.get(name) or default is not None:
                return environment.get(name) or default
            problems.append(f"{_place(said, path)}: the environment variable {name} is not set")
            return ""

        return _VARIABLE.sub(variable, value)

    values = replaced(said.values, ())
    if problems:
        raise _problems(problems)
    return Said(values=values, where=said.where)


def _beside(said: Said, file: Path) -> Said:
    """Return the values with relative paths taken from the folder of the file, not from the current one."""

    def moved(value: Any, path: Location) -> Any:
        if isinstance(value, dict):
            return {key: moved(item, (*path, key)) for key, item in value.items()}
        if _is_path(path) and isinstance(value, str):
            return str(file.parent / value)
        if _is_path(path) and isinstance(value, list):
            return [str(file.parent / item) if isinstance(item, str) else item for item in value]
        return value

    return Said(values=moved(said.values, ()), where=said.where)


# ---- The command line ---------------------------------------------------------------------------------------------


def _options(given: Mapping[str, Any]) -> Said:
    """Return the parameters of a command as values of the file's keys."""
    said = Said()
    for name, value in given.items():
        if name not in OPTIONS or value is None or value in ([], ()):
            continue
        option = OPTIONS[name]
        if name == "rows":
            counts = value if isinstance(value, Mapping) else parse_rows(value)
            for table, count in counts.items():
                said = _one(("tables", table, "rows"), count, f"--rows {table}").over(said)
        else:
            said = _one(tuple(option.key.split(".")), value, option.flag).over(said)
    return said


def parse_rows(texts: Sequence[str]) -> dict[str, int]:
    """Return ``--rows`` options as rows by table: ``["store=10"]`` → ``{"store": 10}``."""
    rows: dict[str, int] = {}
    for text in texts:
        table, equals, count = text.rpartition("=")
        try:
            rows[table.strip()] = int(count)
        except ValueError:
            equals = ""
        if not equals or not table.strip():
            raise ConfigurationError(f"--rows {text}: write TABLE=N, for instance --rows store=100")
    return rows


_PART = re.compile(r'"((?:[^"]|"")+)"|([^".\[\]]+)')


def _set(texts: Sequence[str]) -> Said:
    """Return ``--set`` options: ``tables.store.rows=3``; a name with a dot in it is quoted, ``tables."a.b".rows=3``."""
    said = Said()
    for text in texts:
        key, equals, value = _split_set(text)
        path = tuple(quoted.replace('""', '"') or plain for quoted, plain in _PART.findall(key))
        if not equals or not path:
            raise ConfigurationError(f"--set {key}: write KEY=VALUE, for instance --set tables.store.action=skip")
        try:
            plain = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigurationError(f"--set {key}: the value is no YAML") from None
        said = _one(path, plain, f"--set {key}").over(said)
    return said


def _split_set(text: str) -> tuple[str, str, str]:
    """Split at the first equals sign that is not within quotes."""
    quoted = False
    for number, letter in enumerate(text):
        quoted ^= letter == '"'
        if letter == "=" and not quoted:
            return text[:number], "=", text[number + 1 :]
    return text, "", ""


def _one(path: Location, value: Any, flag: str) -> Said:
    values = value
    for key in reversed(path):
        values = {key: values}
    return Said(values=values, where={path: flag})


# ---- Validation ---------------------------------------------------------------------------------------------------


_Model = TypeVar("_Model", bound=Call)


def validated(said: Said, model: type[_Model]) -> _Model:
    """Return the values as ``model``. Raises ConfigurationError with place, key and what is right, for each problem."""
    try:
        call = model.model_validate(said.values)
    except ValidationError as error:
        raise _problems([_problem(item, said, model) for item in error.errors(include_input=False)]) from None
    problems = [
        f"{_place(said, (name,))}: there is no folder {path.parent} to write {path.name} to"
        for name in ("save_model", "report")
        if (path := getattr(call, name)) is not None and not path.absolute().parent.is_dir()
    ]
    if problems:
        raise _problems(problems)
    return call


def _problem(item: Any, said: Said, model: type[BaseModel]) -> str:
    """Return one error of pydantic for people: where, which key, what is wrong, and the nearest valid name."""
    path = _real(tuple(item["loc"]), said.values)
    if item["type"] == "extra_forbidden":
        names = _names(model, path[:-1])
        return f"{_place(said, path)}: there is no such key{_near(str(path[-1]), names)}"
    message = item["msg"].removeprefix("Value error, ")
    return f"{_place(said, path)}: {message[:1].lower()}{message[1:]}"


def _real(location: Location, values: Any) -> Location:
    """Return the part of a location of pydantic's that is in the values: it names members of unions as well."""
    path: list[str | int] = []
    for part in location:
        inside = part in values if isinstance(values, dict) else isinstance(values, list) and isinstance(part, int)
        if inside:
            path.append(part)
            values = values[part]
    return tuple(path) or location


def _place(said: Said, path: Location) -> str:
    """Return where a value was given: ``dbclone.yaml:3: tables.store.rows``, or the option."""
    for length in range(len(path), -1, -1):
        place = said.where.get(path[:length])
        if place is not None:
            return place if place.startswith("-") else f"{place}: {_dotted(path)}"
    option = next((o.flag for o in OPTIONS.values() if o.key == _dotted(path)), None)
    return option or _dotted(path)


def _dotted(path: Location) -> str:
    return ".".join(str(part) for part in path)


def _names(model: type[BaseModel], path: Location) -> list[str]:
    """Return the keys that are valid at a path of the file."""
    found = _model_at(model, path)
    return [info.alias or name for name, info in found.model_fields.items()] if found else []


def _model_at(annotation: Any, path: Location) -> type[BaseModel] | None:
    """Return the model of the mapping at a path."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not path:
            return annotation
        fields = {info.alias or name: info for name, info in annotation.model_fields.items()}
        info = fields.get(str(path[0]))
        return _model_at(info.annotation, path[1:]) if info else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return next((found for item in arguments if (found := _model_at(item, path))), None)
    if origin is Annotated:
        return _model_at(arguments[0], path)
    if arguments and path:
        return _model_at(arguments[-1] if arguments[-1] is not ... else arguments[0], path[1:])
    return None


def _is_path(path: Location) -> bool:
    """Whether a key holds a file or files."""
    holder = _model_at(Document, path[:-1])
    fields = {info.alias or name: info for name, info in holder.model_fields.items()} if holder else {}
    return bool(path) and str(path[-1]) in fields and Path in _types(fields[str(path[-1])].annotation)


def _types(annotation: Any) -> Iterator[Any]:
    yield annotation
    for argument in get_args(annotation):
        yield from _types(argument)


def _near(name: str, names: Any) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are: {', '.join(sorted(map(str, names)))}" if names else ""


_WHOLE = ("generator", "choices")
"""Mappings that stand for one value: the parts of two do not mix."""


def _merged(under: Any, over: Any) -> Any:
    if not (isinstance(under, dict) and isinstance(over, dict)):
        return over
    # What is said later goes last: of two patterns of tables, the last one counts.
    kept = {key: value for key, value in under.items() if key not in over}
    merged = {k: _merged(under[k], value) if k in under and k not in _WHOLE else value for k, value in over.items()}
    return kept | merged


def _problems(problems: Sequence[str]) -> ConfigurationError:
    if len(problems) == 1:
        return ConfigurationError(problems[0])
    return ConfigurationError(f"{len(problems)} settings are wrong", details=at_most(problems))
