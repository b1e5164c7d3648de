"""The trading calendar: sessions, and arithmetic on dates and segments."""

from __future__ import annotations

import datetime
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_dagster.calendars import TradingCalendar, split_segment, to_day
from wf_dagster.errors import CalendarError
from wf_dagster.prices import SamplePrices

FIRST, LAST = datetime.date(2019, 12, 1), datetime.date(2020, 8, 1)
dates = st.dates(FIRST, LAST)
calendars = st.sets(
    st.dates(datetime.date(2020, 1, 1), datetime.date(2020, 6, 30)), min_size=1
).map(lambda days: TradingCalendar(sorted(days)))
WEEK = TradingCalendar(["2024-01-02", "2024-01-03", "2024-01-05", "2024-01-08"])


# align and index


@given(calendars, dates)
def test_a_date_aligns_to_the_first_session_not_before_it(calendar, date):
    later = [day for day in calendar.sessions if day >= pd.Timestamp(date)]
    if later:
        assert calendar.align(date) == min(later)
        assert calendar.sessions[calendar.index(date)] == min(later)
    else:
        assert calendar.index(date) == len(calendar)
        with pytest.raises(CalendarError, match="no session at or after"):
            calendar.align(date)


@given(calendars, dates)
def test_a_date_aligns_backward_to_the_last_session_not_after_it(calendar, date):
    earlier = [day for day in calendar.sessions if day <= pd.Timestamp(date)]
    if earlier:
        assert calendar.align(date, "end") == max(earlier)
        assert calendar.sessions[calendar.index(date, "end")] == max(earlier)
    else:
        assert calendar.index(date, "end") == -1
        with pytest.raises(CalendarError, match="no session at or before"):
            calendar.align(date, "end")


@given(calendars)
def test_sessions_and_positions_are_each_others_inverse(calendar):
    for place, day in enumerate(calendar.sessions):
        assert calendar.index(day) == calendar.index(day, "end") == place
        assert (
            calendar.session_at(place) == calendar.align(day) == calendar.align(day, "end") == day
        )


@given(calendars, dates, dates)
def test_an_interval_turns_its_sign_with_its_ends_and_counts_sessions(calendar, one, other):
    assert calendar.interval(one, other) == -calendar.interval(other, one)
    if one >= other:
        passed = (calendar.sessions >= pd.Timestamp(other)) & (
            calendar.sessions < pd.Timestamp(one)
        )
        assert calendar.interval(one, other) == passed.sum()


@given(calendars, st.none() | dates, st.none() | dates)
def test_between_holds_the_sessions_from_one_date_to_another(calendar, start, end):
    expected = [
        day
        for day in calendar.sessions
        if (start is None or day >= pd.Timestamp(start))
        and (end is None or day <= pd.Timestamp(end))
    ]
    assert list(calendar.between(start, end)) == expected


def test_dates_far_outside_stand_before_and_after_all_sessions():
    assert WEEK.index("0001-01-01") == 0
    assert WEEK.index("9999-12-31") == len(WEEK)
    assert list(WEEK.between("1600-01-01", "9999-12-31")) == list(WEEK.sessions)


def test_a_position_past_the_end_is_no_session_and_one_before_the_start_is_refused():
    assert WEEK.session_at(len(WEEK)) is None
    assert WEEK.session_at(None) is None
    with pytest.raises(CalendarError, match="2 sessions before the calendar"):
        WEEK.session_at(-2)


def test_an_unknown_side_is_refused():
    with pytest.raises(CalendarError, match="side 'middle' is unknown"):
        WEEK.index("2024-01-03", "middle")


# segments


@st.composite
def calendar_and_segment(draw):
    calendar = draw(calendars)
    first, last = sorted(draw(st.tuples(*[st.integers(0, len(calendar) - 1)] * 2)))
    return calendar, (calendar.sessions[first], calendar.sessions[last])


@given(calendar_and_segment(), st.integers(-200, 200))
def test_a_sliding_shift_keeps_the_length_and_moves_both_ends(case, step):
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


@given(calendar_and_segment(), st.integers(0, 200))
def test_an_expanding_shift_keeps_the_start(case, step):
    calendar, segment = case
    start, end = calendar.shift(segment, step, "expanding")
    assert start == segment[0]
    assert end == calendar.session_at(calendar.index(segment[1]) + step)


@given(calendar_and_segment(), st.integers(0, 60), st.integers(0, 60))
def test_two_shifts_are_one(case, one, other):
    calendar, segment = case
    if calendar.index(segment[1]) + one + other < len(calendar):
        twice = calendar.shift(calendar.shift(segment, one), other)
        assert twice == calendar.shift(segment, one + other)


