"""A strategy on half hours of New York: backfilled, checked and collected, and not served."""

from __future__ import annotations

import re

import dagster as dg
import pandas as pd
import pytest

import wf_dagster
from tests.made_bars import bar_prices, new_york_bars
from wf_dagster import Market, R, RollingEnsemble, RollingGen, TrainerR, task_train
from wf_dagster.collect import RecorderCollector
from wf_dagster.errors import OnlineError
from wf_dagster.online import LabelUpdater, OnlineManager, PredUpdater, RollingStrategy
from wf_dagster.orchestration import (
    TrackingResource,
    build_online_checks,
    build_online_schedule,
    build_rolling_assets,
    build_signals_asset,
    new_data_sensor,
    roll_due_sensor,
)
from wf_dagster.records import SigAnaRecord
from wf_dagster.settings import get_settings
from wf_dagster.tracking import find_recorder_of_kind, find_recorders
from wf_dagster.training.task_market import place_market

START, END, TEST = "2023-10-02", "2023-12-08", "2023-11-13"
KEYS = ["2023-11-13", "2023-11-20", "2023-11-27", "2023-12-04"]
TEST_BARS = [bar for bar in new_york_bars(START, END) if bar >= pd.Timestamp(TEST)]
PARTS = ["recorders", "predictions", "labels"]
RECORDS = ("SignalRecord", "SigAnaRecord", "PortAnaRecord")
NOT_SERVED = r"bars within days as sessions, the last at 2023-12-08 16:00, and online models serve"


@pytest.fixture
def market(tmp_path) -> Market:
    wf_dagster.init(max_workers=1)
    bar_prices(START, END).to_parquet(tmp_path / "bars.parquet")
    return Market(tmp_path / "bars.parquet")


def template():
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "wf_dagster.models",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge"},
        },
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "segments": {"train": ("2023-10-04", "2023-11-10"), "test": (TEST, None)},
                "features": {
                    "func": "wf_dagster.data.features.price_features",
                    "kwargs": {"windows": [2, 5]},
                },
                "label": {
                    "func": "wf_dagster.data.labels.forward_return",
                    "kwargs": {"horizon": 2, "lag": 1},
                },
            },
        },
        "record": [{"class": name, "module_path": "wf_dagster.records"} for name in RECORDS],
    }


def assets(market, **options):
    generator = RollingGen("week", RollingGen.ROLL_SD, trunc_days=3)
    return build_rolling_assets("bars", template(), generator, market=market, **options)


def run(strategy, instance, selection, **options):
    definitions = dg.Definitions(
        assets=[*strategy, build_signals_asset(["bars"])],
        asset_checks=build_online_checks(strategy),
        resources={"tracking": TrackingResource()},
        executor=dg.in_process_executor,
    )
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=selection, instance=instance, raise_on_error=False, **options
    )


def assert_every_bar_is_predicted(pred):
    assert list(pred.index.unique("datetime")) == TEST_BARS
    assert len(pred) == 6 * len(TEST_BARS)


@pytest.mark.slow
def test_a_backfill_predicts_every_bar_and_counts_bars(market, instance):
    planned = assets(market).spec.partitions.definition.get_partition_keys()
    assert planned[: len(KEYS)] == KEYS  # and the weeks after them, up to this one
    assert (
        market.calendar.has_bars
    )  # the prices are read, and their sessions are known from then on
    strategy = assets(market)
    assert strategy.spec.partitions.definition.get_partition_keys() == KEYS
    span = {
        "dagster/asset_partition_range_start": KEYS[0],
        "dagster/asset_partition_range_end": KEYS[-1],
    }
    keys = [dg.AssetKey(["bars", part]) for part in PARTS]
    result = run(strategy, instance, keys, tags=span)
    assert result.success
    checks = {e.check_name: e for e in result.get_asset_check_evaluations()}
    assert checks["complete"].passed
    assert checks["labels_known"].passed
    recorders = find_recorders("bars")
    assert sorted(recorder.list_tags()["roll"] for recorder in recorders) == KEYS
    by_key = {recorder.list_tags()["roll"]: recorder for recorder in recorders}
    week = by_key["2023-11-20"]  # with Thanksgiving and a half day
    assert len(week.load_object("pred.pkl")) == 6 * (13 * 3 + 7)
    assert week.list_tags()["data_until"] == "2023-12-08 16:00"
    last = week.load_object("task")["dataset"]["kwargs"]["segments"]["train"][1]
    assert last == pd.Timestamp("2023-11-17 15:00")  # 15:30, 16:00, then the first test bar
    events = instance.fetch_materializations(keys[1], limit=9).records
    shown = {e.asset_materialization.partition: e.asset_materialization.metadata for e in events}
    assert "2023-11-17 15:00" in shown["2023-11-20"]["segments"].value

    collected = [dg.AssetKey(["bars", "collected"]), dg.AssetKey("signals")]
    result = run(strategy, instance, collected)
    assert result.success
    (event,) = result.asset_materializations_for_node("bars__collected")
    assert event.metadata["coverage"].value == 1.0
    assert event.metadata["rolls"].value == len(KEYS)
    kept = find_recorder_of_kind("bars", "collected")
    assert_every_bar_is_predicted(kept.load_object("pred.pkl"))


