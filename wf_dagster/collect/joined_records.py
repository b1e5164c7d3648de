"""Records on the joined predictions of many trainings: analyses once, over all of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from wf_dagster.calendars import TradingCalendar
from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import CollectError, ObjectNotFoundError, TaskError
from wf_dagster.market import Market
from wf_dagster.qlib_bridge.qlib_classes import is_qlib
from wf_dagster.records.recorded_label import LABEL_TAG
from wf_dagster.records.signal import HORIZON_TAG
from wf_dagster.tasks import (
    fill_placeholders,
    find_class,
    find_label,
    label_horizon,
    predicted_label,
)
from wf_dagster.tasks.record_dates import FixedDates, change_fixed_dates, read_fixed_dates
from wf_dagster.tasks.record_split import RecordSplit, split_records
from wf_dagster.tasks.schema import list_records
from wf_dagster.training.task_market import take_market

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

__all__ = ["RecordSplit", "clip_fixed_dates", "generate_joined_records", "split_records"]

_log = logging.getLogger(__name__)


def generate_joined_records(
    task: Mapping[str, Any],
    recorder: Recorder,
    records: Sequence[Any] | None = None,
    *,
    pred: pd.DataFrame | None = None,
    label: pd.DataFrame | None = None,
    market: Market | None = None,
    clip_dates: bool = True,
    where: str = "record",
) -> list[Any]:
    """Have a recorder hold joined predictions and labels, and compute records on them.

    A record gets ``recorder`` and, where it has that parameter, ``market``. There is no one model
    and no one dataset: records that need them are of each training.

    Args:
        task: The task that the predictions are of: it says whether bare names are Qlib's, what
            labels span, and what ``<dataset.kwargs...>`` leads to.
        recorder: Where the frames and the results are kept; it need not be active.
        records: Configurations; default the analyses of the task (:func:`split_records`).
        pred: Rows ``(datetime, instrument)``, column ``score``; default what the recorder holds.
        label: The same kind of rows, a column a label; default what the recorder holds.
        market: What records are computed on; default the one that the task carries, else that of
            the settings.
        clip_dates: Move dates that a record fixes into the range of the predictions (see
            :func:`clip_fixed_dates`); else they stay, with a warning where they reach outside.
        where: What the records are called where the user has written them, for messages.

    Returns:
        The records, computed, in their order.

    Raises:
        CollectError: There are no predictions.
        TaskError: A record cannot be found, or asks for a model or dataset.
    """
    task, carried = take_market(task)
    chosen = split_records(task).analysis if records is None else list(records)
    task = {**task, "record": chosen}
    adapter = adapter_of(task, Market.of(market or carried))
    adapter.prepare()
    pred = _keep_frames(recorder, pred, label)
    _note_labels(task, recorder, label)
    computed = []
    for place, record in list_records(task, where):
        config = fill_placeholders(record, {"<PRED>": "<PRED>"}, task=task, where=place)
        if clip_dates:
            config = clip_fixed_dates(config, pred, adapter.market.calendar, where=place)
            if config is None:
                continue
        else:
            _warn_of_outer_dates(config, pred, place)
        instance = adapter.make_record(config, recorder, where=place)
        instance.generate()
        _warn_of_missing_objects(instance, place)
        computed.append(instance)
    return computed


def clip_fixed_dates(
    record: Any, pred: pd.DataFrame, calendar: TradingCalendar, *, where: str = "record"
) -> Any:
    """A record whose dates, if it fixes any, are within the range of predictions.

    A start before the first prediction and an end after the session that follows the last one
    become ``None``, which stands for that range. What was changed is said in the log, and so is an
    end that leaves later predictions out.

    Qlib's simulation ends with the last session that has prices, those that a replay date hides
    left aside; it needs one session more in the calendar, and ends earlier where there is none.

    Args:
        record: Its configuration.
        pred: Rows ``(datetime, instrument)``.
        calendar: The sessions that are simulated.
        where: Path of the record, for messages.

    Returns:
        ``None`` where there is no session yet that could be simulated.
    """
    dates = read_fixed_dates(record)
    if not isinstance(record, Mapping):
        return record
    if dates is not None:
        record = _clip(record, dates, pred, calendar, where)
    return _end_with_prices(record, pred, calendar, where)


def _clip(
    record: Mapping[str, Any],
    dates: FixedDates,
    pred: pd.DataFrame,
    calendar: TradingCalendar,
    where: str,
) -> Mapping[str, Any]:
    first, last = _range_of(pred)
    start, end = dates.start, dates.end
    if start is not None and start < first:
        start = None
    if end is not None and len(calendar.between(last, end)) > 2:
        end = None
    elif end is not None and end < last:
        _log.warning(
            "%s ends at %s and leaves out the predictions until %s: leave out its end_time to have "
            "all of them analysed",
            *(where, f"{end:%Y-%m-%d}", f"{last:%Y-%m-%d}"),
        )
    if (start, end) == (dates.start, dates.end):
        return record
    _log.warning(
        "%s: its dates, %s, reach outside the joined predictions, %s to %s, and are cut to them",
        *(where, dates, f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"),
    )
    return change_fixed_dates(record, replace(dates, start=start, end=end))


def _end_with_prices(
    record: Mapping[str, Any], pred: pd.DataFrame, calendar: TradingCalendar, where: str
) -> Mapping[str, Any] | None:
    backtest = ((record.get("kwargs") or {}).get("config") or {}).get("backtest")
    if not isinstance(backtest, Mapping) or not is_qlib(find_class(record, where=where)):
        return record
    dates = read_fixed_dates(record) or FixedDates(("kwargs", "config", "backtest"))
    first, last = _range_of(pred)
    start = first if dates.start is None else dates.start
    sessions, with_prices = calendar.sessions, calendar.last_session
    end = sessions[sessions > last][:1].max() if dates.end is None else dates.end
    limit = min(with_prices, sessions[-2]) if len(sessions) > 1 else sessions[0]
    if end <= limit:
        return record
    if limit < start:
        _log.warning("%s is left out: there is no session yet that Qlib can simulate", where)
        return None
    if limit < with_prices:
        _log.warning(
            "%s: Qlib simulates a session when the calendar has the next one: the simulation ends "
            "at %s, as the calendar does at %s",
            *(where, f"{limit:%Y-%m-%d}", f"{sessions[-1]:%Y-%m-%d}"),
        )
    return change_fixed_dates(record, replace(dates, end=limit))


def _warn_of_outer_dates(record: Any, pred: pd.DataFrame, where: str) -> None:
    dates = read_fixed_dates(record)
    first, last = _range_of(pred)
    if dates is not None and dates.reaches_outside(first, last):
        _log.warning(
            "%s: its dates, %s, reach outside the joined predictions, %s to %s: sessions without "
            "predictions count in its figures",
            *(where, dates, f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"),
        )


def _keep_frames(
    recorder: Recorder, pred: pd.DataFrame | None, label: pd.DataFrame | None
) -> pd.DataFrame:
    frames: dict[str, Any] = {"pred.pkl": pred, "label.pkl": label}
    if new := {name: frame for name, frame in frames.items() if frame is not None}:
        recorder.save_objects(**new)
    if pred is None:
        try:
            pred = recorder.load_object("pred.pkl")
        except ObjectNotFoundError:
            pred = pd.DataFrame()
    if pred is None or not len(pred):
        raise CollectError(
            f"recorder {recorder.name!r} ({recorder.id}) holds no joined predictions: train the "
            "rolls and join their predictions first"
        )
    return pred


def _note_labels(task: Mapping[str, Any], recorder: Recorder, label: pd.DataFrame | None) -> None:
    """Tag what the task says of the labels: the recorder itself was trained from no task."""
    if label is None:
        return
    columns = list(label.columns)
    tags: dict[str, Any] = {}
    try:
        position = find_label(columns, predicted_label(task))
        horizon = label_horizon(task, columns, position)
    except (TaskError, AttributeError, KeyError, TypeError, ValueError) as error:
        _log.warning("the task does not say how many sessions a label spans (%s)", error)
        return
    if horizon is not None:
        tags[HORIZON_TAG] = horizon
    if len(columns) > 1:
        tags[LABEL_TAG] = str(columns[position])
    if tags:
        recorder.set_tags(**tags)


def _warn_of_missing_objects(record: Any, where: str) -> None:
    """Qlib's records skip what they cannot compute without a word."""
    if not hasattr(record, "check"):
        return
    try:
        record.check(include_self=True, parents=False)
    except FileNotFoundError:
        _log.warning("%s: %s has kept nothing", where, type(record).__name__)


def _range_of(pred: pd.DataFrame) -> tuple[pd.Timestamp, pd.Timestamp]:
    days = pred.index.get_level_values("datetime")
    return days.min(), days.max()
