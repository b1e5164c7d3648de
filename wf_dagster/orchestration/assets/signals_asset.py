"""The merge of all strategies as one asset."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from wf_dagster.errors import SettingsError
from wf_dagster.orchestration.assets.rolling_list import RollingAssets, check_is_assets
from wf_dagster.orchestration.frames.frames_io_manager import multi_asset_with_frames
from wf_dagster.orchestration.host_prices.price_keys import asset_key_of
from wf_dagster.orchestration.run_tags import SESSION_TAG
from wf_dagster.orchestration.strategy.conditions import Automation, is_declarative
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.strategy_keys import SIGNALS
from wf_dagster.orchestration.strategy.strategy_metadata import RollingMetadata
from wf_dagster.orchestration.strategy.translator import RollingTranslator, RollProps

Strategy = str | RollingAssets | RollingStrategySpec

# Strategies are inputs of signals, though signals read their frames from the recorders: Dagster
# refuses definitions with an input that nothing makes, while a mere dependency may be missing.
_NOTHING = "wf_nothing"


@dg.input_manager(description="The frames are read from their recorders.")
def _load_nothing(_: dg.InputContext) -> None:
    return None


class SignalsConfig(dg.Config):
    """Launch-time choices of the signals."""

    over_write: bool = Field(
        default=False,
        description="Make all signals anew, also those that were sent at earlier sessions.",
    )


def build_signals_asset(
    strategies: Strategy | Sequence[Strategy],
    *,
    key: str | Sequence[str] | dg.AssetKey = SIGNALS,
    experiment: str | None = None,
    experiments: Sequence[str] | None = None,
    description: str = "",
    owners: Sequence[str] = (),
    group_name: str = SIGNALS,
    tags: Mapping[str, str] | None = None,
    automation: Automation = "manual",
    retry_policy: dg.RetryPolicy | None = None,
    op_tags: Mapping[str, Any] | None = None,
    pool: str | None = None,
    translator: RollingTranslator | None = None,
) -> dg.AssetsDefinition:
    """The average over strategies: the final score per (datetime, instrument).

    Once a strategy is online, signals stay as they were sent: only those of new sessions are added,
    and those of the last one made again. Launch it with ``over_write`` to make all of them anew.
    Without it no row that was sent goes away, nor are the signals of other strategies replaced.

    Args:
        strategies: What :func:`build_rolling_assets` gave, :class:`RollingStrategySpec` values
            (whose keys no translator changes), or the names of strategies, with their key prefix if
            they have one (``"fund/momentum"``). A name whose ``NAME/collected`` the code location
            does not know is refused when it is loaded; for a strategy of another one, add
            ``dg.AssetSpec(["NAME", "collected"])`` to the assets.
        key: Asset key; as a text with ``/`` between its parts.
        experiment: Name of the MLflow experiment that keeps the frame (``signals.pkl``: rows
            ``(datetime, instrument)``, column ``score``); default the key, ``/`` between its parts.
        experiments: MLflow experiments of the strategies that are given by name, if they are not
            called like them.
        description: Shown on the asset.
        owners: Owners as Dagster takes them.
        group_name: Dagster group.
        tags: Tags of the asset.
        automation: ``"declarative"`` makes new signals whenever a strategy was collected again.
        retry_policy: Retries of a failed step.
        op_tags: Tags of its step.
        pool: Dagster's concurrency pool of its step.
        translator: Changes how the asset looks in Dagster, its key included.

    Raises:
        OnlineError: ``automation`` is unknown.
        SettingsError: There is no strategy, not an experiment each, or one for two of them.
    """
    declarative = is_declarative(automation)
    several: list[Strategy] = (
        [strategies] if isinstance(strategies, str | RollingStrategySpec) else [*strategies]
    )
    if isinstance(strategies, RollingAssets):
        several = [strategies]
    asset_key = asset_key_of(key)
    name = experiment or asset_key.to_user_string()
    names = list(experiments or map(_experiment_of, several))
    if not several or len(names) != len(several):
        raise SettingsError(
            f"signals {name!r} are of {len(several)} strategies and {len(names)} experiments: give "
            "the strategies they are the average of, and an experiment each or none"
        )
    shared = {of for of, count in Counter(names).items() if count > 1}
    if shared:
        raise SettingsError(
            f"signals {name!r}: the experiment {min(shared)!r} is named for two strategies; each "
            "strategy counts once, and has an experiment of its own"
        )
    upstream = [_collected_of(strategy) for strategy in several]
    asset = (translator or RollingTranslator()).get_asset_spec(
        SIGNALS,
        RollProps(
            name=name,
            experiment=name,
            default_key=asset_key,
            description=description,
            owners=owners,
            group_name=group_name,
            tags=tags or {},
            is_declarative=declarative,
            upstream=[dg.AssetDep(key) for key in upstream],
        ),
    )
    asset = RollingMetadata(SIGNALS, asset.key.to_user_string(), name).attach(asset)

    def signals(
        context: dg.AssetExecutionContext, config: SignalsConfig, **_: object
    ) -> dg.MaterializeResult[Any]:
        from wf_dagster.orchestration.steps.signals_step import make_signals  # slow to import

        is_online_run = declarative or SESSION_TAG in context.run.tags
        return make_signals(
            context, name, names, is_online_run=is_online_run, over_write=config.over_write
        )

    return multi_asset_with_frames(
        [asset],
        name=asset_key.to_python_identifier(),
        ins={
            dep.asset_key.to_python_identifier(): dg.AssetIn(
                dep.asset_key,
                partition_mapping=dep.partition_mapping,
                input_manager_key=_NOTHING,
            )
            for dep in asset.deps
            if dep.asset_key in upstream
        },
        resource_defs={_NOTHING: _load_nothing},
        retry_policy=retry_policy,
        op_tags=dict(op_tags or {}),
        pool=pool,
    )(signals)


def _collected_of(strategy: Strategy) -> dg.AssetKey:
    if isinstance(strategy, str):
        return asset_key_of(f"{strategy}/collected")
    if isinstance(strategy, RollingStrategySpec):
        return strategy.default_key("collected")
    check_is_assets(strategy, "build_signals_asset")
    return strategy.key("collected")


def _experiment_of(strategy: Strategy) -> str:
    if isinstance(strategy, str):
        return asset_key_of(strategy).path[-1]
    if isinstance(strategy, RollingStrategySpec):
        return strategy.experiment
    check_is_assets(strategy, "build_signals_asset")
    return strategy.spec.experiment
