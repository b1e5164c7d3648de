"""Rolls that were trained stay those rolls while prices move on, move, or are restated."""

import copy
import shutil
from collections import Counter

import dagster as dg
import pandas as pd
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from tests.online.market import made_prices, template
from wf_dagster import Market, RollingStrategy
from wf_dagster.orchestration import TrackingResource, build_rolling_assets
from wf_dagster.orchestration.strategy.strategy_spec import StrategySpec
from wf_dagster.rolling import RollingGen
from wf_dagster.tasks import fingerprint
from wf_dagster.tracking import find_recorder_of_kind, find_recorders

DAYS = pd.bdate_range("2023-01-02", "2024-01-04", name="datetime")
SESSIONS = DAYS[DAYS.day != 15]  # no exchange has them, so none continues them
PRICES = made_prices(SESSIONS)
NAMES = 6
NOV, DEC, JAN = "2023-11-01", "2023-12-01", "2024-01-01"
PARTS = ("recorders", "predictions", "labels")


def show(path, until, without=()):
    path.parent.mkdir(exist_ok=True)
    is_shown = (PRICES["datetime"] <= until) & ~PRICES["datetime"].isin(pd.to_datetime(without))
    PRICES[is_shown].to_parquet(path)


def task(**changes):
    made = template()
    segments = {"train": ("2023-03-01", "2023-10-25"), "test": (NOV, None)}
    made["dataset"]["kwargs"]["segments"] = segments
    return {**made, **changes}


def build(path, definition=None, step="month", as_of=None, **options):
    generator = RollingGen(step, rtype=RollingGen.ROLL_EX, trunc_days=4)
    market = Market(str(path), as_of=as_of)
    return build_rolling_assets(
        "moving", definition or task(), generator, market=market, max_workers=1, **options
    )


def materialize(instance, assets, keys, parts=PARTS, config=None, retry_of=None):
    defs = dg.Definitions(
        assets=assets, resources={"tracking": TrackingResource()}, executor=dg.in_process_executor
    )
    job = defs.resolve_implicit_global_asset_job_def()
    tags = {"dagster/asset_partition_range_start": keys[0]} if keys else {}
    if keys:
        tags["dagster/asset_partition_range_end"] = keys[-1]
    selection = [dg.AssetKey(["moving", part]) for part in parts]
    run_config = {"ops": {"moving_rolls": {"config": config}}} if config else None
    if retry_of is None:
        return job.execute_in_process(
            run_config=run_config, instance=instance, asset_selection=selection, tags=tags
        )
    job = job.get_subset(asset_selection=set(selection))
    lineage = {"dagster/parent_run_id": retry_of, "dagster/root_run_id": retry_of}
    run = instance.create_run_for_job(
        job,
        parent_run_id=retry_of,
        root_run_id=retry_of,
        tags={**tags, **lineage},
        asset_selection=frozenset(selection),
    )
    return execute_run(InMemoryJob(job), run, instance)


def collect(instance, assets):
    materialize(instance, assets, [], ["collected"])
    return find_recorder_of_kind("moving", "collected").load_object("pred.pkl")


def months(frame):
    days = frame.index.get_level_values("datetime").unique()
    return dict(Counter(days.strftime("%Y-%m")))


