"""What a session changes, in the ledger and in Dagster: what it has to, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from tests.data.made_prices import with_other_future
from tests.online.market import REACH, SESSIONS, STEP, TEST, day, template
from tests.online.stored import assert_same
from tests.orchestration.online.life import (
    Life,
    create_assets,
    failures,
    roll_key,
    state_of_strategy,
)
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.orchestration.automation.online_requests import online_request
from wf_dagster.tracking import find_recorders

ALWAYS = {"collected": ["all"], "online_models": ["all"], "signals": ["all"]}


def test_the_events_of_each_session_are_what_changed(life: Life) -> None:
    rolls = [roll_key(n) for n in range(2)]
    life.live(TEST)  # the first roll begins: it is trained, all in one run
    first = {"recorders": rolls[:1], "predictions": rolls[:1], "labels": rolls[:1]}
    assert life.events() == {**ALWAYS, **first}
    usual = {"predictions": rolls[:1], "labels": rolls[:1], **ALWAYS}
    for position in range(TEST + 1, TEST + STEP - 1):
        life.live(position)
        assert life.events() == usual, day(position)
    assert (life.online, life.waiting) == ([rolls[0]], [])

    life.live(TEST + STEP - 1)  # the eve: all labels of the next roll's train segment are known
    assert (life.online, life.waiting) == ([rolls[0]], [rolls[1]])
    assert life.events() == {
        "recorders": [rolls[1]],
        "predictions": rolls,  # the new one's are empty yet
        "labels": rolls,
        **ALWAYS,
    }

    life.live(TEST + STEP)  # the switch
    assert (life.online, life.waiting) == ([rolls[1]], [])
    assert life.events() == {"predictions": [rolls[1]], "labels": rolls, **ALWAYS}
    for position in range(TEST + STEP + 1, TEST + STEP + REACH):
        life.live(position)  # labels of the old roll become known
        assert life.events() == {"predictions": [rolls[1]], "labels": rolls, **ALWAYS}
    life.live(TEST + STEP + REACH)  # all are known: it is left alone
    assert life.events() == {"predictions": [rolls[1]], "labels": [rolls[1]], **ALWAYS}


def test_a_second_materialization_has_one_session_more(life: Life, prices: pd.DataFrame) -> None:
    instruments = prices["instrument"].nunique()
    for more in range(3):
        life.live(TEST + more)
        metadata = life.newest("predictions", roll_key(0))
        assert metadata["predictions"] == (more + 1) * instruments
    assert metadata["how"] == "brought up to date with the model trained before"


def test_missed_sessions_are_made_up_for_in_one_run(life: Life) -> None:
    life.live(TEST)
    life.events()
    life.live(TEST + 2 * STEP + 1)
    rolls = [roll_key(n) for n in range(3)]
    assert life.state.sessions == tuple(day(n) for n in range(TEST, TEST + 2 * STEP + 2))
    assert [change.session for change in life.state.changes] == rolls
    events = life.events()
    assert events["recorders"] == rolls[1:]
    assert events["predictions"] == rolls
    assert events["signals"] == ["all"]
    days = life.signals.index.get_level_values("datetime").unique()
    assert list(days) == list(SESSIONS[TEST : TEST + 2 * STEP + 2])


def failing(path: Path, trunc_days: int) -> Any:
    """The strategy, with a model that fails on what stands in a file."""
    model = {
        "class": "FailsOn",
        "module_path": "tests.orchestration.models",
        "kwargs": {"switch": str(path)},
    }
    return create_assets(task=template(model=model), trunc_days=trunc_days)


@pytest.mark.parametrize("eve", [0, 1])
def test_a_due_roll_that_fails_holds_nothing_up(life: Life, tmp_path: Path, eve: int) -> None:
    switch = tmp_path / "fails"
    life.define([failing(switch, REACH + eve)])
    due = TEST + STEP - eve
    life.live(TEST, due - 1)
    switch.write_text(roll_key(1))
    for position in (due, due + 1):
        life.at(position)
        failed = failures(life.run(life.tick()))
        assert list(failed) == ["ridge__online_models"]
        assert f"{roll_key(1)}: ValueError: this roll fails" in failed["ridge__online_models"]
        assert life.online == [roll_key(0)]
        assert life.signals.index[-1][0] == SESSIONS[position]  # of the old model
    sent = life.signals
    switch.unlink()
    life.live(due + 2)  # the next session tries again
    assert life.online == [roll_key(1)]
    assert life.state.failures == ()
    pd.testing.assert_series_equal(life.signals[sent.index], sent)
    assert life.state.changes[-1].session == day(due + 2)


def test_a_run_whose_first_roll_fails_says_so(life: Life, tmp_path: Path) -> None:
    switch = tmp_path / "fails"
    switch.write_text(roll_key(0))
    life.define([failing(switch, REACH + 1)])
    failed = failures(life.run(life.tick()))
    assert list(failed) == ["ridge_rolls"]
    assert "this roll fails" in failed["ridge_rolls"]
    switch.unlink()
    life.live(TEST + 1)
    assert life.online == [roll_key(0)]


def test_a_strategy_begins_with_what_a_backfill_has_trained(life: Life) -> None:
    life.at(TEST + STEP + 2)
    rolls = [roll_key(0), roll_key(1)]
    tags = {
        "dagster/asset_partition_range_start": rolls[0],
        "dagster/asset_partition_range_end": rolls[1],
    }
    keys = [f"ridge/{part}" for part in ("recorders", "predictions", "labels")]
    assert life.materialize(keys, tags=tags).success
    life.events()
    life.live(TEST + STEP + 2)
    assert "recorders" not in life.events()
    assert life.online == [rolls[1]]
    days = life.signals.index.get_level_values("datetime").unique()
    assert list(days) == list(SESSIONS[TEST : TEST + STEP + 3])


def test_a_definition_that_changes_takes_over_at_its_first_session(life: Life) -> None:
    life.live(TEST, TEST + 1, TEST + 2)
    sent, old = life.signals, life.state.online
    life.events()
    life.define([create_assets(task=template(alpha=1e4))])
    life.live(TEST + 3)
    assert life.online == [roll_key(0)]
    assert life.state.online != old
    assert [change.session for change in life.state.changes] == [day(TEST), day(TEST + 3)]
    assert life.newest("predictions", roll_key(0))["recorder_id"] == life.state.online[0]
    assert life.newest("predictions", roll_key(0))["how"] == "trained in this run"
    assert life.events()["recorders"] == [roll_key(0)]
    pd.testing.assert_series_equal(life.signals[sent.index], sent)
    life.live(TEST + 4)  # the model before it, which serves no more, has its labels completed
    assert life.newest("predictions", roll_key(0))["recorder_id"] == life.state.online[0]
    assert life.newest("labels", roll_key(0))["recorder_id"] == life.state.online[0]


def test_a_changed_definition_that_fails_leaves_the_old_model_online(
    life: Life, tmp_path: Path
) -> None:
    life.live(TEST)
    switch = tmp_path / "fails"
    switch.write_text(roll_key(0))
    life.define([failing(switch, REACH + 1)])
    old = life.state.online
    life.at(TEST + 1)
    assert list(failures(life.run(life.tick()))) == ["ridge__online_models"]
    assert life.state.online == old
    assert life.signals.index[-1][0] == SESSIONS[TEST + 1]


def test_the_last_session_can_be_asked_for_by_hand(life: Life) -> None:
    config = {"ops": {"ridge_rolls": {"config": {"online_session": "last"}}}}
    keys = ["ridge/predictions", "ridge/labels"]
    life.at(TEST + 2)
    result = life.materialize(keys, partition_key=roll_key(0), run_config=config)
    assert result.success
    assert life.state.sessions == (day(TEST + 2),)
    assert life.events() == {
        "recorders": [roll_key(0)],
        "predictions": [roll_key(0)],
        "labels": [roll_key(0)],
    }


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"online_session": "soon"}, "'soon' is no date: use an ISO date"),
        ({"predict_again": True}, "give online_session as well"),
    ],
)
def test_choices_that_cannot_be_met_are_refused(
    life: Life, config: dict[str, Any], says: str
) -> None:
    result = life.materialize(
        ["ridge/predictions"],
        partition_key=roll_key(0),
        run_config={"ops": {"ridge_rolls": {"config": config}}},
    )
    assert says in failures(result)["ridge_rolls"]
    assert find_recorders("ridge") == []


def test_a_past_session_is_refused(life: Life) -> None:
    life.live(TEST, TEST + 3)
    request = online_request(life.strategy, SESSIONS[TEST + 1], "again")
    failed = failures(life.run(request))
    reason = f"has worked through {day(TEST + 3)}, so {day(TEST + 1)} is past"
    assert reason in failed["ridge_rolls"]


def test_another_process_at_work_is_named(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wf_dagster.online.ledger.PATIENCE", 0.1)
    life.live(TEST)
    life.at(TEST + 1)
    with OnlineLedger("ridge").exclusive():
        failed = failures(life.run(life.tick()))
    assert "'ridge' are being changed by process" in failed["ridge_rolls"]
    assert "two managers cannot work on one strategy at once" in failed["ridge_rolls"]
    life.live(TEST + 2)
    assert life.state.sessions == tuple(day(n) for n in range(TEST, TEST + 3))


def test_nothing_depends_on_later_prices(
    life: Life, empty_store: Path, prices: pd.DataFrame, tmp_path: Path
) -> None:
    last = TEST + STEP + 1
    for position in range(TEST, last + 1):
        life.live(position)
    before = state_of_strategy(life.strategy.spec.online_strategy())
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(empty_store, other / "mlflow.db")
    changed = with_other_future(prices, SESSIONS[last])
    with dg.DagsterInstance.ephemeral() as instance:
        again = Life(other, changed, instance, home=other)
        for position in range(TEST, last + 1):
            again.live(position)
        assert_same(state_of_strategy(again.strategy.spec.online_strategy()), before)
