"""Records on recorders: what they keep, log and refuse."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.reference import frames
from tests.support import task_of
from wf_dagster import Market, R, TradingCalendar, task_train
from wf_dagster.errors import MissingObjectsError, RecordError
from wf_dagster.market import price_source
from wf_dagster.records import (
    PortAnaRecord,
    PortfolioConfig,
    RecordTemplate,
    SigAnaRecord,
    SignalRecord,
    ic_series,
    simulate,
)
from wf_dagster.records.record_template import DependentRecord, log_figures

WEEKS = TradingCalendar(pd.date_range("2018-01-05", "2022-12-30", freq="W-FRI"))

# on a trained task


def test_the_records_of_a_trained_task_leave_their_objects_metrics_and_tags(tmp_path):
    task = task_of("2020-03-01")
    task["record"].append(
        {
            "class": "PortAnaRecord",
            "module_path": "wf_dagster.records",
            "kwargs": {"topk": 3, "n_drop": 1, "benchmark": "AAPL"},
        }
    )
    trained = task_train(task, "records")
    pred, label = trained.load_object("pred.pkl"), trained.load_object("label.pkl")
    assert list(pred.columns) == ["score"]
    assert pred.index.equals(label.index)
    assert pred.index.is_monotonic_increasing
    assert pred.index.names == ["datetime", "instrument"]

    ic, ric = ic_series(pred["score"], label.iloc[:, 0])
    pd.testing.assert_series_equal(trained.load_object("sig_analysis/ic.pkl"), ic, check_freq=False)
    metrics = trained.list_metrics()
    assert metrics["IC"] == pytest.approx(ic.mean())
    assert metrics["Rank ICIR"] == pytest.approx(ric.mean() / ric.std())
    assert trained.list_tags()["labels_known"] == "all"

    report = trained.load_object("portfolio_analysis/report_normal_1day.pkl")
    assert list(report.columns) == ["account", "return", "turnover", "cost", "bench"]
    held = trained.load_object("portfolio_analysis/positions_normal_1day.pkl")["weight"]
    assert held.groupby(level="datetime").sum().to_numpy() == pytest.approx(np.ones(len(report)))
    closes = price_source(None).load(["close"])["close"].unstack("instrument")
    apple = closes["AAPL"].pct_change().reindex(report.index)
    assert report["bench"].iloc[1:].to_numpy() == pytest.approx(apple.iloc[1:].to_numpy())
    net = report["return"] - report["cost"] - report["bench"]
    risk = trained.load_object("portfolio_analysis/port_analysis_1day.pkl")["risk"]
    assert risk["excess_return_with_cost", "mean"] == pytest.approx(net.mean())
    assert metrics["1day.excess_return_with_cost.mean"] == pytest.approx(net.mean())
    assert metrics["1day.turnover"] == pytest.approx(report["turnover"].mean())
    plot = trained.download_artifact("portfolio_analysis/cumulative.png", str(tmp_path))
    assert Path(plot).read_bytes().startswith(b"\x89PNG")


def test_a_roll_at_the_end_of_the_data_keeps_predictions_whose_labels_are_not_known():
    task = task_of("2022-12-01")
    task["dataset"]["kwargs"]["prices"] = {"path": "sample", "as_of": "2022-12-02"}
    task["record"].append({"class": "PortAnaRecord", "module_path": "wf_dagster.records"})
    trained = task_train(task, "records")
    assert len(trained.load_object("pred.pkl")) > 0
    assert trained.load_object("label.pkl").isna().all(axis=None)
    assert trained.list_tags()["labels_known"] == "none"
    assert len(trained.load_object("sig_analysis/ic.pkl")) == 0
    assert not {"IC", "ICIR", "Long-Short Ann Return"} & set(trained.list_metrics())


# signal


def test_predictions_that_cannot_be_used_are_refused_by_the_model_s_name():
    rows = frames.signal()[0].index[:3]

    class Dataset:
        def prepare(self, *_, **__):
            return pd.DataFrame({"label": 0.0}, rows)

    cases = {
        "no predictions": pd.Series([], dtype=float),
        "NaN or infinite": pd.Series([np.nan, np.inf, np.nan], rows),
        "rows named": pd.Series([1.0, 2.0]),
        "call one of them 'score'": pd.DataFrame({"a": 1.0, "b": 2.0}, rows),
        "twice": pd.Series([1.0, 2.0], rows[[0, 0]]),
        "must give a pandas Series": [1.0],
    }
    with R.start(experiment_name="records"):
        for message, predictions in cases.items():
            model = type(
                "Odd", (), {"predict": lambda self, dataset, predictions=predictions: predictions}
            )()
            with pytest.raises(RecordError, match=message) as caught:
                SignalRecord(model, Dataset(), R.get_recorder()).generate()
            assert "Odd" in str(caught.value)


def test_unsorted_predictions_and_one_column_of_any_name_are_taken():
    score = frames.signal()[0]

    class Model:
        def predict(self, dataset):
            return score.iloc[::-1].to_frame("anything")

    class Raw:
        """One that dropped its raw data, as a handler of Qlib's can."""

        def prepare(self, *_, **__):
            raise AttributeError("no raw data")

    with R.start(experiment_name="records"):
        recorder = R.get_recorder()
        SignalRecord(Model(), Raw(), recorder).generate()
    pd.testing.assert_frame_equal(recorder.load_object("pred.pkl"), score.to_frame("score"))
    assert recorder.load_object("label.pkl")["label"].isna().all()


