"""Strategies on two exchanges in one manager: each lives on its own sessions only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import exchange_calendars
import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.online.market import REACH, STEP, made_prices, template
from tests.online.stored import assert_same, read_stored
from wf_dagster import (
    DelayTrainerR,
    OnlineManager,
    PredUpdater,
    RollingGen,
    RollingStrategy,
    TrainerR,
    TrainerRM,
    task_train,
)
from wf_dagster.errors import CalendarError, DataError, OnlineError
from wf_dagster.market import Market
from wf_dagster.online.expected_sessions import due_now
from wf_dagster.online.inspection import Inspection
from wf_dagster.orchestration import build_rolling_assets, rolling_partitions
from wf_dagster.rolling import Rolls
from wf_dagster.tracking import find_recorders
from wf_dagster.training.task_market import place_market

FIRST, LAST = "2020-01-06", "2020-07-31"
BEGIN, END = "2020-04-24", "2020-05-28"
GOLDEN_WEEK = pd.DatetimeIndex(["2020-04-29", "2020-05-04", "2020-05-05", "2020-05-06"])
MEMORIAL_DAY = pd.Timestamp("2020-05-25")
EXCHANGES = {"york": "XNYS", "tokyo": "XTKS"}
TRAINERS = {
    "TrainerR": TrainerR,
    "DelayTrainerR": DelayTrainerR,
    "TrainerRM": lambda: TrainerRM(task_pool="pool"),
}


def sessions_of(name: str, first: str, last: str) -> pd.DatetimeIndex:
    """What the exchange itself says."""
    sessions = exchange_calendars.get_calendar(EXCHANGES[name]).sessions_in_range(first, last)
    return sessions.rename("datetime")


def prices_of(name: str, last: str = LAST) -> pd.DataFrame:
    prices = made_prices(sessions_of(name, FIRST, LAST))
    prices["instrument"] = name + " " + prices["instrument"]
    return prices[prices["datetime"] <= last]


@pytest.fixture
def files(ready_store: None, tmp_path: Path) -> dict[str, Path]:
    """A price file of each exchange; the settings have the sample's."""
    wf_dagster.init(max_workers=1)
    paths = {name: tmp_path / f"{name}.parquet" for name in EXCHANGES}
    for name, path in paths.items():
        prices_of(name).to_parquet(path)
    return paths


def strategy(files: dict[str, Path], name: str, market: Market | None = None) -> RollingStrategy:
    market = market or Market(files[name], EXCHANGES[name])
    generator = RollingGen(STEP, rtype=RollingGen.ROLL_SD, trunc_days=REACH)
    return RollingStrategy(name, template(), generator, market=market)


def both(files: dict[str, Path]) -> list[RollingStrategy]:
    return [strategy(files, name) for name in EXCHANGES]


def predictions(rolls: RollingStrategy) -> pd.DataFrame:
    frames = [recorder.load_object("pred.pkl") for recorder in find_recorders(rolls.name_id)]
    return pd.concat(frames).sort_index()


def days_of(frame: Any) -> list[pd.Timestamp]:
    return list(frame.index.get_level_values("datetime").unique())


def test_the_exchanges_rest_on_different_days() -> None:
    york, tokyo = (sessions_of(name, BEGIN, END) for name in EXCHANGES)
    assert GOLDEN_WEEK.isin(york).all()
    assert not GOLDEN_WEEK.isin(tokyo).any()
    assert (MEMORIAL_DAY in york, MEMORIAL_DAY in tokyo) == (False, True)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_each_predicts_exactly_the_sessions_of_its_exchange(
    files: dict[str, Path], trainer: str
) -> None:
    york, tokyo = both(files)
    manager = OnlineManager([york, tokyo], TRAINERS[trainer](), begin_time=BEGIN)
    signals = manager.simulate(END)
    union = sessions_of("york", BEGIN, END).union(sessions_of("tokyo", BEGIN, END))
    assert list(manager.history) == list(union)
    for rolls in (york, tokyo):
        own = sessions_of(rolls.name_id, BEGIN, END)
        assert [pd.Timestamp(day) for day in rolls.tool.state().sessions] == list(own)
        assert [day for day, by in manager.history.items() if rolls in by] == list(own)
        first = predictions(rolls).index[0][0]
        assert first < pd.Timestamp(BEGIN)
        assert days_of(predictions(rolls)) == list(sessions_of(rolls.name_id, first, END))
        assert predictions(rolls).index.is_unique
    served = signals.loc[BEGIN:]
    assert days_of(served) == list(union)
    by_day = served.index.to_frame(index=False).groupby("datetime")["instrument"]
    names = by_day.agg(lambda column: {name.split()[0] for name in column})
    assert all(names[day] == {"york"} for day in GOLDEN_WEEK)
    assert names[MEMORIAL_DAY] == {"tokyo"}
    assert names[pd.Timestamp("2020-05-07")] == {"york", "tokyo"}


