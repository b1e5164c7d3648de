"""Rolls under their keys."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.support import task_of
from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError, RollKeyError, TaskError
from wf_dagster.rolling import RollingGen, Rolls

SESSIONS = TradingCalendar.from_exchange("XNYS", "2015-01-02", "2021-12-31").sessions
CALENDAR = TradingCalendar(SESSIONS, "2020-06-10")


def template_of(start="2020-01-02", end=None):
    template = task_of(start)
    template["dataset"]["kwargs"]["segments"]["test"] = (start, end)
    return template


def rolls_of(step="month", calendar=CALENDAR, start="2020-01-02", end=None):
    generator = RollingGen(step, calendar=calendar)
    return Rolls.from_template(template_of(start, end), generator, name="s")


def test_a_key_is_the_first_day_of_a_period_or_the_first_session_of_the_test():
    assert rolls_of("month").keys[:2] == ["2020-01-01", "2020-02-01"]
    assert rolls_of("quarter").keys == ["2020-01-01", "2020-04-01"]
    assert rolls_of("week").keys[:2] == ["2019-12-30", "2020-01-06"]
    assert rolls_of(20).keys[:2] == ["2020-01-02", "2020-01-31"]


@pytest.mark.parametrize("step", [1, 20, "week", "month", "year"])
def test_every_key_leads_to_its_roll_and_every_task_back_to_its_key(step):
    rolls = rolls_of(step)
    assert rolls.keys == sorted(rolls.keys)
    assert len(rolls) == len(list(rolls)) == len(rolls.keys)
    for key in rolls.keys:
        roll = rolls.resolve(key)
        assert roll.key == key
        assert rolls.key_of(roll.task) == key
        assert roll.segments == roll.task["dataset"]["kwargs"]["segments"]


def test_the_current_roll_is_the_last():
    rolls = list(rolls_of("month"))
    assert rolls[-1].key == "2020-06-01"
    assert rolls[-1].test == (pd.Timestamp("2020-06-01"), pd.Timestamp("2020-06-30"))


def test_a_template_that_starts_in_the_future_has_no_rolls_yet():
    rolls = rolls_of("month", start="2020-06-11")
    assert rolls.keys == []
    assert len(rolls.test_sessions()) == 0
    with pytest.raises(RollKeyError, match="'2020-06-01' is no roll of 's': there are none"):
        rolls.resolve("2020-06-01")


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("2020-03-15", "the nearest is 2020-03-01 and 2020-04-01"),
        ("2010-01-01", "the nearest is 2020-01-01 "),
        ("2030-01-01", "the nearest is 2020-06-01 "),
        ("march", "the nearest is 2020-06-01 "),
    ],
)
def test_a_key_that_is_no_roll_is_refused_with_the_nearest(key, near):
    with pytest.raises(RollKeyError) as caught:
        rolls_of().resolve(key)
    assert str(caught.value).startswith(f"{key!r} is no roll of 's': {near}")
    assert "(6 rolls from 2020-01-01 to 2020-06-01)" in str(caught.value)


def test_a_task_of_another_template_has_no_key():
    other = next(iter(rolls_of(start="2020-02-10"))).task
    with pytest.raises(RollKeyError, match="no roll of 's' has the test segment"):
        rolls_of().key_of(other)


def test_dates_of_a_task_may_be_texts_again():
    rolls = rolls_of()
    task = task_of("2020-03-02")
    task["dataset"]["kwargs"]["segments"]["test"] = ["2020-03-02", "2020-03-31"]
    assert rolls.key_of(task) == "2020-03-01"


def test_between_takes_both_ends():
    keys = [roll.key for roll in rolls_of().between("2020-02-01", "2020-04-15")]
    assert keys == ["2020-02-01", "2020-03-01", "2020-04-01"]
    with pytest.raises(CalendarError, match="from 2021-01-01 to 2020-01-01 is reversed"):
        rolls_of().between("2021-01-01", "2020-01-01")


@pytest.mark.parametrize("step", [1, 20, "week", "month"])
def test_test_sessions_are_those_with_data_from_the_test_start_on(step):
    expected = CALENDAR.between("2020-01-02", CALENDAR.last_session)
    pd.testing.assert_index_equal(rolls_of(step).test_sessions(), expected)


def test_an_open_test_segment_covers_the_rest():
    calendar = TradingCalendar(CALENDAR.between("2015-01-01", "2020-06-10"))
    rolls = rolls_of("month", calendar)
    assert list(rolls)[-1].test[1] is None
    assert rolls.test_sessions()[-1] == pd.Timestamp("2020-06-10")


def test_other_names_of_segments_are_known():
    template = template_of()
    segments = template["dataset"]["kwargs"]["segments"]
    template["dataset"]["kwargs"]["segments"] = {"fit": segments["train"], "live": segments["test"]}
    generator = RollingGen("month", test_key="live", train_key="fit", calendar=CALENDAR)
    rolls = Rolls.from_template(template, generator)
    first = rolls.resolve("2020-01-01")
    assert first.test == (pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-31"))
    assert rolls.key_of(first.task) == "2020-01-01"
    assert rolls.test_sessions()[0] == pd.Timestamp("2020-01-02")


def test_another_calendar_leaves_the_generator_as_it_was():
    generator = RollingGen("month", calendar=CALENDAR)
    longer = TradingCalendar(SESSIONS, "2020-12-31")
    assert len(Rolls.from_template(template_of(), generator, longer)) == 12
    assert generator.calendar is CALENDAR
    assert len(Rolls.from_template(template_of(), generator)) == 6


def test_a_template_that_cannot_roll_says_so():
    template = template_of()
    template["dataset"]["kwargs"]["segments"]["test"] = (None, None)
    with pytest.raises(TaskError, match="give it a start"):
        Rolls.from_template(template, RollingGen("month", calendar=CALENDAR))
    template["dataset"]["kwargs"]["segments"]["test"] = ("2030-01-01", None)
    with pytest.raises(CalendarError, match=r"segments\.test: no session at or after 2030-01-01"):
        Rolls.from_template(template, RollingGen("month", calendar=CALENDAR))
