"""What a portfolio is compared with: returns over gaps are kept, what is no return is refused."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from wf_dagster.errors import RecordError
from wf_dagster.records import simulate
from wf_dagster.records.benchmark import returns_of_instruments, returns_of_series

SESSIONS = pd.bdate_range("2020-01-02", periods=12, name="datetime")  # a Thursday, to the 17th
LEVELS = pd.Series(
    [100, 101, 99, 102, 103, 101, 104, 105, 103, 106, 108, 107], SESSIONS, dtype=float
)
RETURNS = LEVELS.pct_change()
WHOLE = 107 / 101 - 1  # bought at the close of the second session


def _total(returns):
    return (1 + returns).prod() - 1


@pytest.mark.parametrize(
    "given",
    [
        RETURNS,
        RETURNS.iloc[::-1],
        RETURNS.to_frame("index"),
        RETURNS.tz_localize("UTC"),
        RETURNS.tz_localize("Asia/Shanghai"),
        RETURNS.set_axis(RETURNS.index + pd.Timedelta(hours=15)).tz_localize("Asia/Shanghai"),
        RETURNS.set_axis(RETURNS.index.strftime("%Y-%m-%d")),
        RETURNS.set_axis(RETURNS.index.strftime("%Y%m%d")),
        RETURNS.set_axis(pd.Index(RETURNS.index.date)),
        RETURNS.set_axis(RETURNS.index.to_period("D")),
        RETURNS.iloc[1:].astype(str),
        RETURNS.iloc[2:],
    ],
)
def test_a_series_is_read_however_its_days_are_written(given):
    returns = returns_of_series(given, SESSIONS)
    assert _total(returns) == pytest.approx(WHOLE, abs=1e-12)
    assert returns.index.equals(SESSIONS[2:])


def test_returns_of_days_that_are_no_sessions_count_on_the_next_one(caplog):
    with caplog.at_level(logging.WARNING):
        returns = returns_of_series(RETURNS, SESSIONS.delete([5, 6]))
    assert _total(returns) == pytest.approx(WHOLE, abs=1e-12)
    assert returns[SESSIONS[7]] == pytest.approx(105 / 103 - 1)
    assert "returns of 2 days that are no sessions, the first 2020-01-09" in caplog.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            RETURNS.drop(SESSIONS[4:7]),
            r"no return on 3 of 10 sessions, the first 2020-01-08, the last 2020-01-10.*"
            "give returns between the sessions of the portfolio",
        ),
        (RETURNS.mask(RETURNS.index == SESSIONS[4]), "no return on 1 of 10 sessions"),
        (RETURNS[:7], r"no return on 5 of 10 sessions.*with end_time='2020-01-09'$"),
        (RETURNS[5:], r"no return on 3 of 10 sessions.*with start_time='2020-01-07'$"),
        (RETURNS[4:9], r"with start_time='2020-01-06' and end_time='2020-01-13'$"),
        (
            RETURNS.tz_localize("Asia/Shanghai").tz_convert(
                "UTC"
            ),  # midnight there: the day before
            "2 of its days are no sessions, the first Sunday 2020-01-05: are they the days of "
            "another time zone",
        ),
        (LEVELS, r"run from 99 to 108, none is negative: these are levels.*series\.pct_change"),
        (LEVELS / 200, "these are levels, not returns"),
        (1 + RETURNS, "of growth factors"),
        (RETURNS * 100, r"return of 2020-01-07 is 3.0303, as a fraction that is \+303%.*percent"),
        (RETURNS * 20, "percent, not fractions"),
        (RETURNS.mask(RETURNS.index.isin(SESSIONS[[3, 8]]), 1.2), "percent, not fractions"),
        (RETURNS.mask(RETURNS.index == SESSIONS[3], -1.2), r"is -120%: these are percent"),
        (pd.concat([RETURNS, RETURNS[3:4]]), "has 2020-01-07 twice"),
        (RETURNS.set_axis(range(12)), "indexed by integer values"),
        (RETURNS.set_axis([f"day {n}" for n in range(12)]), "no ISO dates"),
        (RETURNS.set_axis([pd.NaT, *SESSIONS[1:]]), "1 days of the benchmark are no dates"),
        (RETURNS.astype(object).where(RETURNS.index != SESSIONS[3], "?"), "are no numbers"),
        (RETURNS.replace(RETURNS.iloc[3], np.inf), "infinite returns"),
        (0.01, "benchmark is a float: use the name of an instrument"),
    ],
)
def test_what_is_no_series_of_returns_on_these_sessions_is_refused(given, message):
    with pytest.raises(RecordError, match=message):
        returns_of_series(given, SESSIONS)


@pytest.mark.parametrize(("arguments", "first", "last"), [((7, None), 0, 5), ((None, 5), 3, 10)])
def test_the_remedy_of_a_benchmark_that_is_too_short_works(arguments, first, last):
    end, start = arguments
    scores = pd.DataFrame({"A": 1.0, "B": 0.0}, SESSIONS[first : last + 1])
    closes = pd.DataFrame({"A": 1.0, "B": 1.0}, SESSIONS)
    report = simulate(scores, closes, topk=1, bench=RETURNS[start:end]).report
    assert _total(report["bench"]) == pytest.approx(
        LEVELS.iloc[last + 1] / LEVELS.iloc[first + 1] - 1
    )


def test_calm_returns_are_no_percent():
    calm = pd.Series(np.random.default_rng(0).normal(0, 0.1, 12), SESSIONS)
    assert len(returns_of_series(calm, SESSIONS)) == 10


def test_a_single_day_that_more_than_doubles_counts_and_is_named(caplog):
    coin = RETURNS.mask(RETURNS.index == SESSIONS[5], 1.5)
    with caplog.at_level(logging.WARNING):
        returns = returns_of_series(coin, SESSIONS)
    # from 101 to 103, two and a half times that, and on from 101 to 107
    assert _total(returns) == pytest.approx(103 / 101 * 2.5 * 107 / 101 - 1)
    assert "return of 2020-01-09 is 1.5, as a fraction that is +150%: it counts" in caplog.text


def test_an_instrument_s_return_over_a_gap_lies_on_its_next_price(caplog):
    closes = LEVELS.to_frame("IDX").copy()
    closes.iloc[4:7] = np.nan
    with caplog.at_level(logging.WARNING):
        returns = returns_of_instruments(closes, ["IDX"], SESSIONS)
    assert returns.index.equals(SESSIONS[1:])
    assert _total(returns) == pytest.approx(WHOLE, abs=1e-12)
    assert returns[SESSIONS[4:7]].tolist() == [0, 0, 0]
    assert returns[SESSIONS[7]] == pytest.approx(105 / 102 - 1)
    assert "IDX has no price on 3 of 12 sessions, the first 2020-01-08" in caplog.text


def test_where_an_instrument_has_not_begun_or_has_ended_its_return_is_not_known(caplog):
    closes = LEVELS.to_frame("IDX").copy()
    closes.iloc[:3] = np.nan
    closes.iloc[9:] = 0.0
    with caplog.at_level(logging.WARNING):
        returns = returns_of_instruments(closes, ["IDX"], SESSIONS)
    assert returns.index[returns.notna()].equals(SESSIONS[4:9])
    assert _total(returns) == pytest.approx(103 / 102 - 1)
    assert "IDX starts on 2020-01-07, 2 sessions after the portfolio" in caplog.text
    assert "IDX ends on 2020-01-14, 3 of 12 sessions before the portfolio" in caplog.text


def test_of_several_instruments_those_that_are_known_count():
    closes = pd.DataFrame({"A": LEVELS, "B": LEVELS.where(LEVELS.index < SESSIONS[6]) ** 2})
    returns = returns_of_instruments(closes, ["A", "B"], SESSIONS)
    assert returns[SESSIONS[5]] == pytest.approx((101 / 103 + (101 / 103) ** 2) / 2 - 1)
    assert returns[SESSIONS[6]] == pytest.approx(104 / 101 - 1)


def test_an_instrument_without_two_prices_is_refused():
    closes = LEVELS.where(LEVELS.index == SESSIONS[3]).to_frame("IDX")
    with pytest.raises(RecordError, match="IDX has no return from 2020-01-03 to 2020-01-17"):
        returns_of_instruments(closes, ["IDX"], SESSIONS)
