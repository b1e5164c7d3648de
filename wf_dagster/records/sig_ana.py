"""Analysis of the signal: information coefficients and the long-short spread."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from wf_dagster.errors import (
    CalendarError,
    DataError,
    ObjectNotFoundError,
    RecordError,
    TaskError,
)
from wf_dagster.market import Market
from wf_dagster.records.analysis import (
    annualise,
    check_ann_scaler,
    check_quantile,
    check_whole,
    first_column,
    ic_metrics,
    ic_series,
    long_short,
    sessions_a_year,
)
from wf_dagster.records.day_blocks import check_rows
from wf_dagster.records.record_template import (
    DependentRecord,
    RecordTemplate,
    log_figures,
    note_figures,
)
from wf_dagster.records.recorded_label import find_recorded_label
from wf_dagster.records.recorder_market import load_task_market
from wf_dagster.records.signal import HORIZON_TAG, SignalRecord
from wf_dagster.records.signal_notes import note_signal
from wf_dagster.tasks import label_horizon

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)

KNOWN_TAG = "labels_known"
_ANNUAL = [
    f"{side} Ann {figure}" for side in ("Long-Short", "Long-Avg") for figure in ("Return", "Sharpe")
]


class SigAnaRecord(DependentRecord):
    """Logs how well predictions met their labels, and keeps the daily series.

    Metrics: ``IC``, ``ICIR``, ``Rank IC``, ``Rank ICIR`` and, with ``ana_long_short``,
    ``Long-Short Ann Return``, ``Long-Short Ann Sharpe``, ``Long-Avg Ann Return``,
    ``Long-Avg Ann Sharpe`` (see :func:`~wf_dagster.records.analysis.annualise`). One that is not
    defined (a single day has no standard deviation), or would be one of noise, is left out, and so
    are annual figures where it is not known how many sessions a label spans. The tag
    ``sig_analysis.figures`` says what annual figures count with, and why figures are left out.

    Objects in ``sig_analysis/``: ``ic.pkl``, ``ric.pkl`` and, with ``ana_long_short``,
    ``long_short_r.pkl`` (half of long minus short, a day), ``long_avg_r.pkl`` (mean of all) and
    ``long_short.pkl`` (both sides, see :func:`~wf_dagster.records.analysis.long_short`).

    The tag ``labels_known`` is ``all``, ``some`` or ``none``. With ``none`` (the roll's labels
    lie in the future) the series are empty and no metric is logged.

    Args:
        recorder: Holds ``pred.pkl`` and ``label.pkl``.
        ana_long_short: Also analyse the spread; labels must then be returns.
        ann_scaler: Sessions a year; default those of the market's calendar.
        label_col: Position of the label's column; default that which the model of the recorder's
            ``task`` is told to predict (``label_column``), else the first.
        skip_existing: Do nothing when all objects are there already.
        label_horizon: Sessions that a label spans; default what the recorder's ``task`` says, or
            its tag ``label_horizon``. With 1 the annual figures are Qlib's.
        quantile: Share of the instruments on each side of the spread.
        market: The market that the predictions are of; default that of the recorder's task, else
            of the settings.

    Raises:
        RecordError: An argument is out of range.
    """

    artifact_path: ClassVar[str | None] = "sig_analysis"
    depend_cls: ClassVar[type[RecordTemplate] | None] = SignalRecord
    ana_long_short: bool = False  # what a record that depends on this one may rely on

    def __init__(
        self,
        recorder: Recorder,
        ana_long_short: bool = True,
        ann_scaler: int | None = None,
        label_col: int | None = None,
        skip_existing: bool = False,
        *,
        label_horizon: int | None = None,
        quantile: float = 0.2,
        market: Market | None = None,
    ) -> None:
        super().__init__(recorder, skip_existing)
        check_ann_scaler(ann_scaler)
        check_quantile(quantile)
        if label_horizon is not None:
            check_whole("label_horizon", label_horizon, "a number of sessions")
        if label_col is not None and not isinstance(label_col, int):
            raise RecordError(f"label_col={label_col!r}: use the position of a column, from 0")
        self.ana_long_short = ana_long_short
        self.ann_scaler = ann_scaler
        self.label_col = label_col
        self.label_horizon = label_horizon
        self.quantile = quantile
        self.market = market

    def _generate(self, label: pd.DataFrame | None = None, **kwargs: Any) -> dict[str, Any]:
        pred = first_column(self.load("pred.pkl"))
        frame = self._load_label(label, pred.index)
        columns = list(frame.columns)
        position = self._find_position(columns)
        truth = first_column(frame, position)
        check_rows(pred, truth)
        has_label = pred.index.isin(truth.index[truth.notna()])
        if not has_label.any():
            _log.info("SigAnaRecord: no label is known yet, nothing to analyse")
            pred, truth = pred.iloc[:0], pd.Series(dtype="float64", index=pred.index[:0])
        share = "none" if not has_label.any() else "all" if has_label.all() else "some"
        self.recorder.set_tags(**{KNOWN_TAG: share})
        ic, ric = ic_series(pred, truth)
        metrics = ic_metrics(ic, ric)
        objects: dict[str, Any] = {"ic.pkl": ic, "ric.pkl": ric}
        convention, notes = "no annual figures", []
        if self.ana_long_short:
            sides = long_short(pred, truth, self.quantile)
            spread = ((sides["long"] - sides["short"]) / 2).rename("long_short")
            metrics |= dict.fromkeys(_ANNUAL, math.nan)
            horizon = self._horizon(columns, position)
            year = self._sessions_a_year(pd.DatetimeIndex(sides.index))
            if horizon is not None and year is not None:
                convention = f"{year} sessions a year, labels of {horizon}"
                for name, returns in (("Long-Short", spread), ("Long-Avg", sides["average"])):
                    annual, sharpe = annualise(returns, horizon, year)
                    metrics |= {f"{name} Ann Return": annual, f"{name} Ann Sharpe": sharpe}
            objects |= {
                "long_short.pkl": sides,
                "long_short_r.pkl": spread,
                "long_avg_r.pkl": sides["average"],
            }
            notes = note_signal(pred, truth, self.quantile, horizon)
        else:
            notes = note_signal(pred, truth, None)
        if len(columns) > 1:
            labels = ", ".join(map(str, columns))
            convention += f"; measured against label {columns[position]} of {labels}"
        log_figures(self.recorder, metrics)
        note_figures(self, convention, notes)
        return objects

    def _load_label(self, label: Any, rows: pd.Index) -> pd.DataFrame:
        if label is None:
            label = self.load("label.pkl")
        if label is None:
            return pd.DataFrame({"label": float("nan")}, rows)
        if not isinstance(label, (pd.DataFrame, pd.Series)):
            raise RecordError(
                f"the label is a {type(label).__name__}: it must be a pandas frame with rows "
                "(datetime, instrument)"
            )
        return label.to_frame() if isinstance(label, pd.Series) else label

    def _find_position(self, columns: Sequence[Any]) -> int:
        """The position of the label that predictions are compared with."""
        if self.label_col is None:
            return find_recorded_label(self.recorder, columns)
        if not -len(columns) <= self.label_col < len(columns):
            raise RecordError(
                f"label_col={self.label_col}: the label has {len(columns)} column(s), counted "
                "from 0"
            )
        return self.label_col % len(columns)

    def _horizon(self, columns: Sequence[Any], position: int) -> int | None:
        """The sessions that a label spans, as far as somebody says so."""
        if self.label_horizon is not None:
            return self.label_horizon
        try:
            return label_horizon(self.recorder.load_object("task"), columns, position)
        except ObjectNotFoundError:  # not trained from a task
            stated = self.recorder.list_tags().get(HORIZON_TAG, "")
            return int(stated) if stated.isdecimal() else None
        except (TaskError, AttributeError, KeyError, TypeError, ValueError) as error:
            _log.warning(
                "SigAnaRecord: the task does not say how many sessions a label spans (%s)", error
            )
            return None

    def _sessions_a_year(self, stamps: pd.DatetimeIndex) -> int | None:
        if self.market is not None or self.ann_scaler is not None:
            return sessions_a_year(self.ann_scaler, self.market, stamps)
        try:
            return sessions_a_year(None, load_task_market(self.recorder), stamps)
        except (CalendarError, DataError) as error:
            _log.warning(
                "SigAnaRecord: no annual figures, as the sessions of a year are not known (%s): "
                "give ann_scaler",
                error,
            )
            return None

    def list(self) -> list[str]:
        """Names of the daily series."""
        spread = ["long_short.pkl", "long_short_r.pkl", "long_avg_r.pkl"]
        return ["ic.pkl", "ric.pkl", *(spread if self.ana_long_short else [])]
