"""The merge of all strategies as one asset."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from wf_dagster.orchestration.assets.rolling_list import RollingAssets
from wf_dagster.orchestration.automation.conditions import Automation, is_declarative
from wf_dagster.orchestration.run_tags import SESSION_TAG
from wf_dagster.orchestration.strategy_keys import SIGNALS, StrategyKeys
from wf_dagster.orchestration.translator import RollingTranslator, RollProps


class SignalsConfig(dg.Config):
    """Launch-time choices of the signals."""

    over_write: bool = Field(
        default=False,
        description="Make all signals anew, also those that were sent at earlier sessions.",
    )


def build_signals_asset(
    strategies: Sequence[str | RollingAssets],
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

    Args:
        strategies: What :func:`build_rolling_assets` gave, or the names given to it.
        key: Asset key.
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
    """
    declarative = is_declarative(automation)
    asset_key = dg.AssetKey.from_coercible(key)
    name = experiment or asset_key.to_user_string()
    names = list(experiments or map(_experiment_of, strategies))
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
            upstream=[dg.AssetDep(_collected_of(strategy)) for strategy in strategies],
        ),
    )

    @dg.multi_asset(
        name=asset_key.to_python_identifier(),
        specs=[asset],
        retry_policy=retry_policy,
        op_tags=dict(op_tags or {}),
        pool=pool,
    )
    def signals(
        context: dg.AssetExecutionContext, config: SignalsConfig
    ) -> dg.MaterializeResult[Any]:
        from wf_dagster.orchestration.steps.signals_step import make_signals  # slow to import

        is_online_run = declarative or SESSION_TAG in context.run.tags
        return make_signals(
            context, name, names, is_online_run=is_online_run, over_write=config.over_write
        )

    return signals


def _collected_of(strategy: str | RollingAssets) -> dg.AssetKey:
    return (
        StrategyKeys(strategy).asset("collected")
        if isinstance(strategy, str)
        else (strategy.key("collected"))
    )


def _experiment_of(strategy: str | RollingAssets) -> str:
    return strategy if isinstance(strategy, str) else strategy.spec.experiment
