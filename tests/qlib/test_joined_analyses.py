"""Qlib's analyses on joined predictions: once, with the numbers that Qlib's own functions give."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.provider import seeded_panel, write_provider
from tests.qlib.qlib_tasks import LABEL, ridge, seeded_template
from wf_dagster import Market, R
from wf_dagster.collect.joined_records import generate_joined_records, split_records

FIRST, LAST = "2019-11-01", "2020-08-06"
EXECUTOR = {
    "class": "SimulatorExecutor",
    "module_path": "qlib.backtest.executor",
    "kwargs": {"time_per_step": "day", "generate_portfolio_metrics": True},
}
EXCHANGE = {"deal_price": "close", "open_cost": 0.0005, "close_cost": 0.0015, "min_cost": 5}
SIGNAL = {"class": "SignalRecord", "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"}}


def port_ana(start: str | None, end: str | None) -> dict:
    backtest = {
        "start_time": start,
        "end_time": end,
        "account": 1_000_000,
        "benchmark": "SH600000",
        "exchange_kwargs": EXCHANGE,
    }
    strategy = {
        "class": "TopkDropoutStrategy",
        "module_path": "qlib.contrib.strategy",
        "kwargs": {"signal": "<PRED>", "topk": 3, "n_drop": 1},
    }
    config = {"strategy": strategy, "backtest": backtest}
    return {"class": "PortAnaRecord", "kwargs": {"config": config}}


def template(*records: dict) -> dict:
    return {**seeded_template(ridge()), "record": [SIGNAL, *records]}


def initialise_qlib() -> None:
    from wf_dagster.market import Market
    from wf_dagster.qlib_bridge import session

    session.ensure(Market().qlib_options)


@pytest.fixture
def frames(seeded) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores that nobody computed, and the label of Qlib's data."""
    return frames_until(LAST)


