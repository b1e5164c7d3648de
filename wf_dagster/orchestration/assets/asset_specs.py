"""The assets of a strategy as Dagster shows them, apart from what makes them."""

from __future__ import annotations

import dagster as dg

from wf_dagster.orchestration.host_prices.prices_dependency import prices_dependency
from wf_dagster.orchestration.partitions.rolling_partitions import (
    rolling_partitions,
    strategy_market,
)
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.strategy_keys import ANALYSES, FOLLOWING_PARTS, ROLL_PARTS
from wf_dagster.orchestration.strategy.strategy_metadata import RollingMetadata
from wf_dagster.orchestration.strategy.translator import RollingTranslator, RollProps

_UPSTREAM = {"recorders": (), "predictions": ("recorders",), "labels": ("recorders",)}


def rolling_asset_specs(
    spec: RollingStrategySpec, translator: RollingTranslator | None = None
) -> list[dg.AssetSpec]:
    """The assets of a strategy apart from their execution.

    They are what :func:`build_strategy_definitions` shows of them: use them where something else
    materializes the assets, or to say in another code location what is upstream.

    Args:
        spec: The strategy.
        translator: Changes how they look.

    Returns:
        ``recorders``, ``predictions``, ``labels``, ``collected`` and ``online_models``; and
        ``analyses`` where the strategy has any.

    Raises:
        CalendarError: No roll fits the calendar.
    """
    template, market = strategy_market(spec.template, spec.generator, None, spec.market)
    partitions = rolling_partitions(template, spec.generator, market=market, name=spec.name)
    return list(specs_by_part(spec, partitions.definition, translator).values())


def specs_by_part(
    spec: RollingStrategySpec,
    partitions: dg.PartitionsDefinition[str],
    translator: RollingTranslator | None = None,
) -> dict[str, dg.AssetSpec]:
    """The assets of a strategy, by what they are; upstream is named by translated keys.

    Args:
        spec: The strategy.
        partitions: Its rolls.
        translator: Changes how they look.
    """
    translator = translator or RollingTranslator()
    specs: dict[str, dg.AssetSpec] = {}
    for part in (*ROLL_PARTS, *spec.following_parts):
        asset = translator.get_asset_spec(
            part,
            RollProps(
                name=spec.name,
                experiment=spec.experiment,
                default_key=spec.default_key(part),
                description=spec.description,
                owners=spec.owners,
                group_name=spec.group,
                kinds=spec.kinds,
                tags=spec.tags,
                is_declarative=spec.is_declarative,
                partitions_def=partitions if part in ROLL_PARTS else None,
                upstream=_upstream(spec, part, specs),
            ),
        )
        own = RollingMetadata(part, asset.key.to_user_string(), spec.experiment, spec.name)
        specs[part] = own.attach(asset)
    return specs


def _upstream(
    spec: RollingStrategySpec, part: str, specs: dict[str, dg.AssetSpec]
) -> list[dg.AssetDep]:
    if part == ANALYSES:
        return [dg.AssetDep(specs["collected"].key)]
    if part in FOLLOWING_PARTS:
        all_rolls = dg.AllPartitionMapping()
        return [
            dg.AssetDep(specs[upstream].key, partition_mapping=all_rolls)
            for upstream in ("predictions", "labels")
        ]
    deps = [dg.AssetDep(specs[upstream].key) for upstream in _UPSTREAM[part]]
    if spec.upstream_prices is not None:
        deps.append(prices_dependency(spec.upstream_prices))
    return deps
