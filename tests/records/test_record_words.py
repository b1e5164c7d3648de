"""Figures that mean nothing are left out, and those that are given say what they count with."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.reference import frames
from wf_dagster import Market, R, TradingCalendar
from wf_dagster.records import PortAnaRecord, SigAnaRecord, ic_series


def test_annual_figures_say_what_they_count_with(recorder, prices):
    SigAnaRecord(recorder, label_horizon=5).generate()
    PortAnaRecord(recorder, prices=prices, ann_scaler=250).generate()
    tags = recorder.list_tags()
    assert tags["sig_analysis.figures"] == "252 sessions a year, labels of 5"
    assert tags["portfolio_analysis.figures"] == "250 sessions a year"


def test_annual_figures_of_weekly_bars_count_52_weeks_without_being_told(tmp_path, caplog):
    """By hand on a recorder: its market is that of the settings, or of its prices."""
    weeks = pd.date_range("2021-01-01", periods=40, freq="W-FRI", name="datetime")
    closes = frames.closes(days=40).iloc[:40].set_index(weeks)
    path = tmp_path / "weekly.parquet"
    rows = closes.rename_axis(columns="instrument").stack().to_frame("close").reset_index()
    rows.to_parquet(path)
    score = closes.pct_change().shift(-2).iloc[:38].rename_axis(columns="instrument").stack()
    score = score.rename("score") + np.random.default_rng(1).normal(0, 0.01, len(score))
    with R.start(experiment_name="records"):
        R.save_objects(**{"pred.pkl": score.to_frame(), "label.pkl": score.to_frame("label")})
        recorder = R.get_recorder()
    daily = TradingCalendar(pd.bdate_range("2021-01-01", "2021-12-31"))
    for calendar, year in (("prices", 52), (daily, 252)):
        market = Market(str(path), calendar)
        SigAnaRecord(recorder, label_horizon=1, market=market).generate()
        PortAnaRecord(recorder, market=market).generate()
        spread = recorder.load_object("sig_analysis/long_short_r.pkl")
        report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
        excess = (report["return"] - report["bench"]).mean()
        metrics = recorder.list_metrics()
        assert metrics["Long-Short Ann Return"] == pytest.approx(spread.mean() * year)
        annual = metrics["1day.excess_return_without_cost.annualized_return"]
        assert annual == pytest.approx(excess * year)
    # the last were figures of weeks as days, and said so
    assert "of a market with 52 a year, and annual figures count 252" in caplog.text
    assert "give ann_scaler=52" not in recorder.list_tags()["sig_analysis.figures"]


def test_without_a_known_horizon_annual_figures_are_left_out_and_the_log_says_why(recorder, caplog):
    SigAnaRecord(recorder, label_horizon=1).generate()
    before = recorder.list_metrics()
    SigAnaRecord(recorder).generate()
    metrics = recorder.list_metrics()
    assert metrics["IC"] == before["IC"]
    assert math.isnan(metrics["Long-Short Ann Return"]), "the value of before would be a lie"
    assert "it is not known how many sessions a label spans: say so beside" in caplog.text
    assert recorder.list_tags()["sig_analysis.figures"].startswith("no annual figures; no annual")
    recorder.set_tags(label_horizon=5)  # as a SignalRecord leaves it
    SigAnaRecord(recorder).generate()
    five = recorder.list_metrics()["Long-Short Ann Return"]
    assert five == pytest.approx(before["Long-Short Ann Return"] / 5)


def _recorder_of(score, label):
    with R.start(experiment_name="records"):
        R.save_objects(
            **{"pred.pkl": score.to_frame("score"), "label.pkl": label.to_frame("label")}
        )
        return R.get_recorder()


def test_constant_scores_get_a_word_and_no_figure(prices, caplog):
    score, label = frames.signal()
    recorder = _recorder_of(score * 0 + 0.3, label)
    SigAnaRecord(recorder, label_horizon=1).generate()
    assert set(recorder.list_metrics()) == {"Long-Avg Ann Return", "Long-Avg Ann Sharpe"}
    PortAnaRecord(recorder, prices=prices).generate()
    assert not [name for name in recorder.list_metrics() if name.startswith("1day")]
    tags = recorder.list_tags()
    for folder in ("sig_analysis", "portfolio_analysis"):
        words = tags[f"{folder}.figures"]
        assert "all instruments have one score on each session, first on 2021-03-01" in words
        assert words.partition("; ")[2] in caplog.text
    assert len(recorder.load_object("portfolio_analysis/report_normal_1day.pkl")) == 15
    assert len(recorder.load_object("portfolio_analysis/port_analysis_1day.pkl")) == 0


def test_sessions_of_constant_scores_are_counted_and_the_others_give_figures(prices, caplog):
    score, label = frames.signal()
    days = score.index.get_level_values("datetime")
    recorder = _recorder_of(score.mask(days == days[0], 0.3), label)
    SigAnaRecord(recorder, label_horizon=1).generate()
    PortAnaRecord(recorder, prices=prices).generate()
    ic, _ = ic_series(score, label)
    assert recorder.list_metrics()["IC"] == pytest.approx(ic.iloc[1:].mean())
    assert "1day.excess_return_with_cost.mean" in recorder.list_metrics()
    assert "one score on 1 of 15 sessions, first on 2021-03-01: they have no IC" in caplog.text
    assert "one score on 1 of 15 sessions, first on 2021-03-01: the order of their" in caplog.text


def test_one_instrument_alone_gets_a_word_and_no_figure_across_instruments(caplog):
    score, label = (s.xs("S00", level="instrument", drop_level=False) for s in frames.signal())
    recorder = _recorder_of(score, label)
    SigAnaRecord(recorder, label_horizon=1).generate()
    assert set(recorder.list_metrics()) == {"Long-Avg Ann Return", "Long-Avg Ann Sharpe"}
    assert "one instrument alone" in recorder.list_tags()["sig_analysis.figures"]
    assert "such as CSZScoreNorm, leaves nothing of the features" in caplog.text


def test_too_few_instruments_for_two_sides_are_counted():
    score, label = (s.loc[:, ["S00", "S01", "S02"]] for s in frames.signal())
    recorder = _recorder_of(score, label)
    SigAnaRecord(recorder, label_horizon=1).generate()
    assert "Long-Short Ann Return" not in recorder.list_metrics()
    assert "0.2 of 3 is less than one" in recorder.list_tags()["sig_analysis.figures"]


def test_two_instruments_always_in_the_right_order_have_no_ratio():
    score, _ = (s.loc[:, ["S00", "S01"]] for s in frames.signal())
    recorder = _recorder_of(score, score * 1.1)
    SigAnaRecord(recorder, label_horizon=1, ana_long_short=False).generate()
    assert recorder.list_metrics() == pytest.approx({"IC": 1.0, "Rank IC": 1.0})
    assert "IC and Rank IC do not vary" in recorder.list_tags()["sig_analysis.figures"]


def test_a_portfolio_of_the_whole_universe_earns_its_benchmark_and_has_no_information_ratio(
    recorder, prices, caplog
):
    PortAnaRecord(recorder, topk=12, n_drop=0, prices=prices).generate()
    metrics = recorder.list_metrics()
    excess = {k: v for k, v in metrics.items() if "excess_return_without_cost" in k}
    assert set(excess.values()) == {0.0}
    assert "1day.excess_return_without_cost.information_ratio" not in metrics
    # what trading costs is no noise
    assert metrics["1day.excess_return_with_cost.information_ratio"] < 0
    assert "does it hold the whole universe?" in caplog.text
    PortAnaRecord(recorder, topk=11, n_drop=0, prices=prices).generate()
    assert math.isfinite(recorder.list_metrics()["1day.excess_return_without_cost.mean"])
    assert recorder.list_tags()["portfolio_analysis.figures"] == "252 sessions a year"


def _save_prices(path, closes):
    rows = closes.rename_axis(columns="instrument").stack().to_frame("close").reset_index()
    rows.to_parquet(path)
    return str(path)


def test_a_delisted_name_is_named_in_the_report_the_log_and_the_tag(recorder, tmp_path, caplog):
    closes = frames.closes()
    closes.loc["2021-03-05":, "S03"] = np.nan
    path = _save_prices(tmp_path / "delisted.parquet", closes)
    PortAnaRecord(recorder, topk=12, n_drop=0, prices=path, delist_after=4).generate()
    gone = recorder.load_object("portfolio_analysis/delistings_1day.pkl")
    assert list(gone.index) == [(pd.Timestamp("2021-03-10"), "S03")]
    assert list(gone["last_price"]) == [pd.Timestamp("2021-03-04")]
    held = recorder.load_object("portfolio_analysis/positions_normal_1day.pkl")["weight"]
    assert held["2021-03-09", "S03"] > 0
    assert "S03" not in held["2021-03-10":].index.get_level_values("instrument")
    words = "sold as delisted, after 4 sessions without a price: S03 on 2021-03-10 (last price"
    assert words in caplog.text
    assert words in recorder.list_tags()["portfolio_analysis.figures"]
    # computed again on prices that came late, nothing of it is left
    PortAnaRecord(
        recorder, prices=_save_prices(tmp_path / "late.parquet", frames.closes())
    ).generate()
    assert len(recorder.load_object("portfolio_analysis/delistings_1day.pkl")) == 0


def test_a_benchmark_instrument_with_a_gap_that_ends_early_is_named(recorder, tmp_path, caplog):
    closes = frames.closes()
    index = closes["S00"] * 3
    closes["IDX"] = index
    closes.loc["2021-03-08":"2021-03-09", "IDX"] = np.nan
    closes.loc["2021-03-18":, "IDX"] = np.nan
    path = _save_prices(tmp_path / "index.parquet", closes)
    PortAnaRecord(recorder, prices=path, benchmark="IDX").generate()
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    bench = report["bench"]
    assert (1 + bench).prod() - 1 == pytest.approx(index["2021-03-17"] / index["2021-03-02"] - 1)
    assert list(bench.index[bench.isna()].strftime("%d")) == ["18", "19", "22"]
    excess = (report["return"] - bench).dropna()
    metrics = recorder.list_metrics()
    assert metrics["1day.excess_return_without_cost.mean"] == pytest.approx(excess.mean())
    assert "IDX has no price on 2 of 16 sessions, the first 2021-03-08" in caplog.text
    assert "IDX ends on 2021-03-17, 3 of 16 sessions before the portfolio" in caplog.text
    words = recorder.list_tags()["portfolio_analysis.figures"]
    assert "benchmark is not known on 3 of 15 sessions: excess figures are of the other 12" in words
