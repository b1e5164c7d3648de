"""An input of rolls for an asset with partitions of its own, in whatever time zone."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from wf_dagster.errors import SettingsError
from wf_dagster.orchestration.host_prices.price_keys import PricesAsset, asset_key_of
from wf_dagster.orchestration.strategy.strategy_metadata import NAMESPACE

WINDOWED = f"{NAMESPACE}/rows_of_partition"
TIMEZONE = f"{NAMESPACE}/timezone"


def roll_input(asset: PricesAsset, *, timezone: str | None = None, **options: Any) -> dg.AssetIn:
    """An input of predictions or labels, cut to the time of the partition that is run.

    Rolls are partitions in a time zone of their own, and Dagster maps time windows onto each other
    within one zone only ("Timezones ... don't match"); nor would it know which roll serves on a day
    between two. With this input an asset with daily, weekly, monthly or other time partitions, in
    any zone, has the rows of its own partition, from the roll or rolls that they are of. Dagster's
    pages and automation take each of its partitions to depend on all rolls, which holds in every
    process: only mappings of Dagster's own reach its daemon.

    Args:
        asset: ``predictions``, ``labels`` or ``recorders`` of a strategy, or its key.
        timezone: Whose clock says which sessions a partition holds; default that of the partitions.
            Give that of the exchange where partitions are in another one, such as UTC hours.
        **options: Others of ``dg.AssetIn``, such as ``input_manager_key``.

    Raises:
        SettingsError: The time zone is unknown.

    Example:
        >>> import dagster as dg
        >>> daily = dg.DailyPartitionsDefinition("2019-01-01", timezone="America/New_York")
        >>> @dg.asset(partitions_def=daily, ins={"scores": roll_input("ridge/predictions")})
        ... def orders(scores): ...
    """
    if timezone is not None:
        _check_zone(timezone)
    metadata = {**(options.pop("metadata", None) or {}), WINDOWED: True}
    if timezone is not None:
        metadata[TIMEZONE] = timezone
    return dg.AssetIn(
        asset_key_of(asset),
        partition_mapping=dg.AllPartitionMapping(),
        metadata=metadata,
        **options,
    )


def _check_zone(timezone: str) -> None:
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError, TypeError):
        raise SettingsError(
            f"timezone={timezone!r} is unknown: give a name of the IANA database, such as "
            "'America/New_York' or 'UTC'"
        ) from None
