"""A host's repository around one small strategy: its own IO manager, reports downstream."""

from __future__ import annotations

from typing import Any

import dagster as dg
import numpy as np
import pandas as pd

from tests.support import task_of
from wf_dagster.orchestration import TrackingResource, build_rolling_assets, build_signals_asset
from wf_dagster.rolling import RollingGen
from wf_dagster.tracking import R

KEYS = ["2019-01-01", "2019-02-01", "2019-03-01", "2019-04-01"]
RANGE = {
    "dagster/asset_partition_range_start": KEYS[0],
    "dagster/asset_partition_range_end": KEYS[-1],
}
ROLLS = ["ridge/recorders", "ridge/predictions", "ridge/labels"]


class HostStorage(dg.IOManager):
    """Stores the values of the host's own assets; those of others it refuses."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        self.values[context.asset_key.to_user_string()] = obj

    def load_input(self, context: dg.InputContext) -> Any:
        return self.values[context.asset_key.to_user_string()]


def strategy_assets(**options: Any) -> Any:
    """Four monthly rolls; the first is tested in January 2019."""
    template = task_of(KEYS[0])
    template["dataset"]["kwargs"]["segments"]["test"] = (KEYS[0], "2019-04-30")
    generator = RollingGen("month", rtype=RollingGen.ROLL_SD)
    return build_rolling_assets("ridge", template, generator, **options)


def host_definitions(*assets: Any, storage: HostStorage, **options: Any) -> dg.Definitions:
    """The strategy, its signals, and what the host makes of them."""
    strategy = strategy_assets(**options)
    return dg.Definitions(
        assets=[*strategy, build_signals_asset([strategy]), *assets],
        resources={"tracking": TrackingResource(), "io_manager": storage},
        executor=dg.in_process_executor,
    )


def run(
    definitions: dg.Definitions, instance: dg.DagsterInstance, keys: list[str], **options: Any
) -> Any:
    """One run of some assets."""
    job = definitions.resolve_implicit_global_asset_job_def()
    return job.execute_in_process(
        asset_selection=[dg.AssetKey.from_user_string(key) for key in keys],
        instance=instance,
        raise_on_error=False,
        **options,
    )


def failure(result: Any) -> str:
    """What a failed run says."""
    texts = []
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            failure_data = event.step_failure_data.user_failure_data
            texts += [error.to_string(), failure_data.description if failure_data else ""]
    return "\n".join(filter(None, texts))


def made_frame(key: str, seed: int = 0) -> pd.DataFrame:
    """Scores of two instruments on the business days of a month."""
    start = pd.Timestamp(key)
    days = pd.bdate_range(start, start + pd.offsets.MonthEnd(0), name="datetime")
    rows = pd.MultiIndex.from_product([days, ["A", "B"]], names=["datetime", "instrument"])
    scores = np.random.default_rng(seed + start.month).normal(size=len(rows))
    return pd.DataFrame({"score": scores}, rows)


def keep_rolls(experiment: str = "ridge", keys: list[str] = KEYS) -> dict[str, pd.DataFrame]:
    """Finished recorders of rolls, with predictions and labels."""
    frames = {key: made_frame(key) for key in keys}
    for key, pred in frames.items():
        tags = {"roll": key, "strategy": "ridge"}
        with R.start(experiment_name=experiment, recorder_name=key, tags=tags):
            R.save_objects(**{"pred.pkl": pred, "label.pkl": pred.rename(columns=str.upper) / 10})
    return frames
