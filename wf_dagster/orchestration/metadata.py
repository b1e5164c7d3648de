"""Outcomes of rolls as Dagster metadata."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from wf_dagster.training import RollOutcome

Metadata = dict[str, dg.MetadataValue[Any]]

_METRICS = {"IC": "ic", "ICIR": "icir", "Rank IC": "rank_ic", "Rank ICIR": "rank_icir"}
_ORIGINS = {
    "train": "trained in this run",
    "refresh": "predicted again with the model trained before",
    "update": "brought up to date with the model trained before",
    "report": "reused: this definition had a finished recorder",
}


def roll_metadata(outcome: RollOutcome) -> Metadata:
    """What a roll's materialization shows: numbers, links and a plot.

    Metrics that are not known yet (no label of the roll is) are left out.
    """
    metadata: Metadata = {
        "recorder_id": dg.MetadataValue.text(outcome.recorder_id or ""),
        "mlflow_run": dg.MetadataValue.url(outcome.url),
        "segments": dg.MetadataValue.md(_segments(outcome)),
        "predictions": dg.MetadataValue.int(outcome.rows),
        "fit_seconds": dg.MetadataValue.float(round(outcome.fit_seconds, 4)),
        "seconds": dg.MetadataValue.float(round(outcome.seconds, 4)),
        "fingerprint": dg.MetadataValue.text(outcome.fingerprint),
        "how": dg.MetadataValue.text(_ORIGINS[outcome.kind]),
    }
    if outcome.late_rows:
        metadata["late_rows"] = dg.MetadataValue.int(outcome.late_rows)
    for metric, name in _METRICS.items():
        value = outcome.metrics.get(metric)
        if value is not None and math.isfinite(value):
            metadata[name] = dg.MetadataValue.float(value)
    if outcome.plot:
        metadata["ic_plot"] = dg.MetadataValue.md(outcome.plot)
    return metadata


def _segments(outcome: RollOutcome) -> str:
    lines = ["| segment | first session | last session |", "|---|---|---|"]
    lines += [
        f"| {name} | {start or 'open'} | {end or 'open'} |"
        for name, (start, end) in outcome.segments.items()
    ]
    return "\n".join(lines)


def number_metadata(values: Mapping[str, float | int | str]) -> Metadata:
    """Plain figures as metadata; what is not finite is left out."""
    metadata: Metadata = {}
    for name, value in values.items():
        if isinstance(value, str):
            metadata[name] = dg.MetadataValue.text(value)
        elif isinstance(value, int):
            metadata[name] = dg.MetadataValue.int(value)
        elif math.isfinite(value):
            metadata[name] = dg.MetadataValue.float(float(value))
    return metadata
