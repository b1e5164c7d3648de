"""Closes that come late: rows that predictions and labels of served sessions lack are added.

A provider brings the closes of half of the instruments an hour after the others. Their rows are
predicted by the model that served then; rows that were there stay as they are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import DataError, ObjectNotFoundError, RecordError
from wf_dagster.market import Market
from wf_dagster.online.served_prices import (
    RECENT,
    PricesNow,
    ServedPrices,
    keep_served,
    read_served,
)
from wf_dagster.online.updaters import LabelUpdater, PredUpdater
from wf_dagster.records import SignalRecord
from wf_dagster.records.signal import check_pred
from wf_dagster.tasks import label_reach
from wf_dagster.tracking import Recorder

if TYPE_CHECKING:
    from wf_dagster.online.rolling_strategy import RollingStrategy

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LateRows:
    """What was added to a recorder for closes that came late.

    Attributes:
        strategy: Name of the strategy.
        recorder: The recorder.
        rows: The rows ``(datetime, instrument)`` that its predictions have now.
        labelled: Whether labels were added as well.
    """

    strategy: str
    recorder: Recorder
    rows: pd.MultiIndex
    labelled: bool


def read_prices(strategy: RollingStrategy) -> PricesNow:
    """The closes that a strategy stands on, as its market shows them."""
    templates = strategy.task_template
    return PricesNow.read(adapter_of(task, strategy.market).market for task in templates)


def note_prices(strategy: RollingStrategy, session: pd.Timestamp) -> None:
    """Keep what the prices are, now that a strategy has worked through a session.

    Args:
        strategy: As it was at the session.
        session: The session.
    """
    ledger = strategy.tool.ledger()
    before = read_served(ledger)
    served = (before or ServedPrices()).at_session(f"{session:%Y-%m-%d}", read_prices(strategy))
    if served != before:
        keep_served(ledger, served)


def only_came_late(strategy: RollingStrategy) -> bool:
    """Whether closes have come that served sessions lacked, and no other has changed.

    Args:
        strategy: As it is now.
    """
    ledger = strategy.tool.ledger()
    served, session = read_served(ledger), ledger.read().session
    if served is None or session is None:
        return False
    now = read_prices(strategy.at(session))
    return bool(len(served.changed(now))) and not len(served.restated(now))


def find_changes(
    strategy: RollingStrategy,
) -> tuple[pd.DatetimeIndex, tuple[int, str, str] | None] | None:
    """What has changed of the closes that a strategy served with; ``None`` if they are not known.

    Args:
        strategy: As it is now.

    Returns:
        The sessions that changed since the last one was served; and, of what was noticed when that
        one was served, the number of sessions with the ISO dates of the first and the last.
    """
    ledger = strategy.tool.ledger()
    served, session = read_served(ledger), ledger.read().session
    if served is None or session is None or not served.sessions:
        return None
    changed = served.restated(read_prices(strategy.at(session)))
    of_session = [r for r in served.restatements if r.session == session]
    latest = of_session[-1] if of_session else None
    return changed, None if latest is None else (latest.sessions, latest.first, latest.last)


def complete_rows(strategy: RollingStrategy) -> list[LateRows]:
    """Add the rows that predictions and labels of the latest served sessions lack.

    Only sessions whose closes have changed since they were served are looked at: a row without a
    score for another reason is not tried again and again.

    Args:
        strategy: As it was at the last session that it has worked through.
    """
    ledger = strategy.tool.ledger()
    state = ledger.read()
    if state.session is None:
        return []
    served = read_served(ledger)
    now = read_prices(strategy)
    days = now.recent[now.recent <= pd.Timestamp(state.session)]
    if served is not None and served.sessions:
        days = days[days.isin(served.changed(now))]
    if not len(days):
        return []
    calendar = strategy.market.calendar
    reaches = [label_reach(task) or RECENT for task in strategy.task_template]
    first = calendar.sessions[max(calendar.index(days[0]) - max(reaches), 0)]

    def mark(rows: pd.MultiIndex) -> None:
        # before they are saved: who dies in between finds them lacking again, and marked
        keep_served(ledger, (read_served(ledger) or ServedPrices()).with_late(rows))

    completed = []
    recorders = strategy.tool.recorders(state.serving_since(f"{first:%Y-%m-%d}"))
    spans = {recorder.id: span for recorder in recorders if (span := _predicted_span(recorder))}
    for recorder in recorders:
        own = pd.DatetimeIndex([day for day in days if recorder.id in _servers(day, spans)])
        try:
            rows = _complete_predictions(recorder, own, now, strategy.market, mark)
            labelled = _complete_labels(
                recorder, first, pd.Timestamp(state.session), strategy.market
            )
        except ObjectNotFoundError as error:
            _log.warning("%s: recorder %s is left out: %s", strategy.name_id, recorder.id, error)
            continue
        if len(rows) or labelled:
            completed.append(LateRows(strategy.name_id, recorder, rows, labelled))
        of_day = rows.get_level_values("datetime").value_counts().sort_index()
        for day, number in of_day.items():
            _log.warning(
                "%s: closes of %d instruments came after %s was served: their predictions are "
                "added, the others stay",
                strategy.name_id,
                number,
                f"{day:%Y-%m-%d}",
            )
    return completed


def _predicted_span(recorder: Recorder) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """The first and the last session that it has predicted; ``None`` without any."""
    try:
        days = recorder.load_object("pred.pkl").index.get_level_values("datetime")
    except ObjectNotFoundError:  # it will be named as it is worked on
        return None
    return (days.min(), days.max()) if len(days) else None


def _servers(day: pd.Timestamp, spans: Mapping[str, tuple[pd.Timestamp, pd.Timestamp]]) -> set[str]:
    """The recorders that served on a session.

    One that came late as a whole may lie between the last session of some models and the first of
    those that followed: then the former served on it.
    """
    within = {name for name, (first, last) in spans.items() if first <= day <= last}
    before = [last for _, last in spans.values() if last < day]
    if within or not before or all(last < day for _, last in spans.values()):
        return within
    return {name for name, (_, last) in spans.items() if last == max(before)}


def _complete_predictions(
    recorder: Recorder,
    days: pd.DatetimeIndex,
    now: PricesNow,
    market: Market,
    mark: Callable[[pd.MultiIndex], None],
) -> pd.MultiIndex:
    """Predict rows with a close that have no prediction; those that have one now."""
    pred: pd.DataFrame = recorder.load_object("pred.pkl")
    priced = now.closes.index
    lacking = priced[priced.get_level_values("datetime").isin(days) & ~priced.isin(pred.index)]
    none = pred.index[:0]
    assert isinstance(none, pd.MultiIndex)
    if not len(lacking):
        return none
    lacked = lacking.get_level_values("datetime")
    updater = PredUpdater(recorder, lacked.max(), lacked.min(), market=market)
    model = updater.rmdl.get_model()
    try:
        scores = check_pred(model.predict(updater.prepare_data()), type(model).__name__)
    except (DataError, RecordError) as error:  # or nothing could be served any more
        _log.warning("%d rows that came late have no score: %s", len(lacking), error)
        return none
    scores = scores[scores.index.isin(lacking) & scores["score"].notna()]
    if scores.empty:
        return none
    rows = scores.index
    assert isinstance(rows, pd.MultiIndex)
    mark(rows)
    objects: dict[str, Any] = {"pred.pkl": pd.concat([pred, scores]).sort_index()}
    recorder.save_objects(**objects)
    return rows


def _complete_labels(
    recorder: Recorder, first: pd.Timestamp, last: pd.Timestamp, market: Market
) -> bool:
    """Fill in the labels of some sessions that are known now; whether there were any.

    Who died in a later session may have left predictions of it, whose prices are not looked at.
    """
    pred: pd.DataFrame = recorder.load_object("pred.pkl")
    days = pred.index.get_level_values("datetime")
    days = days[days <= last]
    if not len(days) or days.max() < first:
        return False
    try:
        updater = LabelUpdater(
            recorder, days.max(), from_date=max(first, days.min()), market=market
        )
    except ObjectNotFoundError:  # a task whose records keep no labels
        return False
    old = updater.old_data
    new = SignalRecord.generate_label(updater.prepare_data())
    rows = old.index.union(new.index[new.index.isin(pred.index)])
    known = old.reindex(rows)
    filled = known.where(known.notna(), new.reindex(rows))
    if filled.equals(old):
        return False
    objects: dict[str, Any] = {"label.pkl": filled}
    recorder.save_objects(**objects)
    return True
