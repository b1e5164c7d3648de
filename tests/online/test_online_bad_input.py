"""What cannot be done is refused with one message, before anything is done."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.online.market import SESSIONS, STEP, TEST, day, strategy, template, use_prices
from wf_dagster import OnlineManager, R, TrainerR
from wf_dagster.errors import CalendarError, OnlineError, WfError
from wf_dagster.online.signal_store import load_signals
from wf_dagster.tracking import find_recorders

BEGIN = TEST + 3


def nothing_was_done() -> bool:
    return set(R.list_experiments()) <= {"Default"}


def test_no_online_model_yet(market: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OnlineError, match="ridge: no online model yet; begin with first_train"):
        OnlineManager.from_store(strategy())
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    with caplog.at_level(logging.WARNING):
        done = manager.routine(day(BEGIN))
    assert "ridge has no online model, so nothing follows: train first" in caplog.text
    assert (done.trained, done.predicted, manager.signals) == ([], [], None)
    manager.first_train()  # it can still begin
    assert len(strategy().tool.online_models()) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"strategies": []}, "an OnlineManager needs a strategy"),
        ({"freq": "1min"}, "freq '1min' is not known: sessions are days"),
        ({"begin_time": "soon"}, "'soon' is no date"),
        ({"begin_time": "2019-01-01"}, "no session at or before 2019-01-01"),
    ],
)
def test_a_manager_that_cannot_be(market: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(WfError, match=message):
        OnlineManager(**{"strategies": strategy(), **given})
    assert nothing_was_done()


def test_a_name_used_twice(market: Path) -> None:
    message = "strategy name 'ridge' is used twice: give each strategy a name_id of its own"
    with pytest.raises(OnlineError, match=message):
        OnlineManager([strategy(), strategy()])
    assert nothing_was_done()
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    with pytest.raises(OnlineError, match=message):
        manager.add_strategy(strategy())
    assert len(manager.strategies) == 1
    assert nothing_was_done()


def test_a_strategy_can_be_added_later(market: Path) -> None:
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.first_train()
    manager.routine(day(BEGIN + 1))
    manager.add_strategy(strategy("other", template(9.0)))
    manager.routine(day(BEGIN + 2))
    assert [s.name_id for s in manager.history[SESSIONS[BEGIN]]] == ["ridge"]
    assert [s.name_id for s in manager.history[SESSIONS[BEGIN + 2]]] == ["ridge", "other"]


def test_a_session_that_is_past(market: Path) -> None:
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.first_train()
    manager.routine(day(BEGIN + 2))
    files = len(find_recorders("ridge", status=None))
    with pytest.raises(OnlineError, match=rf"worked through {day(BEGIN + 2)}, so {day(BEGIN)} is"):
        manager.routine(day(BEGIN))
    with pytest.raises(OnlineError, match="state only moves on"):
        OnlineManager(strategy(), begin_time=day(BEGIN)).simulate(day(BEGIN + 1))
    assert len(find_recorders("ridge", status=None)) == files


def test_a_session_past_the_calendar_is_the_last_one(
    market: Path, caplog: pytest.LogCaptureFixture
) -> None:
    manager = OnlineManager(strategy(), begin_time=day(len(SESSIONS) - 2))
    manager.first_train()
    with caplog.at_level(logging.WARNING):
        manager.routine("2031-01-01")
    assert "2031-01-01 is after the last session with prices" in caplog.text
    assert manager.cur_time == SESSIONS[-1]
    with pytest.raises(CalendarError, match="no session at or before 1999-01-01"):
        manager.routine("1999-01-01")


def test_an_unknown_frequency(market: Path) -> None:
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    with pytest.raises(OnlineError, match=r"frequency 'year' is unknown: use 'day', 'week'"):
        manager.simulate(day(BEGIN + 1), frequency="year")
    assert nothing_was_done()


def test_weeks_end_as_days_do(market: Path) -> None:
    weekly = OnlineManager(strategy("weekly"), begin_time=day(BEGIN), name="weekly")
    daily = OnlineManager(strategy("daily"), begin_time=day(BEGIN), name="daily")
    one = weekly.simulate(day(BEGIN + 11), frequency="week")
    pd.testing.assert_series_equal(one, daily.simulate(day(BEGIN + 11)), rtol=0, atol=1e-9)


def test_a_session_that_is_missing_in_the_prices(market: Path, prices: pd.DataFrame) -> None:
    missing = SESSIONS[BEGIN + 2]
    use_prices(market, prices[prices["datetime"] != missing])
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.simulate(day(BEGIN + STEP))
    days = manager.signals.index.get_level_values("datetime").unique()
    expected = [SESSIONS[n] for n in range(TEST, BEGIN + STEP + 1)]
    assert list(days) == [d for d in expected if d != missing]


@pytest.mark.parametrize("position", [BEGIN + 2, TEST + STEP])
def test_a_session_whose_prices_are_all_empty_is_none_until_they_come(
    market: Path, prices: pd.DataFrame, position: int
) -> None:
    empty = prices.copy()
    empty.loc[empty["datetime"] == SESSIONS[position], "close"] = float("nan")
    manager = OnlineManager(strategy(), begin_time=day(BEGIN))
    manager.first_train()
    use_prices(market, empty)
    end = day(TEST + STEP + 4)
    assert SESSIONS[position] not in manager.routine(end).sessions
    sent = manager.get_signals()
    assert SESSIONS[position] not in sent.index.get_level_values("datetime")
    # also where it is the first session of a roll: the model that was online then serves it
    use_prices(market, prices)
    (late,) = manager.routine(end).late
    assert set(late.rows.get_level_values("datetime")) == {SESSIONS[position]}
    assert len(late.rows) == prices["instrument"].nunique()
    signals = manager.get_signals()
    assert len(signals) == len(sent) + len(late.rows)
    pd.testing.assert_series_equal(signals.reindex(sent.index), sent)


def test_signals_of_others_are_not_overwritten(market: Path) -> None:
    OnlineManager(strategy("mine"), begin_time=day(BEGIN), name="s").simulate(day(BEGIN + 1))
    other = OnlineManager(strategy("yours"), begin_time=day(BEGIN), name="s")
    message = "experiment 's' keeps the signals of mine: give this manager another name"
    for call in (other.first_train, other.routine, other.simulate):
        with pytest.raises(OnlineError, match=message):
            call()
    assert find_recorders("yours") == []
    OnlineManager(strategy("yours"), begin_time=day(BEGIN), name="y").simulate(day(BEGIN + 1))
    OnlineManager(strategy("quiet"), begin_time=day(BEGIN), name=None).simulate(day(BEGIN + 1))


def test_signals_find_a_place_beside_those_of_others(market: Path) -> None:
    made = {}
    for name in ("mine", "yours"):
        made[name] = OnlineManager(strategy(name), begin_time=day(BEGIN)).simulate(day(BEGIN + 1))
    assert load_signals("signals").equals(made["mine"])
    assert load_signals("signals of yours").equals(made["yours"])
    for name, signals in made.items():
        again = OnlineManager.from_store([strategy(name)])
        assert again.signals.equals(signals)
        again.routine(day(BEGIN + 2))
        assert again.signals.iloc[: len(signals)].equals(signals)
    assert load_signals("signals", ["mine"]).index[-1][0] == SESSIONS[BEGIN + 2]


def test_a_file_that_is_no_manager(market: Path, tmp_path: Path) -> None:
    import pickle

    path = tmp_path / "manager.pkl"
    with pytest.raises(OnlineError, match="cannot be read: No such file"):
        OnlineManager.load(path)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(OnlineError, match="holds no OnlineManager: write it with to_pickle"):
        OnlineManager.load(path)
    OnlineManager(strategy(), TrainerR(), begin_time=day(BEGIN)).to_pickle(path)
    assert OnlineManager.load(path).begin_time == SESSIONS[BEGIN]
