"""What exchanges publish, against facts from their own announcements."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wf_dagster.errors import CalendarError
from wf_dagster.exchanges import (
    compare_with_exchange,
    exchange_closes,
    exchange_sessions,
    published_range,
)

NEW_YORK = exchange_sessions("XNYS", pd.Timestamp("2018-01-02"), pd.Timestamp("2020-12-31"))


def _days(*texts):
    return pd.DatetimeIndex(texts)


def test_golden_week_has_no_session_in_shanghai():
    sessions = exchange_sessions("XSHG", pd.Timestamp("2020-09-29"), pd.Timestamp("2020-10-12"))
    assert [f"{day:%m-%d}" for day in sessions] == ["09-29", "09-30", "10-09", "10-12"]


@pytest.mark.parametrize("name", ["XSHG", "XBOM", "XSES"])
def test_an_exchange_that_publishes_one_year_ends_with_it(name):
    last = published_range(name)[1]
    sessions = exchange_sessions(name, last - pd.Timedelta(days=40), last + pd.Timedelta(days=400))
    assert last - pd.Timedelta(days=6) < sessions[-1] <= last
    after = exchange_sessions(name, last + pd.Timedelta(days=1), last + pd.Timedelta(days=30))
    assert not len(after)


def test_tokyo_publishes_nothing_before_1997():
    assert published_range("XTKS")[0] == pd.Timestamp("1997-01-01")
    sessions = exchange_sessions("XTKS", pd.Timestamp("1996-06-03"), pd.Timestamp("1997-01-07"))
    assert list(sessions) == list(_days("1997-01-06", "1997-01-07"))


def test_closes_are_those_of_the_exchange_also_where_the_year_ahead_is_not_published():
    year = published_range("XSHG")[1].year
    closes = exchange_closes("XSHG", year)
    assert set(closes.dt.strftime("%H:%M")) == {"07:00"}, "15:00 in Shanghai, in UTC"
    assert closes.index[-1].year == year


def test_an_unknown_exchange_is_refused_with_the_remedy():
    for ask in (published_range, lambda name: exchange_closes(name, 2020)):
        with pytest.raises(CalendarError, match=r"'NYSE-ish' is unknown: .*calendar='prices'"):
            ask("NYSE-ish")


# how days fit


def test_days_that_differ_are_counted_and_named():
    # 2020-01-20 was Martin Luther King's day, closed in New York; 01-22 is lost here
    days = _days("2020-01-17", "2020-01-20", "2020-01-21", "2020-01-23")
    fit = compare_with_exchange("XNYS", days)
    assert (fit.days, fit.misfits, fit.is_close) == (4, 2, True)
    assert fit.describe() == (
        "XNYS has no session on 1 of 4 days with prices, 2020-01-20; the prices have none on 1 "
        "sessions of XNYS, 2020-01-22"
    )
    assert fit.between("2020-01-21", "2020-01-31").describe() == (
        "the prices have none on 1 sessions of XNYS, 2020-01-22"
    )


def test_shanghai_is_not_new_york():
    days = exchange_sessions("XSHG", pd.Timestamp("2020-01-01"), pd.Timestamp("2022-12-31"))
    fit = compare_with_exchange("XNYS", days)
    assert (fit.is_close, fit.days) == (False, len(days))
    assert pd.Timestamp("2020-01-20") == fit.extra[0]
    assert pd.Timestamp("2020-10-01") in fit.lacking


def test_days_before_the_table_are_not_held_against_the_exchange():
    days = pd.bdate_range("1996-01-01", "1996-12-31")
    fit = compare_with_exchange("XTKS", days)
    assert (fit.days, fit.misfits, fit.is_close, fit.describe()) == (0, 0, True, "")


@given(st.sets(st.integers(0, 500), max_size=40), st.sets(st.integers(0, 160), max_size=10))
def test_every_day_that_only_one_side_has_is_counted_once(lost, weekends):
    sessions = NEW_YORK
    every = pd.date_range("2018-01-02", "2020-12-31")
    off = every.difference(sessions)
    inner = sessions[1:-1]  # the ends say what is compared
    gone = inner[sorted(position for position in lost if position < len(inner))]
    added = off[sorted(weekends)]
    fit = compare_with_exchange("XNYS", sessions.difference(gone).union(added))
    assert list(fit.lacking) == list(gone)
    assert list(fit.extra) == list(added)
