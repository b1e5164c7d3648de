"""Whose sessions the days with prices are."""

import exchange_calendars
import pandas as pd
import pytest

from wf_dagster.exchanges import closest_exchange


def _sessions(name, first="2021-01-04", last="2023-06-30"):
    return exchange_calendars.get_calendar(name, start=first, end=last).sessions.tz_localize(None)


@pytest.mark.parametrize("name", ["XSHG", "XTKS", "24/7"])
def test_prices_of_an_exchange_are_known_by_their_days(name):
    fit = closest_exchange(_sessions(name))
    assert (fit.exchange, fit.misfits) == (name, 0)


def test_a_lost_day_and_an_extra_one_hide_no_exchange():
    days = _sessions("XTKS")
    days = days.delete(200).union([pd.Timestamp("2022-05-07")])  # a Saturday
    fit = closest_exchange(days)
    assert (fit.exchange, fit.misfits, fit.is_close) == ("XTKS", 2, True)


@pytest.mark.parametrize(
    "days",
    [
        pd.date_range("2015-01-02", "2023-06-30", freq="W-FRI"),
        pd.date_range("2000-01-31", "2023-06-30", freq="ME"),
        pd.bdate_range("2023-05-02", "2023-06-30"),
        pd.DatetimeIndex([]),
    ],
    ids=["weekly", "monthly", "two months", "none"],
)
def test_days_that_could_be_anybodys_are_nobodys(days):
    assert closest_exchange(days) is None


def test_weekdays_without_holidays_are_no_stock_exchange():
    fit = closest_exchange(pd.bdate_range("2020-01-01", "2023-06-30"))
    assert fit.exchange == "24/5"


def test_the_answer_stays_while_days_come_and_is_read_back(tmp_path):
    folder = tmp_path / "answers"
    days = _sessions("XHKG", last="2023-12-29")
    for end in range(1, 60, 10):
        assert closest_exchange(days[:-end], folder).exchange == "XHKG"
    assert [file.read_text() for file in folder.iterdir()] == ["XHKG"], "one answer a year"
    next(folder.iterdir()).write_text("XSTO")
    assert closest_exchange(days, folder).exchange == "XSTO", "it was read, not looked for again"
