"""Records that a script makes itself, on datasets of Qlib's, with a recorder that has no task."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib
from tests.qlib.provider import seeded_panel
from tests.qlib.qlib_tasks import ridge, seeded_template
from wf_dagster import R
from wf_dagster.errors import MissingObjectsError, RecordError
from wf_dagster.records import (
    ACRecordTemp,
    PortAnaRecord,
    RecordTemp,
    SigAnaRecord,
    SignalRecord,
)
from wf_dagster.settings import get_settings


@pytest.fixture
def parts(seeded):
    """A fitted model of Qlib's and its dataset, as a script makes them."""
    initialise_qlib()
    from qlib.utils import init_instance_by_config

    task = copy.deepcopy(seeded_template(ridge()))
    model, dataset = (init_instance_by_config(task[part]) for part in ("model", "dataset"))
    model.fit(dataset)
    return model, dataset


def test_records_by_hand_are_of_qlibs_labels_and_prices(parts):
    from qlib.contrib.eva.alpha import calc_ic
    from qlib.data.dataset.handler import DataHandlerLP

    model, dataset = parts
    with R.start(experiment_name="by_hand"):
        recorder = R.get_recorder()
        SignalRecord(model, dataset, recorder).generate()
        SigAnaRecord(recorder).generate()
        PortAnaRecord(recorder, topk=3, n_drop=1, benchmark="SH600000").generate()
    pred = recorder.load_object("pred.pkl")
    label = recorder.load_object("label.pkl")
    by_qlib = model.predict(dataset)
    np.testing.assert_array_equal(pred["score"].reindex(by_qlib.index), by_qlib)
    raw = dataset.prepare("test", col_set="label", data_key=DataHandlerLP.DK_R)
    pd.testing.assert_frame_equal(label, raw, check_exact=True)
    ic, ric = calc_ic(pred.iloc[:, 0], label.iloc[:, 0])
    metrics = recorder.list_metrics()
    assert metrics["IC"] == pytest.approx(ic.mean(), abs=1e-12)
    assert metrics["Rank IC"] == pytest.approx(ric.mean(), abs=1e-12)
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    closes = seeded_panel()["close"].unstack("instrument")["SH600000"].astype("float32")
    wanted = closes.astype("float64").pct_change().loc[report.index[1:]]
    np.testing.assert_allclose(report["bench"].iloc[1:], wanted, atol=1e-9)
    assert "market" not in recorder.list_artifacts()  # Qlib's prices are those in use


def test_a_portfolio_of_qlibs_own_signal_record_trades_on_qlibs_prices(parts):
    from qlib.workflow.record_temp import SignalRecord as QlibSignalRecord

    model, dataset = parts
    with R.start(experiment_name="mixed"):
        recorder = R.get_recorder()
        QlibSignalRecord(model, dataset, recorder).generate()
        PortAnaRecord(recorder, topk=3, n_drop=1).generate()
    assert len(recorder.load_object("portfolio_analysis/report_normal_1day.pkl")) > 20


def test_the_dataset_says_whose_prices_where_the_settings_name_others(parts, tmp_path):
    model, dataset = parts
    prices = tmp_path / "prices.parquet"
    seeded_panel()[["close"]].to_parquet(prices)
    settings = get_settings().model_dump(exclude_unset=True)
    wf_dagster.init(**{**settings, "prices": str(prices)})
    with R.start(experiment_name="other_prices"):
        recorder = R.get_recorder()
        SignalRecord(model, dataset, recorder).generate()
    assert recorder.load_object("market") == wf_dagster.Market("qlib")


def test_a_dataset_of_this_project_keeps_its_prices_while_qlib_is_in_use(seeded):
    from wf_dagster.data import PanelDataset
    from wf_dagster.models import SklearnModel

    initialise_qlib()
    dataset = PanelDataset(
        segments={
            "train": ("2019-01-02", "2020-06-30"),
            "test": ("2020-07-01", "2020-08-31"),
        },
        market=wf_dagster.Market("sample"),
    )
    model = SklearnModel("sklearn.linear_model.LinearRegression")
    model.fit(dataset)
    with R.start(experiment_name="own_prices"):
        recorder = R.get_recorder()
        SignalRecord(model, dataset, recorder).generate()
        PortAnaRecord(recorder, topk=3, n_drop=1).generate()
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    assert str(report.index[-1])[:10] == "2020-09-01"