@pytest.mark.parametrize("missing", ["model", "dataset", "recorder"])
def test_a_signal_record_says_what_it_was_not_given(missing):
    arguments = {"model": object(), "dataset": object(), "recorder": object()}
    with pytest.raises(RecordError, match=f"SignalRecord has no {missing}"):
        SignalRecord(**{**arguments, missing: None})


# signal analysis


def test_one_session_labels_give_qlibs_figures(recorder):
    SigAnaRecord(recorder, True, 252, 0, label_horizon=1).generate()
    score, label = frames.signal()
    metrics = recorder.list_metrics()
    spread = recorder.load_object("sig_analysis/long_short_r.pkl")
    average = recorder.load_object("sig_analysis/long_avg_r.pkl")
    assert metrics["Long-Short Ann Return"] == pytest.approx(spread.mean() * 252)
    assert metrics["Long-Short Ann Sharpe"] == pytest.approx(
        spread.mean() / spread.std() * 252**0.5
    )
    assert metrics["Long-Avg Ann Return"] == pytest.approx(average.mean() * 252)
    assert metrics["Long-Avg Ann Sharpe"] == pytest.approx(
        average.mean() / average.std() * 252**0.5
    )
    assert recorder.list_tags()["labels_known"] == "some"
    assert score.index.equals(label.index)


def test_without_the_spread_only_coefficients_are_kept(recorder):
    objects = SigAnaRecord(recorder, ana_long_short=False).generate()
    assert sorted(objects) == ["ic.pkl", "ric.pkl"]
    assert "Long-Short Ann Return" not in recorder.list_metrics()


def test_a_label_given_to_generate_counts_instead_of_the_kept_one(recorder):
    score, _ = frames.signal()
    SigAnaRecord(recorder).generate(label=score.to_frame("label"))
    assert recorder.list_metrics()["IC"] == pytest.approx(1.0)
    assert recorder.list_tags()["labels_known"] == "all"


def test_the_label_column_is_chosen_by_position(recorder):
    score, label = frames.signal()
    recorder.save_objects(**{"label.pkl": pd.DataFrame({"noise": label, "same": score})})
    SigAnaRecord(recorder, label_col=1).generate()
    assert recorder.list_metrics()["Rank IC"] == pytest.approx(1.0)
    with pytest.raises(RecordError, match="label_col=2: the label has 2 column"):
        SigAnaRecord(recorder, label_col=2).generate()


