"""What an input is given: of which asset, of which rolls, as which type."""

from __future__ import annotations

from typing import Any

import dagster as dg

from wf_dagster.errors import CollectError
from wf_dagster.frames import (
    load_analyses,
    load_collected,
    load_labels,
    load_online_models,
    load_predictions,
    load_recorders,
    load_signals,
)
from wf_dagster.orchestration.frames.input_types import InputType
from wf_dagster.orchestration.frames.roll_windows import RollWindow
from wf_dagster.orchestration.strategy.strategy_keys import (
    ANALYSES,
    FOLLOWING_PARTS,
    ROLL_PARTS,
    SIGNALS,
)
from wf_dagster.orchestration.strategy.strategy_metadata import RollingMetadata

_ROLL_FRAMES = {"predictions": load_predictions, "labels": load_labels}


def load_frame(context: dg.InputContext) -> Any:
    """The value of an input whose upstream is an asset of a strategy.

    Args:
        context: That of the input.

    Raises:
        CollectError: What is asked for is not there, or not to be had as that type.
        RollKeyError: A roll is not finished.
    """
    asset = asset_of(context)
    wanted = InputType.of(context)
    if asset.part == SIGNALS:
        return wanted.convert(load_signals(asset.experiment))
    if asset.part == "collected":
        return wanted.convert(load_collected(asset.experiment))
    if asset.part == ANALYSES:
        return wanted.pass_rolls({ANALYSES: load_analyses(asset.experiment)})
    if asset.part == "online_models":
        return wanted.pass_objects(load_online_models(asset.experiment))
    return _load_rolls(context, asset, wanted)


def asset_of(context: dg.InputContext) -> RollingMetadata:
    """Which asset of which strategy is upstream.

    Its metadata says so; of an asset in another code location only the key is known.

    Raises:
        CollectError: It is no asset of a strategy.
    """
    upstream = context.upstream_output
    metadata = RollingMetadata.of(upstream.definition_metadata if upstream is not None else {})
    if metadata is not None:
        return metadata
    path, key = context.asset_key.path, context.asset_key.to_user_string()
    if path[-1] in (*ROLL_PARTS, *FOLLOWING_PARTS, ANALYSES) and len(path) > 1:
        return RollingMetadata(path[-1], key, path[-2], path[-2])
    if path[-1] == SIGNALS:
        return RollingMetadata(SIGNALS, key, key)
    raise CollectError(
        f"{key} is no asset of a strategy, as far as its metadata "
        "and its key show: load it in the asset, with load_signals, load_collected or "
        "load_predictions of wf_dagster"
    )


def _load_rolls(context: dg.InputContext, asset: RollingMetadata, wanted: InputType) -> Any:
    name = asset.experiment
    window = RollWindow.of(context)
    keys = _keys_of(context, name) if window is None else window.keys(list(load_recorders(name)))
    if asset.part == "recorders":
        return wanted.pass_rolls(load_recorders(name, keys))
    load = _ROLL_FRAMES[asset.part]
    cut = window.cut if window is not None else lambda frame: frame
    if wanted.is_dict:
        return {key: wanted.convert(cut(load(name, key))) for key in keys or load_recorders(name)}
    return wanted.convert(cut(load(name, keys)))


def _keys_of(context: dg.InputContext, name: str) -> list[str] | None:
    """The rolls that the input is mapped to; of all that there are, those that are finished."""
    if not context.has_asset_partitions:
        return None
    keys = list(context.asset_partition_keys)
    if set(keys) != set(context.asset_partitions_def.get_partition_keys()):
        return keys
    finished = load_recorders(name)
    if missing := [key for key in keys if key not in finished]:
        context.log.warning(
            f"{context.asset_key.to_user_string()}: {len(missing)} of {len(keys)} rolls have no "
            f"finished recorder and are left out, such as {missing[0]}"
        )
    return [key for key in keys if key in finished] or None
