"""Signals are made once for each session and stay as they were sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.online.market import SESSIONS, TEST, day, strategy, template, use_prices
from wf_dagster import AverageEnsemble, OnlineManager, TrainerR
from wf_dagster.errors import CollectError
from wf_dagster.online.signal_store import append_signals, load_signals, rows_since
from wf_dagster.training.task_market import place_market

BEGIN = TEST + 3


def frame(days: Any, value: float) -> pd.DataFrame:
    rows = pd.MultiIndex.from_product(
        [pd.DatetimeIndex(days), ["A", "B"]], names=["datetime", "instrument"]
    )
    return pd.DataFrame({"score": value}, index=rows)


def test_new_days_are_added_and_old_ones_stay() -> None:
    old, new = frame(SESSIONS[:3], 1.0), frame(SESSIONS[1:5], 2.0)
    made = append_signals(old, new, SESSIONS[2])
    assert made["score"].groupby("datetime").first().tolist() == [1.0, 1.0, 2.0, 2.0, 2.0]
    assert append_signals(old, new, None) is new
    assert append_signals(None, new, SESSIONS[2]) is new
    assert append_signals(old, new, SESSIONS[6]) is old


def test_what_has_no_rows_is_left_out() -> None:
    collected = {"a": {"x": frame(SESSIONS[:2], 1.0), "y": frame(SESSIONS[:5], 2.0)}, "b": {}}
    left = rows_since(collected, SESSIONS[3])
    assert list(left) == ["a"]
    assert list(left["a"]) == ["y"]
    assert len(left["a"]["y"]) == 4


def test_restated_prices_do_not_change_what_was_sent(market: Path, prices: pd.DataFrame) -> None:
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.simulate(day(BEGIN + 2))
    sent = manager.signals
    restated = prices.assign(close=prices["close"] * (1 + 0.01 * (prices.index % 5)))
    use_prices(market, restated)
    # whichever manager does it, made from the store or anew
    OnlineManager.from_store(strategy()).routine(day(BEGIN + 3))
    manager = OnlineManager(strategy())
    manager.routine(day(BEGIN + 4))
    pd.testing.assert_series_equal(manager.signals.loc[: day(BEGIN + 2)], sent)
    assert manager.signals.index[-1][0] == SESSIONS[BEGIN + 4]
    pd.testing.assert_series_equal(load_signals("signals"), manager.signals)


def test_the_last_session_can_be_made_again_and_all_of_them(market: Path) -> None:
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.simulate(day(BEGIN + 2))
    sent = manager.signals
    assert len(manager.prepare_signals()) == 6
    pd.testing.assert_series_equal(manager.signals, sent)
    made = manager.prepare_signals(over_write=True)
    assert len(made) == len(sent)
    pd.testing.assert_series_equal(manager.signals, sent)


def ranks(collected: Any) -> pd.DataFrame:
    """Two kinds of signals, from all that was collected."""
    scores = AverageEnsemble()(collected)
    ranks = scores.groupby(level="datetime").rank()
    return pd.DataFrame({"score": scores, "rank": ranks})


def test_a_function_of_ones_own_makes_the_signals(market: Path) -> None:
    given = {"prepare_func": ranks}
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.simulate(day(BEGIN + 1), signal_kwargs=given)
    again = OnlineManager.from_store(strategy())
    pd.testing.assert_frame_equal(again.signals, manager.signals)
    again.routine(day(BEGIN + 2), signal_kwargs=given)
    assert list(again.signals.columns) == ["score", "rank"]
    days = again.signals.index.get_level_values("datetime").unique()
    assert list(days) == list(SESSIONS[TEST : BEGIN + 3])
    with pytest.raises(TypeError, match="prepare_fun"):
        again.routine(day(BEGIN + 3), signal_kwargs={"prepare_fun": ranks})


def test_recorders_that_know_more_are_not_used(market: Path) -> None:
    rolls = strategy()
    TrainerR("ridge").train(rolls.first_tasks())  # by somebody who has all prices
    manager = OnlineManager(rolls, begin_time=day(BEGIN))
    manager.simulate(day(BEGIN + 2))
    alone = OnlineManager(strategy("alone"), begin_time=day(BEGIN), name="alone")
    alone.simulate(day(BEGIN + 2))
    pd.testing.assert_series_equal(manager.signals, alone.signals)


def test_a_backfill_is_taken_over(market: Path) -> None:
    rolls = strategy()
    seen = rolls.at(day(BEGIN))
    tasks = [place_market(task, seen.market) for task in seen.first_tasks()]
    trained = TrainerR("ridge").train(tasks)
    manager = OnlineManager(rolls, begin_time=day(BEGIN))
    assert manager.adopt().trained == []
    assert rolls.tool.online_models() == trained[-1:]
    manager.routine(day(BEGIN + 2))
    fresh = OnlineManager(strategy("fresh"), begin_time=day(BEGIN), name="fresh")
    fresh.simulate(day(BEGIN + 2))
    pd.testing.assert_series_equal(manager.signals, fresh.signals)
    assert manager.adopt().trained == []  # it has begun


def test_without_predictions_there_are_no_signals(market: Path) -> None:
    manager = OnlineManager(strategy(templates=template()), begin_time=day(BEGIN))
    with pytest.raises(CollectError, match="no model has predictions: train the first tasks"):
        manager.prepare_signals()
