"""How much data the rolls of a backfill hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from qlib.data import D

from wf_dagster.calendars import split_segment
from wf_dagster.qlib_bridge.handler_configs import find_handler_config, make_empty_handler
from wf_dagster.qlib_engine.raw_compute import count_series, find_spans
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
    if len({canonical_json(find_handler_config(config)) for config in configs}) == len(configs) > 1:
        return None
    largest = max(configs, key=_training_days, default=None)
    config = find_handler_config(largest)
    handler = None if config is None else make_empty_handler(config)
    if handler is None or not isinstance(freq := handler.data_loader.freq, str):
        return None
    sessions = D.calendar(handler.start_time, handler.end_time, freq=freq)
    rows = len(set(find_spans(handler.data_loader, handler.instruments)))
    session_bytes = rows * count_series(handler.data_loader) * _FLOAT32
    segments = _training_segments(largest)
    roll_bytes = session_bytes * sum(len(D.calendar(*ends, freq=freq)) for ends in segments)
    if not roll_bytes:
        return None
    return int(max(_SMALL, session_bytes * len(sessions)) // roll_bytes) or 1


def _training_segments(config: Any) -> list[tuple[Any, Any]]:
    """The segments that a model sees while it is fitted."""
    segments = config["kwargs"].get("segments") or {}
    return [split_segment(segment) for name, segment in segments.items() if name != "test"]


def _training_days(config: Any) -> float:
    return sum(
        (pd.Timestamp(last) - pd.Timestamp(first)).days
        for first, last in _training_segments(config)
        if first is not None and last is not None
    )
