"""How the rolls of a strategy depend on the asset of its prices."""

from __future__ import annotations

import dagster as dg

from wf_dagster.orchestration.host_prices.price_keys import PricesAsset, asset_key_of


def prices_dependency(asset: PricesAsset) -> dg.AssetDep:
    """The dependency of each roll on the prices, however these are partitioned.

    A roll is trained on the past, tested up to its end and brought up to date later: it reads the
    prices as a whole. So it depends on all their partitions, be they days or hours of any time
    zone, exchanges, or both. That is also the one mapping of Dagster's own which holds between any
    two kinds of partitions, and of which nothing needs to be known: time windows are mapped within
    one time zone only, and mappings of anybody else's do not reach the daemon and the web page.

    Args:
        asset: The asset, or its key; of a key alone it is not known how it is partitioned.
    """
    key = asset_key_of(asset)
    if (
        isinstance(asset, dg.AssetsDefinition | dg.SourceAsset | dg.AssetSpec)
        and asset.partitions_def is None
    ):
        return dg.AssetDep(key)
    return dg.AssetDep(key, partition_mapping=dg.AllPartitionMapping())
