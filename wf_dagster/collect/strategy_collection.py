"""Gather the finished rolls of one strategy, and average several strategies into signals."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from wf_dagster.calendars import TradingCalendar
from wf_dagster.collect.ensembles import AverageEnsemble
from wf_dagster.collect.roll_recorders import find_roll_recorders
from wf_dagster.collect.rolling_collection import RollingCollection, collect_rolling
from wf_dagster.errors import CollectError, ObjectNotFoundError
from wf_dagster.market import Market
from wf_dagster.records import signal_summary
from wf_dagster.records.analysis import first_column
from wf_dagster.records.record_template import log_figures
from wf_dagster.records.signal_notes import note_signal
from wf_dagster.rolling import Rolls
from wf_dagster.tasks import label_horizon
from wf_dagster.tracking import (
    Recorder,
    find_recorder_of_kind,
    start_recorder_of_kind,
)

LABELS = "labels.pkl"  # object: a column a label, where the rolls have several

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StrategyCollection:
    """The out-of-sample predictions of one strategy.

    Attributes:
        pred: Rows ``(datetime, instrument)``, column ``score``.
        label: The same rows, one column, the label that the models predict; NaN where one is not
            known yet.
        rolls: Number of rolls collected.
        gaps: Keys of rolls that have begun and have no finished recorder.
        outdated: Those gaps for which only recorders of an earlier task definition exist.
        coverage: Share of the rolls' sessions that have predictions (a fraction).
        summary: IC, ICIR, rank IC, rank ICIR, top-minus-bottom return and Sharpe ratio, and what
            annual figures count with: ``ann_scaler`` (sessions a year) and ``label_horizon``
            (sessions a label spans; without it there are none). NaN is not defined.
        fit_seconds: Sum of the rolls' fit times.
        recorder: Where the frames are kept (``pred.pkl``, ``label.pkl``; ``labels.pkl`` where there
            are several labels).
    """

    pred: pd.DataFrame
    label: pd.DataFrame
    rolls: int
    gaps: list[str]
    outdated: list[str]
    coverage: float
    summary: dict[str, Any]
    fit_seconds: float
    recorder: Recorder

    def __str__(self) -> str:
        return (
            f"{self.rolls} rolls, {len(self.pred)} predictions, coverage {self.coverage:.1%}, "
            f"IC {self.summary['IC']:+.4f}"
        )

    def figures(self) -> dict[str, float | int | str]:
        """The plain figures, for a table or for metadata."""
        return {
            "rolls": self.rolls,
            "coverage": self.coverage,
            **self.summary,
            "known labels": int(self.label.iloc[:, 0].notna().sum()),
            "fit_seconds": self.fit_seconds,
        }


def collect_strategy(
    experiment_name: str,
    rolls: Rolls,
    calendar: TradingCalendar | None = None,
    serving: Collection[str] = (),
    served: Collection[str] = (),
    market: Market | None = None,
) -> StrategyCollection:
    """Collect the newest finished recorder of each roll into one frame and keep it.

    Only recorders of the present task definition count: predictions of two definitions are
    never mixed, except that a model of an earlier definition counts while it serves, because its
    roll has no other yet. What has served counts too where sessions that came late have moved the
    rolls since. Where two rolls overlap, the later roll's predictions are kept.

    Args:
        experiment_name: MLflow experiment of the strategy.
        rolls: The rolls that are expected.
        calendar: Says which of them have begun, and how many sessions a year annual figures count;
            default the calendar of the rolls, which is as old as they are.
        serving: Ids of the recorders that are online.
        served: Ids of those that were.
        market: What the rolls stand on: what was trained on another kind of prices does not count;
            default any.

    Raises:
        CollectError: No roll has a finished recorder.
    """
    calendar = calendar or rolls.calendar
    recorders = find_roll_recorders(experiment_name, rolls, serving, served, market)
    by_key = {**recorders.by_key, **recorders.others}
    if not by_key:
        raise CollectError(
            f"experiment {experiment_name!r} holds no finished recorder of the strategy's "
            f"{len(rolls)} rolls as they are defined now: materialize its `recorders` first"
        )
    if recorders.others:
        _log.warning(
            "%s: %d models that served are of rolls that there are no more, such as %s: sessions "
            "have come or gone since; their predictions count as before",
            experiment_name,
            len(recorders.others),
            min(recorders.others),
        )
    collection = collect_rolling(
        sorted(by_key.items()),
        expected=[roll.key for roll in rolls if roll.has_begun(calendar)],
        sessions=rolls.test_sessions(calendar),
    )
    _warn_of_short(experiment_name, rolls, by_key, collection, calendar)
    pred, label = collection.pred, collection.label
    horizon = label_horizon(next(iter(rolls)).task, collection.labels)
    year = calendar.sessions_per_year
    summary = signal_summary(pred, label, horizon=horizon, ann_scaler=year)
    summary["ann_scaler"] = year
    if horizon is not None:
        summary["label_horizon"] = horizon
    for note in note_signal(first_column(pred), first_column(label), horizon=horizon):
        _log.warning("collected predictions of %s: %s", experiment_name, note)
    collected_in = keep(
        experiment_name,
        "collected",
        {"pred.pkl": pred, "label.pkl": label, **_several_labels(experiment_name, collection)},
        {**summary, "coverage": collection.coverage, "rolls": len(collection.keys)},
    )
    fit_seconds = [by_key[key].list_metrics().get("fit_seconds", 0.0) for key in collection.keys]
    return StrategyCollection(
        pred=pred,
        label=label,
        rolls=len(collection.keys),
        gaps=collection.gaps,
        outdated=[key for key in collection.gaps if key in recorders.outdated],
        coverage=collection.coverage,
        summary=summary,
        fit_seconds=sum(fit_seconds),
        recorder=collected_in,
    )


def _several_labels(experiment_name: str, collection: RollingCollection) -> dict[str, Any]:
    """All labels where there are several; one that is there alone replaces several of before."""
    if collection.all_labels is not None:
        return {LABELS: collection.all_labels}
    earlier = find_recorder_of_kind(experiment_name, "collected")
    try:
        is_there = earlier is not None and earlier.load_object(LABELS) is not None
    except ObjectNotFoundError:
        is_there = False
    return {LABELS: collection.label} if is_there else {}


def _warn_of_short(
    experiment_name: str,
    rolls: Rolls,
    recorders: Collection[str],
    collection: RollingCollection,
    calendar: TradingCalendar,
) -> None:
    """Name the rolls that were collected and lack sessions of their test windows."""
    days = collection.pred.index.unique("datetime")
    short = {}
    for roll in rolls:
        sessions = calendar.between(*roll.test)
        sessions = sessions[sessions <= calendar.last_session]
        if roll.key in recorders and not sessions.isin(days).all():
            short[roll.key] = sessions[~sessions.isin(days)]
    if short:
        key, missing = next(iter(short.items()))
        _log.warning(
            "%s: the predictions of %d rolls lack sessions of their test windows, such as %s of "
            "roll %s: materialize their `predictions`, which trains nothing",
            experiment_name,
            len(short),
            f"{missing[0]:%Y-%m-%d}",
            key,
        )


def average_signals(experiments: Sequence[str], *, only_exist: bool = False) -> pd.DataFrame:
    """The collected predictions of several strategies, averaged into one signal.

    Each day's scores are standardised within each strategy and then averaged over the
    strategies that have that day.

    Args:
        experiments: MLflow experiments whose predictions were collected.
        only_exist: Leave out, with a warning, those that never were.

    Returns:
        Rows ``(datetime, instrument)``, column ``score`` (no unit).

    Raises:
        CollectError: One of them was never collected; with ``only_exist``, none of them.
    """
    frames = {}
    for name in experiments:
        recorder = find_recorder_of_kind(name, "collected")
        if recorder is None:
            missing = (
                f"strategy experiment {name!r} was never collected: materialize its "
                "`collected` asset first"
            )
            if not only_exist:
                raise CollectError(missing)
            _log.warning("left out of the signals: %s", missing)
            continue
        frames[name] = recorder.load_object("pred.pkl")
    return AverageEnsemble()(frames).to_frame("score")


def keep(
    experiment_name: str,
    kind: str,
    objects: Mapping[str, Any],
    figures: Mapping[str, Any],
    tags: Mapping[str, str] | None = None,
) -> Recorder:
    """Put objects into the experiment's one recorder of this kind, replacing older ones.

    Its metrics are this time's figures: one that is not defined any more becomes NaN.

    Args:
        experiment_name: MLflow experiment; made when it is not there.
        kind: Name of the recorder, and its tag ``wf_kind``.
        objects: What is kept, by name.
        figures: Numbers become metrics; the rest is left out.
        tags: Further tags of the recorder.
    """
    with start_recorder_of_kind(experiment_name, kind, tags=tags) as recorder:
        recorder.save_objects(**objects)
        numbers = {
            name: float(value) for name, value in figures.items() if isinstance(value, (int, float))
        }
        log_figures(recorder, {**dict.fromkeys(recorder.list_metrics(), math.nan), **numbers})
    return recorder
