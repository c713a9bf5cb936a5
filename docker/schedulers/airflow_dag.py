"""Airflow: the twin of the shop, made anew every night from a source that only this connection may read."""

from __future__ import annotations

import pendulum
from airflow.decorators import dag, task
from airflow.hooks.base import BaseHook


@dag(schedule="0 2 * * *", start_date=pendulum.datetime(2024, 1, 1), catchup=False)
def shop_twin() -> None:
    """One task: dbclone undoes its own transaction when it fails, so that a retry begins afresh."""

    @task(retries=2)
    def refresh() -> int:
        import dbclone

        source = BaseHook.get_connection("shop").get_uri()
        target = BaseHook.get_connection("shop_twin").get_uri()
        settings = dbclone.make_settings(scale=0.1, on_existing="truncate")
        return sum(dbclone.clone(source, target, settings).rows.values())

    refresh()


shop_twin()
