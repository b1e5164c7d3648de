"""Rolls whose sessions are half hours: keys are days, all numbers count bars."""

from __future__ import annotations

import logging

import pandas as pd
import pytest

from tests.made_bars import HALF_DAY_BARS, new_york_bars, new_york_days
from wf_dagster.calendars import TradingCalendar
from wf_dagster.rolling import RollingGen, Rolls
from wf_dagster.rolling.rolls import Roll
from wf_dagster.tasks import fingerprint
from wf_dagster.tasks.segments import parse_segment

START, END = "2023-10-02", "2023-12-29"
BARS = new_york_bars(START, END)
DAYS, HALF_DAYS = new_york_days(START, END)
CALENDAR = TradingCalendar(BARS)
TEST = "2023-11-15"
REACH = 3


def template(test=(TEST, None)):
    return {
        "model": "package.Model",
        "dataset": {
            "class": "package.Data",
            "kwargs": {"segments": {"train": (START, "2023-11-14"), "test": test}},
        },
    }


def rolls_of(step, rtype="sliding", calendar=CALENDAR, **options) -> list[Roll]:
    generator = RollingGen(step, rtype, trunc_days=REACH, **options)
    return list(Rolls.from_template(template(), generator, calendar))


def windows(step: int | str) -> list[list[pd.Timestamp]]:
    """The days of each test window, counted by hand."""
    days = [day for day in DAYS if day >= pd.Timestamp(TEST)]
    if isinstance(step, str):
        frequency = {"week": "W", "month": "M"}[step]
        periods = pd.DatetimeIndex(days).to_period(frequency)
        return [[d for d, p in zip(days, periods, strict=True) if p == q] for q in periods.unique()]
    found: list[list[pd.Timestamp]] = [[]]
    held = 0
    for day in days:
        if held >= step:
            found.append([])
            held = 0
        found[-1].append(day)
        held += HALF_DAY_BARS if day in HALF_DAYS else 13
    return found


@pytest.mark.parametrize("rtype", ["sliding", "expanding"])
@pytest.mark.parametrize("step", ["week", "month", 65, 26, 20, 1])
def test_windows_are_whole_days_without_a_gap_and_labels_are_known(step, rtype):
    rolls = rolls_of(step, rtype)
    expected = windows(step)
    assert len(rolls) == len(expected) > 1
    assert len({roll.key for roll in rolls}) == len(rolls)
    tested: list[pd.Timestamp] = []
    for roll, days in zip(rolls, expected, strict=True):
        bars = list(CALENDAR.between(*roll.test))
        assert sorted({bar.normalize() for bar in bars}) == days
        assert roll.test[0] == BARS[BARS.normalize() == days[0]][0]
        tested += bars
        start, end = roll.segments["train"]
        # the label of the last train bar is known REACH bars later: at the first test bar
        assert list(BARS).index(end) + REACH == list(BARS).index(roll.test[0])
        if rtype == "expanding":
            assert start == BARS[0]
    assert tested == [bar for bar in BARS if bar >= pd.Timestamp(TEST)]
    if rtype == "sliding":
        lengths = {len(CALENDAR.between(*roll.segments["train"])) for roll in rolls}
        assert len(lengths) == 1


def test_a_key_is_the_day_of_the_first_bar_or_of_the_period():
    assert [roll.key for roll in rolls_of(65)] == [
        # Thanksgiving's week has 9 whole days' bars less 6: 13 + 7 + 13 * 4 = 72
        "2023-11-15", "2023-11-22", "2023-12-01", "2023-12-08", "2023-12-15", "2023-12-22",
    ]  # fmt: skip
    assert [roll.key for roll in rolls_of("week")][:2] == ["2023-11-13", "2023-11-20"]
    assert [roll.key for roll in rolls_of("month")] == ["2023-11-01", "2023-12-01"]


def test_a_step_that_is_no_whole_number_of_days_says_what_it_becomes(caplog):
    with caplog.at_level(logging.WARNING):
        rolls = rolls_of(20)
    assert "step=20 bars is no whole number of days of 13 bars" in caplog.text
    assert "whole days, here mostly 26 bars; use a multiple of 13, or step='week'" in caplog.text
    assert len(CALENDAR.between(*rolls[0].test)) == 26
    caplog.clear()
    rolls_of(65)
    assert not caplog.text


def test_the_last_day_may_not_be_whole_yet_so_its_window_is_open():
    rolls = rolls_of(65)
    assert rolls[-1].test[1] is None
    longer = TradingCalendar(new_york_bars(START, "2024-01-12"))
    again = rolls_of(65, calendar=longer)
    # what was known of a roll stays, with its fingerprint
    assert [fingerprint(r.task) for r in again[: len(rolls) - 1]] == [
        fingerprint(r.task) for r in rolls[:-1]
    ]
    assert again[len(rolls) - 1].test[1] == pd.Timestamp("2023-12-29 16:00")


def test_rolls_by_a_date_hold_those_that_begin_on_it():
    rolls = Rolls.from_template(template(), RollingGen(65), CALENDAR, until="2023-12-01")
    assert rolls.keys[-1] == "2023-12-01"
    before = Rolls.from_template(template(), RollingGen(65), CALENDAR, until="2023-12-01 09:30")
    assert before.keys[-1] == "2023-11-22"


def test_a_task_is_found_by_its_bars_and_not_by_their_day():
    rolls = Rolls.from_template(template(), RollingGen("week"), CALENDAR)
    for roll in rolls:
        assert rolls.key_of(roll.task) == roll.key
        segment = roll.task["dataset"]["kwargs"]["segments"]["train"]
        assert parse_segment(segment) == roll.segments["train"]


def test_the_fingerprint_knows_the_time_of_day():
    ten = template(("2023-11-15 10:00", None))
    assert fingerprint(ten) != fingerprint(template(("2023-11-15 10:30", None)))
    assert fingerprint(template((pd.Timestamp("2023-11-15 10:00"), None))) == fingerprint(ten)


def test_a_handler_reaches_the_last_test_bar():
    task = template(("2023-11-15", "2023-11-17"))
    task["dataset"]["kwargs"]["handler"] = {"class": "H", "kwargs": {"end_time": "2023-11-17"}}
    (roll,) = RollingGen(39, calendar=CALENDAR).generate(task)
    end = roll["dataset"]["kwargs"]["handler"]["kwargs"]["end_time"]
    assert end == pd.Timestamp("2023-11-17 16:00")
