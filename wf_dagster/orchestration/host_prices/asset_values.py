"""Values of the host's assets, as their IO managers give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import pandas as pd

from wf_dagster.errors import DataError
from wf_dagster.orchestration.host_prices.run_prices import AssetPrices
from wf_dagster.orchestration.host_prices.value_loader import ValueLoader
from wf_dagster.prices.foreign_frames import to_table
from wf_dagster.prices.price_spool import Mark, Unknown

WHOLE = ""  # the one part of an asset without partitions


def find_marks(context: dg.AssetExecutionContext, key: dg.AssetKey) -> dict[str, Mark]:
    """By partition which materialization is its latest.

    What is in no event of this Dagster instance is not gone:

    - An asset without any is not materialized here, so that all of it is always read.
    - A partition without one, where others have one, is unknown: what was read of it stays.

    Raises:
        DataError: The asset is not in this code location.
    """
    asset, instance = _asset_of(context, key), context.instance
    if asset.partitions_def is None:
        event = instance.get_latest_materialization_event(key)
        return {WHOLE: None if event is None else f"{event.run_id} {event.timestamp}"}
    materialized = dg.DagsterEventType.ASSET_MATERIALIZATION
    ids = instance.get_latest_storage_id_by_partition(key, materialized)
    parts = asset.partitions_def.get_partition_keys(dynamic_partitions_store=instance)
    if ids.keys().isdisjoint(parts):
        return dict.fromkeys(parts)
    return {part: str(ids[part]) if part in ids else Unknown.MARK for part in parts}


@contextmanager
def open_reader(
    context: dg.AssetExecutionContext, prices: AssetPrices
) -> Iterator[Callable[[str], pd.DataFrame]]:
    """What loads a partition of the prices, with the columns as prices have them."""
    kind = prices.as_type or pd.DataFrame
    asset = _asset_of(context, prices.key)
    with ValueLoader(context, asset, prices.key, kind) as loader:

        def read(part: str) -> pd.DataFrame:
            place = f"{prices.source}, {part}" if part else prices.source
            try:
                value = loader.load(part or None)
            except Exception as error:  # whatever the host's IO manager raises
                raise DataError(
                    f"{place}, which holds the prices, cannot be loaded through its IO manager: "
                    f"{type(error).__name__}: {error}. Materialize it first, or see whether the "
                    "IO manager gives what as_type asks for"
                ) from error
            return to_table(value, place).rename(columns=prices.columns)

        yield read


def _asset_of(context: dg.AssetExecutionContext, key: dg.AssetKey) -> dg.AssetsDefinition:
    """The asset with its IO manager, from the job: not every way of running has a repository."""
    graph = context.job_def.asset_layer.asset_graph
    if not graph.has(key) or graph.get(key).assets_def.is_auto_created_stub:
        raise DataError(
            f"asset {key.to_user_string()}, which holds the prices, is not in this code location, "
            "so that its IO manager is not known: list it as dg.AssetSpec(...)"
            ".with_io_manager_key(...), with its partitions and the resource, or read the prices "
            "with a resource (ResourcePrices)"
        )
    return graph.get(key).assets_def
