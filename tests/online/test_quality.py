"""Each check of a serving strategy, passing and failing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wf_dagster.exchanges import ExchangeFit
from wf_dagster.online import Change, OnlineState
from wf_dagster.online.quality import (
    Finding,
    Serving,
    combine_findings,
    complete,
    labels_known,
    one_generation,
    rolling_ic,
    unique_rows,
    usable_scores,
)

DAYS = pd.bdate_range("2024-03-01", periods=10, name="datetime")
NAMES = ["A", "B", "C"]
ROWS = pd.MultiIndex.from_product([DAYS, NAMES], names=["datetime", "instrument"])


def _scores(rows=ROWS, seed=0):
    draws = np.random.default_rng(seed).normal(size=len(rows))
    return pd.DataFrame({"score": draws}, index=rows)


def test_all_scores_are_there():
    found = complete(_scores(), DAYS, ROWS)
    assert found.passed
    assert found.numbers["rows"] == 30
    assert found.numbers["missing_rows"] == 0


def test_a_missing_instrument_is_named_with_its_day():
    pred = _scores().drop((DAYS[4], "B"))
    found = complete(pred, DAYS, ROWS)
    assert not found.passed
    assert found.numbers["missing_rows"] == 1
    assert "1 of 30 scores are missing, the first is 2024-03-07 B" in found.sentence


def test_a_missing_last_session_is_found():
    found = complete(_scores().drop(DAYS[-1], level="datetime"), DAYS, ROWS)
    assert (found.passed, found.numbers["missing_sessions"]) == (False, 1)
    assert found.numbers["missing_rows"] == 3


def test_an_instrument_without_prices_is_not_expected():
    listed_late = ROWS.drop([(day, "C") for day in DAYS[:5]])
    assert complete(_scores(listed_late), DAYS, listed_late).passed
    assert not complete(_scores(listed_late), DAYS, ROWS).passed


def test_a_session_without_any_prices_expects_no_scores_and_is_counted():
    rows = ROWS.drop(DAYS[3], level="datetime")
    found = complete(_scores(rows), DAYS, rows)
    assert found.passed
    assert found.numbers["sessions_without_prices"] == 1


def test_prices_outside_the_window_expect_nothing():
    assert complete(_scores().loc[DAYS[:5]], DAYS[:5], ROWS).passed


def test_where_no_rows_are_known_each_session_needs_a_score():
    assert complete(_scores().drop("B", level="instrument"), DAYS).passed
    found = complete(_scores().drop(DAYS[2], level="datetime"), DAYS)
    assert not found.passed
    assert "2024-03-05" in found.sentence


def test_a_window_that_has_not_begun_expects_nothing():
    assert complete(_scores().iloc[:0], DAYS[:0], ROWS[:0]).passed


def test_days_with_prices_that_are_no_sessions_are_counted():
    weekly = DAYS[::5]
    found = complete(_scores(), weekly, ROWS)
    assert found.passed
    assert found.numbers["days_off_calendar"] == len(DAYS) - len(weekly)
    assert f"{DAYS[1]:%Y-%m-%d}" in found.note


def test_what_differs_from_the_exchange_is_named_also_among_many_rolls():
    near = ExchangeFit("XNYS", 9, DAYS[2:3], DAYS[:0])
    far = ExchangeFit("XNYS", 9, DAYS[:0], pd.DatetimeIndex(["1999-01-04"]))
    noted, plain = (complete(_scores(), DAYS, ROWS, fit) for fit in (near, far))
    assert noted.numbers["misfit_days"] == 1
    assert "misfit_days" not in plain.numbers
    every = combine_findings({"r1": plain, "r2": noted, "r3": plain}, "none")
    assert every.passed
    assert every.sentence == (
        "it holds for all 3 rolls; 1 of them with a word, the first r2: XNYS has no session on 1 "
        f"of 9 days with prices, {DAYS[2]:%Y-%m-%d}"
    )


def test_rows_are_unique_or_named():
    assert unique_rows(_scores()).passed
    found = unique_rows(pd.concat([_scores(), _scores().iloc[[7]]]))
    assert not found.passed
    assert found.numbers["duplicate_rows"] == 1
    assert "2024-03-05 B" in found.sentence


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_no_number_is_found(value):
    assert usable_scores(_scores()).passed
    pred = _scores()
    pred.iloc[4] = value
    found = usable_scores(pred)
    assert (found.passed, found.numbers["nan_or_infinite"]) == (False, 1)
    assert "2024-03-04 B" in found.sentence


def test_a_day_of_constant_scores_is_found_and_one_instrument_is_none():
    pred = _scores()
    pred.loc[DAYS[6]] = 0.25
    found = usable_scores(pred)
    assert (found.passed, found.numbers["constant_sessions"]) == (False, 1)
    assert "2024-03-11" in found.sentence
    assert usable_scores(pred.xs("A", level="instrument", drop_level=False)).passed
    assert usable_scores(pred.iloc[:0]).passed


def _labels(known_until):
    label = _scores(seed=1)
    label[label.index.get_level_values("datetime") > known_until] = np.nan
    return label


@pytest.mark.parametrize(
    ("known", "passed"), [(DAYS[5], True), (DAYS[4], True), (DAYS[3], False), (DAYS[0], False)]
)
def test_labels_may_be_late_by_the_slack_and_not_more(known, passed):
    # at the last of 10 sessions, labels that reach 3 ahead are known up to the 7th (place 6);
    # two sessions of slack leave the 5th (place 4)
    found = labels_known(_labels(known), DAYS, DAYS[9], DAYS, reach=3, slack=2)
    assert found.passed is passed
    assert found.numbers["last_known"] == f"{known:%Y-%m-%d}"


def test_a_hole_among_known_labels_is_found():
    label = _labels(DAYS[6])
    label.loc[DAYS[1]] = np.nan
    found = labels_known(label, DAYS, DAYS[9], DAYS, reach=3, slack=2)
    assert (found.passed, found.numbers["unknown_sessions"]) == (False, 1)
    assert "2024-03-04" in found.sentence


def test_an_instrument_that_was_delisted_has_no_label_and_that_is_no_failure():
    label = _labels(DAYS[6])
    label.loc[(slice(None), "C"), :] = np.nan
    assert labels_known(label, DAYS, DAYS[9], DAYS, reach=3, slack=0).passed


def test_labels_that_cannot_be_known_yet_are_not_due():
    none = _labels(DAYS[0] - pd.Timedelta(days=1))
    assert labels_known(none, DAYS, DAYS[2], DAYS, reach=3, slack=2).passed
    assert labels_known(none, DAYS, DAYS[9], DAYS, reach=None, slack=0).passed


def _long(seed=0):
    rows = pd.MultiIndex.from_product(
        [pd.bdate_range("2023-01-02", periods=100), [f"S{n}" for n in range(30)]],
        names=["datetime", "instrument"],
    )
    return _scores(rows, seed)


def test_the_rolling_ic_is_that_of_the_last_labelled_sessions():
    pred = _long()
    label = pred.rename(columns={"score": "label"})
    label.iloc[-30 * 70 :] *= -1  # the model turned bad 70 sessions before the end
    label.iloc[-30 * 6 :] = np.nan
    bad = rolling_ic(pred, label, sessions=60, floor=-0.05)
    assert not bad.passed
    assert bad.numbers["ic"] == pytest.approx(-1.0)
    assert bad.numbers["last"] == f"{pred.index[-30 * 7][0]:%Y-%m-%d}"
    mixed = rolling_ic(pred, label, sessions=94, floor=-0.5)  # 30 good ones, 64 bad ones
    assert mixed.passed
    assert mixed.numbers["ic"] == pytest.approx((30 - 64) / 94)


def test_the_rolling_ic_is_not_judged_on_a_few_sessions():
    pred = _long()
    found = rolling_ic(pred, -pred, sessions=101)
    assert found.passed
    assert "not judged" in found.sentence


STARTS = list(pd.to_datetime(["2024-01-02", "2024-02-01", "2024-03-01"]))
STATE = OnlineState(
    online=("two",),
    next_online=("three",),
    changes=(Change("2024-01-05", ("one",)), Change("2024-02-01", ("two",))),
    sessions=("2024-02-28", "2024-02-29"),
    generation=2,
)
SERVING = {"two": Serving("FINISHED", "ridge", STARTS[1])}
TAGS = {"two": "online", "three": "next_online"}


def test_one_generation_is_online():
    found = one_generation(STATE, SERVING, TAGS, STARTS)
    assert found.passed, found.sentence
    assert found.numbers["since"] == "2024-02-01"


@pytest.mark.parametrize(
    ("state", "serving", "tags", "said"),
    [
        (OnlineState(), {}, {}, "no model is online"),
        (STATE, {}, TAGS, "not there any more"),
        (STATE, {"two": Serving("FAILED", "ridge", STARTS[1])}, TAGS, "recorder two is FAILED"),
        (STATE, {"two": Serving("FINISHED", "ridge", STARTS[0])}, TAGS, "tested from 2024-01-02"),
        (STATE, SERVING, {**TAGS, "one": "online"}, "online_status of 1 recorders"),
        (STATE, SERVING, {"two": "online"}, "online_status of 1 recorders"),
        (STATE, SERVING, {}, "online_status of 2 recorders"),
        (
            OnlineState(online=("one", "two"), sessions=STATE.sessions),
            {**SERVING, "one": Serving("FINISHED", "ridge", STARTS[1])},
            {"one": "online", "two": "online"},
            "2 models of 1 templates, not 1",
        ),
    ],
)
def test_what_is_not_one_generation_is_said(state, serving, tags, said):
    found = one_generation(state, serving, tags, STARTS)
    assert not found.passed
    assert said in found.sentence


def test_a_roll_that_should_have_taken_over_is_missed_on_its_first_session():
    late = OnlineState(online=("two",), changes=STATE.changes, sessions=("2024-03-01",))
    found = one_generation(late, SERVING, {"two": "online"}, STARTS)
    assert not found.passed
    assert "should be the roll tested from 2024-03-01" in found.sentence
    assert one_generation(late, SERVING, {"two": "online"}, STARTS[:2]).passed  # it was the last


def test_a_model_of_each_template_is_one_generation():
    both = OnlineState(online=("two", "tree"), sessions=("2024-02-29",))
    serving = {**SERVING, "tree": Serving("FINISHED", "gbm", STARTS[1])}
    tags = {"two": "online", "tree": "online"}
    assert one_generation(both, serving, tags, STARTS, templates=2).passed
    assert not one_generation(both, serving, tags, STARTS, templates=1).passed


def test_findings_on_several_rolls_name_the_first_that_fails():
    good, bad = Finding(True, "fine"), Finding(False, "3 scores are missing")
    assert combine_findings({"a": good, "b": good}, "none").passed
    found = combine_findings({"a": good, "b": bad, "c": bad}, "none")
    assert not found.passed
    assert found.sentence == "2 of 3 rolls fail; b: 3 scores are missing"
    assert found.numbers == {"rolls": 3, "failed_rolls": 2}
    assert combine_findings({}, "train first") == Finding(False, "train first")
