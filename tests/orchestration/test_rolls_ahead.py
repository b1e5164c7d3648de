"""Rolls that begin while a code location stays loaded."""

from __future__ import annotations

import datetime as dt
import logging

import dagster as dg
import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.support import task_of
from wf_dagster.errors import CalendarError
from wf_dagster.orchestration import TrackingResource, build_rolling_assets, rolling_partitions
from wf_dagster.rolling import RollingGen
from wf_dagster.tracking import find_recorders

PARTS = ["recorders", "predictions", "labels"]


def template_of(start):
    template = task_of(start)
    template["dataset"]["kwargs"]["segments"]["test"] = (start, None)
    return template


def live_prices(folder, last):
    """Prices of two names up to a day, as a file that somebody may append to."""
    days = pd.bdate_range(last - pd.DateOffset(years=4), last)
    index = pd.MultiIndex.from_product([days, ["A", "B"]], names=["datetime", "instrument"])
    path = folder / "prices.parquet"
    pd.DataFrame({"close": np.linspace(10.0, 20.0, len(index))}, index).to_parquet(path)
    return str(path)


def now():
    return pd.Timestamp.now("UTC").tz_localize(None).normalize()


@pytest.mark.parametrize("step", [5, 20, "week", "month"])
def test_the_rolls_of_the_coming_year_show_themselves_without_a_reload(home, tmp_path, step):
    wf_dagster.init(home=home, prices=live_prices(tmp_path, now() - pd.DateOffset(days=4)))
    start = now() - pd.DateOffset(months=14)
    partitions = rolling_partitions(template_of(f"{start:%Y-%m-%d}"), RollingGen(step))
    definition, keys = partitions.definition, partitions.rolls.keys
    today = f"{now():%Y-%m-%d}"
    assert definition.get_partition_keys() == [key for key in keys if key <= today]
    assert pd.Timestamp(keys[-1]) > now() + pd.DateOffset(months=8)
    for key in keys:
        midnight = dt.datetime.fromisoformat(key).replace(tzinfo=dt.timezone.utc)
        if key > today:
            assert definition.get_partition_keys(current_time=midnight)[-1] == key
            before = midnight - dt.timedelta(seconds=1)
            assert definition.get_partition_keys(current_time=before)[-1] < key


@pytest.mark.parametrize("days", [12, 400])
def test_prices_that_came_to_an_end_have_no_rolls_ahead(home, tmp_path, days):
    wf_dagster.init(home=home, prices=live_prices(tmp_path, now() - pd.DateOffset(days=days)))
    start = now() - pd.DateOffset(years=2)
    partitions = rolling_partitions(template_of(f"{start:%Y-%m-%d}"), RollingGen("week"))
    last = partitions.market.calendar.last_session
    assert all(roll.has_begun(partitions.market.calendar) for roll in partitions.rolls)
    assert list(partitions.rolls)[-1].test[1] >= last


def test_a_date_says_how_far_ahead_rolls_are_foreseen(home):
    template = template_of("2019-01-01")
    wf_dagster.init(home=home, as_of="2019-03-15")
    assert rolling_partitions(template, RollingGen("month")).rolls.keys[-1] == "2019-03-01"
    ahead = rolling_partitions(template, RollingGen("month"), horizon="2019-06-03")
    assert ahead.definition.get_partition_keys()[-1] == "2019-06-01"
    with pytest.raises(CalendarError, match="has no roll"):
        rolling_partitions(template_of("2019-05-01"), RollingGen("month"))


def test_the_calendar_moves_on_with_the_prices_unless_it_was_given(home):
    wf_dagster.init(home=home, as_of="2019-03-15")
    template = template_of("2019-01-01")
    generator = RollingGen("month")
    own = rolling_partitions(template, generator)
    fixed = rolling_partitions(template, RollingGen("month"), own.rolls.calendar)
    wf_dagster.init(home=home, as_of="2019-04-10")
    assert own.market.calendar.last_session == pd.Timestamp("2019-04-10")
    assert fixed.market.calendar.last_session == pd.Timestamp("2019-03-15")
    assert generator.own_calendar is None


@pytest.fixture
def clock(home, tmp_path):
    file = tmp_path / "clock"
    file.write_text("2019-03-15")
    wf_dagster.init(home=home, replay_clock=file)
    return file


