"""On which sessions a market stands: those of its prices, continued by an exchange."""

import logging

import exchange_calendars
import numpy as np
import pandas as pd
import pytest

from wf_dagster import Market, RollingGen, init, task_generator
from wf_dagster.errors import CalendarError

TASK = {
    "model": {"class": "SklearnModel", "module_path": "wf_dagster.models"},
    "dataset": {
        "class": "PanelDataset",
        "module_path": "wf_dagster.data",
        "kwargs": {
            "segments": {"train": ("2018-03-01", "2019-12-31"), "test": ("2020-01-02", None)}
        },
    },
}


def _sessions(name, first="2018-01-02", last="2022-12-30"):
    return exchange_calendars.get_calendar(name, start=first, end=last).sessions.tz_localize(None)


def _write(folder, days, name="prices"):
    days = pd.DatetimeIndex(days, name="datetime")
    closes = 50 * np.exp(np.random.default_rng(0).normal(0, 0.01, (len(days), 3)).cumsum(0))
    columns = pd.Index(["A", "B", "C"], name="instrument")
    path = folder / f"{name}.parquet"
    pd.DataFrame(closes, days, columns).stack().rename("close").reset_index().to_parquet(path)
    return str(path)


def test_prices_in_a_file_stand_on_their_own_sessions_and_are_continued(tmp_path):
    days = _sessions("XSHG")
    init(prices=_write(tmp_path, days))
    market = Market()
    assert (market.calendar_name, market.exchange) == ("prices", "XSHG")
    calendar = market.calendar
    assert calendar.between(None, calendar.last_session).equals(days)
    ahead = _sessions("XSHG", "2022-12-31", "2023-12-30")
    assert list(calendar.sessions[len(days) :]) == list(ahead)
    assert not market.exchange_fit.misfits


@pytest.mark.parametrize(("step", "trunc_days"), [("month", 7), ("week", 7), (20, 6)])
def test_no_label_of_shanghai_reaches_past_the_first_test_session(tmp_path, step, trunc_days):
    days = _sessions("XSHG")
    init(prices=_write(tmp_path, days))
    rolls = RollingGen(step=step, rtype=RollingGen.ROLL_EX, trunc_days=trunc_days)
    tasks = task_generator(TASK, rolls)
    assert len(tasks) > 30
    for task in tasks:
        segments = task["dataset"]["kwargs"]["segments"]
        last = np.searchsorted(days, segments["train"][1], side="right") - 1
        first = np.searchsorted(days, segments["test"][0])
        # a label of one session's lag and five of horizon: known six rows of prices later
        assert last + 6 <= first


def test_every_day_of_a_market_that_never_closes_is_a_session(tmp_path):
    init(prices=_write(tmp_path, pd.date_range("2021-01-01", "2023-06-30")))
    market = Market()
    assert market.exchange == "24/7"
    assert len(market.calendar.between("2023-01-01", "2023-06-30")) == 181
    assert market.calendar.sessions_per_year == 365
    segments = {"train": ("2021-02-01", "2022-12-31"), "test": ("2023-01-01", None)}
    dataset = {**TASK["dataset"], "kwargs": {"segments": segments}}
    tasks = task_generator({**TASK, "dataset": dataset}, RollingGen(step="week"))
    tests = [task["dataset"]["kwargs"]["segments"]["test"] for task in tasks]
    predicted = [day for start, end in tests for day in market.calendar.between(start, end)]
    expected = pd.date_range(tests[0][0], tests[-1][1])
    assert list(predicted) == list(expected)


def test_weekly_prices_are_counted_in_weeks(tmp_path):
    days = pd.date_range("2015-01-02", "2023-06-30", freq="W-FRI")
    init(prices=_write(tmp_path, days))
    market = Market()
    assert (market.exchange, market.exchange_fit) == (None, None)
    assert market.calendar.sessions.equals(pd.DatetimeIndex(days, freq=None))
    assert market.calendar.sessions_per_year == 52
    for task in task_generator(TASK, RollingGen(step="month", trunc_days=2)):
        segments = task["dataset"]["kwargs"]["segments"]
        last = days[days <= segments["train"][1]][-1]
        assert last + pd.Timedelta(weeks=2) <= days[days >= segments["test"][0]][0]


