"""Qlib's models, datasets and records under this project's training."""

from __future__ import annotations

import copy
import textwrap

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib
from tests.qlib.provider import seeded_panel
from tests.qlib.qlib_tasks import (
    RECORDS,
    SEEDED,
    alpha,
    alpha158_template,
    few_expressions,
    lightgbm,
    ridge,
    seeded_template,
    task,
)
from wf_dagster import DataError, R, SigAnaRecord, price_source, task_train
from wf_dagster.tasks import label_horizon
from wf_dagster.training.refresh import refresh_recorder

OURS = [
    {"class": "SignalRecord", "module_path": "wf_dagster.records", "kwargs": {}},
    {"class": "SigAnaRecord", "module_path": "wf_dagster.records", "kwargs": {}},
]


def backtest(**kwargs):
    config = {
        "strategy": {
            "class": "TopkDropoutStrategy",
            "module_path": "qlib.contrib.strategy",
            "kwargs": {"signal": "<PRED>", "topk": 3, "n_drop": 1},
        },
        "backtest": {
            "start_time": "2019-11-01",
            "end_time": "2020-07-31",
            "account": 1_000_000,
            "benchmark": "SH600000",
            "exchange_kwargs": {
                "limit_threshold": 0.095,
                "deal_price": "close",
                "open_cost": 0.0005,
                "close_cost": 0.0015,
                "min_cost": 5,
            },
        },
    }
    return {"config": config, **kwargs}


