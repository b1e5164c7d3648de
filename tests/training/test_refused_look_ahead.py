"""No training learns from what was not known yet, whichever way it is started."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import wf_dagster
from tests.data.made_prices import made_prices
from wf_dagster import RollingGen, TrainerR, task_generator, task_train
from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import DataError, TrainingError
from wf_dagster.market import Market
from wf_dagster.rolling import MultiHorizonGen, Rolls, template_fingerprint
from wf_dagster.tasks import TRUNC_DAYS, fingerprint
from wf_dagster.tracking import find_recorders
from wf_dagster.training import DelayTrainerR, train_rolls

PRICES = made_prices(sessions=120, instruments=4)
DAYS = pd.DatetimeIndex(PRICES["datetime"].unique())
CALENDAR = TradingCalendar(DAYS)
REACH, OPEN, STEP = 3, 80, 10
HONEST = {"func": "wf_dagster.data.features.price_features", "kwargs": {"windows": [2, 5]}}
FROM_LATER = {"func": "tests.data.look_ahead_functions.shifted", "kwargs": {"by": -3}}


@pytest.fixture(autouse=True)
def prices(ready_store: None, tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    PRICES.to_parquet(path)
    wf_dagster.init(prices=str(path), calendar="prices", max_workers=1)


def template(features: Any = HONEST, **kwargs: Any) -> dict[str, Any]:
    """A task whose segments adjoin, as in Qlib's examples."""
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "wf_dagster.models",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge"},
        },
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "features": features,
                "label": {
                    "func": "wf_dagster.data.labels.forward_return",
                    "kwargs": {"horizon": REACH - 1},
                },
                "segments": {
                    "train": (f"{DAYS[20]:%Y-%m-%d}", f"{DAYS[OPEN - 1]:%Y-%m-%d}"),
                    "test": (f"{DAYS[OPEN]:%Y-%m-%d}", None),
                },
                "infer_processors": [{"class": "Fillna"}],
                "learn_processors": [{"class": "DropnaLabel"}],
                **kwargs,
            },
        },
    }


def roll(trunc_days: int | None, **kwargs: Any) -> list[dict[str, Any]]:
    generator = RollingGen(STEP, RollingGen.ROLL_SD, trunc_days=trunc_days)
    return task_generator(template(**kwargs), generator)


def first_late(opening: int) -> str:
    """The first label that is not known at the close of a session, as messages name it."""
    return f"the label of S000 on {DAYS[opening - REACH + 1]:%Y-%m-%d}, in the train segment"


def test_a_feature_that_looks_ahead_fails_the_training() -> None:
    with pytest.raises(DataError, match=r"feature 'shifted' looks ahead: its value on 2020-"):
        task_train(template(FROM_LATER), "leak")
    assert find_recorders("leak") == []  # finished ones


def test_it_fails_each_roll_and_the_delayed_training_too() -> None:
    rolls = Rolls.from_template(template(FROM_LATER), RollingGen(STEP, trunc_days=REACH))
    outcomes = list(train_rolls(rolls, "leak"))
    assert len(outcomes) == 4  # sessions 80 to 119
    assert all("feature 'shifted' looks ahead" in str(outcome.error) for outcome in outcomes)
    trainer = DelayTrainerR("delayed")
    begun = trainer.train(roll(REACH, features=FROM_LATER)[:1])
    with pytest.raises(TrainingError, match=r"feature 'shifted' looks ahead"):
        trainer.end_train(begun)


@pytest.mark.parametrize("trunc_days", [0, 1, REACH - 1])
def test_rolls_that_are_cut_by_too_little_fail(trunc_days: int) -> None:
    generator = RollingGen(STEP, RollingGen.ROLL_SD, trunc_days=trunc_days)
    outcomes = {
        o.key: o.error for o in train_rolls(Rolls.from_template(template(), generator), "x")
    }
    assert len(outcomes) == 4
    for place in range(4):
        opening = OPEN + STEP * place
        error = outcomes[f"{DAYS[opening]:%Y-%m-%d}"]
        assert error is not None
        assert error.startswith(first_late(opening))
        assert f"was known on {DAYS[opening + 1]:%Y-%m-%d} only" in error
        assert f"with trunc_days={REACH} (now {trunc_days})" in error


