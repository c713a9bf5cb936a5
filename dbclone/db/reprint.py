"""Expressions as the server prints them, made comparable.

A condition that is dumped and restored comes back in other words, though it means the same: PostgreSQL prints the parse
tree, in which casts between types of text move from a list to its items.

``(status)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])`` is restored as
``(status)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])``; both become
``status = ANY ARRAY['a','b']``.

:func:`normalised` compares such texts; :func:`as_written` words them so that they come back as they were.
"""

from __future__ import annotations

import re

_LITERAL = re.compile(r"'(?:[^']|'')*'")
_TEXT_CAST = re.compile(r"::(?:character varying|character|varchar|bpchar|text)(?:\(\d+\))?(?:\[\])*(?![\w.])")
_AROUND_ONE = re.compile(r'(?<![\w"])\(\s*(\w+|"(?:[^"]|"")*"|ARRAY\[[^\[\]]*\])\s*\)')
_NULL_NAME = re.compile(r' CONSTRAINT (?:\w+|"(?:[^"]|"")*") NOT NULL')

# Quoted text first, so that nothing is found within: strings, names, bodies of functions.
_LIST_OF_TEXTS = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$).*?\1|"""
    r"(?P<head>\b(?:ANY|ALL) \()\((?P<list>ARRAY\[(?:'(?:[^']|'')*'::character varying(?:, )?)+\])\)::text\[\]\)",
    re.DOTALL,
)


def normalised(sql: str) -> str:
    """Return SQL of the catalogue without what changes when it is dumped and restored.

    Literals stay as they are. Casts to types of text go, and parentheses around a single name, literal or array.
    """
    literals: list[str] = []

    def hide(match: re.Match[str]) -> str:
        literals.append(match[0])
        return f"literal{len(literals) - 1}literal"

    text = _TEXT_CAST.sub("", _LITERAL.sub(hide, sql))
    before = ""
    while text != before:
        before, text = text, _AROUND_ONE.sub(r" \1", text)
    text = re.sub(r"\s*([()\[\],])\s*", r"\1", _NULL_NAME.sub(" NOT NULL", " ".join(text.split())))
    return re.sub(r"literal(\d+)literal", lambda match: literals[int(match[1])], text)


def as_written(sql: str) -> str:
    """Return a definition such that the server, having carried it out, prints it as it is given here.

    Where a list of ``varchar`` is compared with a text, PostgreSQL converts the list as a whole and prints a cast of
    it; told that cast, it would convert each item. Told none, it does what it did in the source.
    ``= ANY ((ARRAY['a'::character varying])::text[])`` → ``= ANY (ARRAY['a'::character varying])``.
    """
    return _LIST_OF_TEXTS.sub(lambda match: f"{match['head']}{match['list']})" if match["list"] else match[0], sql)