def test_figures_that_are_not_defined_any_more_do_not_stay(recorder):
    SigAnaRecord(recorder).generate()
    assert math.isfinite(recorder.list_metrics()["ICIR"])
    _, label = frames.signal()
    recorder.save_objects(**{"label.pkl": (label * np.nan).to_frame()})
    SigAnaRecord(recorder).generate()
    assert math.isnan(recorder.list_metrics()["ICIR"])
    assert recorder.list_tags()["labels_known"] == "none"
    assert len(recorder.load_object("sig_analysis/ic.pkl")) == 0


def test_a_figure_that_was_never_defined_is_not_logged(recorder):
    log_figures(recorder, {"a": 1.0, "b": math.nan, "c": math.inf})
    assert recorder.list_metrics() == {"a": 1.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantile": 0.6}, "quantile=0.6"),
        ({"label_horizon": 0}, "label_horizon=0"),
        ({"label_horizon": "5"}, "label_horizon='5'"),
        ({"ann_scaler": 0}, "ann_scaler=0"),
        ({"label_col": "label"}, "label_col='label': use the position"),
    ],
)
def test_arguments_of_the_analysis_are_checked_before_it_starts(recorder, arguments, message):
    with pytest.raises(RecordError, match=message):
        SigAnaRecord(recorder, **arguments)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ([0.1], "the label is a list"),
        (frames.signal()[1].droplevel("instrument").iloc[::12].to_frame(), "must be the same"),
        (pd.concat([frames.signal()[1]] * 2).to_frame(), "labels have the row"),
    ],
)
def test_labels_that_do_not_fit_are_refused(recorder, label, message):
    with pytest.raises(RecordError, match=message):
        SigAnaRecord(recorder).generate(label=label)


@pytest.mark.parametrize(
    ("market", "ann_scaler", "sessions"),
    [
        (None, None, 252),
        (Market("sample", WEEKS), None, 52),
        (Market("sample", TradingCalendar(pd.date_range("2020-01-01", "2022-12-31"))), None, 365),
        (Market("sample", TradingCalendar(pd.date_range("2020-01-01", "2022-12-31"))), 250, 250),
    ],
)
def test_annual_figures_count_the_sessions_a_year_of_the_market(
    recorder, prices, market, ann_scaler, sessions
):
    SigAnaRecord(recorder, ann_scaler=ann_scaler, market=market, label_horizon=1).generate()
    metrics = recorder.list_metrics()
    spread = recorder.load_object("sig_analysis/long_short_r.pkl")
    assert metrics["Long-Short Ann Return"] == pytest.approx(spread.mean() * sessions)

    PortAnaRecord(recorder, ann_scaler=ann_scaler, market=market, prices=prices).generate()
    risk = recorder.load_object("portfolio_analysis/port_analysis_1day.pkl")["risk"]
    excess = risk["excess_return_with_cost"]
    assert excess["annualized_return"] == pytest.approx(excess["mean"] * sessions)
    assert excess["volatility"] == pytest.approx(excess["std"] * sessions**0.5)


# dependence


@pytest.mark.parametrize("kind", [SigAnaRecord, PortAnaRecord])
def test_missing_objects_are_named_with_the_record_that_makes_them(kind):
    with R.start(experiment_name="records", recorder_name="empty"):
        recorder = R.get_recorder()
        with pytest.raises(FileNotFoundError) as caught:
            kind(recorder).generate()
    assert isinstance(caught.value, RecordError)
    assert "'empty'" in str(caught.value)
    assert "pred.pkl, label.pkl: run SignalRecord on it before" in str(caught.value)


class Worst(DependentRecord):
    """A user's own record: the worst day of the analysis."""

    artifact_path = "worst"
    depend_cls = SigAnaRecord

    def _generate(self, **kwargs):
        return {"worst.pkl": float(self.load("ic.pkl").min()), "n.pkl": len(self.load("pred.pkl"))}

    def list(self):
        return ["worst.pkl", "n.pkl"]