def test_an_exchange_that_was_named_and_does_not_fit_is_refused_with_counts(tmp_path):
    days = _sessions("XSHG", "2020-01-02", "2022-12-30")
    init(prices=_write(tmp_path, days), calendar="XNYS")
    new_york = _sessions("XNYS", "2020-01-02", "2022-12-30")
    extra, lacking = days.difference(new_york), new_york.difference(days)
    with pytest.raises(CalendarError) as caught:
        task_generator(TASK, RollingGen(step="month"))
    message = str(caught.value)
    assert f"XNYS has no session on {len(extra)} of {len(days)} days with prices" in message
    assert f"{extra[0]:%Y-%m-%d}" in message
    assert f"the prices have none on {len(lacking)} sessions of XNYS" in message
    assert "closest: XSHG" in message
    assert "calendar='prices' (WF_CALENDAR)" in message


def test_weekly_prices_are_not_laid_on_the_sessions_of_an_exchange(tmp_path):
    days = pd.date_range("2020-01-03", "2022-12-30", freq="W-FRI")
    market = Market(_write(tmp_path, days), "XNYS")
    with pytest.raises(CalendarError, match=r"the prices have none on \d+ sessions of XNYS"):
        _ = market.calendar


def test_a_late_holiday_and_a_special_session_are_named_and_nothing_is_lost(tmp_path, caplog):
    days = _sessions("XBOM", "2020-01-01", "2021-12-31")
    closed, special = pd.Timestamp("2021-03-03"), pd.Timestamp("2021-03-06")  # a Saturday
    assert closed in days
    days = days.drop(closed).union([special])
    market = Market(_write(tmp_path, days), "XBOM")
    with caplog.at_level(logging.WARNING):
        calendar = market.calendar
    assert special in calendar.sessions
    assert closed not in calendar.sessions
    assert len(calendar.between(None, calendar.last_session)) == len(days)
    assert "XBOM has no session on 1 of" in caplog.text
    assert "2021-03-06" in caplog.text
    assert "the prices have none on 1 sessions of XBOM, 2021-03-03" in caplog.text


def test_prices_from_before_the_table_of_the_exchange_are_their_own_sessions(tmp_path):
    old = pd.bdate_range("1994-01-04", "1996-12-30")
    days = old.append(_sessions("XTKS", "1997-01-06", "1998-12-30"))
    calendar = Market(_write(tmp_path, days), "XTKS").calendar
    assert calendar.between(None, calendar.last_session).equals(pd.DatetimeIndex(days, freq=None))
    assert calendar.sessions[-1] > pd.Timestamp("1999-12-01"), "and continued"
    alone = Market(_write(tmp_path, old, "old"), "XTKS").calendar
    assert alone.sessions.equals(pd.DatetimeIndex(old, freq=None))


@pytest.mark.parametrize("name", ["XSHG", "XBOM", "XSES"])
def test_what_an_exchange_has_not_published_is_said(tmp_path, caplog, name):
    last = exchange_calendars.get_calendar(name).bound_max()
    end = min(last - pd.Timedelta(days=20), pd.Timestamp.now().normalize())
    days = _sessions(name, last - pd.Timedelta(days=400), end)
    market = Market(_write(tmp_path, days), name)
    with caplog.at_level(logging.INFO):
        calendar = market.calendar
    assert calendar.last_session == days[-1]
    assert last - pd.Timedelta(days=7) < calendar.sessions[-1] <= last
    assert f"{name} publishes its sessions up to {last:%Y-%m-%d}" in caplog.text


def test_prices_of_a_task_bring_their_sessions_along_where_no_calendar_was_named(tmp_path):
    shanghai = _write(tmp_path, _sessions("XSHG"))
    market = Market().with_prices(shanghai)
    assert market.calendar.between(None, "2022-12-30").equals(_sessions("XSHG"))


def test_sessions_are_asked_for_where_they_were():
    import wf_dagster.calendars

    with pytest.warns(DeprecationWarning, match=r"default_calendar is now in wf_dagster\.market"):
        assert wf_dagster.calendars.default_calendar() == Market().calendar
