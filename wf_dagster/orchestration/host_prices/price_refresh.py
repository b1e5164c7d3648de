"""Prices that come through Dagster, read at the beginning of a step."""

from __future__ import annotations

import dagster as dg

from wf_dagster.market import Market
from wf_dagster.orchestration.host_prices.run_prices import run_prices
from wf_dagster.prices.price_spool import PriceSpool, SpoolOwner


def refresh_prices(market: Market, context: dg.AssetExecutionContext) -> None:
    """Bring the copy of a market's prices up to date, where runs have to; else do nothing.

    Raises:
        DataError: They cannot be read, are no prices, or are kept under a name that others have.
    """
    prices = run_prices(market)
    if prices is None:
        return
    marks = prices.marks(context)
    with prices.reader(context) as read:
        update = PriceSpool(prices.name).update(
            SpoolOwner(prices.source, _location_of(context)), marks, read, context.log.info
        )
    parts = f"{len(update.read)} of {update.parts} partitions" if update.parts > 1 else "all"
    what = f"{parts} read" if update.read else "nothing new"
    context.log.info(f"prices {prices.name!r} from {prices.source}: {what}, {update.rows} rows")
    if update.gone:
        context.log.warning(
            f"prices {prices.name!r}: {len(update.gone)} partitions of {prices.source} are gone, "
            f"such as {update.gone[0]}, and their rows with them"
        )
    if update.unread:
        context.log.warning(
            f"prices {prices.name!r}: {len(update.unread)} partitions of {prices.source}, such as "
            f"{update.unread[0]}, have no materialization in this Dagster instance and were never "
            "read, so that their prices are missing: materialize them, or, where their values are "
            "stored already, report their materialization to Dagster"
        )


def _location_of(context: dg.AssetExecutionContext) -> str:
    origin = getattr(context.run, "remote_job_origin", None)
    return "" if origin is None else str(origin.location_name)
