"""Dagster: the twin of the shop as an asset, with its rows and checks as metadata."""

from __future__ import annotations

import dagster

import dbclone


@dagster.asset
def shop_twin() -> dagster.MaterializeResult:
    """Make the twin anew."""
    source, target = dagster.EnvVar("SHOP_URL").get_value(), dagster.EnvVar("SHOP_TWIN_URL").get_value()
    result = dbclone.clone(source, target, dbclone.make_settings(scale=0.1, on_existing="truncate"))
    return dagster.MaterializeResult(metadata={"rows": sum(result.rows.values()), "checks": len(result.checks)})
