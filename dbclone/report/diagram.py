"""Entity-relationship diagrams of a schema: Mermaid text, and SVG drawn by graphviz.

Owns the two notations and their quoting. What a table is comes from :mod:`dbclone.schema.model`; where the text goes is
the caller's business.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from html import escape
from pathlib import Path

from dbclone.errors import ConfigurationError
from dbclone.schema import graph
from dbclone.schema.model import Column, Schema, Table

DOT_TIMEOUT_S = 120


def mermaid(schema: Schema) -> str:
    """Return the schema as a Mermaid ``erDiagram``.

    ``household ||--o{ basket : "basket_household_fk"`` reads: a basket has one household, a household any number of
    baskets. ``|o`` is a nullable foreign key, ``o|`` one that at most one child row uses.
    """
    return "\n".join(["erDiagram", *_mermaid_tables(schema), *_mermaid_relations(schema)]) + "\n"


def _mermaid_tables(schema: Schema) -> Iterator[str]:
    for table in schema.tables:
        yield f"    {_mermaid_quoted(table.key)} {{"
        for column in table.columns:
            keys = ", ".join(_key_marks(table, column))
            yield f"        {_mermaid_word(column.type)} {_mermaid_word(column.name)} {keys}".rstrip()
        yield "    }"


def _mermaid_relations(schema: Schema) -> Iterator[str]:
    for edge in graph.edges(schema):
        one = "|o" if edge.nullable else "||"
        many = "o|" if _is_unique(schema.table(edge.child), edge.foreign_key.columns) else "o{"
        ends = f"{_mermaid_quoted(edge.parent)} {one}--{many} {_mermaid_quoted(edge.child)}"
        yield f"    {ends} : {_mermaid_quoted(edge.foreign_key.name)}"


def _mermaid_quoted(name: str) -> str:
    # Mermaid's lexer takes no escape inside quotes, and none of these characters.
    return '"' + re.sub(r'["%\\\r\n\v\b]', "_", name) + '"'


def _mermaid_word(text: str) -> str:
    """Return a type or name in the characters that Mermaid takes: ``numeric(10,2)`` → ``numeric(10_2)``."""
    word = re.sub(r"[^A-Za-z0-9_\-\[\]()À-￿]+", "_", text)
    return word if re.match(r"[A-Za-z_À-￿]", word) else f"_{word}"


def _key_marks(table: Table, column: Column) -> Iterator[str]:
    if column.name in table.primary_key:
        yield "PK"
    if any(column.name in key.columns for key in table.foreign_keys):
        yield "FK"
    if any(key.is_plain and key.columns == (column.name,) for key in table.unique_keys):
        yield "UK"


def _is_unique(table: Table, columns: tuple[str, ...]) -> bool:
    return any(set(unique) <= set(columns) for unique in table.uniques())


def dot(schema: Schema) -> str:
    """Return the schema as a graphviz digraph, parents above their children."""
    lines = [
        "digraph schema {",
        '  graph [rankdir=TB, fontname="sans-serif", bgcolor="transparent"];',
        '  node [shape=plain, fontname="sans-serif", fontsize=10];',
        '  edge [dir=both, arrowhead=crow, arrowtail=none, color="#667085"];',
    ]
    lines += [f"  {_dot_quoted(table.key)} [label=<{_dot_label(table)}>];" for table in schema.tables]
    for edge in graph.edges(schema):
        style = " [style=dashed]" if edge.nullable else ""
        lines.append(f"  {_dot_quoted(edge.parent)} -> {_dot_quoted(edge.child)}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_quoted(name: str) -> str:
    # Graphviz reads \" and nothing else as an escape in an identifier; a trailing backslash would open one.
    return '"' + name.replace("\\", "/").replace('"', '\\"') + '"'


def _dot_label(table: Table) -> str:
    rows = [f'<tr><td bgcolor="#dbe7f5"><b>{escape(table.key)}</b></td></tr>']
    for column in table.columns:
        marks = " ".join(_key_marks(table, column))
        text = escape(f"{column.name}  {column.type}") + (f"  <b>{marks}</b>" if marks else "")
        rows.append(f'<tr><td align="left">{text}</td></tr>')
    return f'<table border="0" cellborder="1" cellspacing="0" cellpadding="3" bgcolor="white">{"".join(rows)}</table>'


def svg(schema: Schema) -> str:
    """Return the schema as SVG, drawn by graphviz.

    Raises ConfigurationError when graphviz is not installed or does not finish.
    """
    program = shutil.which("dot")
    if program is None:
        raise ConfigurationError(
            "drawing SVG needs graphviz, whose program 'dot' is not on the PATH: "
            "install it, or write a Mermaid diagram with --diagram FILE.mmd"
        )
    try:
        done = subprocess.run(
            [program, "-Tsvg"], input=dot(schema), capture_output=True, text=True, timeout=DOT_TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(
            f"graphviz did not finish in {DOT_TIMEOUT_S} s: draw fewer tables, or write --diagram FILE.mmd"
        ) from error
    except subprocess.CalledProcessError as error:
        raise ConfigurationError("graphviz failed", details=error.stderr.splitlines()[:5]) from error
    return done.stdout


def diagram(schema: Schema, file: Path) -> str:
    """Return the diagram in the notation of the file's suffix, ``.mmd`` or ``.svg``."""
    if file.suffix == ".mmd":
        return mermaid(schema)
    if file.suffix == ".svg":
        return svg(schema)
    raise ConfigurationError(f"--diagram {file}: the file must end in .svg or .mmd")
