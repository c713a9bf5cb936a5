"""A plan as lines for people: tables and roles, stars as trees, load steps, cost, what is lost and what was asked for.

Beside :mod:`dbclone.render`, which renders everything else; importing it loads neither numpy nor a driver.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbclone.schema.model import TableKey
    from dbclone.schema.plan import Plan, Reference, Star, Step, TablePlan


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> Iterator[str]:
    """Yield an aligned text table, indented by two; the columns in ``right`` are aligned right."""
    widths = [max(len(row[n]) for row in (head, *rows)) for n in range(len(head))]
    for row in (head, *rows):
        cells = [cell.rjust(widths[n]) if n in right else cell.ljust(widths[n]) for n, cell in enumerate(row)]
        yield ("  " + "  ".join(cells)).rstrip()


def plan_lines(plan: Plan, changed: Sequence[str] = ()) -> Iterator[str]:
    """Yield the plan for people. ``changed`` is what the configuration makes different."""
    schema = plan.schema
    source_rows = sum(table.source_rows for table in plan.tables)
    server = f"{schema.dialect} {schema.server_version}"
    yield f"{server}: {len(plan.tables):,} tables, {source_rows:,} rows → {plan.rows:,} rows"
    yield ""
    yield "Tables"
    rows = [
        (branch + table.table, f"{table.source_rows:,}", f"{table.sample_rows:,}", f"{table.rows:,}", _role(table))
        for branch, table in _tree(plan)
    ]
    yield from table_lines(("table", "source rows", "sampled", "to make", "role"), rows, right=(1, 2, 3))
    yield ""
    yield "Stars (each is one HMA1 model: a parent and its children)"
    for star in plan.stars:
        yield from _star(star)
    yield ""
    yield "Load"
    for number, step in enumerate(plan.steps, 1):
        yield f"  {number:>3}. {_step(step)}"
    yield ""
    yield f"Cost, within a factor of two on two cores: {_cost(plan)}"
    if changed:
        yield ""
        yield "The configuration"
        yield from (f"  {line}" for line in changed)
    if plan.notes:
        yield ""
        yield "Worth knowing"
        for note in plan.notes:
            yield f"  {note.table}: {note.message}"


def _tree(plan: Plan) -> Iterator[tuple[str, TablePlan]]:
    """Yield all tables as trees: each under the parent that it is made with, with the branches drawn before it."""
    children: dict[TableKey | None, list[TablePlan]] = defaultdict(list)
    for table in plan.tables:
        children[table.primary.foreign_key.parent if table.primary else None].append(table)

    def below(parent: TableKey | None, indent: str) -> Iterator[tuple[str, TablePlan]]:
        for number, table in enumerate(children[parent], 1):
            last = number == len(children[parent])
            corner, onward = ("", "") if parent is None else ("└─ ", "   ") if last else ("├─ ", "│  ")
            yield indent + corner, table
            yield from below(table.table, indent + onward)

    yield from below(None, "")


def _role(table: TablePlan) -> str:
    """Return what the foreign keys of a table are used for: ``child of basket; links to product, store``."""
    from dbclone.schema.bookkeeping import is_bookkeeping

    if table.copied:
        return "copied: migration bookkeeping" if is_bookkeeping(table.table) else "copied"
    if not table.source_rows:
        return "empty in the source"
    parts = [f"child of {table.primary.foreign_key.parent}" if table.primary else "root"]
    links = [_link(reference) for reference in table.links]
    if links:
        parts.append(f"link{'s' if len(links) > 1 else ''} to {', '.join(links)}")
    return "; ".join(parts)


def _link(reference: Reference) -> str:
    return "itself" if reference.role == "self" else reference.foreign_key.parent


def _star(star: Star) -> Iterator[str]:
    yield f"  {star.parent}  {star.columns} columns" + (
        f" + {star.width - star.columns:,} learned about its children" if star.branches else ""
    )
    for number, branch in enumerate(star.branches, 1):
        detail = {
            "correlations": "count, means, scales, correlations",
            "scales": "count, means, scales",
            "means": "count, means",
        }[branch.detail]
        corner = "└─" if number == len(star.branches) else "├─"
        yield f"  {corner} {branch.child}  {branch.columns} columns: {detail}"


def _step(step: Step) -> str:
    from dbclone.schema.plan import Backfill, Load

    if isinstance(step, Load):
        return f"write {step.table}" + (f", {', '.join(step.null)} NULL at first" if step.null else "")
    if isinstance(step, Backfill):
        return f"fill in {step.foreign_key} of {step.table}"
    return f"drop {step.foreign_key} of {step.table} for the load, and add it again after it"


def _cost(plan: Plan) -> str:
    cost = plan.cost
    return (
        f"sample {cost.sample_s:.0f} s, learn {cost.learn_s:.0f} s, generate {cost.generate_s:.0f} s, "
        f"load {cost.load_s:.0f} s; {cost.memory_mb:,.0f} MB of memory"
    )