def frames_until(last: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    from qlib.data import D

    initialise_qlib()
    label = D.features(D.instruments("all"), [LABEL], FIRST, last).swaplevel().sort_index()
    label.columns = ["LABEL0"]
    scores = np.random.default_rng(7).normal(size=len(label))
    return pd.DataFrame({"score": scores}, index=label.index), label


def qlibs_backtest(pred: pd.DataFrame, start, end) -> pd.DataFrame:
    """The report of Qlib's simulation, without any record."""
    from qlib.backtest import backtest

    strategy = {
        "class": "TopkDropoutStrategy",
        "module_path": "qlib.contrib.strategy",
        "kwargs": {"signal": pred, "topk": 3, "n_drop": 1},
    }
    by_freq, _ = backtest(
        start,
        end,
        strategy,
        EXECUTOR,
        benchmark="SH600000",
        account=1_000_000,
        exchange_kwargs=EXCHANGE,
    )
    return by_freq["1day"][0]


def test_analyses_are_computed_once_with_qlibs_numbers(frames, caplog):
    from qlib.contrib.evaluate import risk_analysis

    pred, label = frames
    task = template({"class": "SigAnaRecord"}, port_ana("2019-01-02", "2021-12-31"))
    with caplog.at_level(logging.WARNING), R.start(experiment_name="joined"):
        recorder = R.get_recorder()
        records = generate_joined_records(task, recorder, pred=pred, label=label)
    assert [type(record).__module__ for record in records] == ["qlib.workflow.record_temp"] * 2
    metrics = recorder.list_metrics()
    by_day = pred["score"].groupby(level="datetime")
    ic = by_day.apply(lambda day: day.corr(label["LABEL0"].loc[day.index]))
    assert metrics["IC"] == pytest.approx(ic.mean(), abs=1e-12)
    # the range of the predictions, and the session that its last scores are traded at
    report = qlibs_backtest(pred, FIRST, "2020-08-07")
    assert len(report) == 201
    expected = risk_analysis(report["return"] - report["bench"] - report["cost"], freq="day")
    name = "1day.excess_return_with_cost"
    for figure, value in expected["risk"].items():
        assert metrics[f"{name}.{figure}"] == pytest.approx(value, abs=1e-12)
    kept = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    pd.testing.assert_frame_equal(kept, report)
    assert "2019-01-02 to 2021-12-31, reach outside" in caplog.text
    pd.testing.assert_frame_equal(recorder.load_object("pred.pkl"), pred)
    pd.testing.assert_frame_equal(recorder.load_object("label.pkl"), label)


def test_dates_that_stay_give_what_qlibs_rolling_gives(frames, caplog):
    """A simulation that begins before the predictions and ends among them."""
    pred, label = frames
    task = template(port_ana("2019-10-01", "2020-07-31"))
    with caplog.at_level(logging.WARNING), R.start(experiment_name="joined"):
        recorder = R.get_recorder()
        generate_joined_records(task, recorder, pred=pred, label=label, clip_dates=False)
    kept = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    pd.testing.assert_frame_equal(kept, qlibs_backtest(pred, "2019-10-01", "2020-07-31"))
    assert "2019-10-01 to 2020-07-31, reach outside" in caplog.text


@pytest.mark.parametrize("end", [None, "2020-08-11", "2021-12-31"])
def test_predictions_up_to_the_end_of_the_data_are_analysed(tmp_path, end, caplog):
    """Qlib's simulation looks for the session after its last, and the calendar has none."""
    provider = write_provider(tmp_path / "ends", seeded_panel(), future=0)
    wf_dagster.init(qlib_provider_uri=str(provider), qlib_region="us")
    pred, label = frames_until("2020-08-11")
    with pytest.raises(IndexError):
        qlibs_backtest(pred, FIRST, "2020-08-11")
    with caplog.at_level(logging.WARNING), R.start(experiment_name="joined"):
        recorder = R.get_recorder()
        generate_joined_records(template(port_ana(FIRST, end)), recorder, pred=pred, label=label)
    kept = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    assert f"{kept.index[-1]:%Y-%m-%d}" == "2020-08-10"
    pd.testing.assert_frame_equal(kept, qlibs_backtest(pred, FIRST, "2020-08-10"))
    assert "ends at 2020-08-10, as the calendar does at 2020-08-11" in caplog.text


def test_qlibs_records_are_told_apart_by_what_they_need():
    records = ["SignalRecord", "SigAnaRecord", "PortAnaRecord"]
    records += ["HFSignalRecord", "MultiPassPortAnaRecord"]
    parts = split_records({**template(), "record": records})
    named = [record["class"] for record in parts.signal]
    assert named == ["SignalRecord"]
    assert [record["class"] for record in parts.analysis] == records[1:]


def test_a_replay_date_hides_the_session_at_which_the_last_scores_are_traded(frames):
    pred, label = (frame[:"2020-03-31"] for frame in frames)
    with R.start(experiment_name="joined"):
        recorder = R.get_recorder()
        generate_joined_records(
            template(port_ana(None, None)),
            recorder,
            pred=pred,
            label=label,
            market=Market(as_of="2020-03-31"),
        )
    kept = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    pd.testing.assert_frame_equal(kept, qlibs_backtest(pred, FIRST, "2020-03-31"))


@pytest.mark.parametrize("future", [0, 60])
def test_the_first_session_of_a_strategy_is_no_failure(future, tmp_path, caplog):
    """Nothing can be traded yet, no label is known."""
    provider = write_provider(tmp_path / "begins", seeded_panel(days=218), future=future)
    wf_dagster.init(qlib_provider_uri=str(provider), qlib_region="us")
    pred, label = frames_until("2019-11-01")
    assert list(pred.index.unique("datetime")) == [pd.Timestamp(FIRST)]
    task = template({"class": "SigAnaRecord"}, port_ana(None, None))
    with caplog.at_level(logging.WARNING), R.start(experiment_name="joined"):
        recorder = R.get_recorder()
        records = generate_joined_records(task, recorder, pred=pred, label=label * float("nan"))
    computed = [type(record).__name__ for record in records]
    if future:  # Qlib simulates the day, without a trade
        assert computed == ["SigAnaRecord", "PortAnaRecord"]
        kept = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
        assert list(kept["turnover"]) == [0.0]
    else:
        assert computed == ["SigAnaRecord"]
        assert "record.1 is left out: there is no session yet" in caplog.text
