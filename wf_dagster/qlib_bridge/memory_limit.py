"""How much data the rolls of a backfill hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from qlib.data import D

from wf_dagster.calendars import pair
from wf_dagster.qlib_bridge.handler_configs import handler_config, without_data
from wf_dagster.qlib_engine.raw_compute import series_of, spans_of
from wf_dagster.tasks import canonical_json

_SMALL = 256 << 20  # bytes that rolls may hold together whatever they share
_FLOAT32 = 4


def most_together(configs: Sequence[Any]) -> int | None:
    """How many datasets may be in work at once so that they hold one copy of what they share.

    A roll in work holds what it trains on; with small data nothing is limited.

    Args:
        configs: Of the datasets, taken to be rolls of one template.

    Returns:
        At least 1; ``None`` where it is not known, and where rolls do not share one handler: each
        then holds all data anyway.
    """
    if len({canonical_json(handler_config(config)) for config in configs}) == len(configs) > 1:
        return None
    largest = max(configs, key=_days, default=None)
    handler = handler_config(largest)
    empty = None if handler is None else without_data(handler)
    if empty is None or not isinstance(freq := empty.data_loader.freq, str):
        return None
    sessions = D.calendar(empty.start_time, empty.end_time, freq=freq)
    rows = len(set(spans_of(empty.data_loader, empty.instruments)))
    session = rows * series_of(empty.data_loader) * _FLOAT32
    held = session * sum(len(D.calendar(*ends, freq=freq)) for ends in _training(largest))
    return int(max(_SMALL, session * len(sessions)) // held) or 1 if held else None


def _training(config: Any) -> list[tuple[Any, Any]]:
    """The segments that a model sees while it is fitted."""
    segments = config["kwargs"].get("segments") or {}
    return [pair(segment) for name, segment in segments.items() if name != "test"]


def _days(config: Any) -> float:
    return sum(
        (pd.Timestamp(last) - pd.Timestamp(first)).days
        for first, last in _training(config)
        if first is not None and last is not None
    )
