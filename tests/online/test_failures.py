"""A roll that cannot be trained: the models before it serve on, and it is tried again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.online.market import STEP, TEST, day, strategy, template
from tests.online.stored import name_of
from wf_dagster import DelayTrainerR, DelayTrainerRM, OnlineManager, TrainerR, TrainerRM
from wf_dagster.errors import TrainingError

TRAINERS = {
    "TrainerR": TrainerR,
    "DelayTrainerR": DelayTrainerR,
    "TrainerRM": lambda: TrainerRM(task_pool="pool"),
    "DelayTrainerRM": lambda: DelayTrainerRM(task_pool="pool"),
}


@pytest.fixture
def bad_luck(tmp_path: Path) -> Path:
    return tmp_path / "bad-luck"


def unlucky(bad_luck: Path, alpha: float = 1.0) -> dict[str, Any]:
    return template(
        model={
            "class": "Unlucky",
            "module_path": "tests.online.models",
            "kwargs": {"unless": str(bad_luck), "alpha": alpha},
        }
    )


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_old_model_serves_on_and_the_next_routine_tries_again(
    market: Path, bad_luck: Path, trainer: str
) -> None:
    rolls = strategy("unlucky", unlucky(bad_luck))
    manager = OnlineManager(rolls, TRAINERS[trainer](), begin_time=day(TEST + STEP - 1))
    manager.first_train()
    (old,) = rolls.tool.online_models()
    bad_luck.touch()
    for position in (TEST + STEP, TEST + STEP + 1):
        with pytest.raises(TrainingError, match=r"(?s)unlucky: .*no luck today") as caught:
            manager.routine(day(position))
        assert "those that were online before stay" in str(caught.value)
        assert rolls.tool.online_models() == [old]
        assert old.load_object("pred.pkl").index[-1][0] == pd.Timestamp(day(position))
        assert manager.signals.index[-1][0] == pd.Timestamp(day(position))
    sent = manager.signals
    bad_luck.unlink()
    done = OnlineManager.from_store(rolls, TRAINERS[trainer]()).routine(day(TEST + STEP + 2))
    (new,) = rolls.tool.online_models()
    assert done.trained == [new]
    assert name_of(rolls, new).endswith(day(TEST + STEP))
    assert rolls.tool.get_online_tag(old) == "offline"
    again = OnlineManager.from_store(rolls)
    pd.testing.assert_series_equal(again.signals.loc[: day(TEST + STEP + 1)], sent)
    # made anew, signals still come from the model that was online at their session
    again.prepare_signals(over_write=True)
    pd.testing.assert_series_equal(again.signals.loc[: day(TEST + STEP + 1)], sent)


def test_of_two_strategies_the_other_goes_on(market: Path, bad_luck: Path) -> None:
    lucky, other = strategy("lucky"), strategy("unlucky", unlucky(bad_luck))
    manager = OnlineManager([lucky, other], begin_time=day(TEST + STEP - 1))
    manager.first_train()
    bad_luck.touch()
    with pytest.raises(TrainingError, match="unlucky"):
        manager.routine(day(TEST + STEP))
    (model,) = lucky.tool.online_models()
    assert name_of(lucky, model).endswith(day(TEST + STEP))


def test_of_two_templates_the_other_goes_on(market: Path, bad_luck: Path) -> None:
    rolls = strategy("two", [template(), unlucky(bad_luck)])
    manager = OnlineManager(rolls, begin_time=day(TEST + STEP - 1))
    manager.first_train()
    first, second = rolls.tool.online_models()
    bad_luck.touch()
    with pytest.raises(TrainingError, match="1 of 2 tasks failed"):
        manager.routine(day(TEST + STEP))
    new, same = rolls.tool.online_models()
    assert (new != first, same == second) == (True, True)
    assert new.list_tags()["train_status"] == "end_task_train"


def test_a_changed_definition_that_fails_leaves_the_earlier_one_online(
    market: Path, bad_luck: Path
) -> None:
    before = strategy("two", [template(), unlucky(bad_luck)])
    manager = OnlineManager(before, begin_time=day(TEST + STEP - 1))
    manager.first_train()
    _, old = before.tool.online_models()
    bad_luck.touch()
    changed = strategy("two", [template(), unlucky(bad_luck, alpha=5.0)])
    with pytest.raises(TrainingError):
        OnlineManager.from_store(changed).routine(day(TEST + STEP))
    assert old in changed.tool.online_models()
    assert len(changed.tool.online_models()) == 2
    bad_luck.unlink()
    OnlineManager.from_store(changed).routine(day(TEST + STEP + 1))
    assert old not in changed.tool.online_models()
    assert len(changed.tool.online_models()) == 2


def test_a_simulation_that_trains_at_the_end_names_what_failed_and_can_be_finished(
    market: Path, bad_luck: Path
) -> None:
    lucky, other = strategy("lucky"), strategy("unlucky", unlucky(bad_luck))
    manager = OnlineManager([other, lucky], DelayTrainerR(), begin_time=day(TEST))
    bad_luck.touch()
    with pytest.raises(TrainingError, match="unlucky"):
        manager.simulate(day(TEST + STEP))
    assert {r.status for r in lucky.all_models()} == {"FINISHED"}
    bad_luck.unlink()
    manager.delay_prepare()
    assert {r.status for r in other.all_models()} == {"FINISHED"}
    assert manager.signals.index[-1][0] == pd.Timestamp(day(TEST + STEP))
