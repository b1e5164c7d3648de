"""Which tasks are due, and which models serve."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.online.market import REACH, SESSIONS, STEP, TEST, day, strategy, template
from wf_dagster import OnlineManager, RollingGen, RollingStrategy, begin_task_train
from wf_dagster.calendars import TradingCalendar
from wf_dagster.errors import OnlineError
from wf_dagster.market import Market
from wf_dagster.tracking import Recorder

END = TEST + 3 * STEP + 2


def prepared(rolls: RollingStrategy, position: int) -> list[Recorder]:
    """What a session does, with recorders that are not trained."""
    rolls = rolls.at(day(position))
    first = not rolls.tool.state().changes and not rolls.tool.state().next_online
    tasks = rolls.first_tasks() if first else rolls.prepare_tasks(day(position))
    recorders = [begin_task_train(task, rolls.name_id) for task in tasks]
    rolls.prepare_online_models(recorders, day(position))
    return recorders


@pytest.mark.parametrize("step", [STEP, "month"])
@pytest.mark.parametrize("begin", [TEST, TEST + STEP + 3])
@pytest.mark.parametrize("trunc_days", [REACH, REACH + 1, REACH + 4, None])
def test_the_sessions_give_the_tasks_of_the_generator(
    market: Path, step: int | str, begin: int, trunc_days: int | None
) -> None:
    rolls = strategy(trunc_days=trunc_days, step=step)
    tasks = [rolls.task_of(r) for n in range(begin, END + 1) for r in prepared(rolls, n)]
    expected = rolls.rg.on(Market(as_of=day(END)).calendar).generate(template())
    waiting = [rolls.task_of(r) for r in rolls.tool.next_online_models()]
    assert tasks == [*expected, *waiting]
    (online,) = rolls.tool.online_models()
    assert rolls.task_of(online) == expected[-1]


def test_a_model_trained_before_its_window_waits_for_it(market: Path) -> None:
    rolls = strategy(trunc_days=REACH + 1)
    manager = OnlineManager(rolls, begin_time=day(TEST + STEP - 2))
    manager.first_train()
    (old,) = rolls.tool.online_models()
    manager.routine(day(TEST + STEP - 1))
    (new,) = rolls.tool.next_online_models()
    assert rolls.tool.online_models() == [old]
    assert new.list_tags()["online_status"] == "next_online"
    assert new.list_tags()["data_until"] == day(TEST + STEP - 1)
    assert new.load_object("pred.pkl").empty
    manager.routine(day(TEST + STEP))
    assert rolls.tool.online_models() == [new]
    assert rolls.tool.next_online_models() == []
    assert rolls.tool.get_online_tag(old) == "offline"
    assert new.load_object("pred.pkl").index[0][0] == rolls.roll_start(rolls.task_of(new))
    assert manager.signals.index[-1][0] == new.load_object("pred.pkl").index[-1][0]


@pytest.mark.parametrize("changed", ["new", "other"])
def test_a_template_that_is_new_or_changed_trains_its_current_roll(
    market: Path, changed: str
) -> None:
    before = strategy("s")
    manager = OnlineManager(before, begin_time=day(TEST + STEP + 2))
    manager.first_train()
    (old,) = before.tool.online_models()
    other = template(alpha=50.0)
    after = strategy("s", [template(), other] if changed == "new" else other)
    done = OnlineManager.from_store(after).routine(day(TEST + STEP + 3))
    (new,) = done.trained
    assert after.task_of(new)["model"]["kwargs"]["alpha"] == 50.0
    assert after.roll_start(after.task_of(new)) == after.roll_start(after.task_of(old))
    assert after.tool.online_models() == ([old, new] if changed == "new" else [new])
    assert OnlineManager.from_store(after).routine(day(TEST + STEP + 4)).trained == []


def test_two_templates_of_one_class_are_two_models(market: Path) -> None:
    rolls = strategy("two", [template(1.0), template(1e4)])
    manager = OnlineManager(rolls, begin_time=day(TEST + 2))
    manager.simulate(day(TEST + STEP + 1))
    first, second = rolls.tool.online_models()
    assert [rolls.task_of(r)["model"]["kwargs"]["alpha"] for r in (first, second)] == [1.0, 1e4]
    collected = rolls.get_collector()()["pred"]
    assert len(collected) == 2
    assert all(key[0].startswith("SklearnModel ") for key in collected)
    days = {len(frame.index.get_level_values("datetime").unique()) for frame in collected.values()}
    assert days == {STEP + 2}


def test_a_calendar_of_ones_own_does_not_see_the_future(market: Path) -> None:
    sessions = Market().calendar.sessions
    generator = RollingGen(STEP, trunc_days=REACH, calendar=TradingCalendar(sessions))
    rolls = RollingStrategy("own", template(), generator)
    seen = rolls.at(day(TEST + STEP + 1))
    assert len(seen.first_tasks()) == 2
    assert len(seen.current_tasks()) == 1
    assert seen.roll_start(seen.current_tasks()[0]) == sessions[TEST + STEP]
    # it runs a year ahead of the prices, which have an end nevertheless
    assert rolls.roll_start(rolls.current_tasks()[-1]) <= SESSIONS[-1]


def test_without_a_model_nothing_follows(market: Path, caplog: pytest.LogCaptureFixture) -> None:
    rolls = strategy()
    with caplog.at_level(logging.WARNING):
        assert rolls.prepare_tasks(day(TEST + 1)) == []
    assert "ridge has no online model, so nothing follows: train first" in caplog.text
    assert rolls.prepare_online_models([], day(TEST + 1)) == []


def test_a_model_that_was_deleted_is_trained_again(market: Path) -> None:
    rolls = strategy("s", [template(1.0), template(2.0)])
    manager = OnlineManager(rolls, begin_time=day(TEST + 2))
    manager.first_train()
    deleted, kept = rolls.tool.online_models()
    from wf_dagster import R

    R.get_exp(experiment_name="s").delete_recorder(recorder_id=deleted.id)
    (new,) = manager.routine(day(TEST + 3)).trained
    assert rolls.tool.online_models() == [new, kept]


@pytest.mark.parametrize("generator", [None, 20, lambda task: [task]])
def test_a_rolling_strategy_needs_a_rolling_generator(generator: Any) -> None:
    with pytest.raises(OnlineError, match="a RollingStrategy needs a RollingGen"):
        RollingStrategy("s", template(), generator)