@given(calendars, st.tuples(st.none() | dates, st.none() | dates), dates, st.integers(0, 20))
def test_after_truncation_a_label_of_that_many_sessions_is_known_at_the_test_start(
    calendar, segment, test_start, days
):
    try:
        start, end = calendar.truncate(segment, test_start, days)
        aligned = calendar.align_segment(segment)
    except CalendarError:
        return
    position = calendar.index(test_start)
    assert calendar.index(end) + days <= position
    if aligned[1] is not None and calendar.index(aligned[1]) + days <= position:
        assert (start, end) == (
            aligned[0] and min(aligned[0], calendar.session_at(position - days)),
            aligned[1],
        )
    assert (start is None) == (segment[0] is None)
    assert start is None or aligned[0] >= start


def test_truncation_cuts_an_open_end_and_leaves_an_open_start():
    assert WEEK.truncate((None, None), "2024-01-08", 2) == (None, pd.Timestamp("2024-01-03"))


def test_truncation_never_moves_an_end_forward():
    # Thursday is no session: the segment ends on Wednesday, not on Friday
    assert WEEK.truncate(("2024-01-02", "2024-01-04"), "2024-01-08", 0)[1] == pd.Timestamp(
        "2024-01-03"
    )


def test_a_cut_before_the_calendar_is_refused():
    with pytest.raises(CalendarError, match="3 sessions before the test start 2024-01-05"):
        WEEK.truncate((None, None), "2024-01-05", 3)


def test_a_segment_aligns_inward():
    assert WEEK.align_segment(("2024-01-04", "2024-01-07")) == (
        pd.Timestamp("2024-01-05"),
        pd.Timestamp("2024-01-05"),
    )
    assert WEEK.align_segment([None, None]) == (None, None)


@pytest.mark.parametrize("method", ["shift", "truncate", "align_segment"])
def test_a_segment_that_ends_before_the_calendar_is_refused(method):
    further = {"shift": [5], "truncate": ["2024-01-08", 1], "align_segment": []}[method]
    with pytest.raises(CalendarError, match="no session at or before 2023-12-01"):
        getattr(WEEK, method)((None, "2023-12-01"), *further)


def test_an_unknown_kind_of_shift_is_refused():
    with pytest.raises(CalendarError, match="rtype 'rolling' is unknown"):
        WEEK.shift(("2024-01-02", "2024-01-03"), 1, "rolling")


@pytest.mark.parametrize("segment", ["2024-01-02", ("2024-01-02",), None, {"start": 1, "end": 2}])
def test_what_is_no_pair_is_no_segment(segment):
    with pytest.raises(CalendarError, match="is no segment"):
        split_segment(segment)


# dates


@pytest.mark.parametrize(
    "date",
    [
        "2024-01-05",
        "20240105",
        datetime.date(2024, 1, 5),
        datetime.datetime(2024, 1, 5, 16, 30),
        np.datetime64("2024-01-05"),
        pd.Timestamp("2024-01-05 09:30", tz="America/New_York"),
    ],
)
def test_a_day_can_be_written_in_many_ways(date):
    assert to_day(date) == pd.Timestamp("2024-01-05")


@pytest.mark.parametrize("date", [None, "", "soon", pd.NaT, 20240105, 1.5, True, [1], "2024-13-01"])
def test_what_is_no_date_is_refused_by_name(date):
    with pytest.raises(CalendarError, match="is no date: use an ISO date"):
        to_day(date)


# the calendar itself


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([], "at least one session"),
        (None, "not all dates"),
        (["2024-01-02", "soon"], "not all dates"),
        (["2024-01-03", "2024-01-02"], "not sorted: 2024-01-02"),
        (["2024-01-02", "2024-01-02"], "2024-01-02 stands twice"),
        (["2024-01-02 09:30"], "has a time of day"),
        (pd.DatetimeIndex(["2024-01-02"], tz="UTC"), r"time zone UTC.*tz_localize\(None\)"),
        (["2024-01-02", None], "is empty"),
        ([20240102], "has a time of day"),
    ],
)
def test_sessions_that_cannot_be_used_are_refused(sessions, message):
    with pytest.raises(CalendarError, match=message):
        TradingCalendar(sessions)


def test_data_end_on_the_last_session_unless_said():
    assert WEEK.last_session == pd.Timestamp("2024-01-08")


def test_data_may_end_before_the_sessions_do():
    calendar = TradingCalendar(WEEK.sessions, last_session="2024-01-03")
    assert calendar.last_session == pd.Timestamp("2024-01-03")
    assert calendar.align("2024-01-06") == pd.Timestamp("2024-01-08")


def test_data_that_end_on_no_session_end_on_the_one_before():
    assert TradingCalendar(WEEK.sessions, "2024-01-07").last_session == pd.Timestamp("2024-01-05")