def test_a_record_of_ones_own_can_depend_on_an_analysis_and_on_all_before_it(recorder):
    with pytest.raises(MissingObjectsError, match=r"sig_analysis/ic\.pkl.*run SigAnaRecord"):
        Worst(recorder).generate()
    SigAnaRecord(recorder, ana_long_short=False).generate()
    objects = Worst(recorder).generate()
    ic, _ = ic_series(*frames.signal())
    assert objects == {"worst.pkl": ic.min(), "n.pkl": len(frames.signal()[0])}
    assert recorder.load_object("worst/n.pkl") == objects["n.pkl"]


def test_existing_results_are_kept_when_asked(recorder):
    assert SigAnaRecord(recorder, skip_existing=True).generate() is not None
    assert SigAnaRecord(recorder, skip_existing=True).generate() is None
    assert SigAnaRecord(recorder).generate() is not None


def test_a_base_class_says_that_it_generates_nothing(recorder):
    with pytest.raises(NotImplementedError, match="does not say what it generates"):
        RecordTemplate(recorder).generate()
    with pytest.raises(RecordError, match="has no recorder"):
        RecordTemplate(None)


# portfolio


def test_the_record_simulates_its_predictions_on_the_prices_it_is_given(recorder, prices):
    PortAnaRecord(recorder, topk=4, n_drop=2, account=500.0, prices=prices).generate()
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    scores = frames.signal()[0].unstack("instrument")
    wanted = simulate(scores, frames.closes(), topk=4, n_drop=2, account=500.0)
    pd.testing.assert_frame_equal(report, wanted.report, check_freq=False)
    # the last predictions are of 2021-03-19: they are traded on the next session
    assert str(report.index[-1])[:10] == "2021-03-22"


def test_a_span_of_sessions_can_be_chosen(recorder, prices):
    PortAnaRecord(
        recorder, prices=prices, start_time="2021-03-08", end_time=pd.Timestamp("2021-03-10")
    ).generate()
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    assert [str(day)[:10] for day in report.index] == ["2021-03-09", "2021-03-10", "2021-03-11"]


def test_a_portfolio_configuration_and_its_fields_as_keywords_are_the_same(recorder, prices):
    fields = {"topk": 4, "n_drop": 2, "account": 500.0, "start_time": "2021-03-08"}
    by_keywords = PortAnaRecord(recorder, prices=prices, **fields).generate()
    config = PortfolioConfig(**fields)
    by_config = PortAnaRecord(recorder, config, market=Market(prices)).generate()
    for name, frame in by_keywords.items():
        pd.testing.assert_frame_equal(frame, by_config[name])
    with pytest.raises(RecordError, match="topk is given beside config=PortfolioConfig"):
        PortAnaRecord(recorder, config, topk=3)


def test_qlibs_configuration_is_taken_and_what_has_no_counterpart_is_named(
    recorder, prices, caplog
):
    config = {
        "strategy": {
            "class": "TopkDropoutStrategy",
            "module_path": "qlib.contrib.strategy",
            "kwargs": {"signal": "<PRED>", "topk": 4, "n_drop": 2, "hold_thresh": 3},
        },
        "executor": {"class": "SimulatorExecutor"},
        "backtest": {
            "start_time": "2021-03-02",
            "end_time": None,
            "account": 500,
            "benchmark": ["S00", "S01"],
            "exchange_kwargs": {
                "limit_threshold": 0.095,
                "deal_price": "open",
                "open_cost": 0.001,
                "close_cost": 0.002,
                "min_cost": 5,
            },
        },
    }
    before = repr(config)
    with caplog.at_level(logging.WARNING):
        PortAnaRecord(recorder, config, "day", ["1day"], prices=prices).generate()
    assert repr(config) == before
    named = " ".join(caplog.messages)
    for key in ("executor", "hold_thresh", "limit_threshold", "min_cost", "deal_price"):
        assert key in named
    assert "indicator_analysis_freq" in named
    assert "topk" not in named
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    scores = frames.signal()[0].unstack("instrument").loc["2021-03-02":]
    bench = frames.closes()[["S00", "S01"]].pct_change().mean(axis=1)
    wanted = simulate(
        scores, frames.closes(), topk=4, n_drop=2, account=500, open_cost=0.001, close_cost=0.002,
        bench=bench,
    )  # fmt: skip
    pd.testing.assert_frame_equal(report, wanted.report, check_freq=False)


