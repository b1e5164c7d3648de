"""Assets with partitions of their own, in any time zone, get the rows of their partition."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas as pd
import pytest

from tests.orchestration.frames.host import KEYS, keep_rolls, made_frame, strategy_assets
from tests.orchestration.frames.test_inputs import PREDICTIONS, failed, received
from wf_dagster.errors import SettingsError
from wf_dagster.orchestration import TrackingResource, roll_input
from wf_dagster.tracking import R


@pytest.fixture
def whole() -> pd.DataFrame:
    """The predictions of all rolls."""
    return pd.concat(keep_rolls().values())


def _days(whole: pd.DataFrame, first: str, last: str) -> pd.DataFrame:
    return whole.loc[pd.Timestamp(first) : pd.Timestamp(last)]


@pytest.mark.parametrize(
    ("partitions", "partition", "first", "last"),
    [
        (dg.DailyPartitionsDefinition("2019-01-01", timezone="America/New_York"),
         "2019-02-15", "2019-02-15", "2019-02-15"),
        (dg.DailyPartitionsDefinition("2019-01-01", timezone="Asia/Tokyo"),
         "2019-04-01", "2019-04-01", "2019-04-01"),
        (dg.WeeklyPartitionsDefinition("2019-01-06", timezone="Asia/Kolkata"),
         "2019-01-27", "2019-01-27", "2019-02-02"),
        (dg.MonthlyPartitionsDefinition("2019-01-01", timezone="America/New_York"),
         "2019-03-01", "2019-03-01", "2019-03-31"),
        (dg.TimeWindowPartitionsDefinition(start="2019-01-01", fmt="%Y-%m-%d",
                                           cron_schedule="0 0 1 */3 *", timezone="Europe/London"),
         "2019-01-01", "2019-01-01", "2019-03-31"),
        (dg.MultiPartitionsDefinition(
            {"day": dg.DailyPartitionsDefinition("2019-01-01", timezone="America/New_York"),
             "desk": dg.StaticPartitionsDefinition(["east", "west"])}),
         "2019-02-15|east", "2019-02-15", "2019-02-15"),
    ],
)  # fmt: skip
def test_a_partition_has_its_own_rows(instance, whole, partitions, partition, first, last):
    frame = received(
        instance, roll_input(PREDICTIONS), Any, partition=partition, partitions_def=partitions
    )
    pd.testing.assert_frame_equal(frame, _days(whole, first, last))


def test_the_clock_may_be_that_of_another_zone(instance, whole):
    """13 hours of UTC on Valentine's day are the morning of the 15th in Auckland."""
    hours = dg.HourlyPartitionsDefinition("2019-01-01-00:00")
    hour = "2019-02-14-13:00"
    frame = received(instance, roll_input(PREDICTIONS), Any, partition=hour, partitions_def=hours)
    pd.testing.assert_frame_equal(frame, _days(whole, "2019-02-14", "2019-02-14"))
    there = roll_input(PREDICTIONS, timezone="Pacific/Auckland")
    frame = received(instance, there, Any, partition=hour, partitions_def=hours)
    pd.testing.assert_frame_equal(frame, _days(whole, "2019-02-15", "2019-02-15"))


def test_the_roll_before_goes_on_where_the_next_has_no_such_row(instance, whole):
    """The third roll was trained late: on its first days there are rows of the second only."""
    late = pd.concat([made_frame(KEYS[1]), made_frame(KEYS[2], 7).iloc[:4]])
    for key, pred in ((KEYS[1], late), (KEYS[2], made_frame(KEYS[2]).iloc[4:])):
        with R.start(experiment_name="ridge", recorder_name=key, tags={"roll": key}):
            R.save_objects(**{"pred.pkl": pred})
    daily = dg.DailyPartitionsDefinition("2019-01-01", timezone="America/New_York")
    frame = received(
        instance, roll_input(PREDICTIONS), Any, partition="2019-03-01", partitions_def=daily
    )
    pd.testing.assert_frame_equal(frame, made_frame(KEYS[2], 7).iloc[:2])


def test_rolls_of_another_strategy_have_the_rows_up_to_the_next_roll(instance, whole):
    """Between its rolls, be the windows of Dagster as short as they may."""
    starts = ["2019-01-15", "2019-02-20", "2019-03-05"]
    exclusions = [
        day.to_pydatetime()
        for day in pd.date_range("2019-01-15", "2019-03-05")
        if f"{day:%Y-%m-%d}" not in starts
    ]
    rolls = dg.TimeWindowPartitionsDefinition(
        start=starts[0], end="2019-03-06", fmt="%Y-%m-%d", cron_schedule="0 0 * * *",
        timezone="Etc/GMT-1", exclusions=exclusions,
    )  # fmt: skip
    frame = received(
        instance, roll_input(PREDICTIONS), Any, partition=starts[0], partitions_def=rolls
    )
    pd.testing.assert_frame_equal(frame, _days(whole, starts[0], "2019-02-19"))
    frame = received(
        instance, roll_input(PREDICTIONS), Any, partition=starts[2], partitions_def=rolls
    )
    pd.testing.assert_frame_equal(frame, _days(whole, starts[2], "2019-12-31"))


def test_definitions_load_in_any_time_zone_and_dagster_maps_by_itself(whole):
    """What reaches Dagster's daemon is a mapping of its own."""
    daily = dg.DailyPartitionsDefinition("2019-01-01", timezone="America/New_York")

    @dg.asset(partitions_def=daily, ins={"scores": roll_input("ridge/predictions")})
    def orders(scores: pd.DataFrame) -> None: ...

    defs = dg.Definitions([*strategy_assets(), orders], resources={"tracking": TrackingResource()})
    dg.Definitions.validate_loadable(defs)
    node = defs.resolve_asset_graph().get(dg.AssetKey("orders"))
    assert node.partition_mappings == {PREDICTIONS: dg.AllPartitionMapping()}


def test_a_partition_before_the_first_roll_says_when_to_begin(instance, whole):
    daily = dg.DailyPartitionsDefinition("2018-12-01", timezone="America/New_York")
    said = failed(
        instance, roll_input(PREDICTIONS), Any, partition="2018-12-31", partitions_def=daily
    )
    assert "no roll has begun by the end of this partition" in said
    assert "the first of them 2019-01-01: begin the partitions of your asset later" in said


def test_an_asset_without_times_is_told_to_take_all_rolls(instance, whole):
    said = failed(instance, roll_input(PREDICTIONS), Any)
    assert "has no partitions that are times: take dg.AssetIn(['ridge', 'predictions'])" in said
    desks = dg.StaticPartitionsDefinition(["east", "west"])
    said = failed(instance, roll_input(PREDICTIONS), Any, partition="east", partitions_def=desks)
    assert "has no partitions that are times" in said


def test_an_unknown_time_zone_is_refused():
    with pytest.raises(SettingsError, match=r"timezone='New York' is unknown: give a name of the"):
        roll_input(PREDICTIONS, timezone="New York")
