"""How the assets of a strategy look in Dagster: their keys and all that Dagster shows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from wf_dagster.orchestration.strategy.conditions import on_new_prices, on_new_results
from wf_dagster.orchestration.strategy.strategy_keys import (
    ANALYSES,
    FOLLOWING_PARTS,
    ROLL_PARTS,
    SIGNALS,
)

_DESCRIPTIONS = {
    "recorders": "Trains the roll's task; one MLflow run (recorder) a roll.",
    "predictions": (
        "The roll's out-of-sample predictions (`pred.pkl` of its recorder). Materialized "
        "without `recorders`, they are predicted again with the model trained before; a roll "
        "that was never trained is trained first."
    ),
    "labels": "What the predictions are held against (`label.pkl` of the recorder).",
    "collected": (
        "The finished rolls' predictions as one out-of-sample frame; where two rolls overlap "
        "the later one counts. Rolls without a recorder are reported as gaps."
    ),
    "online_models": (
        "The recorders that serve, since when, and what served before. The online schedule or "
        "a sensor switches them; a roll that was due and could not be trained fails this asset, "
        "while the models before it go on."
    ),
    ANALYSES: (
        "Analyses of the collected predictions, such as their information coefficients and a "
        "simulated portfolio: computed once over all rolls, not roll by roll."
    ),
    SIGNALS: "Scores of all strategies, standardised a day and averaged: what a trader uses.",
}
_KINDS = {
    "recorders": {"mlflow"},
    "predictions": {"parquet"},
    "labels": {"parquet"},
    "collected": {"pandas", "parquet"},
    "online_models": {"mlflow"},
    ANALYSES: {"mlflow"},
    SIGNALS: {"pandas", "parquet"},
}


@dataclass(frozen=True)
class RollProps:
    """What is known of an asset before it is translated.

    Attributes:
        name: Name of the strategy; of signals, the name of the signals.
        experiment: Its MLflow experiment.
        default_key: Its key, unless the translator gives it another one.
        description: The strategy's own line.
        owners: The owners.
        group_name: The group.
        kinds: Further kinds of ``recorders``.
        tags: The tags.
        is_declarative: Whether it follows what is upstream by automation conditions.
        partitions_def: The rolls, of the partitioned assets.
        upstream: What it depends on, by the keys that the translator gave.
    """

    name: str
    experiment: str
    default_key: dg.AssetKey
    description: str = ""
    owners: Sequence[str] = ()
    group_name: str | None = None
    kinds: Sequence[str] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    is_declarative: bool = False
    partitions_def: dg.PartitionsDefinition[str] | None = None
    upstream: Sequence[dg.AssetDep] = ()


class RollingTranslator:
    """Says how each asset of a strategy looks in Dagster.

    Override :meth:`get_asset_spec` to change keys, groups, owners, tags, kinds, metadata, deps or
    descriptions; everything that belongs to the strategy (checks, schedule, sensors, jobs,
    signals) follows the keys that it gives.

    Example:
        >>> class ByTeam(RollingTranslator):
        ...     def get_asset_spec(self, part, roll_props):
        ...         spec = super().get_asset_spec(part, roll_props)
        ...         return spec.replace_attributes(group_name="research", tags={"team": "quant"})
    """

    def get_asset_spec(self, part: str, roll_props: RollProps) -> dg.AssetSpec:
        """An asset of a strategy.

        Args:
            part: ``"recorders"``, ``"predictions"``, ``"labels"``, ``"collected"``,
                ``"online_models"``, ``"analyses"`` or ``"signals"``.
            roll_props: What is known of it, its upstream in keys as they were translated.
        """
        props = roll_props
        condition = None
        if props.is_declarative and part in ("predictions", "labels"):
            condition = on_new_prices()
        elif part == ANALYSES or (props.is_declarative and part in (*FOLLOWING_PARTS, SIGNALS)):
            condition = on_new_results()
        return dg.AssetSpec(
            props.default_key,
            deps=list(props.upstream),
            description=_describe(part, props.description),
            kinds=_KINDS[part] | (set(props.kinds) if part == "recorders" else set()),
            metadata={"mlflow_experiment": props.experiment},
            automation_condition=condition,
            skippable=part in ROLL_PARTS,  # an online run leaves a roll alone that is not due yet
            group_name=props.group_name,
            owners=list(props.owners),
            tags=dict(props.tags),
            partitions_def=props.partitions_def,
        )


def _describe(part: str, own: str) -> str:
    if part == SIGNALS:
        return own or _DESCRIPTIONS[part]
    return "\n\n".join(filter(None, [_DESCRIPTIONS[part], own]))
