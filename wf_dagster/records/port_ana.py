"""Analysis of a portfolio that trades the signal."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
from typing_extensions import Unpack

from wf_dagster.errors import CalendarError, DataError, ObjectNotFoundError, RecordError
from wf_dagster.market import Market
from wf_dagster.moments import format_moment, has_times, is_midnight, name_bar, rows_between
from wf_dagster.records.analysis import check_ann_scaler, sessions_a_year
from wf_dagster.records.benchmark import returns_of_instruments
from wf_dagster.records.plots import cumulative_plot_png
from wf_dagster.records.portfolio import Delisting, Simulation, sessions_of_month, simulate
from wf_dagster.records.portfolio_config import (
    PortfolioConfig,
    PortfolioOptions,
    portfolio_config,
)
from wf_dagster.records.portfolio_figures import performance, risk_analysis
from wf_dagster.records.portfolio_notes import (
    find_flat_sessions,
    note_delistings,
    note_flat_sessions,
    note_pace,
    note_returns,
)
from wf_dagster.records.record_template import (
    DependentRecord,
    RecordTemplate,
    log_figures,
    note_figures,
)
from wf_dagster.records.recorder_market import load_market, load_task_market
from wf_dagster.records.signal import SignalRecord

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_log = logging.getLogger(__name__)

FREQ = "1day"
PLOT = "cumulative.png"
_COLUMNS = ["account", "return", "turnover", "cost", "bench"]


class PortAnaOptions(PortfolioOptions, total=False):
    """The keyword arguments of a :class:`PortAnaRecord` that Qlib's has not."""

    prices: Any
    ann_scaler: int | None


