"""How long a held name may be without a price: a month of the market's own sessions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wf_dagster import Market, R, TradingCalendar
from wf_dagster.errors import RecordError
from wf_dagster.records import PortAnaRecord, PortfolioConfig

HALF_HOURS = pd.DatetimeIndex(
    [
        day + pd.Timedelta(minutes=570 + 30 * bar)
        for day in pd.bdate_range("2020-01-01", "2020-06-30")
        for bar in range(13)
    ]
)
DAYS = pd.bdate_range("2020-01-01", "2021-06-30")
EVERY_DAY = pd.date_range("2020-01-01", "2021-06-30")
WEEKS = pd.date_range("2018-01-05", "2021-06-25", freq="W-FRI")


def analyse(tmp_path, stamps, gap, **given):
    """Hold A, which has no price on ``gap`` sessions from the 50th on and comes back at half.

    B is there and flat. Gives the report.
    """
    close = pd.DataFrame({"A": 100.0, "B": 100.0}, stamps)
    close.iloc[50 : 50 + gap, 0] = np.nan
    close.iloc[50 + gap :, 0] = 50.0
    path = tmp_path / "prices.parquet"
    names = {"index": "datetime", "level_0": "datetime", "level_1": "instrument"}
    close.stack().rename("close").reset_index().rename(columns=names).to_parquet(path)
    score = pd.DataFrame({"A": 2.0, "B": 1.0}, stamps[:-1]).stack().rename("score")
    score.index.names = ["datetime", "instrument"]
    with R.start(experiment_name="records"):
        R.save_objects(**{"pred.pkl": score.to_frame(), "label.pkl": score.to_frame("label")})
        recorder = R.get_recorder()
    market = Market(str(path), given.pop("calendar", "prices"))
    options = {"topk": 1, "n_drop": 0, "open_cost": 0.0, "close_cost": 0.0, **given}
    record = PortAnaRecord(recorder, market=market, **options)
    record.generate()
    return recorder.load_object(f"portfolio_analysis/report_normal_{record.freq}.pkl")


@pytest.mark.parametrize(
    ("stamps", "month"),
    # 20 of 252 sessions; 252 days of 13 bars; 365 * 20 / 252 = 28.97; 52 * 20 / 252 = 4.1
    [(HALF_HOURS, 260), (DAYS, 20), (EVERY_DAY, 29), (WEEKS, 4)],
    ids=["half hours", "days", "every day", "weeks"],
)
def test_a_month_of_the_market_without_a_price_is_a_delisting(tmp_path, stamps, month):
    # one session less is a halt: the loss of half is earned at the first price after it
    halt = analyse(tmp_path, stamps, month - 1)["return"]
    assert halt[halt != 0].to_dict() == {stamps[50 + month - 1]: -0.5}
    # and then the name has gone, at its last price
    gone = analyse(tmp_path, stamps, month)["return"]
    assert (gone == 0).all()


def test_a_number_that_is_given_counts_as_it_is(tmp_path):
    assert (analyse(tmp_path, HALF_HOURS, 19, delist_after=19)["return"] == 0).all()
    never = analyse(tmp_path, WEEKS, 100, delist_after=None)["return"]
    assert never.sum() == -0.5
    assert analyse(tmp_path, WEEKS, 19, delist_after=20)["return"].sum() == -0.5


def test_a_year_that_is_said_for_figures_is_not_that_of_the_month(tmp_path):
    halt = analyse(tmp_path, HALF_HOURS, 100, ann_scaler=252)["return"]
    assert halt.sum() == -0.5


def test_bars_of_a_market_of_days_count_their_own(tmp_path):
    days = TradingCalendar(HALF_HOURS.normalize().unique())
    assert analyse(tmp_path, HALF_HOURS, 100, calendar=days)["return"].sum() == -0.5


def test_the_default_is_a_word_and_others_are_refused():
    assert PortfolioConfig().delist_after == "month"
    with pytest.raises(RecordError, match=r"delist_after='week': use 'month', a number of sess"):
        PortfolioConfig(delist_after="week")
