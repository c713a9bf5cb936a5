"""CREATE statements taken apart: columns and constraints of a table, conditions of CHECKs, parts of an index.

By words and parentheses only: what stands between them is the database's own, and is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SYNTAX = r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<string>'(?:[^']|'')*')
      | (?P<name>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[^\W\d]\w*)
      | (?P<other>.)"""
_PLAIN = re.compile(_SYNTAX, re.VERBOSE | re.DOTALL)
_ESCAPED = re.compile(_SYNTAX.replace("(?:[^']|'')*", r"(?:[^'\\]|''|\\.)*"), re.VERBOSE | re.DOTALL)
_CONSTRAINTS = ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK", "KEY", "INDEX", "FULLTEXT", "SPATIAL", "PERIOD")


@dataclass(frozen=True)
class Token:
    """A word, a quoted name, a string or a sign, and where it stands. ``word`` is in capitals, empty if quoted."""

    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        return self.text.upper() if self.text[0].isalpha() or self.text[0] == "_" else ""

    @property
    def name(self) -> str:
        return unquoted(self.text)


def unquoted(name: str) -> str:
    """Return a name without its quotes. ``[order]`` → ``order``."""
    if name[:1] == "[":
        return name[1:-1]
    return name[1:-1].replace(name[0] * 2, name[0]) if name[:1] in ('"', "`", "'") else name


def tokens(sql: str, *, backslashes: bool = False) -> list[Token]:
    """Return what a statement is made of, but for blanks and comments; a backslash may escape in its strings."""
    pattern = _ESCAPED if backslashes else _PLAIN
    return [Token(m[0], m.start(), m.end()) for m in pattern.finditer(sql) if m.lastgroup != "skip"]


def _closing(found: list[Token], opening: int) -> int:
    """Return the place of the parenthesis that closes the one at ``opening``."""
    depth = 0
    for place in range(opening, len(found)):
        depth += (found[place].text == "(") - (found[place].text == ")")
        if depth == 0:
            return place
    return len(found) - 1


def _body(found: list[Token]) -> tuple[int, int]:
    """Return the places of the first parenthesis and of the one that closes it."""
    opening = next((n for n, token in enumerate(found) if token.text == "("), len(found) - 1)
    return opening, _closing(found, opening)


def _parted(found: list[Token], opening: int, closing: int) -> Iterator[list[Token]]:
    """Yield the tokens of each part between commas that are in no further parentheses."""
    part: list[Token] = []
    depth = 0
    for token in found[opening + 1 : closing]:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def table_parts(sql: str, *, backslashes: bool = False) -> dict[str, str]:
    """Return what a CREATE TABLE consists of: ``column name``, ``constraint n`` and ``options``, as it is written.

    ``CREATE TABLE t (a int, UNIQUE (a)) STRICT`` → ``{"column a": "a int", "constraint 1": "UNIQUE (a)", "options":
    "STRICT"}``.
    """
    found = tokens(sql, backslashes=backslashes)
    opening, closing = _body(found)
    parts: dict[str, str] = {}
    for part in _parted(found, opening, closing):
        text = " ".join(sql[part[0].start : part[-1].end].split())
        # A constraint may follow the one before without a comma; it is read as part of it.
        named = part[0].word in _CONSTRAINTS
        parts[f"constraint {len(parts)}" if named else f"column {part[0].name}"] = text
    after = sql[found[closing].end :].strip().rstrip(";")
    return {**parts, "options": " ".join(after.split())} if after else parts


def check_conditions(sql: str, table: str, *, backslashes: bool = False) -> dict[str, str]:
    """Return the condition of each CHECK in a CREATE TABLE by its name; those without one are numbered."""
    found = tokens(sql, backslashes=backslashes)
    conditions: dict[str, str] = {}
    for place, token in enumerate(found[:-1]):
        if token.word == "CHECK" and found[place + 1].text == "(":
            closing = _closing(found, place + 1)
            named = place >= 2 and found[place - 2].word == "CONSTRAINT"
            name = found[place - 1].name if named else f"{table}_check{len(conditions) + 1}"
            conditions[name] = sql[found[place + 1].end : found[closing].start].strip()
    return conditions


def index_parts(sql: str) -> tuple[list[str], str | None]:
    """Return the parts of a CREATE INDEX, columns and expressions alike, and its condition."""
    found = tokens(sql)
    if not found:
        return [], None
    opening, closing = _body(found)
    parts = [sql[part[0].start : part[-1].end] for part in _parted(found, opening, closing)]
    where = next((token for token in found[closing:] if token.word == "WHERE"), None)
    return parts, sql[where.end :].strip().rstrip(";") if where else None


def names_in(sql: str) -> frozenset[str]:
    """Return every name in a statement in lower case, whatever it names."""
    return frozenset(token.name.lower() for token in tokens(sql) if token.word or token.text[0] in '"`[')
