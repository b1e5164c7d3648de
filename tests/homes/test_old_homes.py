"""A home folder that version 0.1.0 made (``record_old_home.py``) opens, and life goes on in it."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.homes.old_home import (
    ARCHIVE,
    BACKFILLED,
    BLEND,
    EXPECTED,
    MONTHLY,
    PLACE,
    PRICES,
    RESULTS,
    SESSIONS,
    TRIALS,
    WORKED,
    describe_monthly_task,
    describe_session_task,
    describe_trial,
    make_monthly_gen,
    make_session_gen,
    make_strategies,
    summarize_frame,
)
from wf_dagster import (
    DelayTrainerRM,
    OnlineError,
    OnlineManager,
    ParquetPrices,
    R,
    Recorder,
    RollingGen,
    RollingStrategy,
    Rolls,
    TaskManager,
    TrackingResource,
    TrainerRM,
    build_rolling_assets,
    fingerprint,
)
from wf_dagster.collect import collect_strategy

STRATEGIES = (MONTHLY, SESSIONS)
NEXT_SESSIONS = ["2022-06-06", "2022-06-07", "2022-06-08", "2022-06-09", "2022-06-10"]
NEXT_ROLL = "2022-06-09"  # of the strategy with steps of sessions
recorded: dict[str, Any] = json.loads(EXPECTED.read_text())


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "home"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def old_home(unpacked: Path, home: Path) -> Path:
    """The old home at another place, with its prices up to the last session worked through."""
    shutil.copytree(unpacked, home, dirs_exist_ok=True)
    show_prices(home, as_of=WORKED)
    return home


def show_prices(home: Path, as_of: str | None = None) -> None:
    wf_dagster.init(home=home, prices=home / PRICES, max_workers=1, as_of=as_of)


def list_all(experiment: str) -> dict[str, Recorder]:
    """All recorders of an experiment, also those that are no trainings."""
    return {recorder.id: recorder for recorder in R.get_exp(experiment_name=experiment).search()}


def list_trainings(experiment: str) -> dict[str, Recorder]:
    """The finished recorders that trained a task, by id."""
    return {
        recorder_id: recorder
        for recorder_id, recorder in R.list_recorders(experiment_name=experiment).items()
        if recorder.status == "FINISHED" and recorder.list_tags()["wf_kind"] == "recorder"
    }


def read_history(manager: OnlineManager) -> dict[str, dict[str, list[str]]]:
    return {
        f"{session:%Y-%m-%d}": {s.name_id: [r.id for r in models] for s, models in by.items()}
        for session, by in manager.history.items()
    }


def list_online(name: str, session: str) -> list[str]:
    """The recorders that served at a session, as the ledger was recorded."""
    changes = recorded["strategies"][name]["ledger"]["changes"]
    return [ids for since, ids in changes if since <= session][-1]


# recorders


@pytest.mark.parametrize("experiment", sorted(recorded["experiments"]))
def test_recorders_are_as_they_were(old_home: Path, experiment: str) -> None:
    recorders = list_all(experiment)
    assert set(recorders) == set(recorded["experiments"][experiment])
    for recorder_id, known in recorded["experiments"][experiment].items():
        recorder = recorders[recorder_id]
        assert (recorder.name, recorder.status) == (known["name"], known["status"])
        assert known["tags"].items() <= recorder.list_tags().items()
        metrics = recorder.list_metrics()
        assert {name: metrics[name] for name in known["metrics"]} == pytest.approx(
            known["metrics"], nan_ok=True
        )
        assert sorted(recorder.list_artifacts()) == known["artifacts"]
        for name, summary in known["frames"].items():
            assert summarize_frame(recorder.load_object(name)) == summary, name


@pytest.mark.parametrize("name", STRATEGIES)
def test_models_predict_what_they_predicted(old_home: Path, name: str) -> None:
    recorders = list_trainings(name)
    assert len(recorders) == len(recorded["strategies"][name]["rolls"])
    for recorder in recorders.values():
        pred = recorder.load_object("pred.pkl")["score"]
        days = pred.index.get_level_values("datetime")
        dataset = recorder.load_object("dataset")
        dataset.config(segments={**dataset.segments, "test": (days[0], days[-1])})
        again = recorder.load_object("params.pkl").predict(dataset)
        pd.testing.assert_series_equal(again, pred, rtol=1e-6, atol=1e-9)
        assert fingerprint(recorder.load_object("task")) == recorder.list_tags()["fingerprint"]


def test_portfolios_load(old_home: Path) -> None:
    reports = []
    for recorder in list_trainings(SESSIONS).values():
        positions = recorder.load_object("portfolio_analysis/positions_normal_1day.pkl")
        reports.append(recorder.load_object("portfolio_analysis/report_normal_1day.pkl"))
        assert set(positions.index.get_level_values(0)) <= set(reports[-1].index)
    # one roll was trained before its first test session
    assert [len(report) > 0 for report in reports].count(False) == 1
    assert all((report["account"] > 0).all() for report in reports)


def test_a_dataset_with_a_ready_price_source_loads(old_home: Path) -> None:
    source = ParquetPrices(Path(PLACE) / PRICES)  # the file is not there any more
    wanted = fingerprint(describe_trial(3.0, prices=source))
    (recorder,) = (
        r for r in list_trainings(TRIALS).values() if r.list_tags()["fingerprint"] == wanted
    )
    dataset = recorder.load_object("dataset")
    for loaded in (dataset.prices, recorder.load_object("task")["dataset"]["kwargs"]["prices"]):
        assert isinstance(loaded, ParquetPrices)
        assert loaded.path == source.path
    dataset.config(prices=ParquetPrices(old_home / PRICES))
    again = recorder.load_object("params.pkl").predict(dataset)
    pred = recorder.load_object("pred.pkl")["score"]
    pd.testing.assert_series_equal(again, pred, rtol=1e-6, atol=1e-9)


# rolls


@pytest.mark.parametrize(
    ("name", "template", "generator"),
    [
        (MONTHLY, describe_monthly_task(), make_monthly_gen()),
        (SESSIONS, describe_session_task(), make_session_gen()),
    ],
    ids=STRATEGIES,
)
def test_rolls_are_recognised_and_collected(
    old_home: Path, name: str, template: dict[str, Any], generator: RollingGen
) -> None:
    rolls = Rolls.from_template(template, generator, name=name)
    known = recorded["strategies"][name]
    assert {roll.key: fingerprint(roll.task) for roll in rolls} == known["rolls"]

    before = list_all(name)
    collection = collect_strategy(name, rolls)
    assert (collection.rolls, collection.gaps, collection.outdated) == (len(rolls), [], [])
    assert collection.coverage == 1.0
    frames = [before[known["recorders"][key]].load_object("pred.pkl") for key in rolls.keys]
    pd.testing.assert_frame_equal(collection.pred, pd.concat(frames).sort_index())
    # the one with what is collected is taken up again, where there was one
    assert set(list_all(name)) == {*before, collection.recorder.id}
    assert collection.recorder.id in before


def test_strategies_find_their_trained_rolls(old_home: Path) -> None:
    for strategy in make_strategies():
        tasks = strategy.first_tasks()
        trained = strategy.find_trained(tasks, WORKED)
        keys = [strategy.roll_key(task) for task in tasks]
        assert {k: r.id for k, r in zip(keys, trained, strict=True) if r is not None} == (
            recorded["strategies"][strategy.name_id]["recorders"]
        )


def test_dagster_reuses_the_old_recorders(old_home: Path) -> None:
    assets = build_rolling_assets(MONTHLY, describe_monthly_task(), make_monthly_gen())
    defs = dg.Definitions(
        assets=list(assets),
        resources={"tracking": TrackingResource()},
        executor=dg.in_process_executor,
    )
    known = recorded["strategies"][MONTHLY]["recorders"]
    before = list_trainings(MONTHLY)
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[dg.AssetKey([MONTHLY, "recorders"])],
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": min(known),
                "dagster/asset_partition_range_end": max(known),
            },
            run_config={"ops": {f"{MONTHLY}_rolls": {"config": {"reuse_finished": True}}}},
        )
        assert result.success
        key = dg.AssetKey([MONTHLY, "recorders"])
        events = [
            record.asset_materialization
            for record in instance.fetch_materializations(key, limit=100).records
        ]
    assert {e.partition: e.metadata["recorder_id"].value for e in events} == known
    assert set(list_trainings(MONTHLY)) == set(before)


# the ledger and the signals


def test_the_ledger_is_as_it_was(old_home: Path) -> None:
    manager = OnlineManager.from_store(make_strategies())
    assert (manager.begin_time, manager.cur_time) == tuple(map(pd.Timestamp, (BACKFILLED, WORKED)))
    assert summarize_frame(manager.get_signals()) == recorded["signals"]
    history = read_history(manager)
    for strategy in manager.strategies:
        name = strategy.name_id
        known = recorded["strategies"][name]["ledger"]
        assert [s for s, by in history.items() if name in by] == known["sessions"]
        assert all(by[name] == list_online(name, session) for session, by in history.items())
        assert [r.id for r in strategy.tool.online_models()] == known["online"]
        assert [r.id for r in strategy.tool.next_online_models()] == known["next_online"]
        state = strategy.tool.state()
        assert list(state.unlabelled) == known["unlabelled"]
        assert state.generation == known["generation"]
        for recorder_id, recorder in list_trainings(name).items():
            serves = recorder_id in known["online"]
            assert (strategy.tool.get_online_tag(recorder) == "online") is serves


def test_a_session_again_changes_nothing(old_home: Path) -> None:
    done = OnlineManager.from_store(make_strategies()).routine(WORKED)
    assert (done.trained, done.predicted, done.labelled) == ([], [], [])
    manager = OnlineManager.from_store(make_strategies())
    assert summarize_frame(manager.get_signals()) == recorded["signals"]


def test_the_ledger_refuses_what_is_past(old_home: Path) -> None:
    with pytest.raises(OnlineError, match="has worked through 2022-06-03"):
        OnlineManager.from_store(make_strategies()).routine("2022-06-01")


def test_the_next_sessions_are_worked_through(old_home: Path) -> None:
    show_prices(old_home)
    preds = {
        recorder_id: recorder.load_object("pred.pkl")
        for name in STRATEGIES
        for recorder_id, recorder in list_trainings(name).items()
    }
    manager = OnlineManager.from_store(make_strategies())
    before, sent = read_history(manager), manager.get_signals()
    done = manager.routine(NEXT_SESSIONS[-1])

    assert [f"{session:%Y-%m-%d}" for session in done.sessions] == NEXT_SESSIONS
    (trained,) = done.trained
    assert trained.list_tags()["fingerprint"] not in recorded["strategies"][SESSIONS]["rolls"]

    again = OnlineManager.from_store(make_strategies())
    history = read_history(again)
    assert {session: history[session] for session in before} == before
    (monthly,) = recorded["strategies"][MONTHLY]["ledger"]["online"]
    (earlier,) = recorded["strategies"][SESSIONS]["ledger"]["online"]
    assert {session: history[session] for session in history if session not in before} == {
        session: {MONTHLY: [monthly], SESSIONS: [trained.id if session >= NEXT_ROLL else earlier]}
        for session in NEXT_SESSIONS
    }

    signals = again.get_signals()
    pd.testing.assert_series_equal(signals.iloc[: len(sent)], sent)
    assert summarize_frame(signals.iloc[: len(sent)]) == recorded["signals"]
    new = signals.iloc[len(sent) :].index.get_level_values("datetime").unique()
    assert [f"{day:%Y-%m-%d}" for day in new] == NEXT_SESSIONS

    grown = {recorder.id for recorder in done.predicted}
    assert grown == {monthly, earlier, trained.id}
    for recorder_id, pred in preds.items():
        after = R.get_recorder(recorder_id=recorder_id).load_object("pred.pkl")
        pd.testing.assert_frame_equal(after.iloc[: len(pred)], pred)
        assert (len(after) > len(pred)) is (recorder_id in grown)


def test_signals_of_the_asset_load(old_home: Path) -> None:
    (recorder,) = list_all(BLEND).values()
    signals = recorder.load_object("signals.pkl")
    assert list(signals.columns) == ["score"]
    (known,) = recorded["experiments"][BLEND].values()
    assert summarize_frame(signals) == known["frames"]["signals.pkl"]


# the pool


@pytest.mark.parametrize("name", sorted(recorded["pools"]))
def test_a_pool_is_as_it_was(old_home: Path, name: str) -> None:
    pool = TaskManager(name)
    assert pool.task_stat() == recorded["pools"][name]["counts"]
    tasks = list(pool.query())
    assert {task["fingerprint"] for task in tasks} == set(recorded["pools"][name]["tasks"])
    for task in tasks:
        known = recorded["pools"][name]["tasks"][task["fingerprint"]]
        assert fingerprint(task["def"]) == task["fingerprint"]
        assert {key: task.get(key) for key in ("_id", "status", "attempts", "priority")} == {
            key: known[key] for key in ("_id", "status", "attempts", "priority")
        }
        if name != RESULTS:
            assert getattr(task.get("res"), "id", None) == known["result"]


def test_the_pools_are_listed(old_home: Path) -> None:
    assert TaskManager.list() == sorted(recorded["pools"])


def test_a_result_that_a_recorder_keeps_is_found(old_home: Path) -> None:
    (task,) = TaskManager(RESULTS).query()
    (known,) = recorded["pools"][RESULTS]["tasks"].values()
    assert len(task["res"]) == known["result"]
    assert task["res"].startswith("0123456789")


def test_the_pool_is_worked_through(old_home: Path) -> None:
    known = recorded["pools"][TRIALS]["tasks"]
    TrainerRM(TRIALS).worker()
    pool = TaskManager(TRIALS)
    counts = recorded["pools"][TRIALS]["counts"]
    moved = counts["waiting"] + counts["running"]  # the lease of the latter ran out long ago
    assert pool.task_stat() == {
        "done": counts["done"] + moved,
        "part_done": counts["part_done"],
        "failed": counts["failed"],
    }
    DelayTrainerRM(TRIALS).worker()
    assert pool.task_stat() == {
        "done": counts["done"] + moved + counts["part_done"],
        "failed": counts["failed"],
    }
    for task in pool.query():
        before = known[task["fingerprint"]]
        if before["status"] == "failed":
            assert "all features of the train segment are empty" in task["error"]
            continue
        recorder = R.get_recorder(recorder_id=task["res"].id)
        assert recorder.status == "FINISHED"
        assert np.isfinite(recorder.load_object("pred.pkl")["score"]).all()
        if before["status"] in ("done", "part_done"):
            assert recorder.id == before["result"]
        if before["status"] == "done":
            assert task["attempts"] == before["attempts"]


def test_a_delayed_training_is_finished_by_its_trainer(old_home: Path) -> None:
    show_prices(old_home)  # a replay date would be a part of the tasks
    trainer = DelayTrainerRM(TRIALS)
    before = list_all(TRIALS)
    prepared = trainer.train([describe_trial(4.0), describe_trial(5.0)])
    assert [recorder.status for recorder in prepared] == ["SCHEDULED"] * 2
    trained = trainer.end_train(prepared)
    assert [recorder.id for recorder in trained] == [recorder.id for recorder in prepared]
    assert {recorder.id for recorder in trained} <= set(before)
    assert [R.get_recorder(recorder_id=r.id).status for r in trained] == ["FINISHED"] * 2


def test_what_the_pool_has_done_is_not_trained_again(old_home: Path) -> None:
    before = list_all(TRIALS)
    show_prices(old_home)
    trained = TrainerRM(TRIALS).train([describe_trial(1.0), describe_trial(2.0)])
    known = recorded["pools"][TRIALS]["tasks"]
    wanted = [known[fingerprint(describe_trial(alpha))]["result"] for alpha in (1.0, 2.0)]
    assert [recorder.id for recorder in trained] == wanted
    assert set(list_all(TRIALS)) == set(before)


# pickled managers


def test_a_pickled_manager_goes_on(old_home: Path) -> None:
    show_prices(old_home)
    manager = OnlineManager.load(old_home / "manager.pkl")
    stored = OnlineManager.from_store(make_strategies())
    assert read_history(manager) == read_history(stored)
    assert manager.cur_time == pd.Timestamp(WORKED)
    assert summarize_frame(manager.get_signals()) == recorded["signals"]
    done = manager.routine(NEXT_SESSIONS[0])
    assert [f"{session:%Y-%m-%d}" for session in done.sessions] == NEXT_SESSIONS[:1]
    assert {recorder.id for recorder in done.predicted} == {
        recorder_id
        for name in STRATEGIES
        for recorder_id in recorded["strategies"][name]["ledger"]["online"]
    }


@pytest.mark.parametrize("trainer", ["TrainerRM", "DelayTrainerR", "DelayTrainerRM"])
def test_a_pickled_manager_keeps_trainer_and_calendar(old_home: Path, trainer: str) -> None:
    manager = OnlineManager.load(old_home / f"manager_{trainer}.pkl")
    assert type(manager.trainer) is getattr(wf_dagster, trainer)
    assert manager.trainer.is_delay() is trainer.startswith("Delay")
    (strategy,) = manager.strategies
    assert isinstance(strategy, RollingStrategy)
    # the rolls stand on the calendar in the pickle
    assert [fingerprint(task) for task in strategy.first_tasks()] == recorded["not_begun"]