@pytest.mark.parametrize(
    "trainer", ["TrainerR", pytest.param("DelayTrainerR", marks=pytest.mark.slow)]
)
def test_each_does_what_it_does_alone(files: dict[str, Path], trainer: str) -> None:
    manager = OnlineManager(both(files), TRAINERS[trainer](), begin_time=BEGIN, name=None)
    manager.simulate(END)
    together = read_stored(*both(files))
    for name, exchange in EXCHANGES.items():
        home = files[name].with_name(f"home-{name}")
        wf_dagster.init(prices=str(files[name]), calendar=exchange, home=home, max_workers=1)
        rolls = strategy(files, name, market=Market())  # its market is that of the settings
        OnlineManager(rolls, TRAINERS[trainer](), begin_time=BEGIN, name=None).simulate(END)
        alone = read_stored(rolls)
        assert_same(alone, {key: together[key] for key in alone})


@pytest.mark.slow
def test_day_by_day_is_the_same_as_a_simulation(files: dict[str, Path]) -> None:
    OnlineManager(both(files), begin_time=BEGIN).simulate(END)
    simulated = read_stored(*both(files))
    wf_dagster.init(home=files["york"].with_name("home-daily"), max_workers=1)
    OnlineManager(both(files), begin_time=BEGIN).first_train()
    union = sessions_of("york", BEGIN, END).union(sessions_of("tokyo", BEGIN, END))
    for session in union:
        report = OnlineManager.from_store(both(files)).routine(session)
        assert report.sessions == [session]
    assert_same(read_stored(*both(files)), simulated)


def test_labels_count_the_sessions_of_their_exchange(files: dict[str, Path]) -> None:
    _, tokyo = strategies = both(files)
    OnlineManager(strategies, begin_time=BEGIN).simulate(END)
    labels = pd.concat([recorder.load_object("label.pkl") for recorder in find_recorders("tokyo")])[
        "label"
    ].dropna()
    close = prices_of("tokyo").set_index(["datetime", "instrument"])["close"]
    own = sessions_of("tokyo", FIRST, LAST)
    (day,) = pd.DatetimeIndex(["2020-04-28"])  # Golden Week lies within its label
    at = own.get_loc(day)
    assert own[at + REACH] == pd.Timestamp("2020-05-07")
    expected = close[own[at + REACH]] / close[own[at + 1]] - 1
    np.testing.assert_allclose(labels[day], expected.loc[labels[day].index], rtol=1e-12)
    last = labels.index.get_level_values("datetime").max()
    assert last == own[own.get_loc(pd.Timestamp(END)) - REACH]
    assert tokyo.market.calendar_name == "XTKS"


def test_an_exchange_whose_prices_come_later_is_made_up_for(files: dict[str, Path]) -> None:
    manager = OnlineManager(both(files), begin_time=BEGIN)
    manager.first_train()
    prices_of("york", "2020-05-06").to_parquet(files["york"])
    prices_of("tokyo", "2020-05-08").to_parquet(files["tokyo"])
    assert manager.routine().sessions[-1] == pd.Timestamp("2020-05-08")
    york, tokyo = manager.strategies
    assert york.ledger().read().session == "2020-05-06"
    assert tokyo.ledger().read().session == "2020-05-08"
    prices_of("york", "2020-05-08").to_parquet(files["york"])
    report = OnlineManager.from_store(both(files)).routine()
    assert report.sessions == [pd.Timestamp("2020-05-07"), pd.Timestamp("2020-05-08")]
    assert york.ledger().read().session == "2020-05-08"
    assert days_of(predictions(york))[-1] == pd.Timestamp("2020-05-08")
    assert predictions(tokyo).index.is_unique


