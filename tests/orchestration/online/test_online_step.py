"""What a session changes, in the ledger and in Dagster: what it has to, and no more."""

from __future__ import annotations

import pandas as pd

from tests.online.market import REACH, SESSIONS, STEP, TEST, day
from tests.orchestration.online.life import Life, roll_key

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
        shown = life.newest("predictions", roll_key(0))
        assert shown["predictions"] == (more + 1) * instruments
    assert shown["how"] == "brought up to date with the model trained before"


def test_missed_sessions_are_made_up_for_in_one_run(life: Life) -> None:
    life.live(TEST)
    life.events()
    life.live(TEST + 2 * STEP + 1)
    rolls = [roll_key(n) for n in range(3)]
    assert life.state.sessions == tuple(day(n) for n in range(TEST, TEST + 2 * STEP + 2))
    assert [change.session for change in life.state.changes] == rolls
    made = life.events()
    assert made["recorders"] == rolls[1:]
    assert made["predictions"] == rolls
    assert made["signals"] == ["all"]
    days = life.signals.index.get_level_values("datetime").unique()
    assert list(days) == list(SESSIONS[TEST : TEST + 2 * STEP + 2])
