"""The trading calendar whose sessions are bars within days."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.made_bars import new_york_bars, new_york_days
from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError, TaskError
from wf_dagster.moments import format_moment, name_bar
from wf_dagster.tasks import validate_task

START = datetime.datetime(2024, 1, 1)
days = st.dates(datetime.date(2023, 12, 30), datetime.date(2024, 1, 12))
DAY_HOURS = range(20, 33)  # half hours from 10:00 to 16:00
ALL_HOURS = range(48)  # the first is midnight


def stamp(day: int, slot: int) -> datetime.datetime:
    return START + datetime.timedelta(days=day, minutes=30 * slot)


@st.composite
def calendars(draw):
    hours = draw(st.sampled_from([DAY_HOURS, ALL_HOURS]))
    places = st.tuples(st.integers(0, 9), st.sampled_from(hours))
    day = draw(st.integers(0, 9))
    two = {(day, hours[3]), (day, hours[5])}  # without a day of two they would be days
    return TradingCalendar(sorted(stamp(*place) for place in draw(st.sets(places)) | two))


@st.composite
def calendar_and_segment(draw):
    calendar = draw(calendars())
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(calendar) - 1)] * 2)))
    return calendar, (calendar.sessions[first], calendar.sessions[last])


# days and moments


@given(calendars(), days)
def test_a_day_is_its_first_bar_as_a_start_and_its_last_one_as_an_end(calendar, day):
    for written in (day, f"{day}"):
        later = [bar for bar in calendar.sessions if bar.date() >= day]
        earlier = [bar for bar in calendar.sessions if bar.date() <= day]
        assert calendar.index(written) == len(calendar) - len(later)
        assert calendar.index(written, "end") == len(earlier) - 1
        if later:
            assert calendar.align(written) == later[0]
        if earlier:
            assert calendar.align(written, "end") == earlier[-1]


@given(calendars(), st.integers(-10, 600))
def test_a_time_of_day_is_exact(calendar, minutes):
    moment = START + datetime.timedelta(minutes=23 * minutes + 1)
    assume(moment.time() != datetime.time())  # midnight may stand for its day
    assert calendar.index(moment) == sum(bar < moment for bar in calendar.sessions)
    assert calendar.index(moment, "end") == sum(bar <= moment for bar in calendar.sessions) - 1


@given(calendars())
def test_bars_and_positions_are_each_others_inverse(calendar):
    for place, bar in enumerate(calendar.sessions):
        assert calendar.index(bar) == place
        if bar != bar.normalize() or (calendar.sessions == bar.normalize()).any():
            assert calendar.index(bar, "end") == place
        assert calendar.session_at(place) == bar == calendar.align(bar)


def test_a_timestamp_at_midnight_is_a_bar_where_bars_begin_at_midnight_and_else_a_day():
    york = TradingCalendar(["2024-01-02 10:00", "2024-01-02 10:30", "2024-01-03 10:00"])
    coins = TradingCalendar(["2024-01-02 00:00", "2024-01-02 12:00", "2024-01-03 00:00"])
    midnight = pd.Timestamp("2024-01-02")
    assert york.align(midnight, "end") == pd.Timestamp("2024-01-02 10:30")
    assert coins.align(midnight, "end") == midnight
    assert coins.align("2024-01-02", "end") == pd.Timestamp("2024-01-02 12:00")
    assert coins.align(np.datetime64("2024-01-02"), "end") == pd.Timestamp("2024-01-02 12:00")


def test_dates_far_outside_stand_before_and_after_all_bars():
    bars = TradingCalendar(["2024-01-02 10:00", "2024-01-02 10:30"])
    assert (bars.index("0001-01-01"), bars.index("9999-12-31")) == (0, 2)
    assert list(bars.between("1600-01-01", "9999-12-31")) == list(bars.sessions)


def test_a_time_zone_is_refused_by_name():
    bars = TradingCalendar(["2024-01-02 10:00", "2024-01-02 10:30"])
    with pytest.raises(CalendarError, match=r"15:00:00\+00:00 carries a time zone, and bars have"):
        bars.index(pd.Timestamp("2024-01-02 15:00", tz="UTC"))


# segments


@given(calendar_and_segment(), st.integers(-100, 100))
def test_a_sliding_shift_keeps_the_number_of_bars(case, step):
    calendar, (start, end) = case
    first, last = calendar.index(start) + step, calendar.index(end) + step
    if first < 0 or first >= len(calendar):
        with pytest.raises(CalendarError, match="the calendar"):
            calendar.shift((start, end), step)
        return
    moved = calendar.shift((start, end), step)
    assert moved == (calendar.session_at(first), calendar.session_at(last))
    if moved[1] is not None:
        assert len(calendar.between(*moved)) == len(calendar.between(start, end))
        assert calendar.shift(moved, -step) == (start, end)


@given(calendar_and_segment(), st.integers(0, 9), st.integers(0, 40))
def test_after_truncation_a_label_of_that_many_bars_is_known_at_the_test_start(case, day, bars):
    calendar, segment = case
    test_start = f"{stamp(day, 0):%Y-%m-%d}"
    try:
        _, end = calendar.truncate(segment, test_start, bars)
    except CalendarError:
        return
    assert calendar.index(end) + bars <= calendar.index(test_start)


@given(calendars(), st.integers(0, 500))
def test_the_first_of_a_day_at_or_after_a_position(calendar, position):
    position = min(position, len(calendar))
    bars = calendar.sessions
    firsts = [n for n in range(len(bars)) if n == 0 or bars[n - 1].date() < bars[n].date()]
    expected = next((n for n in firsts if n >= position), len(calendar))
    assert calendar.first_of_day(position) == expected
    assert list(calendar.days) == [bars[n].normalize() for n in firsts]


@given(calendars(), days)
def test_data_up_to_a_day_hold_all_its_bars(calendar, day):
    if calendar.sessions[0].date() > day:
        return
    seen = calendar.until(day).last_session
    assert seen == max(bar for bar in calendar.sessions if bar.date() <= day)


# the year


def test_a_year_has_its_days_times_the_bars_of_a_whole_day():
    york = TradingCalendar(new_york_bars("2022-01-03", "2023-12-29"))
    trading_days, half_days = new_york_days("2022-01-03", "2023-12-29")
    assert half_days
    assert len(york) == 13 * len(trading_days) - 6 * len(half_days)
    assert york.bars_per_day == 13
    assert york.sessions_per_year == 252 * 13
    hours = TradingCalendar(pd.date_range("2023-01-01", "2023-06-30 23:00", freq="h"))
    assert hours.sessions_per_year == 365 * 24
    one_day = TradingCalendar(new_york_bars("2023-11-20", "2023-11-21")[:13])
    assert one_day.sessions_per_year == 252 * 13
    assert TradingCalendar(pd.bdate_range("2022-01-03", "2023-12-29")).bars_per_day == 1


def test_bars_are_named_as_qlib_names_them():
    assert name_bar(new_york_bars("2023-11-20", "2023-11-24")) == "30min"
    assert name_bar(pd.date_range("2023-01-01", periods=50, freq="h")) == "60min"
    assert name_bar(pd.bdate_range("2023-01-02", periods=9)) == "1day"


def test_a_moment_is_written_with_its_time_of_day_if_it_has_one():
    assert format_moment(pd.Timestamp("2024-01-02")) == "2024-01-02"
    assert format_moment(pd.Timestamp("2024-01-02 09:30")) == "2024-01-02 09:30"
    assert format_moment(pd.Timestamp("2024-01-02 09:30:05")) == "2024-01-02 09:30:05"


def test_days_that_all_have_one_time_of_day_are_refused():
    stamps = pd.bdate_range("2024-01-02", periods=5) + pd.Timedelta(hours=16)
    with pytest.raises(CalendarError, match=r"no day has two sessions: use .normalize\(\)"):
        TradingCalendar(stamps)


# segments of tasks


def task(train, test):
    kwargs = {"segments": {"train": train, "test": test}}
    return {
        "model": "package.Model",
        "dataset": {"class": "wf_dagster.data.PanelDataset", "kwargs": kwargs},
    }


BARS = TradingCalendar(new_york_bars("2024-01-02", "2024-02-29"))


def test_segments_may_meet_within_a_day():
    train, test = ("2024-01-02", "2024-01-10 12:00"), ("2024-01-10 12:30", None)
    validate_task(task(train, test), calendar=BARS)


@pytest.mark.parametrize(
    ("train_end", "test_start", "calendar"),
    [
        ("2024-01-10", "2024-01-10 12:30", None),  # the day ends after that
        ("2024-01-10 12:30", "2024-01-10 12:30", None),
        (pd.Timestamp("2024-01-10"), "2024-01-10 12:30", BARS),
        ("2024-01-10 12:00", "2024-01-10 12:30", TradingCalendar(BARS.days)),  # one session
    ],
)
def test_segments_that_share_a_bar_are_refused(train_end, test_start, calendar):
    with pytest.raises(TaskError, match="must follow one another without overlap"):
        validate_task(task(("2024-01-02", train_end), (test_start, None)), calendar=calendar)
