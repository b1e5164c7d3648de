"""The prices of a market as an asset that Dagster observes."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from wf_dagster.market import Market
from wf_dagster.orchestration.failures import wf_errors_as_failures


def build_prices_asset(
    key: str | Sequence[str] | dg.AssetKey = "prices",
    *,
    prices: object = None,
    cron: str = "*/5 * * * *",
    group_name: str = "prices",
    description: str = "",
) -> dg.SourceAsset:
    """The prices as an asset that Dagster observes: its data version is theirs.

    Args:
        key: Asset key, that of ``prices_asset`` of :func:`build_rolling_assets`.
        prices: The prices of a :class:`Market`, or such a market; default that of the settings.
        cron: When the automation looks at the prices (UTC).
        group_name: Dagster group.
        description: Shown on the asset.
    """

    market = prices if isinstance(prices, Market) else Market(prices)

    @dg.observable_source_asset(
        key=key,
        group_name=group_name,
        description=description
        or "Daily prices. A new version is a later session, or prices that were restated.",
        automation_condition=dg.AutomationCondition.cron_tick_passed(cron)
        & ~dg.AutomationCondition.in_progress(),
    )
    def observed() -> dg.DataVersion:
        from wf_dagster.orchestration.automation.price_versions import price_versions  # slow

        with wf_errors_as_failures():
            version = price_versions(market).version()
        return dg.DataVersion(version)

    return observed
