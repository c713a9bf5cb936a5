"""Entity-relationship diagrams of a schema: Mermaid text, and SVG drawn by graphviz.

Owns the two notations and their quoting. What a table is comes from :mod:`dbclone.schema.model`; where the text goes is
the caller's business.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from dbclone.errors import ConfigurationError
from dbclone.schema import graph
from dbclone.schema.model import Column, Schema, Table, TableKey
from dbclone.schema.plan import Star

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


_COLOURS = ("#cfe3ff", "#d6f2dc", "#fde7c7", "#ecdcff", "#ffd9dc", "#d3f1f1")


def star_colours(stars: Sequence[Star]) -> dict[TableKey, str]:
    """Return a colour per table, that of the first star which it is learned in."""
    found: dict[TableKey, str] = {}
    for number, star in enumerate(stars):
        for key in (star.parent, *(branch.child for branch in star.branches)):
            found.setdefault(key, _COLOURS[number % len(_COLOURS)])
    return found


def mermaid_stars(schema: Schema, stars: Sequence[Star]) -> str:
    """Return the graph of foreign keys as a Mermaid flowchart, the tables of a star in one colour."""
    names = {table.key: f"t{number}" for number, table in enumerate(schema.tables)}
    lines = ["flowchart LR", *(f"    {names[key]}[{_mermaid_quoted(key)}]" for key in names)]
    lines += [
        f"    {names[edge.parent]} {'-.->' if edge.nullable else '-->'} {names[edge.child]}"
        for edge in graph.edges(schema)
    ]
    lines += [f"    style {names[key]} fill:{colour},color:#1b2230" for key, colour in star_colours(stars).items()]
    return "\n".join(lines) + "\n"


def plan_diagram(schema: Schema, stars: Sequence[Star], file: Path) -> tuple[Path, str]:
    """Return a file and what to write to it: an ``.svg`` by graphviz, and Mermaid otherwise, or where there is none."""
    if file.suffix == ".svg" and shutil.which("dot"):
        return file, svg(schema, stars)
    if file.suffix in (".svg", ".mmd"):
        return file.with_suffix(".mmd"), mermaid_stars(schema, stars)
    raise ConfigurationError(f"--diagram {file}: the file must end in .svg or .mmd")


def dot(schema: Schema, stars: Sequence[Star] = ()) -> str:
    """Return the schema as a graphviz digraph, parents above their children, the tables of a star in one colour."""
    colours = star_colours(stars)
    lines = [
        "digraph schema {",
        '  graph [rankdir=TB, fontname="sans-serif", bgcolor="transparent"];',
        '  node [shape=plain, fontname="sans-serif", fontsize=10];',
        '  edge [dir=both, arrowhead=crow, arrowtail=none, color="#667085"];',
    ]
    lines += [
        f"  {_dot_quoted(table.key)} [label=<{_dot_label(table, colours.get(table.key, _COLOURS[0]))}>];"
        for table in schema.tables
    ]
    for edge in graph.edges(schema):
        style = " [style=dashed]" if edge.nullable else ""
        lines.append(f"  {_dot_quoted(edge.parent)} -> {_dot_quoted(edge.child)}{style};")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_quoted(name: str) -> str:
    # Graphviz reads \" and nothing else as an escape in an identifier; a trailing backslash would open one.
    return '"' + name.replace("\\", "/").replace('"', '\\"') + '"'


def _dot_label(table: Table, colour: str) -> str:
    rows = [f'<tr><td bgcolor="{colour}"><b>{escape(table.key)}</b></td></tr>']
    for column in table.columns:
        marks = " ".join(_key_marks(table, column))
        text = escape(f"{column.name}  {column.type}") + (f"  <b>{marks}</b>" if marks else "")
        rows.append(f'<tr><td align="left">{text}</td></tr>')
    return f'<table border="0" cellborder="1" cellspacing="0" cellpadding="3" bgcolor="white">{"".join(rows)}</table>'


def svg(schema: Schema, stars: Sequence[Star] = ()) -> str:
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
            [program, "-Tsvg"],
            input=dot(schema, stars),
            capture_output=True,
            text=True,
            timeout=DOT_TIMEOUT_S,
            check=True,
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
