"""Analysis of a portfolio that trades the signal."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import ObjectNotFoundError, RecordError
from wf_dagster.market import Market
from wf_dagster.records.analysis import check_whole
from wf_dagster.records.base import DependentRecord, RecordTemplate, log_figures
from wf_dagster.records.plots import cumulative_plot_png
from wf_dagster.records.port_config import qlib_arguments
from wf_dagster.records.portfolio import (
    Simulation,
    check_arguments,
    performance,
    risk_analysis,
    simulate,
)
from wf_dagster.records.signal import SignalRecord

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)

FREQ = "1day"
PLOT = "cumulative.png"
_COLUMNS = ["account", "return", "turnover", "cost", "bench"]


class PortAnaRecord(DependentRecord):
    """Simulates a top-k / drop-n portfolio on the predictions, against a benchmark.

    How it trades is said at :func:`~wf_dagster.records.portfolio.simulate`.

    Metrics: ``1day.excess_return_without_cost.*`` and ``1day.excess_return_with_cost.*`` with
    ``mean``, ``std``, ``annualized_return``, ``information_ratio``, ``max_drawdown``,
    ``volatility`` (see :func:`~wf_dagster.records.portfolio.risk_analysis`);
    ``1day.portfolio_with_cost.*`` with ``annual_return``, ``volatility``, ``sharpe``,
    ``max_drawdown`` (see :func:`~wf_dagster.records.portfolio.performance`); ``1day.turnover``,
    its daily mean. One that is not defined is left out.

    Objects in ``portfolio_analysis/``: ``report_normal_1day.pkl`` (a row a session),
    ``positions_normal_1day.pkl`` (rows ``(datetime, instrument)``, column ``weight``),
    ``port_analysis_1day.pkl`` (the figures, column ``risk``) and ``cumulative.png``. Where the
    first session after the first prediction has no prices yet, the frames are empty and no metric
    is logged.

    Args:
        recorder: Holds ``pred.pkl``.
        config: Qlib's configuration; its ``TopkDropoutStrategy`` and ``backtest`` arguments stand
            for those below. It is not changed.
        risk_analysis_freq: ``"1day"`` or ``"day"``; nothing else is simulated.
        indicator_analysis_freq: Qlib's analysis of order executions; orders here fill at the
            close, so there is nothing to analyse and it is named in the log.
        indicator_analysis_method: As ``indicator_analysis_freq``.
        skip_existing: Do nothing when all objects are there already.
        topk: Number of names held.
        n_drop: Names replaced a session, at most.
        open_cost: Cost of a buy, as a fraction of its amount.
        close_cost: Cost of a sell, as a fraction of its amount.
        account: Money at the start.
        benchmark: Name of an instrument of the prices, or a list of them (their mean); or a series
            of daily returns. Default: the names with a score, in equal weights.
        prices: Price source (see ``wf_dagster.data.price_source``); default that of the market.
            Adjusted closes.
        start_time: First session whose predictions are used; default all.
        end_time: Last session whose predictions are used; default all.
        ann_scaler: Sessions a year.
        market: What the portfolio trades on; default that of the recorder's task (of Qlib's
            datasets Qlib's data), else of the settings.

    Raises:
        RecordError: An argument is out of range.
    """

    artifact_path: ClassVar[str | None] = "portfolio_analysis"
    depend_cls: ClassVar[type[RecordTemplate] | None] = SignalRecord

    def __init__(
        self,
        recorder: Recorder,
        config: Mapping[str, Any] | None = None,
        risk_analysis_freq: Any = FREQ,
        indicator_analysis_freq: Any = None,
        indicator_analysis_method: Any = None,
        skip_existing: bool = False,
        *,
        topk: int = 5,
        n_drop: int = 1,
        open_cost: float = 0.0005,
        close_cost: float = 0.0015,
        account: float = 1_000_000.0,
        benchmark: Any = None,
        prices: Any = None,
        start_time: Any = None,
        end_time: Any = None,
        ann_scaler: int = 252,
        market: Market | None = None,
    ) -> None:
        super().__init__(recorder, skip_existing)
        given = {
            "topk": topk,
            "n_drop": n_drop,
            "open_cost": open_cost,
            "close_cost": close_cost,
            "account": account,
            "benchmark": benchmark,
            "start_time": start_time,
            "end_time": end_time,
        }
        self.arguments: dict[str, Any] = {**given, **qlib_arguments(config)}
        numbers = ("topk", "n_drop", "open_cost", "close_cost", "account")
        check_arguments(*(self.arguments[name] for name in numbers))
        check_whole("ann_scaler", ann_scaler, "the sessions of a year")
        for name in ("start_time", "end_time"):
            self.arguments[name] = _day(name, self.arguments[name])
        for name, value in (
            ("indicator_analysis_freq", indicator_analysis_freq),
            ("indicator_analysis_method", indicator_analysis_method),
        ):
            if value:
                _log.warning("PortAnaRecord: the simulation has no counterpart for %s", name)
        asked = [risk_analysis_freq] if isinstance(risk_analysis_freq, str) else risk_analysis_freq
        if any(freq not in (FREQ, "day") for freq in asked or ()):
            raise RecordError(
                f"risk_analysis_freq={risk_analysis_freq!r}: the portfolio is simulated by "
                f"day, use {FREQ!r}"
            )
        self.prices = prices
        self.ann_scaler = ann_scaler
        self.market = market

    def _generate(self, **kwargs: Any) -> dict[str, Any]:
        pred = self.load("pred.pkl")["score"]
        made = self._simulate(pred) if len(pred) else _nothing()
        report = made.report
        figures: dict[str, dict[str, float]] = {}
        if len(report):
            excess = report["return"] - report["bench"]
            net = report["return"] - report["cost"]
            figures = {
                "excess_return_without_cost": risk_analysis(excess, self.ann_scaler),
                "excess_return_with_cost": risk_analysis(net - report["bench"], self.ann_scaler),
                "portfolio_with_cost": performance(net, self.ann_scaler),
            }
        else:
            _log.info("PortAnaRecord: no session to trade on yet, nothing to analyse")
        flat = {(kind, name): v for kind, made_ in figures.items() for name, v in made_.items()}
        metrics = {f"{FREQ}.{kind}.{name}": value for (kind, name), value in flat.items()}
        if len(report):
            metrics[f"{FREQ}.turnover"] = float(report["turnover"].mean())
        log_figures(self.recorder, metrics)
        self._save_plot(report)
        rows = pd.MultiIndex.from_tuples(list(flat), names=["return", "figure"]) if flat else None
        return {
            f"report_normal_{FREQ}.pkl": report,
            f"positions_normal_{FREQ}.pkl": _long(made.positions),
            f"port_analysis_{FREQ}.pkl": pd.DataFrame(
                {"risk": list(flat.values())}, rows, dtype="float64"
            ),
        }

    def _simulate(self, pred: pd.Series) -> Simulation:
        arguments = dict(self.arguments)
        start, end = arguments.pop("start_time"), arguments.pop("end_time")
        benchmark = arguments.pop("benchmark")
        scores = pred.unstack("instrument").sort_index().loc[start:end]
        scores = scores.dropna(how="all")
        if scores.empty:
            raise RecordError(
                f"no predictions from {_shown(start)} to {_shown(end)}: they run from "
                f"{pred.index[0][0]:%Y-%m-%d} to {pred.index[-1][0]:%Y-%m-%d}"
            )
        extra = _names(benchmark)
        source = self._market().with_prices(self.prices).prices
        wanted = [*scores.columns, *(name for name in extra if name not in scores.columns)]
        closes = source.load(["close"], wanted, start=scores.index[0])["close"].unstack(
            "instrument"
        )
        priceless = scores.columns.difference(closes.columns)
        if len(priceless) == scores.shape[1]:
            raise RecordError(
                f"none of the {len(priceless)} predicted instruments is in {source!r}"
            )
        if len(priceless):
            _log.warning(
                "PortAnaRecord: %d predicted instruments have no prices and are never bought: %s",
                len(priceless),
                ", ".join(map(str, priceless[:5])),
            )
        missing = [name for name in extra if name not in closes.columns]
        if missing:
            raise RecordError(
                f"benchmark {missing[0]!r} is not in {source!r}: name one of its instruments, give "
                "a series of daily returns, or leave it out for the mean of the universe"
            )
        if extra:
            benchmark = closes[extra].pct_change(fill_method=None).mean(axis=1)
        return simulate(scores, closes, bench=benchmark, **arguments)

    def _market(self) -> Market:
        """The market that was handed down, else that of the recorder's task."""
        if self.market is not None or self.prices is not None:
            return self.market or Market()
        try:
            task = self.recorder.load_object("task")
        except ObjectNotFoundError:  # not trained from a task
            return Market()
        return adapter_of(task, Market()).market

    def _save_plot(self, report: pd.DataFrame) -> None:
        shown = report if len(report) else pd.DataFrame(columns=_COLUMNS, dtype="float64")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, PLOT)
            path.write_bytes(cumulative_plot_png(shown))
            self.recorder.save_objects(local_path=str(path), artifact_path=self.artifact_path)

    def list(self) -> list[str]:
        """Names of the frames and the plot."""
        return [
            f"report_normal_{FREQ}.pkl",
            f"positions_normal_{FREQ}.pkl",
            f"port_analysis_{FREQ}.pkl",
            PLOT,
        ]


def _nothing() -> Simulation:
    days = pd.DatetimeIndex([], name="datetime")
    report = pd.DataFrame(index=days, columns=_COLUMNS, dtype="float64")
    return Simulation(report, pd.DataFrame(index=days, columns=pd.Index([], dtype="object")))


def _day(name: str, value: Any) -> pd.Timestamp | None:
    if value is None:
        return None
    day = pd.to_datetime(value, errors="coerce") if isinstance(value, (str, date)) else pd.NaT
    if pd.isna(day):
        raise RecordError(f"{name}={value!r}: use a date such as '2020-01-31', or leave it out")
    return pd.Timestamp(day)


def _shown(day: pd.Timestamp | None) -> str:
    return "the first" if day is None else f"{day:%Y-%m-%d}"


def _names(benchmark: Any) -> list[str]:
    if benchmark is None or isinstance(benchmark, pd.Series):
        return []
    return [benchmark] if isinstance(benchmark, str) else list(benchmark)


def _long(positions: pd.DataFrame) -> pd.DataFrame:
    rows: pd.Series[float] = positions.rename_axis(index="datetime", columns="instrument").stack()  # type: ignore[assignment]
    return rows[rows > 0].to_frame("weight")
