"""Checks in real runs: what they find, what they stop, and what they say when nothing runs."""

from __future__ import annotations

import math

import dagster as dg
import pytest

import wf_dagster
from tests.support import task_of
from wf_dagster.online import OnlineToolR
from wf_dagster.orchestration import (
    TrackingResource,
    build_freshness_sensor,
    build_online_checks,
    build_rolling_assets,
    build_signals_asset,
    online_job,
)
from wf_dagster.orchestration.automation.online_requests import online_request
from wf_dagster.rolling import RollingGen
from wf_dagster.tracking import R, find_recorders

PARTS = ["recorders", "predictions", "labels"]
ROLLS = ["predictions/complete", "predictions/unique_rows", "predictions/usable_scores"]
ROLLS += ["predictions/score_drift", "predictions/fresh", "labels/labels_known"]


@pytest.fixture
def clock(tmp_path):
    """The replay date: a session in the third roll."""
    file = tmp_path / "clock"
    file.write_text("2019-03-14")
    wf_dagster.init(replay_clock=file)
    return file


class World:
    """A strategy with its checks, on a Dagster instance of its own."""

    def __init__(self, instance, how="", **limits):
        template = task_of("2019-01-01")
        template["dataset"]["kwargs"]["segments"]["test"] = ("2019-01-01", "2019-12-31")
        if how:
            template["model"] = {
                "class": "Spoilt",
                "module_path": "tests.orchestration.check_models",
                "kwargs": {"how": how},
            }
        generator = RollingGen("month", trunc_days=6)
        self.instance = instance
        self.assets = build_rolling_assets("demo", template, generator, max_workers=1)
        self.defs = dg.Definitions(
            assets=[*self.assets, build_signals_asset(["demo"])],
            asset_checks=build_online_checks(self.assets, **limits),
            jobs=[online_job(self.assets)],
            sensors=[build_freshness_sensor(self.assets)],
            resources={"tracking": TrackingResource()},
            executor=dg.in_process_executor,
        )

    def materialize(self, parts, tags=None, **kwargs):
        job = self.defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[dg.AssetKey(part.split("/")) for part in parts],
            instance=self.instance,
            raise_on_error=False,
            tags=tags,
            **kwargs,
        )

    def backfill(self, first, last):
        tags = {
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        }
        return self.materialize([f"demo/{part}" for part in PARTS], tags)

    def go_online(self):
        session = self.assets.spec.calendar.last_session
        request = online_request(self.assets, session, "any")
        return self.defs.resolve_job_def("demo_online").execute_in_process(
            instance=self.instance,
            raise_on_error=False,
            partition_key=request.partition_key,
            run_config=request.run_config,
            tags=dict(request.tags),
        )

    def check(self, *names):
        """Execute checks alone, as the button in the page does."""
        keys = {_check_key(name) for name in names}
        job = self.defs.resolve_implicit_global_asset_job_def()
        subset = job.get_subset(asset_selection=set(), asset_check_selection=keys)
        return _checks_of(subset.execute_in_process(instance=self.instance, raise_on_error=False))

    def look(self, cursor=None):
        """A tick of the freshness sensor."""
        with dg.build_sensor_context(
            instance=self.instance, cursor=cursor, definitions=self.defs
        ) as context:
            return self.defs.get_sensor_def("freshness")(context)


def _check_key(name):
    *parts, check = name.split("/")
    path = parts if parts == ["signals"] else ["demo", *parts]
    return dg.AssetCheckKey(dg.AssetKey(path), check)


def _checks_of(result):
    return {
        "/".join([*check.asset_key.path[-1:], check.check_name]): check
        for check in result.get_asset_check_evaluations()
    }


def _failures_of(result):
    return {
        name: check.description for name, check in _checks_of(result).items() if not check.passed
    }


def _materialized(result, part):
    keys = {event.asset_key for event in result.get_asset_materialization_events()}
    return dg.AssetKey(part.split("/")) in keys