@pytest.mark.parametrize("trunc_days", [REACH, REACH + 1, REACH + 5])
def test_rolls_that_are_cut_by_enough_are_trained(
    trunc_days: int, caplog: pytest.LogCaptureFixture
) -> None:
    generator = RollingGen(STEP, RollingGen.ROLL_SD, trunc_days=trunc_days)
    outcomes = list(train_rolls(Rolls.from_template(template(), generator), "x"))
    assert [outcome.error for outcome in outcomes] == [None] * 4
    assert "first test session" not in caplog.text


def test_a_trainer_fails_them_by_hand_and_after_a_delay() -> None:
    tasks = roll(REACH - 1)
    with pytest.raises(TrainingError, match=first_late(OPEN)):
        TrainerR("by_hand").train(tasks)
    trainer = DelayTrainerR("delayed")
    begun = trainer.train(tasks[:1])
    with pytest.raises(TrainingError, match=first_late(OPEN)):
        trainer.end_train(begun)


@pytest.mark.parametrize("tasks", [None, "rolls"])
def test_segments_that_adjoin_are_trained_with_a_word(
    tasks: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """As Qlib's users have them; they asked for no cut."""
    task = template() if tasks is None else roll(None)[0]
    with caplog.at_level(logging.WARNING):
        recorder = task_train(task, "adjoin")
    assert recorder.status == recorder.STATUS_FI
    assert first_late(OPEN) in caplog.text
    assert "(8 of the last 240 labels before it)" in caplog.text  # 2 and 60 sessions of 4
    assert f"trunc_days={REACH} leaves them out" in caplog.text


def test_rolls_on_another_exchanges_sessions_fail_by_the_dates_of_the_prices() -> None:
    """Nobody trades for the eight business days before the second roll."""
    holiday = DAYS[OPEN + STEP - 8 : OPEN + STEP]
    path = Market().prices.spec()["path"]
    PRICES[~PRICES["datetime"].isin(holiday)].to_parquet(path)
    generator = RollingGen(STEP, RollingGen.ROLL_SD, trunc_days=REACH, calendar=CALENDAR)
    market = Market(path, CALENDAR)
    rolls = Rolls.from_template(template(), generator)
    errors = [outcome.error for outcome in train_rolls(rolls, "x", market=market)]
    assert errors[0] is None
    # train ends three business days before the start, on a holiday: its last sessions are those
    # before the holidays, of which the next one is the first test session
    first = DAYS[OPEN + STEP - 8 - REACH + 1]
    assert str(errors[1]).startswith(f"the label of S000 on {first:%Y-%m-%d}")
    assert f"was known on {DAYS[OPEN + STEP + 1]:%Y-%m-%d} only" in str(errors[1])
    assert errors[2] is None


def test_the_number_of_sessions_is_no_part_of_the_task() -> None:
    cut = roll(REACH)[0]
    bare = {key: value for key, value in cut.items() if key != TRUNC_DAYS}
    assert cut[TRUNC_DAYS] == REACH
    assert fingerprint(cut) == fingerprint(bare)
    assert fingerprint({"task": cut}) == fingerprint({"task": bare})  # as a pool holds it
    assert template_fingerprint(cut) == template_fingerprint(template())
    assert TRUNC_DAYS not in roll(None)[0]
    # a setting of that name elsewhere is one
    assert fingerprint({TRUNC_DAYS: 1}) != fingerprint({TRUNC_DAYS: 2})


def test_horizons_are_cut_by_enough(caplog: pytest.LogCaptureFixture) -> None:
    tasks = task_generator(template(), MultiHorizonGen([1, 4]))
    assert [task[TRUNC_DAYS] for task in tasks] == [3, 6]  # what 1 and 4 need, and one more
    assert len(TrainerR("horizons")(tasks)) == 2
    assert "first test session" not in caplog.text