def _run(instance, parts, keys=(), tags=()):
    assets = build_rolling_assets("demo", template_of("2019-03-01"), RollingGen("month"))
    job = dg.Definitions(
        assets=assets,
        resources={"tracking": TrackingResource()},
        executor=dg.in_process_executor,
    ).resolve_implicit_global_asset_job_def()
    ends = {"start": keys[0], "end": keys[-1]} if keys else {}
    return job.execute_in_process(
        asset_selection=[dg.AssetKey(["demo", part]) for part in parts],
        instance=instance,
        raise_on_error=False,
        tags={f"dagster/asset_partition_range_{end}": key for end, key in ends.items()}
        | dict(tags),
    )


def _metadata(instance, part, name):
    records = instance.fetch_materializations(dg.AssetKey(["demo", part]), limit=100).records
    events = [record.asset_materialization for record in records]
    return {event.partition: event.metadata[name].value for event in reversed(events)}


def _warnings(instance, result):
    return [
        entry.user_message
        for entry in instance.all_logs(result.run_id)
        if entry.level == logging.WARNING and "left out" in entry.user_message
    ]


def test_rolls_that_are_not_due_are_left_out_of_a_run_and_named(instance, clock):
    result = _run(instance, PARTS, ["2019-03-01", "2019-04-01", "2019-05-01"])
    assert result.success
    april, may, checks = _warnings(instance, result)
    assert checks == "2 rolls were left out, so Dagster skips the checks of this run"
    assert (
        "demo 2019-04-01 is left out: roll 2019-04-01 cannot be trained yet: it is due at the close"
        " of 2019-03-2" in april
    )
    assert "the last session with prices is 2019-03-15" in april
    assert "demo 2019-05-01 is left out" in may
    for part in PARTS:
        marked = instance.get_materialized_partitions(dg.AssetKey(["demo", part]))
        assert marked == {"2019-03-01"}
    assert list(_metadata(instance, "recorders", "fingerprint")) == ["2019-03-01"]
    assert len(find_recorders("demo", status=None)) == 1


def test_what_follows_rolls_that_are_left_out_is_not_skipped_without_a_word(instance, clock):
    result = _run(instance, [*PARTS, "collected"], ["2019-03-01", "2019-04-01"])
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    message = failure.event_specific_data.error.message
    assert "1 rolls cannot be trained yet; the others are finished and marked" in message
    assert "Dagster therefore skips demo/collected in this run: materialize them alone" in message
    marked = instance.get_materialized_partitions(dg.AssetKey(["demo", "recorders"]))
    assert marked == {"2019-03-01"}


@pytest.mark.parametrize(("version", "is_green"), [("1.13.22", True), ("1.13.21", False)])
def test_a_backfill_of_an_earlier_dagster_is_not_left_waiting(
    instance, clock, monkeypatch, version, is_green
):
    monkeypatch.setattr(dg, "__version__", version)
    result = _run(
        instance, PARTS, ["2019-03-01", "2019-04-01"], {"dagster/backfill": "some-backfill"}
    )
    assert result.success is is_green
    marked = instance.get_materialized_partitions(dg.AssetKey(["demo", "recorders"]))
    assert marked == {"2019-03-01"}


def test_a_run_of_rolls_that_are_not_due_alone_fails(instance, clock):
    result = _run(instance, PARTS, ["2019-04-01", "2019-05-01"])
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    error = failure.event_specific_data
    assert error.user_failure_data.metadata["failed_rolls"].value == ["2019-04-01", "2019-05-01"]
    assert "2019-04-01: roll 2019-04-01 cannot be trained yet" in error.error.message
    assert not find_recorders("demo", status=None)


@pytest.mark.slow
def test_a_roll_is_trained_before_its_test_segment_and_predicted_when_it_begins(instance, clock):
    clock.write_text("2019-03-29")
    assert _run(instance, PARTS, ["2019-03-01", "2019-04-01"]).success
    assert _metadata(instance, "predictions", "predictions") == {
        "2019-03-01": 21 * 20,
        "2019-04-01": 0,
    }
    assert _run(instance, ["collected"]).success
    assert _metadata(instance, "collected", "gaps") == {None: []}
    trained = _metadata(instance, "recorders", "recorder_id")["2019-04-01"]

    clock.write_text("2019-04-05")
    assert _run(instance, ["predictions", "labels"], ["2019-04-01"]).success
    assert _metadata(instance, "predictions", "predictions")["2019-04-01"] == 5 * 20
    assert _metadata(instance, "predictions", "recorder_id")["2019-04-01"] == trained
    assert _run(instance, ["collected"]).success
    assert _metadata(instance, "collected", "coverage") == {None: 1.0}
