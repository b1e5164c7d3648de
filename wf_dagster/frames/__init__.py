"""What strategies have computed, as frames for whoever goes on with them."""

from wf_dagster.frames.engines import Engine, to_polars
from wf_dagster.frames.roll_frames import load_labels, load_predictions, load_recorders
from wf_dagster.frames.strategy_frames import (
    load_analyses,
    load_collected,
    load_online_models,
    load_signals,
)

__all__ = [
    "Engine",
    "load_analyses",
    "load_collected",
    "load_labels",
    "load_online_models",
    "load_predictions",
    "load_recorders",
    "load_signals",
    "to_polars",
]