def trained():
    return Counter(r.list_tags()["roll"] for r in find_recorders("moving"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "prices" / "daily.parquet"


@pytest.fixture
def until_december(path, instance):
    show(path, "2023-12-29")
    assets = build(path)
    materialize(instance, assets, [NOV, DEC])
    return assets


def test_a_roll_stays_in_collected_when_the_end_of_its_test_window_becomes_known(
    until_december, path, instance
):
    assert months(collect(instance, until_december)) == {"2023-11": 21, "2023-12": 20}
    (december,) = [r for r in find_recorders("moving") if r.list_tags()["roll"] == DEC]
    assert december.load_object("task")["dataset"]["kwargs"]["segments"]["test"][1] is None

    show(path, "2024-01-04")
    assets = build(path)
    materialize(instance, assets, [JAN])
    frame = collect(instance, assets)
    assert months(frame) == {"2023-11": 21, "2023-12": 20, "2024-01": 4}
    assert len(frame) == (21 + 20 + 4) * NAMES
    assert trained() == {NOV: 1, DEC: 1, JAN: 1}


def test_recorders_of_earlier_versions_carry_no_tag_and_keep_their_rolls(
    until_december, path, instance
):
    for recorder in find_recorders("moving"):
        recorder.delete_tags("training_fingerprint", "test_start", "market_kind")
    show(path, "2024-01-04")
    assets = build(path)
    materialize(instance, assets, [JAN])
    assert months(collect(instance, assets)) == {"2023-11": 21, "2023-12": 20, "2024-01": 4}
    tagged = {
        r.list_tags()["roll"]: "training_fingerprint" in r.list_tags()
        for r in find_recorders("moving")
    }
    # November is the whole task that it was, so nothing had to be read for it
    assert tagged == {NOV: False, DEC: True, JAN: True}


def test_prices_in_another_folder_are_the_same_prices(until_december, path, instance, tmp_path):
    shutil.move(path.parent, tmp_path / "elsewhere")
    assets = build(tmp_path / "elsewhere" / path.name)
    assert months(collect(instance, assets)) == {"2023-11": 21, "2023-12": 20}
    materialize(instance, assets, [NOV, DEC], ["predictions"])
    assert trained() == {NOV: 1, DEC: 1}


def test_a_record_that_is_added_is_computed_without_training(until_december, path, instance):
    definition = task()
    definition["record"] = [
        *definition["record"],
        {"class": "SigAnaRecord", "module_path": "wf_dagster.records"},
    ]
    assets = build(path, definition)
    before = {r.id: r.load_object("pred.pkl") for r in find_recorders("moving")}
    assert months(collect(instance, assets)) == {"2023-11": 21, "2023-12": 20}
    assert not any("IC" in r.list_metrics() for r in find_recorders("moving"))

    materialize(instance, assets, [NOV, DEC], ["predictions", "labels"])
    recorders = find_recorders("moving")
    assert {r.id for r in recorders} == set(before)
    for recorder in recorders:
        assert "IC" in recorder.list_metrics()
        assert len(recorder.load_object("sig_analysis/ic.pkl"))
        # online sessions go by the task that the recorder holds
        held = recorder.load_object("task")
        assert len(held["record"]) == len(definition["record"])
        assert fingerprint(held) == recorder.list_tags()["fingerprint"]
        pd.testing.assert_frame_equal(recorder.load_object("pred.pkl"), before[recorder.id])


def test_reuse_computes_a_record_that_is_added(until_december, path, instance):
    definition = task()
    definition["record"] = [
        *definition["record"],
        {"class": "SigAnaRecord", "module_path": "wf_dagster.records"},
    ]
    materialize(instance, build(path, definition), [NOV, DEC], config={"reuse_finished": True})
    assert trained() == {NOV: 1, DEC: 1}
    assert all("IC" in recorder.list_metrics() for recorder in find_recorders("moving"))


def test_a_test_window_that_grew_is_predicted_as_far_as_it_reaches(path, instance, caplog):
    show(path, "2023-12-15")
    materialize(instance, build(path), [NOV, DEC])
    show(path, "2024-01-04")
    assets = build(path)
    materialize(instance, assets, [JAN])
    assert months(collect(instance, assets)) == {"2023-11": 21, "2023-12": 10, "2024-01": 4}
    assert "lack sessions of their test windows, such as 2023-12-18 of roll 2023-12-01" in (
        caplog.text
    )
    materialize(instance, assets, [DEC], ["predictions", "labels"])
    (december,) = [r for r in find_recorders("moving") if r.list_tags()["roll"] == DEC]
    assert months(december.load_object("pred.pkl")) == {"2023-12": 20}, "January is another's"
    assert months(collect(instance, assets)) == {"2023-11": 21, "2023-12": 20, "2024-01": 4}
    assert trained() == {NOV: 1, DEC: 1, JAN: 1}


def test_sessions_that_served_after_the_window_are_not_lost(until_december, path, instance):
    """The roll of January was late, so December's model predicted its first sessions."""
    show(path, "2024-01-04")
    (december,) = [r for r in find_recorders("moving") if r.list_tags()["roll"] == DEC]
    pred = december.load_object("pred.pkl")
    served = pred.loc[["2023-12-29"]].rename({pd.Timestamp("2023-12-29"): pd.Timestamp(JAN)})
    december.save_objects(**{"pred.pkl": pd.concat([pred, served])})
    materialize(instance, build(path), [DEC], ["predictions"])
    assert months(december.load_object("pred.pkl")) == {"2023-12": 20, "2024-01": 1}


def test_a_template_of_lists_is_the_template_of_tuples(until_december, path, instance):
    definition = copy.deepcopy(task())
    segments = definition["dataset"]["kwargs"]["segments"]
    segments.update({name: list(pair) for name, pair in segments.items()})
    show(path, "2024-01-04")
    assets = build(path, definition)
    assert months(collect(instance, assets)) == {"2023-11": 21, "2023-12": 20}
    materialize(instance, assets, [NOV, DEC], ["predictions"])
    assert trained() == {NOV: 1, DEC: 1}


def test_a_first_session_that_came_late_is_predicted_by_the_model_of_its_roll(path, instance):
    show(path, "2023-12-29", without=[DEC])
    materialize(instance, build(path), [NOV, DEC])
    show(path, "2024-01-04")
    assets = build(path)
    assert months(collect(instance, assets)) == {"2023-11": 21, "2023-12": 19}
    materialize(instance, assets, [DEC], ["predictions"])
    assert months(collect(instance, assets)) == {"2023-11": 21, "2023-12": 20}
    assert trained() == {NOV: 1, DEC: 1}


def test_rolls_of_sessions_stay_too(path, instance):
    show(path, "2023-12-29")
    assets = build(path, step=10)
    keys = [roll.key for roll in strategy_of(assets).partitions.rolls]
    assets = build(path, step=10)  # the sessions of the prices are known now
    materialize(instance, assets, keys)
    # 21 sessions of November and 20 of December: four rolls of ten, and one session
    assert len(keys) == 5
    show(path, "2024-01-04")
    assets = build(path, step=10)
    assert [roll.key for roll in strategy_of(assets).partitions.rolls] == keys
    frame = collect(instance, assets)
    assert months(frame) == {"2023-11": 21, "2023-12": 20}
    materialize(instance, assets, keys[-1:], ["predictions"])
    assert months(collect(instance, assets)) == {"2023-11": 21, "2023-12": 20, "2024-01": 4}
    assert trained() == dict.fromkeys(keys, 1)


def test_a_change_of_the_training_trains_anew(until_december, path, instance):
    definition = task()
    definition["model"]["kwargs"]["alpha"] = 7.0
    materialize(instance, build(path, definition), [NOV, DEC], ["predictions"])
    assert trained() == {NOV: 2, DEC: 2}
    assert months(collect(instance, build(path))) == {"2023-11": 21, "2023-12": 20}


def test_a_retry_takes_over_what_its_run_has_trained_although_prices_moved_on(path, instance):
    show(path, "2023-12-29")
    first = materialize(instance, build(path), [NOV, DEC])
    show(path, "2024-01-04")
    materialize(instance, build(path), [NOV, JAN], retry_of=first.run_id)
    assert trained() == {NOV: 1, DEC: 1, JAN: 1}


def test_checks_look_at_the_recorder_of_the_roll(until_december, path, instance):
    show(path, "2024-01-04")
    inspection = strategy_of(build(path)).inspection()
    recorders = {r.list_tags()["roll"]: r.id for r in find_recorders("moving")}
    assert [(i.key, i.recorder.id) for i in inspection.of_rolls([NOV, DEC])] == [
        (NOV, recorders[NOV]),
        (DEC, recorders[DEC]),
    ]
    assert [i.recorder.id for i in inspection.of_rolls([DEC])] == [recorders[DEC]]


def test_what_has_seen_later_prices_is_not_taken_over_at_an_earlier_session(path, instance):
    show(path, "2024-01-04")
    assets = build(path)
    materialize(instance, assets, [NOV, DEC])
    spec = strategy_of(assets)
    strategy = RollingStrategy(
        "moving", spec.template, spec.generator, market=spec.market.at("2023-12-29")
    )
    tasks = strategy.first_tasks()
    assert strategy.find_trained(tasks, "2023-12-29") == [None, None]
    assert all(strategy.find_trained(tasks, "2024-01-04"))
    # nor by a backfill as of that session: it trains what it may know
    replayed = build(path, as_of="2023-12-29")
    materialize(instance, replayed, [NOV, DEC], config={"reuse_finished": True})
    assert trained() == {NOV: 2, DEC: 2}
    newest = strategy.find_trained(tasks, "2023-12-29")
    assert {r.list_tags()["data_until"] for r in newest} == {"2023-12-29"}


def strategy_of(assets) -> StrategySpec:
    return assets.spec