def test_a_backfill_is_checked_on_its_own_rolls(instance, clock):
    world = World(instance)
    result = world.backfill("2019-01-01", "2019-02-01")
    assert result.success
    checks = _checks_of(result)
    assert sorted(checks) == sorted(ROLLS)
    assert _failures_of(result) == {}
    assert "it holds for all 2 rolls" in checks["predictions/complete"].description
    assert checks["predictions/complete"].metadata["rolls"].value == 2
    assert checks["predictions/fresh"].description.startswith("not judged")  # no current roll yet
    assert "2019-02-01" in checks["predictions/score_drift"].description


def test_one_partition_is_checked_with_its_numbers(instance, clock):
    result = World(instance).materialize(
        [f"demo/{part}" for part in PARTS], partition_key="2019-03-01"
    )
    assert result.success
    assert _failures_of(result) == {}
    complete = _checks_of(result)["predictions/complete"]
    assert complete.metadata["rows"].value == 10 * 20  # sessions from the 1st to the 14th
    assert complete.blocking
    fresh = _checks_of(result)["predictions/fresh"]
    assert (fresh.metadata["newest"].value, fresh.metadata["missed_sessions"].value) == (
        "2019-03-14",
        0,
    )


def test_a_missing_instrument_stops_what_comes_after(instance, clock):
    world = World(instance, how="lacks an instrument")
    parts = [*(f"demo/{part}" for part in PARTS), "demo/collected", "signals"]
    result = world.materialize(parts, partition_key="2019-02-01")
    assert not result.success
    (failed,) = _failures_of(result).items()
    assert failed[0] == "predictions/complete"
    assert "19 of 380 scores are missing" in failed[1]
    assert _materialized(result, "demo/predictions")
    assert not _materialized(result, "demo/collected")
    assert not _materialized(result, "signals")


@pytest.mark.parametrize(
    ("how", "expected"),
    [("has a NaN", "19 of 380 scores are NaN"), ("constant", "on 19 sessions all instruments")],
)
def test_unusable_scores_are_an_error_that_stops_only_when_asked(instance, clock, how, expected):
    parts = [*(f"demo/{part}" for part in PARTS), "demo/collected"]
    result = World(instance, how=how).materialize(parts, partition_key="2019-02-01")
    assert result.success
    assert expected in _failures_of(result)["predictions/usable_scores"]
    severity = _checks_of(result)["predictions/usable_scores"].severity
    assert severity == dg.AssetCheckSeverity.ERROR
    strict = World(instance, how=how, blocking=("complete", "usable_scores"))
    assert not strict.materialize(parts, partition_key="2019-02-01").success


def test_a_session_online_passes_all_checks_and_a_later_one_is_missed(instance, clock):
    world = World(instance)
    result = world.go_online()
    assert result.success
    assert _failures_of(result) == {}
    assert sorted(_checks_of(result)) == sorted(
        [
            *ROLLS,
            "collected/rolling_ic",
            "online_models/one_generation",
            "online_models/same_history",
            "signals/fresh",
        ]
    )
    clock.write_text("2019-03-15")
    assert world.check("predictions/fresh", "signals/fresh")["signals/fresh"].passed
    clock.write_text("2019-03-18")  # the Monday after
    late = world.check("predictions/fresh", "signals/fresh", "predictions/complete")
    assert not late["predictions/fresh"].passed
    assert not late["signals/fresh"].passed
    assert "2 sessions behind 2019-03-18" in late["signals/fresh"].description
    assert late["predictions/complete"].passed  # up to the last session that was worked through
    assert world.go_online().success
    assert world.check("signals/fresh")["signals/fresh"].passed


