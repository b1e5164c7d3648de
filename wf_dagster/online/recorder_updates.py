"""Bring predictions and labels of a recorder up to date."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.market import Market
from wf_dagster.online.updaters import (
    DSBasedUpdater,
    LabelUpdater,
    PredUpdater,
    last_complete_day,
)
from wf_dagster.tracking import Recorder


def update_recorder(
    recorder: Recorder, to_date: Any = None, *, market: Market, again: bool = False
) -> tuple[bool, bool]:
    """Bring predictions and labels of a recorder up to date, with one dataset for both.

    Args:
        recorder: The recorder.
        to_date: The last session; default the last with prices.
        market: What is predicted on.
        again: From the first prediction on, not only what is missing.

    Returns:
        Whether predictions, and whether labels changed.

    Raises:
        ObjectNotFoundError: The recorder lacks what is needed.
    """
    predictions = PredUpdater(recorder, to_date=to_date, market=market)
    since = None
    if again and len(predictions.old_data):
        since = predictions.old_data.index.get_level_values("datetime").min()
        predictions = PredUpdater(recorder, to_date=to_date, from_date=since, market=market)
    updaters: list[DSBasedUpdater] = [predictions]
    with suppress(ObjectNotFoundError):  # a task whose records keep no labels
        labels = LabelUpdater(recorder, to_date=to_date, from_date=since, market=market)
        updaters.append(labels)
    due = [updater for updater in updaters if not updater.is_latest]
    due.sort(key=lambda updater: updater.last_end)
    changed = {}
    dataset = None
    for updater in due:
        if dataset is None:  # the longest range is read, the other is a part of it
            dataset = updater.prepare_data()
        dataset.config(segments=updater.segments)
        changed[updater.fname] = updater.update(dataset, ret_new=True) is not None
    return changed.get("pred.pkl", False), changed.get("label.pkl", False)


def complete_labels(recorder: Recorder, market: Market) -> tuple[bool, bool]:
    """Take in labels of a recorder that has made its last prediction.

    Returns:
        Whether labels changed, and whether all of them are known now.
    """
    pred = recorder.load_object("pred.pkl")
    if pred.empty:
        return False, True
    last = pred.index.get_level_values("datetime").max()
    updater = LabelUpdater(recorder, to_date=last, market=market)
    updated = updater.update(ret_new=True)
    complete = last_complete_day(updater.old_data if updated is None else updated)
    return updated is not None, complete is not None and complete >= updater.to_date
