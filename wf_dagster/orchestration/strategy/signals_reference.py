"""Which signals a job refreshes, a check asks for, or a sensor watches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from wf_dagster.orchestration.host_prices.price_keys import asset_key_of
from wf_dagster.orchestration.strategy.strategy_metadata import RollingMetadata

Signals = str | dg.AssetKey | dg.AssetsDefinition


@dataclass(frozen=True)
class SignalsReference:
    """Signals by name.

    Attributes:
        key: The key that the asset was defined with.
        experiment: The MLflow experiment that keeps them.
    """

    key: dg.AssetKey
    experiment: str


def refer_to_signals(signals: Sequence[Signals]) -> Iterator[SignalsReference]:
    """The signals that are meant.

    Args:
        signals: What :func:`build_signals_asset` gave, or its key where the experiment is called
            like the key.
    """
    for each in signals:
        key = asset_key_of(each)
        own = None
        if isinstance(each, dg.AssetsDefinition):
            own = RollingMetadata.of(each.specs_by_key[key].metadata)
        yield SignalsReference(key, own.experiment if own else key.to_user_string())
