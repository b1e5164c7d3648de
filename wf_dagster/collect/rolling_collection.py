"""Collect the rolls of one strategy into one out-of-sample frame."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.collect.collectors import READERS
from wf_dagster.collect.ensembles import first_day
from wf_dagster.collect.row_codes import check_alike, look_up_rows, merge_frames
from wf_dagster.errors import CollectError, ObjectNotFoundError
from wf_dagster.records.analysis import first_column
from wf_dagster.records.recorded_label import find_recorded_label
from wf_dagster.tracking.recorder import Recorder

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RollingCollection:
    """The predictions of many rolls as one frame.

    Attributes:
        pred: Rows ``(datetime, instrument)``, sorted, each once; column ``score``.
        label: The same rows, one float64 column: the label that the models predict. NaN where one
            is not known.
        gaps: The expected keys that were not collected and are not awaited.
        awaited: Keys of finished recorders that have no predictions yet: their test segments had
            not begun when they were trained.
        coverage: Share of the expected sessions that have predictions (a fraction); NaN when no
            sessions are expected.
        keys: The keys that were collected, in the order of their first prediction.
        labels: Names of all labels that the recorder of the first of them holds.
        all_labels: The same rows, a column a label, where there are several; else ``None``.
    """

    pred: pd.DataFrame
    label: pd.DataFrame
    gaps: list[str]
    coverage: float
    keys: list[str]
    awaited: list[str] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)
    all_labels: pd.DataFrame | None = None


def collect_rolling(
    recorders: Iterable[tuple[str, Any]],
    expected: Sequence[str] | None = None,
    sessions: pd.DatetimeIndex | None = None,
) -> RollingCollection:
    """Join the predictions and labels of finished recorders.

    Where two rolls have the same row, the later roll counts: the one whose first prediction is
    later, then the one with the later key. Its label counts too, unless it is NaN and an earlier
    roll knows it. A recorder that is not finished, or lacks predictions, is a gap; one whose
    predictions have no rows yet is awaited.

    Args:
        recorders: Pairs of roll key and recorder, a key at most once.
        expected: The keys that should be there.
        sessions: The sessions that should have predictions.

    Raises:
        CollectError: No recorder has predictions, or a key is there twice.
    """
    pairs = list(recorders)
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise CollectError(f"roll {repeated} has two recorders: give the one that counts")
    with ThreadPoolExecutor(READERS) as pool:
        read = dict(zip(keys, pool.map(_read_frames, pairs), strict=True))
    frames = {key: rows for key, rows in read.items() if rows is not None}
    collected = [(key, rows) for key, rows in frames.items() if len(rows.pred)]
    awaited = [key for key, rows in frames.items() if not len(rows.pred)]
    if not collected and awaited:
        raise CollectError(
            f"no roll has predictions yet: the test segments of {', '.join(awaited[:5])} had not "
            "begun when they were trained; materialize their `predictions` once they have"
        )
    if not collected:
        raise CollectError(
            f"none of {len(pairs)} recorders is finished and holds predictions: train the rolls "
            "first"
        )
    collected.sort(key=lambda item: (first_day(item[1].pred), item[0]))
    collected_keys = [key for key, *_ in collected]
    pred = merge_frames([rows.pred for _, rows in collected], collected_keys)
    return RollingCollection(
        pred=pred,
        label=_last_known_labels(pred.index, {key: rows.label for key, rows in collected}),
        gaps=[key for key in expected or () if key not in {*collected_keys, *awaited}],
        coverage=_coverage(pred, sessions),
        keys=collected_keys,
        awaited=awaited,
        labels=collected[0][1].names,
        all_labels=_join_all_labels(pred.index, {key: rows.labels for key, rows in collected}),
    )


@dataclass(frozen=True)
class _RollFrames:
    """What a recorder holds: predictions, the label that they are of, and all labels."""

    pred: pd.DataFrame
    label: pd.Series | None = None
    labels: pd.DataFrame | None = None

    @property
    def names(self) -> list[Any]:
        if self.labels is not None:
            return list(self.labels.columns)
        return [] if self.label is None else [self.label.name]


def _read_frames(pair: tuple[str, Any]) -> _RollFrames | None:
    key, recorder = pair
    if recorder.status != Recorder.STATUS_FI:
        _log.warning("roll %s: recorder %s is %s, left out", key, recorder.id, recorder.status)
        return None
    try:
        pred = recorder.load_object("pred.pkl")
    except ObjectNotFoundError as error:
        _log.warning("roll %s left out: %s", key, error)
        return None
    pred = pred.to_frame("score") if isinstance(pred, pd.Series) else pred
    try:
        label = recorder.load_object("label.pkl")
    except ObjectNotFoundError:  # a task whose records keep none
        return _RollFrames(pred)
    if not isinstance(label, pd.DataFrame):
        return _RollFrames(pred, label)
    position = find_recorded_label(recorder, list(label.columns))
    return _RollFrames(pred, first_column(label, position), label)


def _last_known_labels(rows: pd.Index, labels: Mapping[str, pd.Series | None]) -> pd.DataFrame:
    """The last known label of each row, by key in the order of their rolls."""
    columns = {key: label for key, label in labels.items() if label is not None}
    name = next(iter(columns.values())).name if columns else "label"
    columns = {
        key: column.dropna() if column.hasnans else column for key, column in columns.items()
    }
    columns = {key: column for key, column in columns.items() if len(column)}
    values = np.full(len(rows), np.nan)
    if columns:
        merged = merge_frames(list(columns.values()), [f"labels of {key}" for key in columns])
        check_alike({"predictions": rows, "labels": merged.index})
        values = look_up_rows(merged, rows)
    return pd.DataFrame({name: values}, index=rows)


def _join_all_labels(
    rows: pd.Index, labels: Mapping[str, pd.DataFrame | None]
) -> pd.DataFrame | None:
    """All labels of each row, where the rolls have several."""
    names = list(next((frame.columns for frame in labels.values() if frame is not None), []))
    if len(names) < 2:
        return None
    columns = [
        _last_known_labels(
            rows,
            {
                key: frame[name] if frame is not None and name in frame else None
                for key, frame in labels.items()
            },
        )
        for name in names
    ]
    return pd.concat(columns, axis=1)


def _coverage(pred: pd.DataFrame, sessions: pd.DatetimeIndex | None) -> float:
    if sessions is None or not len(sessions):
        return float("nan")
    days = pred.index.unique("datetime")
    return float(sessions.isin(days).mean())
