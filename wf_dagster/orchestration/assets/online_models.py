"""Which models of a strategy are online, as an asset."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from wf_dagster.orchestration.assets.downstream import downstream_asset
from wf_dagster.orchestration.failures import wf_errors_as_failures
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec

if TYPE_CHECKING:
    from wf_dagster.online import OnlineState, OnlineToolR
    from wf_dagster.tracking import Recorder

_LISTED = 50  # changes; all of them are in `online.json` of the recorder `online`


def build_online_models_asset(
    spec: StrategySpec, strategy: RollingStrategySpec, asset: dg.AssetSpec
) -> dg.AssetsDefinition:
    """``NAME/online_models``: which recorders are online, since when, and what was before."""

    def online_models(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        tool = spec.online_tool()
        with wf_errors_as_failures():
            state = tool.state()
            online, waiting = tool.online_models(), tool.next_online_models()
        if state.failures:
            raise dg.Failure(
                description=(
                    "rolls that were due could not be trained; the models before them stay "
                    "online, and the next run tries again.\n" + "\n".join(state.failures)
                )
            )
        context.log.info(f"{spec.name}: online {state.online} since {state.since}")
        return dg.MaterializeResult(
            metadata={
                "online": dg.MetadataValue.int(len(online)),
                "next_online": dg.MetadataValue.int(len(waiting)),
                "since": dg.MetadataValue.text(state.since or "never"),
                "session": dg.MetadataValue.text(state.session or "none worked through yet"),
                "generation": dg.MetadataValue.int(state.generation),
                "models": dg.MetadataValue.md(_models(online, waiting)),
                "history": dg.MetadataValue.md(_history(state, tool)),
            }
        )

    return downstream_asset(strategy, asset, online_models)


def _models(online: "Sequence[Recorder]", waiting: "Sequence[Recorder]") -> str:
    lines = ["| status | roll | recorder |", "|---|---|---|"]
    for status, recorders in (("online", online), ("next_online", waiting)):
        lines += [f"| {status} | {_roll(r)} | {_link(r)} |" for r in recorders]
    return "\n".join(lines)


def _history(state: "OnlineState", tool: "OnlineToolR") -> str:
    changes = state.changes[: -_LISTED - 1 : -1]
    ids = dict.fromkeys(recorder_id for change in changes for recorder_id in change.online)
    recorders = {recorder.id: recorder for recorder in tool.recorders(ids)}
    lines = ["| since | roll | recorder |", "|---|---|---|"]
    for change in changes:
        served = [recorders[i] for i in change.online if i in recorders]
        rolls, links = ", ".join(map(_roll, served)), ", ".join(map(_link, served))
        lines.append(f"| {change.session or 'by hand'} | {rolls} | {links} |")
    return "\n".join(lines)


def _roll(recorder: "Recorder") -> str:
    return str(recorder.list_tags().get("roll", recorder.name))


def _link(recorder: "Recorder") -> str:
    from wf_dagster.tracking import run_url  # slow to import

    return f"[{recorder.id[:8]}]({run_url(recorder.experiment_id, recorder.id)})"