def test_records_that_only_qlib_has_are_its_own_on_a_recorder_of_this_project(parts):
    from qlib.contrib.eva.alpha import calc_ic
    from qlib.workflow.record_temp import PortAnaRecord as QlibPortAnaRecord

    from wf_dagster.records import HFSignalRecord, MultiPassPortAnaRecord

    model, dataset = parts
    strategy = {
        "class": "TopkDropoutStrategy",
        "module_path": "qlib.contrib.strategy",
        "kwargs": {"signal": "<PRED>", "topk": 3, "n_drop": 1},
    }
    backtest = {"start_time": "2020-05-04", "end_time": "2020-07-31", "account": 1e7,
                "benchmark": "SH600000", "exchange_kwargs": {"deal_price": "close"}}  # fmt: skip
    config = {"strategy": strategy, "backtest": backtest}
    with R.start(experiment_name="of_qlib"):
        recorder = R.get_recorder()
        SignalRecord(model, dataset, recorder).generate()
        HFSignalRecord(recorder=recorder).generate()
        QlibPortAnaRecord(recorder, config).generate()
        MultiPassPortAnaRecord(
            recorder, pass_num=2, shuffle_init_score=False, config=config
        ).generate()
    pred, label = recorder.load_object("pred.pkl"), recorder.load_object("label.pkl")
    ic, _ = calc_ic(pred.iloc[:, 0], label.iloc[:, 0])
    metrics = recorder.list_metrics()
    assert metrics["IC"] == pytest.approx(ic.mean(), abs=1e-12)
    assert "Long precision" in metrics
    assert "hg_sig_analysis/long_pre.pkl" in recorder.list_artifacts("hg_sig_analysis")
    once = metrics["1day.excess_return_with_cost.annualized_return"]
    passes = recorder.load_object("portfolio_analysis/multi_pass_port_analysis_1day.pkl")
    row = passes.loc[("excess_return_with_cost", "annualized_return")]
    assert once != 0
    assert row["mean"] == pytest.approx(once, abs=1e-12)
    assert row["std"] == pytest.approx(0, abs=1e-12)


class Spread(ACRecordTemp):
    """As a user of Qlib writes one; its import line alone is another."""

    artifact_path = "spread"
    depend_cls = SignalRecord

    def __init__(self, recorder, factor=2.0, skip_existing=False):
        self.factor = factor
        super().__init__(recorder=recorder, skip_existing=skip_existing)

    def _generate(self, power=1):
        pred = self.load("pred.pkl")
        spread = pred["score"].groupby("datetime").std() * self.factor**power
        self.recorder.log_metrics(spread=spread.mean())
        return {"spread.pkl": spread}

    def list(self):
        return ["spread.pkl"]


class Note(RecordTemp):
    """One that keeps its objects itself."""

    def generate(self, **kwargs):
        self.save(**{"note.pkl": {"path": self.get_path("x")}})

    def list(self):
        return ["note.pkl"]


class Ranks(SignalRecord):
    """One that is derived from a record for its name, and depends on it."""

    artifact_path = "ranks"
    depend_cls = SignalRecord

    def __init__(self, recorder, **kwargs):
        super().__init__(recorder=recorder)

    def generate(self):
        self.check()
        self.save(**{"ranks.pkl": self.load("pred.pkl").groupby("datetime").rank()})

    def list(self):
        return ["ranks.pkl"]


def test_records_that_users_derived_from_qlibs_work_with_another_import_line(parts):
    model, dataset = parts
    with R.start(experiment_name="derived"):
        recorder = R.get_recorder()
        with pytest.raises(FileNotFoundError, match=r"pred\.pkl"):
            Spread(recorder).generate()
        with pytest.raises(FileNotFoundError, match=r"pred\.pkl"):
            Ranks(recorder).generate()
        SignalRecord(model, dataset, recorder).generate()
        kept = Spread(recorder, factor=3.0).generate(power=2)
        assert Spread(recorder, skip_existing=True).generate() is None
        Note(recorder).generate()
        Note(recorder).check(include_self=True)
        Ranks(recorder).generate()
        Ranks(recorder).check(include_self=True)
    pred = recorder.load_object("pred.pkl")
    by_hand = pred["score"].unstack("instrument").std(axis=1) * 9.0
    np.testing.assert_allclose(kept["spread.pkl"], by_hand, rtol=1e-6)
    assert recorder.list_metrics()["spread"] == pytest.approx(by_hand.mean())
    assert Spread.get_path("spread.pkl") == "spread/spread.pkl"
    assert Note.get_path() == ""
    assert recorder.load_object("note.pkl") == {"path": "x"}
    assert Spread(recorder).load("pred.pkl").equals(pred)
    with pytest.raises(MissingObjectsError):
        Spread(R.get_exp(experiment_name="derived").create_recorder("empty")).check()


def test_a_signal_record_without_a_model_says_so_before_anything_is_done(home):
    with (
        R.start(experiment_name="nothing"),
        pytest.raises(RecordError, match="SignalRecord has no model"),
    ):
        SignalRecord(recorder=R.get_recorder())