def test_a_strategy_that_is_added_begins_at_its_own_session(files: dict[str, Path]) -> None:
    york, tokyo = both(files)
    manager = OnlineManager(york, begin_time="2020-05-05")
    manager.first_train()
    manager.add_strategy(tokyo)
    assert tokyo.ledger().read().sessions == ("2020-05-01",)
    manager.routine("2020-05-07")
    assert tokyo.ledger().read().sessions == ("2020-05-01", "2020-05-07")
    assert york.ledger().read().sessions == ("2020-05-05", "2020-05-06", "2020-05-07")


def test_a_backfill_is_taken_over_on_the_market_of_each(files: dict[str, Path]) -> None:
    manager = OnlineManager(both(files), begin_time="2020-05-05")
    manager.adopt()
    for rolls in manager.strategies:
        (model,) = rolls.tool.online_models()
        expected = {"york": "2020-05-05", "tokyo": "2020-05-01"}[rolls.name_id]
        assert model.list_tags()["data_until"] == expected
        assert days_of(model.load_object("pred.pkl"))[-1] == pd.Timestamp(expected)


def test_an_updater_finds_the_market_in_the_recorder(files: dict[str, Path]) -> None:
    rolls = strategy(files, "tokyo")
    OnlineManager(rolls, begin_time=BEGIN).first_train()
    (model,) = rolls.tool.online_models()
    PredUpdater(model, to_date="2020-05-08").update()
    first = days_of(model.load_object("pred.pkl"))[0]
    assert days_of(model.load_object("pred.pkl")) == list(sessions_of("tokyo", first, "2020-05-08"))


def test_a_market_that_a_template_carries_is_that_of_the_strategy(files: dict[str, Path]) -> None:
    market = Market(files["tokyo"], EXCHANGES["tokyo"])
    task = place_market(template(), market)
    assert RollingStrategy("tokyo", task, RollingGen(STEP)).market == market
    rolls = build_rolling_assets("tokyo", task, RollingGen(STEP)).spec
    assert rolls.market == market
    assert rolls.template == template(), "what is fingerprinted knows no market"
    assert rolling_partitions(task, RollingGen(STEP)).market == market


def test_templates_on_different_markets_are_no_strategy(files: dict[str, Path]) -> None:
    tasks = [place_market(template(), Market(files[name], EXCHANGES[name])) for name in EXCHANGES]
    with pytest.raises(OnlineError, match=r"'both' and its templates name different .*XNYS.*XTKS"):
        RollingStrategy("both", tasks, RollingGen(STEP))
    with pytest.raises(OnlineError, match="'york' and its templates name different markets"):
        RollingStrategy("york", tasks[0], RollingGen(STEP), market=Market("sample"))
    with pytest.raises(CalendarError, match=r"given Market.*sample.*template names .*XNYS"):
        build_rolling_assets("york", tasks[0], RollingGen(STEP), market=Market("sample"))


def test_what_is_no_market_is_said_by_its_value(files: dict[str, Path]) -> None:
    code: Any = "XTKS"
    with pytest.raises(DataError, match=r"market='XTKS' is no Market: write market=Market\("):
        build_rolling_assets("tokyo", template(), RollingGen(STEP), market=code)
    with pytest.raises(DataError, match=r"market='XTKS' is no Market"):
        RollingStrategy("tokyo", template(), RollingGen(STEP), market=code)
    with pytest.raises(DataError, match=r"market='XTKS' is no Market"):
        task_train(template(), "tokyo", market=code)


def test_what_is_due_and_checked_counts_on_the_market(files: dict[str, Path]) -> None:
    rolls = strategy(files, "tokyo")
    OnlineManager(rolls, begin_time=BEGIN).simulate("2020-05-07")
    now = pd.Timestamp("2020-05-06 22:00", tz="Asia/Tokyo")
    assert due_now(rolls.market, pd.Timedelta(hours=6), now).session == pd.Timestamp("2020-05-01")
    market = rolls.market.at("2020-05-07")
    generator = rolls.rg.on(market.calendar)
    (serving,) = Inspection("tokyo", Rolls.from_template(template(), generator), market).serving()
    assert list(serving.sessions) == days_of(serving.pred)
    rows = serving.expected_rows()
    assert rows is not None
    assert rows.isin(serving.pred.index).all()
    assert len(rows) == len(serving.pred)
