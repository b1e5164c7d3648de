"""Qlib's ``TimeAdjuster`` on calendars of this project; beside Qlib in ``tests/compat``."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.support import task_of
from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import CalendarError, PastCalendarError
from wf_dagster.rolling import MultiHorizonGenBase, RollingGen, TimeAdjuster, trunc_segments

# a week with a holiday, two weeks ahead
DAYS = ["2024-01-02", "2024-01-03", "2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10"]
CALENDAR = TradingCalendar(DAYS, last_session="2024-01-08")


def day(text):
    return pd.Timestamp(text)


def test_sessions_without_prices_count_unless_they_are_not_to():
    assert list(TimeAdjuster(calendar=CALENDAR).cals) == [day(text) for text in DAYS]
    assert TimeAdjuster(future=False, calendar=CALENDAR).max() == day("2024-01-08")
    assert TimeAdjuster(True, "2024-01-07", calendar=CALENDAR).max() == day("2024-01-05")
    ends_first = TimeAdjuster(False, "2024-01-10", calendar=CALENDAR)
    assert ends_first.max() == day("2024-01-08")
    ends_first.set_end_time("2024-01-04")
    assert ends_first.max() == day("2024-01-03")
    ends_first.set_end_time()
    assert ends_first.max() == day("2024-01-08")


def test_a_date_outside_the_sessions_is_an_error_and_no_session_of_the_other_end():
    ta = TimeAdjuster(calendar=CALENDAR)
    with pytest.raises(CalendarError, match="no session at or before 2023-12-31"):
        ta.align_time("2023-12-31", "end")
    with pytest.raises(CalendarError, match="no session at or after 2024-01-11"):
        ta.align_time("2024-01-11")
    with pytest.raises(CalendarError, match="1 sessions before the calendar"):
        ta.get(-1)
    with pytest.raises(CalendarError, match="2023-01-01"):
        TimeAdjuster(end_time="2023-01-01", calendar=CALENDAR)


def test_a_side_or_a_kind_of_rolling_that_is_not_known_is_an_error():
    ta = TimeAdjuster(calendar=CALENDAR)
    with pytest.raises(CalendarError, match="tp_type 'middle' is unknown: use 'start' or 'end'"):
        ta.align_idx("2024-01-03", "middle")
    with pytest.raises(CalendarError, match="rtype 'jumping'"):
        ta.shift((DAYS[0], DAYS[1]), 1, "jumping")


def test_the_end_of_the_calendar_is_the_key_error_that_qlibs_generators_end_at():
    ta = TimeAdjuster(calendar=CALENDAR)
    with pytest.raises(KeyError) as caught:
        ta.shift((DAYS[4], DAYS[5]), 2)
    assert isinstance(caught.value, PastCalendarError)
    assert str(caught.value).startswith("a segment that starts 2 sessions after 2024-01-09")


def test_other_segments_are_cut_in_place_open_ends_too():
    segments = {
        "train": (None, DAYS[1]),
        "valid": (DAYS[2], None),
        "test": (None, DAYS[5]),
    }
    trunc_segments(TimeAdjuster(calendar=CALENDAR), segments, 2)
    assert segments == {
        "train": (None, day("2024-01-03")),
        "valid": (day("2024-01-05"), day("2024-01-08")),
        "test": (None, DAYS[5]),
    }


def test_generators_have_one_on_their_own_calendar():
    sessions = TradingCalendar.from_exchange("XNYS", "2019-01-02", "2021-12-31")
    wanted = sessions.interval("2020-03-02", "2020-01-02")

    class Horizons(MultiHorizonGenBase):
        def set_horizon(self, task, hr): ...

    for generator in (RollingGen(20, calendar=sessions), Horizons([5], calendar=sessions)):
        assert generator.ta.cal_interval("2020-03-02", "2020-01-02") == wanted


def test_a_function_that_was_written_for_qlibs_generator_runs():
    sessions = TradingCalendar.from_exchange("XNYS", "2019-01-02", "2021-12-31")
    seen = []

    def note_length(task, rolling_gen):
        start, end = task["dataset"]["kwargs"]["segments"][rolling_gen.test_key]
        seen.append(rolling_gen.ta.cal_interval(end, start) if end is not None else None)

    template = task_of("2020-03-02")
    template["dataset"]["kwargs"]["segments"]["test"] = ("2020-03-02", "2020-06-30")
    RollingGen(20, ds_extra_mod_func=note_length, calendar=sessions).generate(template)
    assert set(seen) == {19}