class PortAnaRecord(DependentRecord):
    """Simulates a top-k / drop-n portfolio on the predictions, against a benchmark.

    How it trades is said at :func:`~wf_dagster.records.portfolio.simulate`. Of bars within days it
    trades each, and ``30min``, say, stands for ``1day`` in all names.

    Metrics: ``1day.excess_return_without_cost.*`` and ``1day.excess_return_with_cost.*`` with
    ``mean``, ``std``, ``annualized_return``, ``information_ratio``, ``max_drawdown``,
    ``volatility`` (see :func:`~wf_dagster.records.portfolio.risk_analysis`);
    ``1day.portfolio_with_cost.*`` with ``annual_return``, ``volatility``, ``sharpe``,
    ``max_drawdown`` (see :func:`~wf_dagster.records.portfolio.performance`); ``1day.turnover``,
    its daily mean. One that is not defined is left out, and so is one of noise: the information
    ratio of a portfolio that holds its benchmark, all figures where scores tell no names apart. The
    tag ``portfolio_analysis.figures`` says how many sessions a year annual figures count, and why
    figures are left out.

    Objects in ``portfolio_analysis/``: ``report_normal_1day.pkl`` (a row a session),
    ``positions_normal_1day.pkl`` (rows ``(datetime, instrument)``, column ``weight``),
    ``port_analysis_1day.pkl`` (the figures, column ``risk``) and ``cumulative.png``; and, where
    names were sold as delisted, ``delistings_1day.pkl`` (rows ``(datetime, instrument)``, columns
    ``last_price``, a session, and ``weight``, a fraction of the account). Where the
    first session after the first prediction has no prices yet, the frames are empty and no metric
    is logged.

    Args:
        recorder: Holds ``pred.pkl``.
        config: How it trades, as a :class:`~wf_dagster.records.PortfolioConfig`; or Qlib's
            configuration, whose ``TopkDropoutStrategy`` and ``backtest`` arguments stand for its
            fields. It is not changed.
        risk_analysis_freq: ``"1day"`` or ``"day"``: each session, which may be a bar; nothing else
            is simulated.
        indicator_analysis_freq: Qlib's analysis of order executions; orders here fill at the
            close, so there is nothing to analyse and it is named in the log.
        indicator_analysis_method: As ``indicator_analysis_freq``.
        skip_existing: Do nothing when all objects are there already.
        market: The market whose adjusted closes are traded; default that of the recorder's task
            (of Qlib's datasets Qlib's data), else of the settings.
        **options: The fields of a :class:`~wf_dagster.records.PortfolioConfig` (``topk``,
            ``n_drop``, ...); ``prices``, a price source (see ``wf_dagster.data.price_source``)
            that counts instead of the market's; and ``ann_scaler``, the sessions of a year, by
            default those of the market's calendar.

    Raises:
        RecordError: An argument is unknown or out of range.
    """

    artifact_path: ClassVar[str | None] = "portfolio_analysis"
    depend_cls: ClassVar[type[RecordTemplate] | None] = SignalRecord
    requires_extra: ClassVar[str] = "portfolio"
    freq: str = FREQ  # in the names of objects and metrics

    def __init__(
        self,
        recorder: Recorder,
        config: PortfolioConfig | Mapping[str, Any] | None = None,
        risk_analysis_freq: Any = FREQ,
        indicator_analysis_freq: Any = None,
        indicator_analysis_method: Any = None,
        skip_existing: bool = False,
        *,
        market: Market | None = None,
        **options: Unpack[PortAnaOptions],
    ) -> None:
        super().__init__(recorder, skip_existing)
        self.prices = options.pop("prices", None)
        self.ann_scaler = options.pop("ann_scaler", None)
        self.config = portfolio_config(config, options)
        check_ann_scaler(self.ann_scaler)
        for name, value in (
            ("indicator_analysis_freq", indicator_analysis_freq),
            ("indicator_analysis_method", indicator_analysis_method),
        ):
            if value:
                _log.warning("PortAnaRecord: the simulation has no counterpart for %s", name)
        freqs = [risk_analysis_freq] if isinstance(risk_analysis_freq, str) else risk_analysis_freq
        if any(freq not in (FREQ, "day") for freq in freqs or ()):
            raise RecordError(
                f"risk_analysis_freq={risk_analysis_freq!r}: the portfolio is simulated by "
                f"day, use {FREQ!r}"
            )
        self.market = market

    def generate(self, **kwargs: Any) -> dict[str, Any] | None:
        """Simulate, and keep the results (see :meth:`DependentRecord.generate`)."""
        with suppress(ObjectNotFoundError):  # it will be said which are missing
            self.freq = self._find_freq(self.load("pred.pkl"))
        return super().generate(**kwargs)

    def _find_freq(self, pred: pd.DataFrame) -> str:
        stamps = pd.DatetimeIndex(pred.index.unique("datetime")).sort_values()
        if not has_times(stamps):
            return FREQ
        calendar = self._priced_market().calendar
        return name_bar(calendar.sessions if calendar.has_bars else stamps)

    def _generate(self, **kwargs: Any) -> dict[str, Any]:
        pred = self.load("pred.pkl")["score"]
        scores = self._choose_scores(pred) if len(pred) else pd.DataFrame()
        simulation = self._simulate(scores) if len(pred) else _empty_simulation()
        report = simulation.report
        figures = self._figures(scores, simulation) if len(report) else {}
        if not len(report):
            _log.info("PortAnaRecord: no session to trade on yet, nothing to analyse")
        flat = {
            (kind, name): value
            for kind, by_name in figures.items()
            for name, value in by_name.items()
        }
        metrics = {f"{self.freq}.{kind}.{name}": value for (kind, name), value in flat.items()}
        if figures:
            metrics[f"{self.freq}.turnover"] = float(report["turnover"].mean())
        log_figures(self.recorder, metrics)
        self._save_plot(report)
        self._save_delistings(simulation.delistings)
        rows = pd.MultiIndex.from_tuples(list(flat), names=["return", "figure"]) if flat else None
        return {
            f"report_normal_{self.freq}.pkl": report,
            f"positions_normal_{self.freq}.pkl": _stack_weights(simulation.positions),
            f"port_analysis_{self.freq}.pkl": pd.DataFrame(
                {"risk": list(flat.values())}, rows, dtype="float64"
            ),
        }

    def _figures(self, scores: pd.DataFrame, simulation: Simulation) -> dict[str, dict[str, float]]:
        report = simulation.report
        stamps = pd.DatetimeIndex(report.index)
        year = sessions_a_year(self.ann_scaler, self._priced_market(), stamps)
        flat = find_flat_sessions(scores)
        notes = [
            *note_flat_sessions(scores, flat),
            *note_delistings(simulation.delistings),
            *note_returns(report),
            *note_pace(stamps, year),
        ]
        note_figures(self, f"{year} sessions a year", notes)
        if len(flat) == len(scores):
            return {}
        excess = report["return"] - report["bench"]
        net = report["return"] - report["cost"]
        return {
            "excess_return_without_cost": risk_analysis(excess, year),
            "excess_return_with_cost": risk_analysis(net - report["bench"], year),
            "portfolio_with_cost": performance(net, year),
        }

    def _choose_scores(self, pred: pd.Series) -> pd.DataFrame:
        """Sessions times instruments, of the sessions that are asked for."""
        start, end = self.config.start_time, self.config.end_time
        scores = pred.unstack("instrument").sort_index()
        last = end.date() if end is not None and is_midnight(end) else end  # a day, with its bars
        scores = scores.iloc[rows_between(scores.index, start, last)].dropna(how="all")
        if scores.empty:
            raise RecordError(
                f"no predictions from {_format_day(start)} to {_format_day(end)}: they run from "
                f"{format_moment(pred.index[0][0])} to {format_moment(pred.index[-1][0])}"
            )
        return scores

    def _simulate(self, scores: pd.DataFrame) -> Simulation:
        config = self.config
        benchmarks = config.benchmark_names
        source = self._priced_market().prices
        columns = [*scores.columns, *(name for name in benchmarks if name not in scores.columns)]
        closes = source.load(["close"], columns, start=scores.index[0])["close"].unstack(
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
        missing = [name for name in benchmarks if name not in closes.columns]
        if missing:
            raise RecordError(
                f"benchmark {missing[0]!r} is not in {source!r}: name one of its instruments, give "
                "a series of daily returns, or leave it out for the mean of the universe"
            )
        simulation = simulate(
            scores,
            closes,
            topk=config.topk,
            n_drop=config.n_drop,
            open_cost=config.open_cost,
            close_cost=config.close_cost,
            account=config.account,
            bench=None if benchmarks else config.benchmark,
            delist_after=self._delist_after(_traded_sessions(scores, closes)),
            delisting_return=config.delisting_return,
        )
        report = simulation.report
        if benchmarks and len(report):
            sessions = pd.DatetimeIndex(closes.loc[scores.index[0] : report.index[-1]].index)
            report = report.assign(bench=returns_of_instruments(closes, benchmarks, sessions))
        return replace(simulation, report=report)

    def _delist_after(self, sessions: pd.DatetimeIndex) -> int | None:
        delist_after = self.config.delist_after
        if not isinstance(delist_after, str):
            return delist_after
        try:
            year = sessions_a_year(None, self._priced_market(), sessions)
        except (CalendarError, DataError):
            if self.ann_scaler is None:
                raise
            year = self.ann_scaler
        return sessions_of_month(year)

    def _priced_market(self) -> Market:
        """The market that was handed down, else that of the recorder's task."""
        if self.market is None and self.prices is None:
            return load_task_market(self.recorder)
        return (self.market or load_market(self.recorder)).with_prices(self.prices)

    def _save_plot(self, report: pd.DataFrame) -> None:
        drawn = report if len(report) else pd.DataFrame(columns=_COLUMNS, dtype="float64")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, PLOT)
            path.write_bytes(cumulative_plot_png(drawn))
            self.recorder.save_objects(local_path=str(path), artifact_path=self.artifact_path)

    def _save_delistings(self, delistings: Sequence[Delisting]) -> None:
        name = f"delistings_{self.freq}.pkl"
        is_there = self.get_path(name) in self.recorder.list_artifacts(self.artifact_path)
        if not delistings and not is_there:
            return
        rows = [(gone.session, gone.instrument) for gone in delistings]
        frame = pd.DataFrame(
            {
                "last_price": pd.DatetimeIndex([gone.last_price for gone in delistings]),
                "weight": pd.array([gone.weight for gone in delistings], dtype="float64"),
            },
            pd.MultiIndex.from_arrays(
                [pd.DatetimeIndex([day for day, _ in rows]), [name for _, name in rows]],
                names=["datetime", "instrument"],
            ),
        )
        self.save(**{name: frame})

    def list(self) -> list[str]:
        """Names of the frames and the plot; not of the delistings, which few portfolios have."""
        return [
            f"report_normal_{self.freq}.pkl",
            f"positions_normal_{self.freq}.pkl",
            f"port_analysis_{self.freq}.pkl",
            PLOT,
        ]


def _empty_simulation() -> Simulation:
    days = pd.DatetimeIndex([], name="datetime")
    report = pd.DataFrame(index=days, columns=_COLUMNS, dtype="float64")
    return Simulation(report, pd.DataFrame(index=days, columns=pd.Index([], dtype="object")))


def _traded_sessions(scores: pd.DataFrame, closes: pd.DataFrame) -> pd.DatetimeIndex:
    """Those of the report: from the first after the first scores to one after the last."""
    end = closes.index.searchsorted(scores.index[-1], side="right") + 1
    return pd.DatetimeIndex(closes.index[1:end])


def _format_day(day: pd.Timestamp | None) -> str:
    return "the first" if day is None else format_moment(day)


def _stack_weights(positions: pd.DataFrame) -> pd.DataFrame:
    rows: pd.Series[float] = positions.rename_axis(index="datetime", columns="instrument").stack()  # type: ignore[assignment]
    return rows[rows > 0].to_frame("weight")
