"""Replayed sessions: what they do, what they say, and what they refuse."""

from __future__ import annotations

import dagster as dg
import pandas as pd
import pytest

import wf_dagster
from tests.online.market import day, made_prices, template, use_prices
from wf_dagster import Market, RollingGen
from wf_dagster.errors import OnlineError
from wf_dagster.online.replay_clock import ReplayClock
from wf_dagster.orchestration import (
    TrackingResource,
    build_online_schedule,
    build_rolling_assets,
    build_signals_asset,
)
from wf_dagster.orchestration.dagster_home import prepare_dagster_home
from wf_dagster.orchestration.location.replayed_sessions import Replay
from wf_dagster.settings import get_settings

TEST, STEP = 70, 8  # as in the market
FIRST = TEST + STEP + 3


@pytest.fixture
def clock(tmp_path, home):
    """The clock of a home folder with few prices."""
    use_prices(tmp_path / "prices.parquet", made_prices(), home=home)
    return ReplayClock(get_settings().clock_file(), Market())


@pytest.fixture
def instance(home, clock):
    clock.move(pd.Timestamp(day(FIRST - 1)))
    with dg.DagsterInstance.local_temp(str(prepare_dagster_home(home))) as dagster_instance:
        yield dagster_instance


def _definitions(schedule=True, **options):
    demo = build_rolling_assets("demo", template(), RollingGen(STEP, trunc_days=4), **options)
    schedules = [build_online_schedule(demo, "0 18 * * *", "UTC")] if schedule else []
    return dg.Definitions(
        assets=[*demo, build_signals_asset([demo])],
        schedules=schedules,
        resources={"tracking": TrackingResource()},
        executor=dg.in_process_executor,
    )


def test_each_session_is_worked_through_once_and_says_what_it_brought(clock, instance):
    replay = Replay(_definitions(), instance, clock)
    sessions = list(clock.sessions(None, 6))
    reports = list(replay.run(sessions))
    assert [report.session for report in reports] == [day(FIRST + n) for n in range(6)]
    assert not any(report.skipped for report in reports)
    assert [report.predictions for report in reports[1:]] == [6] * 5  # six instruments
    assert {report.labels for report in reports[1:]} == {6}
    assert all(report.ic is not None and report.top for report in reports)
    assert [report.trained for report in reports] == [
        (day(TEST + STEP),),  # the roll that had begun, of which no model was there
        *[()] * 3,
        (day(TEST + 2 * STEP),),  # on the evening before
        (),
    ]
    assert [report.switched for report in reports] == [True, *[False] * 4, True]
    assert reports[-1].online == (day(TEST + 2 * STEP),)
    assert clock.date() == sessions[-1]

    runs = instance.get_runs_count()
    assert [report.skipped for report in replay.run(sessions)] == [True] * 6
    assert instance.get_runs_count() == runs
    (after,) = replay.run(list(clock.sessions(None, 1)))
    assert after.session == day(FIRST + 6)
    assert after.predictions == 6


def test_a_replay_reads_what_is_at_the_keys_of_the_code_location(clock, instance):
    replay = Replay(_definitions(key_prefix="fund"), instance, clock)
    first, second = replay.run(list(clock.sessions(None, 2)))
    assert first.trained == (day(TEST + STEP),)
    assert (second.predictions, second.labels) == (6, 6)  # counted by what `collected` showed


def test_a_session_before_the_clock_that_was_not_worked_through_is_refused(clock, instance):
    replay = Replay(_definitions(), instance, clock)
    with pytest.raises(OnlineError, match=r"shows .* already.*leave out --from.*--stop"):
        list(replay.run(list(clock.sessions(day(FIRST - 3), 2))))
    assert instance.get_runs_count() == 0


def test_a_location_without_an_online_schedule_is_refused(clock, instance):
    with pytest.raises(OnlineError, match="build_online_schedule"):
        Replay(_definitions(schedule=False), instance, clock)


def test_unusable_prices_are_no_session_that_was_worked_through(clock, instance, tmp_path):
    replay = Replay(_definitions(), instance, clock)
    sessions = list(clock.sessions(None, 1))
    (tmp_path / "prices.parquet").unlink()
    with pytest.raises(OnlineError, match=r"demo: .* does not exist"):
        list(replay.run(sessions))


def test_a_roll_that_was_not_planned_is_no_session_that_was_worked_through(home, instance):
    for record in (home / "cache").glob("sessions-*.json"):
        record.unlink()  # as before the prices were ever read
    late = ReplayClock(get_settings().clock_file(), Market())
    planned = _definitions()
    late.move(pd.Timestamp(day(TEST + 4 * STEP - 1)))
    replay = Replay(planned, instance, late)
    with pytest.raises(OnlineError, match="demo: roll 2020-05-29 of demo is no partition of the"):
        list(replay.run(list(late.sessions(None, 1))))


def test_the_clock_of_the_home_folder_hides_prices_until_it_is_stopped(clock):
    assert get_settings().replay_date() == ""
    clock.move(pd.Timestamp(day(100)))
    assert get_settings().replay_date() == day(100)
    assert clock.sessions()[0] == pd.Timestamp(day(101))
    assert clock.stop()
    assert not clock.stop()
    assert get_settings().replay_date() == ""


def test_what_cannot_be_replayed_is_one_message(clock):
    with pytest.raises(OnlineError, match=r"no replay clock.*--from"):
        clock.sessions()
    with pytest.raises(OnlineError, match=r"2031-01-01 is outside the prices.*2020-08-31"):
        clock.sessions("2031-01-01")
    clock.move(pd.Timestamp("2020-08-31"))
    with pytest.raises(OnlineError, match="no later prices"):
        clock.sessions()


def test_replay_goes_no_further_than_as_of(clock):
    wf_dagster.init(prices=get_settings().prices, as_of=day(90))
    assert clock.sessions(day(85))[-1] == pd.Timestamp(day(90))