def test_the_sensor_reports_a_change_once_and_starts_no_run(instance, clock):
    world = World(instance)
    assert "no predictions and no signals" in world.look().skip_message
    world.go_online()
    first = world.look()
    assert [event.passed for event in first.asset_events] == [True, True]
    assert not first.run_requests
    assert "2019-03-14, 0 sessions behind" in world.look(first.cursor).skip_message
    clock.write_text("2019-03-18")
    late = world.look(first.cursor)
    assert [event.passed for event in late.asset_events] == [False, False]
    assert isinstance(world.look(late.cursor), dg.SkipReason)
    for event in late.asset_events:
        instance.report_runless_asset_event(event)
    key = _check_key("signals/fresh")
    record = instance.event_log_storage.get_asset_check_summary_records([key])[key]
    assert record.last_check_execution_record.status.value == "FAILED"


def test_the_generation_is_checked_against_the_tags_and_the_rolls(instance, clock):
    world = World(instance)
    name = "online_models/one_generation"
    assert "no model is online" in world.check(name)[name].description
    world.backfill("2019-01-01", "2019-02-01")
    world.go_online()
    assert world.check(name)[name].passed
    online = OnlineToolR("demo").state().online
    (other, *_) = [r for r in find_recorders("demo") if r.id not in online]
    other.set_tags(online_status="online")
    assert other.id in world.check(name)[name].description
    other.set_tags(online_status="offline")
    assert world.check(name)[name].passed
    OnlineToolR("demo").reset_online_tag([other])  # an earlier roll is put online by hand
    assert "should be the roll tested from 2019-03-01" in world.check(name)[name].description


def test_a_recorder_that_was_deleted_is_missed(instance, clock):
    world = World(instance)
    world.go_online()
    (online,) = OnlineToolR("demo").online_models()
    R.get_exp(experiment_name="demo").delete_recorder(recorder_id=online.id)
    name = "online_models/one_generation"
    assert "not there any more" in world.check(name)[name].description


def test_labels_that_stay_away_are_found_also_of_a_model_that_serves_no_more(instance, clock):
    world = World(instance)
    clock.write_text("2019-02-28")
    world.go_online()
    clock.write_text("2019-03-07")  # the last labels of February are not known yet
    world.go_online()
    assert world.check("labels/labels_known")["labels/labels_known"].passed
    (retired,) = OnlineToolR("demo").state().unlabelled
    recorder = R.get_recorder(recorder_id=retired)
    recorder.save_objects(**{"label.pkl": recorder.load_object("label.pkl") * math.nan})
    labels = world.check("labels/labels_known")["labels/labels_known"]
    assert not labels.passed
    assert "1 of 2 rolls fail; roll 2019-02-01" in labels.description


def test_a_low_ic_and_a_drift_are_warnings(instance, clock):
    world = World(instance, ic_sessions=20, ic_floor=0.99)
    world.backfill("2019-01-01", "2019-02-01")
    result = world.go_online()
    assert result.success
    low = _checks_of(result)["collected/rolling_ic"]
    assert (low.passed, low.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert low.metadata["ic"].value < 0.99
    (online,) = OnlineToolR("demo").online_models()
    online.save_objects(**{"pred.pkl": online.load_object("pred.pkl") + 0.1})
    drift = world.check("predictions/score_drift")["predictions/score_drift"]
    assert (drift.passed, drift.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert drift.metadata["psi"].value > drift.metadata["psi_limit"].value
    assert drift.metadata["ks"].value > 0.5


def test_two_strategies_share_the_check_of_their_signals(clock):
    first, second = (
        build_rolling_assets(name, task_of("2019-01-01"), RollingGen("month"))
        for name in ("first", "second")
    )
    checks = build_online_checks([first, second])
    keys = [key for check in checks for key in check.check_keys]
    assert len(keys) == len(set(keys))
    assert [key.name for key in keys if key.asset_key == dg.AssetKey("signals")] == ["fresh"]


def test_a_roll_that_was_never_trained_says_what_to_do(instance, clock):
    complete = World(instance).check("predictions/complete")["predictions/complete"]
    assert not complete.passed
    assert "materialize `recorders` first" in complete.description
