"""Qlib's data of half hours: sessions are bars, and the numbers are Qlib's."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.provider import bar_panel, write_provider
from tests.qlib.qlib_tasks import RECORDS, few_expressions, ridge
from wf_dagster import Market, RollingGen, TrainerR, task_train
from wf_dagster.errors import CalendarError, OnlineError
from wf_dagster.online import OnlineManager, RollingStrategy
from wf_dagster.training.task_market import place_market

BARS = "qlib:30min"
FIT = ("2023-10-02", "2023-11-10")


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    return write_provider(tmp_path_factory.mktemp("bars"), bar_panel(), future=0, freq="30min")


@pytest.fixture
def market(provider):
    wf_dagster.init(qlib_provider_uri=str(provider), qlib_region="us", max_workers=1)
    return Market(BARS)


def template():
    handler = few_expressions("2023-10-02", "2023-11-17 16:00", FIT)
    handler["kwargs"]["data_loader"]["kwargs"]["freq"] = "30min"
    return {
        "model": ridge(),
        "dataset": {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {
                "handler": handler,
                "segments": {
                    "train": ("2023-10-04", "2023-11-10"),
                    "test": ("2023-11-13", "2023-12-08"),
                },
            },
        },
        "record": [
            *RECORDS[:1],
            {
                "class": "SigAnaRecord",
                "module_path": "wf_dagster.records",
                "kwargs": {"quantile": 0.25},
            },
            {
                "class": "PortAnaRecord",
                "module_path": "wf_dagster.records",
                "kwargs": {"topk": 2, "n_drop": 1},
            },
        ],
    }


def by_qlib(task):
    """Predictions and raw labels as Qlib's own classes make them."""
    from qlib.utils import init_instance_by_config

    dataset = init_instance_by_config(task["dataset"])
    model = init_instance_by_config(task["model"])
    model.fit(dataset)
    label = dataset.prepare("test", col_set="label", data_key="raw")
    return model.predict(dataset), label


def test_the_calendar_and_the_prices_of_a_frequency_are_its_bars(market):
    panel = bar_panel()
    bars = panel.index.unique("datetime").sort_values()
    assert market.calendar.has_bars
    assert list(market.calendar.sessions) == list(bars)
    assert market.calendar.sessions_per_year == 252 * 13
    assert market.calendar_name == BARS
    assert market.exchange is None
    closes = market.prices.load(["close"], start="2023-11-24", end="2023-11-24")["close"]
    expected = panel["close"].loc["2023-11-24"].astype("float32").astype("float64")
    assert len(closes) == 7 * 4  # a half day
    np.testing.assert_array_equal(closes.to_numpy(), expected.to_numpy())
    hidden = Market(BARS, as_of="2023-11-24")
    assert hidden.prices.last_session() == pd.Timestamp("2023-11-24 13:00")
    assert hidden.calendar.last_session == pd.Timestamp("2023-11-24 13:00")


def assert_figures_count_bars(recorder):
    metrics = recorder.list_metrics()
    spread = recorder.load_object("sig_analysis/long_short_r.pkl")
    assert metrics["Long-Short Ann Return"] == pytest.approx(spread.mean() * 252 * 13)
    report = recorder.load_object("portfolio_analysis/report_normal_30min.pkl")
    excess = (report["return"] - report["bench"]).mean()
    annual = metrics["30min.excess_return_without_cost.annualized_return"]
    assert annual == pytest.approx(excess * 252 * 13)
    assert not [name for name in metrics if name.startswith("1day")]


@pytest.mark.parametrize("step", ["week", 65])
def test_rolls_of_bars_predict_what_qlib_predicts(market, step):
    generator = RollingGen(step, RollingGen.ROLL_SD, trunc_days=2, calendar=market.calendar)
    tasks = generator.generate(template())
    bars = market.calendar.between("2023-11-13", "2023-12-08")
    predicted = []
    placed = [place_market(task, market) for task in tasks]
    for recorder, task in zip(TrainerR("bars")(placed), tasks, strict=True):
        pred, label = by_qlib(task)
        ours = recorder.load_object("pred.pkl")
        np.testing.assert_allclose(ours["score"].to_numpy(), pred.to_numpy(), rtol=0, atol=1e-9)
        assert ours.index.equals(pred.index)
        pd.testing.assert_frame_equal(recorder.load_object("label.pkl"), label)
        predicted.append(ours.index.unique("datetime"))
        assert_figures_count_bars(recorder)
        end = task["dataset"]["kwargs"]["segments"]["train"][1]
        # its label is known two bars later: at the first test bar, not after it
        test_start = task["dataset"]["kwargs"]["segments"]["test"][0]
        assert market.calendar.session_at(market.calendar.index(end) + 2) == test_start
    assert list(predicted[0].append(predicted[1:])) == list(bars)


def test_rolls_of_days_on_a_handler_of_bars_say_what_they_leave_out(market, caplog):
    task = template()
    segments = task["dataset"]["kwargs"]["segments"]
    segments["test"] = (pd.Timestamp("2023-11-13"), pd.Timestamp("2023-11-17"))
    with caplog.at_level(logging.WARNING):
        recorder = task_train(task, "days")  # the default market: Qlib's daily calendar
    assert "the bars of that day are left out; roll on Market(calendar='qlib:30min')" in caplog.text
    days = recorder.load_object("pred.pkl").index.unique("datetime").normalize().unique()
    assert list(days) == list(pd.bdate_range("2023-11-13", "2023-11-16"))


def test_data_without_a_frequency_say_which_there_are(market):
    with pytest.raises(CalendarError, match=r"no daily calendar.*30min.*calendar='qlib:30min'"):
        _ = Market("qlib").calendar
    with pytest.raises(CalendarError, match=r"no 5min calendar \(there are: 30min\)"):
        _ = Market("qlib:5min").calendar


def test_qlibs_bars_are_not_served(market):
    strategy = RollingStrategy("served", template(), RollingGen("week"), market=market)
    with pytest.raises(OnlineError, match=r"qlib:30min.*bars within days.*day by day"):
        OnlineManager(strategy)