def test_data_that_end_before_the_calendar_are_refused():
    with pytest.raises(CalendarError, match=r"last_session 2023-12-29.*runs from 2024-01-02"):
        TradingCalendar(WEEK.sessions, last_session="2023-12-29")


def test_a_calendar_goes_to_worker_processes():
    calendar = TradingCalendar(WEEK.sessions, "2024-01-05")
    back = pickle.loads(pickle.dumps(calendar))
    assert back.sessions.equals(calendar.sessions)
    assert back.last_session == calendar.last_session
    assert repr(back) == repr(calendar)


def test_the_given_sessions_can_change_without_the_calendar_changing():
    days = np.array(["2024-01-02", "2024-01-03"], dtype="datetime64[ns]")
    calendar = TradingCalendar(pd.DatetimeIndex(days))
    days[1] = np.datetime64("2030-01-01")
    assert calendar.sessions[-1] == pd.Timestamp("2024-01-03")


# where calendars come from


def test_an_exchange_leaves_its_holidays_out():
    calendar = TradingCalendar.from_exchange("XNYS", "2020-06-29", "2020-07-07")
    assert [f"{day:%m-%d}" for day in calendar.sessions] == [
        "06-29",
        "06-30",
        "07-01",
        "07-02",
        "07-06",
        "07-07",
    ]


def test_an_exchange_knows_its_sessions_of_the_future():
    today = pd.Timestamp.now().normalize()
    calendar = TradingCalendar.from_exchange(
        "XNYS", "2020-01-02", today + pd.Timedelta(days=200), today
    )
    assert calendar.last_session <= today
    assert len(calendar.between(today + pd.Timedelta(days=1), None)) > 100


@pytest.mark.parametrize(
    ("name", "start", "end", "message"),
    [
        (
            "NYSE-ish",
            "2020-01-01",
            "2020-02-01",
            "exchange 'NYSE-ish' is unknown: use an ISO 10383",
        ),
        (
            "XNYS",
            "2020-02-01",
            "2020-01-01",
            "no sessions from 2020-02-01 to 2020-01-01: that ends",
        ),
        ("XNYS", "soon", "2020-01-01", "'soon' is no date"),
        ("XTKS", "1995-01-01", "1995-12-31", "it publishes those from 1997-01-01"),
    ],
)
def test_an_exchange_that_has_no_such_calendar_says_so(name, start, end, message):
    with pytest.raises(CalendarError, match=message):
        TradingCalendar.from_exchange(name, start, end)


# sessions a year


@pytest.mark.parametrize("exchange", ["XNYS", "XTKS", "XSHG", "XKRX", "XBOM", "XTAE", "BVMF"])
@pytest.mark.parametrize("span", [("2019-01-01", "2022-12-31"), ("2020-03-01", "2020-03-31")])
def test_every_exchange_with_weekends_has_252_sessions_a_year_whatever_its_holidays(exchange, span):
    assert TradingCalendar.from_exchange(exchange, *span).sessions_per_year == 252


@given(st.dates(FIRST, LAST), st.integers(400, 2000))
def test_markets_without_weekends_and_weekly_and_monthly_sessions_have_conventions_too(start, days):
    end = start + datetime.timedelta(days)
    for frequency, convention in {"D": 365, "B": 252, "W-FRI": 52, "MS": 12, "BME": 12}.items():
        assert (
            TradingCalendar(pd.date_range(start, end, freq=frequency)).sessions_per_year
            == convention
        )


def test_the_sessions_of_one_week_do_not_make_a_market_without_weekends():
    assert TradingCalendar(pd.bdate_range("2024-01-01", "2024-01-05")).sessions_per_year == 252
    assert TradingCalendar(["2024-01-01"]).sessions_per_year == 252
    assert TradingCalendar(pd.date_range("2024-01-01", "2024-01-14")).sessions_per_year == 365


def test_prices_give_their_own_sessions_and_where_they_end():
    calendar = TradingCalendar.from_prices(SamplePrices(as_of="2020-07-05"))
    assert calendar.last_session == calendar.sessions[-1] == pd.Timestamp("2020-07-02")


def test_calendars_of_the_same_sessions_and_data_are_equal():
    days = ["2024-01-02", "2024-01-03", "2024-01-05"]
    assert TradingCalendar(days) == TradingCalendar(days)
    assert hash(TradingCalendar(days)) == hash(TradingCalendar(days))
    assert TradingCalendar(days) != TradingCalendar(days[:2])
    assert TradingCalendar(days, days[1]) != TradingCalendar(days)
    assert TradingCalendar(days).until(days[1]) == TradingCalendar(days, days[1])