def test_predictions_without_a_session_after_them_are_not_analysed(recorder, tmp_path):
    path = tmp_path / "short.parquet"
    rows = frames.closes().loc[:"2021-03-01"].rename_axis(columns="instrument").stack()
    rows.to_frame("close").reset_index().to_parquet(path)
    score = frames.signal()[0].loc["2021-03-01":"2021-03-01"]
    recorder.save_objects(**{"pred.pkl": score.to_frame()})
    PortAnaRecord(recorder, prices=str(path)).generate()
    assert len(recorder.load_object("portfolio_analysis/report_normal_1day.pkl")) == 0
    assert len(recorder.load_object("portfolio_analysis/port_analysis_1day.pkl")) == 0
    assert recorder.list_metrics() == {}
    PortAnaRecord(recorder, prices=str(path)).check(include_self=True)


def test_predicted_names_without_prices_are_named_and_never_bought(recorder, prices, caplog):
    score = frames.signal()[0]
    extra = score.xs("S00", level="instrument", drop_level=False).rename({"S00": "GONE"}) + 100
    recorder.save_objects(**{"pred.pkl": pd.concat([score, extra]).sort_index().to_frame()})
    with caplog.at_level(logging.WARNING):
        PortAnaRecord(recorder, prices=prices).generate()
    assert "1 predicted instruments have no prices and are never bought: GONE" in caplog.text
    held = recorder.load_object("portfolio_analysis/positions_normal_1day.pkl")
    assert "GONE" not in held.index.get_level_values("instrument")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"topk": 0}, "topk=0"),
        ({"topk": "5"}, "topk='5'"),
        ({"n_drop": 9}, "n_drop=9"),
        ({"open_cost": "5e-4"}, "open_cost='5e-4'"),
        ({"account": -1.0}, "account=-1.0"),
        ({"risk_analysis_freq": "week"}, "risk_analysis_freq='week'"),
        ({"ann_scaler": "252"}, "ann_scaler='252'"),
        ({"top_k": 3}, "top_k is no argument of PortAnaRecord: did you mean 'topk'"),
        ({"start_time": "soon"}, "start_time='soon': use a date"),
        ({"end_time": 20210304}, "end_time=20210304: use a date"),
        ({"config": "TopkDropoutStrategy"}, "config is 'TopkDropoutStrategy': use a dict"),
        ({"config": {"strategy": "TopkDropoutStrategy"}}, r"config\.strategy is"),
        (
            {"config": {"strategy": {"class": "EnhancedIndexingStrategy"}}},
            "simulates TopkDropoutStrategy only",
        ),
        (
            {"config": {"strategy": {"kwargs": {"topk": 2, "n_drop": 5}}}},
            "n_drop=5: use a number of names from 0 to topk=2",
        ),
    ],
)
def test_arguments_of_the_portfolio_are_checked_before_it_starts(recorder, arguments, message):
    with pytest.raises(RecordError, match=message):
        PortAnaRecord(recorder, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"benchmark": "SH000300"}, "benchmark 'SH000300' is not in"),
        ({"benchmark": pd.Series(0.01, pd.bdate_range("2001-01-01", periods=9))}, "no return from"),
        ({"benchmark": frames.closes()["S00"]}, "these are levels, not returns"),
        ({"benchmark": frames.closes()["S00"].pct_change()[:20]}, "with end_time='2021-03-18'"),
        ({"start_time": "2030-01-01"}, "they run from 2021-03-01 to 2021-03-19"),
        ({"prices": None}, "select nothing"),
    ],
)
def test_what_does_not_fit_the_prices_is_refused(recorder, prices, arguments, message):
    with pytest.raises(Exception, match=message) as caught:
        PortAnaRecord(recorder, **{"prices": prices, **arguments}).generate()
    assert isinstance(caught.value, ValueError)