def test_a_trainer_and_a_collector_join_every_bar_and_figures_are_annual(market):
    generator = RollingGen(65, RollingGen.ROLL_SD, trunc_days=3, calendar=market.calendar)
    tasks = [place_market(task, market) for task in generator.generate(template())]
    recorders = TrainerR("trained")(tasks)
    collector = RecorderCollector("trained", artifacts_key="pred", process_list=[])
    preds = collector()["pred"]
    assert_every_bar_is_predicted(RollingEnsemble()(preds))
    metrics = recorders[0].list_metrics()
    spread = recorders[0].load_object("sig_analysis/long_short_r.pkl")
    # a label spans two bars, a year has 252 days of 13
    annual = spread.mean() / 2 * 252 * 13
    assert metrics["Long-Short Ann Return"] == pytest.approx(annual)
    report = recorders[0].load_object("portfolio_analysis/report_normal_30min.pkl")
    excess = (report["return"] - report["bench"]).mean() * 252 * 13
    assert metrics["30min.excess_return_without_cost.annualized_return"] == pytest.approx(excess)


def test_figures_without_a_market_count_the_bars_of_the_predictions(market, caplog):
    generator = RollingGen("week", calendar=market.calendar)
    task = generator.generate(template())[0]
    recorder = task_train(task, "alone", market=market)
    SigAnaRecord(recorder).generate()
    spread = recorder.load_object("sig_analysis/long_short_r.pkl")
    annual = recorder.list_metrics()["Long-Short Ann Return"]
    assert annual == pytest.approx(spread.mean() / 2 * 252 * 13)
    # of a recorder by hand nothing says what its sessions are but the predictions themselves
    with R.start(experiment_name="by hand"):
        R.save_objects(**{name: recorder.load_object(name) for name in ("pred.pkl", "label.pkl")})
        by_hand = R.get_recorder()
    wf_dagster.init(home=get_settings().home)  # the sample's days
    SigAnaRecord(by_hand, label_horizon=2).generate()
    assert by_hand.list_metrics()["Long-Short Ann Return"] == pytest.approx(annual)
    assert "annual figures count the 3276 bars a year" in caplog.text


@pytest.mark.parametrize("build", [new_data_sensor, roll_due_sensor])
def test_sensors_that_serve_are_refused_when_they_tick(market, instance, build):
    sensor = build(assets(market))  # nothing of the prices is read
    with (
        dg.build_sensor_context(instance=instance) as context,
        pytest.raises(dg.Failure) as failure,
    ):
        sensor(context)
    assert re.search(NOT_SERVED, failure.value.description)


def test_the_schedule_is_refused_when_it_ticks(market, instance):
    schedule = build_online_schedule(assets(market), "30 17 * * *", "America/New_York")
    with (
        dg.build_schedule_context(
            instance=instance, scheduled_execution_time=pd.Timestamp("2023-12-08 22:30", tz="UTC")
        ) as context,
        pytest.raises(dg.Failure) as failure,
    ):
        schedule(context)
    assert re.search(NOT_SERVED, failure.value.description)


def test_an_online_run_is_refused_before_any_work(market, instance):
    config = {"ops": {"bars_rolls": {"config": {"online_session": "last"}}}}
    strategy = assets(market)
    keys = [dg.AssetKey(["bars", part]) for part in PARTS]
    result = run(strategy, instance, keys, partition_key=KEYS[0], run_config=config)
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "online models serve day by day" in str(failure.step_failure_data)
    assert not find_recorders("bars", status=None)


def test_online_managers_strategies_and_updaters_are_refused_before_any_work(market):
    strategy = RollingStrategy("served", template(), RollingGen("week"), market=market)
    for use in (
        lambda: OnlineManager(strategy),
        strategy.first_tasks,
        lambda: strategy.prepare_tasks("2023-12-08"),
        lambda: strategy.at("2023-12-01"),
    ):
        with pytest.raises(OnlineError, match=NOT_SERVED):
            use()
    recorder = task_train(
        RollingGen("week", calendar=market.calendar).generate(template())[0],
        "updated",
        market=market,
    )
    for updater in (PredUpdater, LabelUpdater):
        with pytest.raises(OnlineError, match=NOT_SERVED):
            updater(recorder)