def test_a_model_of_qlibs_logs_to_the_active_recorder(seeded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    definition = seeded_template(lightgbm())
    before = copy.deepcopy(definition)
    recorder = task_train(definition, "logs")
    assert definition == before
    metrics = recorder.list_metrics()
    assert {"l2.train", "l2.valid", "IC", "Rank IC", "fit_seconds"} <= metrics.keys()
    assert recorder.list_params()["model.class"] == "LGBModel"
    model, dataset = recorder.load_object("params.pkl"), recorder.load_object("dataset")
    dataset.setup_data(handler_kwargs={"init_type": "load_state"})
    pred = model.predict(dataset)
    pd.testing.assert_series_equal(
        pred, recorder.load_object("pred.pkl")["score"], check_names=False
    )
    assert not (tmp_path / "mlruns").exists()
    assert len(R.list_recorders(experiment_name="logs")) == 1


def test_another_process_reads_what_was_trained_without_being_asked_to_trust_it(seeded):
    recorder = task_train(seeded_template(ridge()), "read")
    loaded = R.get_recorder(recorder_id=recorder.id)
    assert type(loaded.load_object("params.pkl")).__name__ == "LinearModel"
    assert type(loaded.load_object("dataset").handler).__name__ == "DataHandlerLP"


def test_qlibs_own_recorder_is_ours(seeded):
    initialise_qlib()
    from qlib.utils.exceptions import LoadObjectError
    from qlib.workflow import R as QLIB_R

    with R.start(experiment_name="bridge"):
        mine = R.get_recorder()
        QLIB_R.log_params(alpha=1)
        QLIB_R.log_metrics(loss=0.5, step=3)
        QLIB_R.set_tags(kind="trial")
        frame = pd.DataFrame({"a": [1.0]})
        QLIB_R.save_objects(**{"frame.pkl": frame, "note": {"b": 2}})
        theirs = QLIB_R.get_recorder()
        assert theirs.id == mine.id
        names = [name for name in theirs.list_artifacts() if not name.startswith("code_")]
        assert names == ["frame.pkl", "note"]
        pd.testing.assert_frame_equal(QLIB_R.load_object("frame.pkl"), frame)
        with pytest.raises(LoadObjectError):
            theirs.load_object("nothing.pkl")
        with QLIB_R.start(experiment_name="inner", recorder_name="nested"):
            QLIB_R.log_metrics(inner=1.0)
            assert QLIB_R.get_recorder().id != mine.id
        assert QLIB_R.get_exp().name == "bridge"
    assert mine.list_params()["alpha"] == "1"
    assert mine.list_metrics() == {"loss": 0.5}
    assert mine.list_tags()["kind"] == "trial"
    (nested,) = R.list_recorders(experiment_name="inner").values()
    assert (nested.name, nested.status) == ("nested", "FINISHED")
    assert nested.list_metrics() == {"inner": 1.0}
    loaded = QLIB_R.get_recorder(recorder_id=mine.id, experiment_name="bridge")
    assert loaded.info["status"] == "FINISHED"
    assert set(QLIB_R.list_experiments()) >= {"bridge", "inner"}
    assert set(QLIB_R.list_recorders(experiment_name="bridge")) == {mine.id}


def test_a_failure_inside_qlibs_start_is_a_failed_recorder(seeded):
    initialise_qlib()
    from qlib.workflow import R as QLIB_R

    with pytest.raises(ValueError, match="no luck"), QLIB_R.start(experiment_name="fails"):
        raise ValueError("no luck")
    (recorder,) = R.list_recorders(experiment_name="fails").values()
    assert recorder.status == "FAILED"


def test_our_records_work_on_qlibs_dataset(seeded):
    theirs = task_train(seeded_template(ridge()), "theirs")
    ours = task_train({**seeded_template(ridge()), "record": OURS}, "ours")
    for name in ("pred.pkl", "label.pkl"):
        pd.testing.assert_frame_equal(
            ours.load_object(name), theirs.load_object(name), check_dtype=False
        )
    for metric in ("IC", "ICIR", "Rank IC", "Rank ICIR"):
        assert ours.list_metrics()[metric] == pytest.approx(theirs.list_metrics()[metric], abs=1e-6)


def test_annual_figures_count_the_sessions_that_a_label_of_qlibs_handler_spans(seeded):
    """One, of Alpha158's own label: the figures are Qlib's. Five, of another: a fifth a session."""
    assert label_horizon(alpha158_template()) == 1
    template = seeded_template(ridge())
    ours = task_train({**template, "record": OURS}, "horizon")
    spread = ours.load_object("sig_analysis/long_short_r.pkl").mean()
    tags, metrics = ours.list_tags(), ours.list_metrics()
    assert tags["label_horizon"] == "1"
    assert tags["sig_analysis.figures"] == "252 sessions a year, labels of 1"
    assert metrics["Long-Short Ann Return"] == pytest.approx(spread * 252)
    template["dataset"]["kwargs"]["handler"]["kwargs"]["data_loader"]["kwargs"]["config"][
        "label"
    ] = (["Ref($close, -6)/Ref($close, -1) - 1"], ["LABEL0"])
    five = task_train({**template, "record": OURS}, "horizon")
    spread = five.load_object("sig_analysis/long_short_r.pkl").mean()
    assert five.list_metrics()["Long-Short Ann Return"] == pytest.approx(spread / 5 * 252)
    SigAnaRecord(five, label_horizon=1).generate()
    assert five.list_metrics()["Long-Short Ann Return"] == pytest.approx(spread * 252)


def test_our_portfolio_of_qlibs_predictions_is_held_at_qlibs_prices(seeded):
    portfolio = {
        "class": "PortAnaRecord",
        "module_path": "wf_dagster.records",
        "kwargs": {"topk": 2, "n_drop": 1, "benchmark": "SH600000"},
    }
    definition = {**seeded_template(ridge()), "record": [*OURS, portfolio]}
    recorder = task_train(definition, "portfolio")
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    from qlib.data import D

    closes = D.features(["SH600000"], ["$close"])["$close"].droplevel("instrument")
    returns = closes.pct_change().reindex(report.index)
    np.testing.assert_allclose(report["bench"].iloc[1:], returns.iloc[1:], rtol=0, atol=1e-6)
    assert report["return"].abs().sum() > 0


def test_qlibs_data_are_a_price_source(seeded):
    source = price_source("qlib")
    sessions = source.sessions()
    frame = source.load(["close"], ["SH600001", "SH600004"], end=sessions[200])
    assert list(frame.index.names) == ["datetime", "instrument"]
    assert frame.index.is_monotonic_increasing
    assert frame.index[-1] == (sessions[200], "SH600004")
    panel = seeded_panel()["close"].astype("float32")
    pd.testing.assert_series_equal(
        frame["close"].dropna(), panel[frame.dropna().index].astype("float64"), check_names=False
    )
    assert price_source(source.spec()).version() == source.version()
    early = price_source(source, as_of="2019-12-31")
    assert early.load().index[-1][0] == early.last_session() == pd.Timestamp("2019-12-31")
    with pytest.raises(DataError, match=r"NOBODY.*select nothing of QlibPrices"):
        source.load(instruments=["NOBODY"])


def test_qlibs_backtest_runs_and_keeps_its_report(seeded):
    records = [
        *RECORDS,
        {
            "class": "PortAnaRecord",
            "module_path": "qlib.workflow.record_temp",
            "kwargs": backtest(),
        },
    ]
    recorder = task_train({**seeded_template(ridge()), "record": records}, "backtest")
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    assert len(report) > 100
    assert report["account"].iloc[0] == pytest.approx(1_000_000, rel=0.01)
    risk = recorder.load_object("portfolio_analysis/port_analysis_1day.pkl")
    logged = recorder.list_metrics()["1day.excess_return_with_cost.annualized_return"]
    assert logged == pytest.approx(
        risk.loc[("excess_return_with_cost", "annualized_return"), "risk"]
    )
    positions = recorder.load_object("portfolio_analysis/positions_normal_1day.pkl")
    assert len(positions) > 100


def test_many_passes_of_qlibs_backtest_run(seeded):
    records = [
        *RECORDS,
        {
            "class": "MultiPassPortAnaRecord",
            "module_path": "qlib.workflow.record_temp",
            "kwargs": backtest(pass_num=2),
        },
    ]
    recorder = task_train({**seeded_template(ridge()), "record": records}, "passes")
    assert recorder.status == "FINISHED"
    names = recorder.list_artifacts("portfolio_analysis")
    assert any("multi_pass" in name for name in names)


def test_qlibs_backtest_is_the_same_as_with_qlib(seeded):
    """Its own recorder template, fed with the same predictions, outside any recorder."""
    initialise_qlib()
    from qlib.backtest import backtest as run

    records = [
        *RECORDS,
        {
            "class": "PortAnaRecord",
            "module_path": "qlib.workflow.record_temp",
            "kwargs": backtest(),
        },
    ]
    recorder = task_train({**seeded_template(ridge()), "record": records}, "backtest")
    config = backtest()["config"]
    config["strategy"]["kwargs"]["signal"] = recorder.load_object("pred.pkl")
    executor = {
        "class": "SimulatorExecutor",
        "module_path": "qlib.backtest.executor",
        "kwargs": {"time_per_step": "day", "generate_portfolio_metrics": True},
    }
    loaded, _ = run(executor=executor, strategy=config["strategy"], **config["backtest"])
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    pd.testing.assert_frame_equal(report, loaded["1day"][0], check_freq=False)


def test_a_roll_is_predicted_again_on_new_data_with_the_processors_as_they_were_fitted(
    tmp_path,
):
    from tests.qlib.provider import seeded_panel, write_provider

    panel = seeded_panel(5, 260)
    days = panel.index.get_level_values("datetime").unique()
    folder = write_provider(tmp_path / "q", panel[panel.index.get_level_values(0) <= days[200]])
    wf_dagster.init(qlib_provider_uri=str(folder))
    fit = ("2019-02-01", "2019-06-28")
    segments = {"train": fit, "valid": ("2019-07-01", "2019-07-31"), "test": ("2019-08-01", None)}
    definition = task(ridge(), few_expressions("2019-02-01", None, fit), segments)
    recorder = task_train(definition, "refreshed")
    before = recorder.load_object("pred.pkl")
    assert before.index.get_level_values("datetime").max() == days[200]
    write_provider(folder, panel)
    refresh_recorder(recorder, definition)
    after = recorder.load_object("pred.pkl")
    assert after.index.get_level_values("datetime").max() == days[-1]
    pd.testing.assert_frame_equal(after.loc[: days[195]], before.loc[: days[195]])
    label = recorder.load_object("label.pkl")
    assert label.loc[days[199]].notna().all().all()


def test_a_time_series_model_trains(seeded, tmp_path, monkeypatch):
    (tmp_path / "window_model.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            import pandas as pd
            from qlib.model.base import Model

            class Last(Model):
                def fit(self, dataset):
                    sampler = dataset.prepare("train", data_key="learn")
                    self.mean_ = float(np.nanmean(sampler[list(range(50))]))

                def predict(self, dataset, segment="test"):
                    sampler = dataset.prepare(segment, data_key="infer")
                    values = [sampler[n][-1, 0] for n in range(len(sampler))]
                    return pd.Series(values, index=sampler.get_index(), name="score")
            """
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    handler = few_expressions("2019-02-01", "2020-08-11", SEEDED["train"])
    definition = task(
        {"class": "Last", "module_path": "window_model", "kwargs": {}},
        handler,
        SEEDED,
        dataset="TSDatasetH",
        step_len=5,
    )
    recorder = task_train({**definition, "record": OURS}, "windows")
    pred = recorder.load_object("pred.pkl")
    assert len(pred) > 1000
    assert np.isfinite(recorder.list_metrics()["IC"])


def test_xgboost_trains_and_is_read_back(seeded):
    pytest.importorskip("xgboost", reason="xgboost is not installed; pyqlib does without")
    model = {
        "class": "XGBModel",
        "module_path": "qlib.contrib.model.xgboost",
        "kwargs": {"eta": 0.1, "max_depth": 3, "nthread": 1},
    }
    recorder = task_train(seeded_template(model), "xgboost")
    loaded = R.get_recorder(recorder_id=recorder.id)
    assert type(loaded.load_object("params.pkl")).__name__ == "XGBModel"


def test_alpha360_trains(seeded):
    handler = alpha("Alpha360", "2019-05-01", "2020-02-28", ("2019-05-01", "2019-08-30"))
    segments = {
        "train": ("2019-05-01", "2019-08-30"),
        "valid": ("2019-09-02", "2019-10-31"),
        "test": ("2019-11-01", "2020-02-28"),
    }
    recorder = task_train(task(lightgbm(), handler, segments), "alpha360")
    assert len(recorder.load_object("pred.pkl")) > 400
