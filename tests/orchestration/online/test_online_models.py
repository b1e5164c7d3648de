"""What serves, as an asset; and signals that stay as they were sent."""

from __future__ import annotations

import pandas as pd

from tests.online.market import REACH, SESSIONS, STEP, TEST, day, strategy
from tests.orchestration.online.life import Life, failures, materializations, roll_key
from wf_dagster import OnlineManager

OVER_WRITE = {"ops": {"signals": {"config": {"over_write": True}}}}


def test_the_asset_shows_what_serves_and_what_served(life: Life) -> None:
    life.live(TEST, TEST + STEP - 1)
    metadata = materializations(life.instance, life.strategy.key("online_models"))[0].metadata
    assert metadata["online"].value == metadata["next_online"].value == 1
    assert metadata["since"].value == day(TEST)
    assert metadata["session"].value == day(TEST + STEP - 1)
    models = metadata["models"].value
    assert f"| online | {roll_key(0)} | [{life.state.online[0][:8]}](" in models
    assert f"| next_online | {roll_key(1)} | [{life.state.next_online[0][:8]}](" in models

    old = life.state.online[0]
    life.live(TEST + STEP)
    metadata = materializations(life.instance, life.strategy.key("online_models"))[0].metadata
    history = metadata["history"].value.splitlines()[2:]
    new = life.state.online[0]
    assert [line.split("](")[0] for line in history] == [
        f"| {roll_key(1)} | {roll_key(1)} | [{new[:8]}",
        f"| {day(TEST)} | {roll_key(0)} | [{old[:8]}",
    ]


def test_before_any_online_life_there_is_nothing(life: Life) -> None:
    result = life.materialize(["ridge/recorders"], partition_key=roll_key(0))
    assert result.success, failures(result)
    assert life.materialize(["ridge/online_models"]).success
    metadata = materializations(life.instance, life.strategy.key("online_models"))[0].metadata
    assert (metadata["online"].value, metadata["since"].value) == (0, "never")


def test_signals_stay_as_they_were_sent_until_they_are_made_anew(life: Life) -> None:
    life.live(TEST, TEST + 3)
    sent = life.signals
    life.restate(TEST, TEST + 3)
    config = {"ops": {"ridge_rolls": {"config": {"online_session": "last", "predict_again": True}}}}
    keys = ["ridge/predictions", "ridge/labels"]
    assert life.materialize(keys, partition_key=roll_key(0), run_config=config).success
    assert life.materialize(["ridge/collected", "signals"]).success
    days = sent.index.get_level_values("datetime")
    earlier = sent[days < SESSIONS[TEST + 3]]
    pd.testing.assert_series_equal(life.signals[earlier.index], earlier)
    last = sent[days == SESSIONS[TEST + 3]]  # nobody has traded on it: it is made again
    assert not life.signals[last.index].equals(last)

    assert life.materialize(["signals"], run_config=OVER_WRITE).success
    assert life.signals.index.equals(sent.index)
    assert not life.signals[earlier.index].equals(earlier)


def test_signals_that_a_manager_sent_stay(life: Life) -> None:
    life.at(TEST + 2)
    manager = OnlineManager(strategy(trunc_days=REACH + 1), begin_time=day(TEST))
    sent = manager.simulate(day(TEST + 2))
    life.live(TEST + 3)
    pd.testing.assert_series_equal(life.signals[sent.index], sent, check_names=False)
    assert life.signals.index[-1][0] == SESSIONS[TEST + 3]
    again = OnlineManager.from_store(strategy(trunc_days=REACH + 1))
    assert again.signals is not None


def test_signals_of_strategies_that_are_not_online_are_made_anew(life: Life) -> None:
    life.at(TEST + 3)
    keys = [f"ridge/{part}" for part in ("recorders", "predictions", "labels")]
    assert life.materialize(keys, partition_key=roll_key(0)).success
    assert life.materialize(["ridge/collected", "signals"]).success
    old = life.signals
    life.restate(TEST, TEST + 3)
    assert life.materialize(["ridge/predictions"], partition_key=roll_key(0)).success
    assert life.materialize(["ridge/collected", "signals"]).success
    assert life.signals.index.equals(old.index)
    assert not life.signals.loc[SESSIONS[TEST]].equals(old.loc[SESSIONS[TEST]])
