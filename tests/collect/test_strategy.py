"""The rolls of a strategy as one frame, and strategies as one signal, on real recorders."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.reference import frames
from tests.support import task_of
from wf_dagster import R, TradingCalendar
from wf_dagster.collect import (
    AverageEnsemble,
    average_signals,
    collect_rolling,
    collect_strategy,
    keep,
)
from wf_dagster.errors import CollectError
from wf_dagster.rolling import Roll, Rolls
from wf_dagster.tasks import fingerprint
from wf_dagster.tracking import find_recorders

SESSIONS = pd.bdate_range("2021-01-01", "2021-03-31")
CALENDAR = TradingCalendar(SESSIONS)
MONTHS = ["2021-01-01", "2021-02-01", "2021-03-01"]


def _roll(month):
    task = task_of(month)
    pair = task["dataset"]["kwargs"]["segments"]["test"]
    first, last = (pd.Timestamp(end) for end in pair)
    return Roll(month, task, {"test": (CALENDAR.align(first), CALENDAR.align(last, "end"))})


def _rolls(months=MONTHS):
    return Rolls([_roll(month) for month in months], CALENDAR, "demo")


def _recorder(month, pred, label=None, experiment="demo", task=None, **metrics):
    tags = {"roll": month, "fingerprint": fingerprint(task or task_of(month))}
    objects = {"pred.pkl": pred, "label.pkl": label}
    with R.start(experiment_name=experiment, recorder_name=month, tags=tags):
        R.save_objects(**{name: value for name, value in objects.items() if value is not None})
        R.log_metrics(None, **metrics)
        return R.get_recorder()


def _month(month, seed, extra=0):
    """Scores of a month's sessions, and of some sessions more."""
    first, last = _roll(month).test
    days = len(SESSIONS[(first <= SESSIONS) & (last >= SESSIONS)]) + extra
    return frames.panel(seed, first.strftime("%Y-%m-%d"), days)


def _label(pred, seed=50):
    values = np.random.default_rng(seed).normal(0, 0.01, len(pred))
    return pd.DataFrame({"label": values}, pred.index)


# one frame of rolls


def test_rolls_become_one_sorted_frame_and_the_later_counts_where_they_overlap():
    early, late = _month(MONTHS[0], 1, extra=3), _month(MONTHS[1], 2)
    pairs = [(MONTHS[1], _recorder(MONTHS[1], late)), (MONTHS[0], _recorder(MONTHS[0], early))]
    collection = collect_rolling(pairs, expected=MONTHS, sessions=SESSIONS)
    both = pd.concat([early, late])
    pd.testing.assert_frame_equal(
        collection.pred, both[~both.index.duplicated(keep="last")].sort_index()
    )
    assert collection.keys == MONTHS[:2]
    assert collection.gaps == [MONTHS[2]]
    covered = SESSIONS[SESSIONS < "2021-03-01"]
    assert collection.coverage == pytest.approx(len(covered) / len(SESSIONS))
    assert collection.label["label"].isna().all()
    assert collection.label.index.equals(collection.pred.index)


def test_a_label_that_only_an_earlier_roll_knows_is_kept():
    early, late = _month(MONTHS[0], 1, extra=2), _month(MONTHS[1], 2)
    early_label, late_label = _label(early), _label(late, 51)
    shared = early.index.intersection(late.index)
    late_label.loc[shared[0]] = np.nan
    collection = collect_rolling(
        [(MONTHS[0], _recorder(MONTHS[0], early, early_label)),
         (MONTHS[1], _recorder(MONTHS[1], late, late_label))]
    )  # fmt: skip
    label = collection.label["label"]
    assert label[shared[0]] == early_label["label"][shared[0]]
    assert label[shared[1]] == late_label["label"][shared[1]]
    wanted = late_label["label"].combine_first(early_label["label"]).reindex(collection.pred.index)
    pd.testing.assert_series_equal(label, wanted)
    assert math.isnan(collection.coverage)


def test_labels_of_rows_without_a_prediction_are_left_out():
    pred = _month(MONTHS[0], 1)
    collection = collect_rolling([(MONTHS[0], _recorder(MONTHS[0], pred.iloc[10:], _label(pred)))])
    pd.testing.assert_frame_equal(collection.label, _label(pred).iloc[10:])


def test_what_is_not_finished_or_has_no_predictions_is_a_gap(caplog):
    pred = _month(MONTHS[0], 1)
    good = _recorder(MONTHS[0], pred)
    empty = _recorder(MONTHS[1], None)
    with R.start(experiment_name="demo"):
        R.save_objects(**{"pred.pkl": pred})
        running = find_recorders("demo", status="RUNNING")[0]
        collection = collect_rolling(
            zip(MONTHS, [good, empty, running], strict=True), expected=MONTHS
        )
    assert collection.gaps == MONTHS[1:]
    assert "holds no 'pred.pkl'" in caplog.text
    assert "is RUNNING, left out" in caplog.text


def test_predictions_kept_as_a_series_are_a_frame_with_a_score():
    pred = _month(MONTHS[0], 1)
    collection = collect_rolling([(MONTHS[0], _recorder(MONTHS[0], pred["score"].rename(None)))])
    pd.testing.assert_frame_equal(collection.pred, pred)


def test_nothing_to_collect_and_two_of_a_key_are_refused():
    with pytest.raises(CollectError, match="none of 0 recorders"):
        collect_rolling([])
    recorder = _recorder(MONTHS[0], _month(MONTHS[0], 1))
    with pytest.raises(CollectError, match=f"roll {MONTHS[0]} has two recorders"):
        collect_rolling([(MONTHS[0], recorder), (MONTHS[0], recorder)])


# a strategy


def test_a_strategy_is_its_newest_recorders_of_the_present_definition():
    first, second = _month(MONTHS[0], 1), _month(MONTHS[1], 2)
    _recorder(MONTHS[0], first + 1, _label(first), fit_seconds=100.0)
    _recorder(MONTHS[0], first, _label(first), fit_seconds=1.5)
    _recorder(MONTHS[1], second, _label(second), fit_seconds=2.0)
    other = task_of(MONTHS[2])
    other["model"]["kwargs"]["alpha"] = 9.0
    _recorder(MONTHS[2], _month(MONTHS[2], 3), task=other)

    collection = collect_strategy("demo", _rolls())
    pd.testing.assert_frame_equal(collection.pred, pd.concat([first, second]))
    assert (collection.rolls, collection.gaps, collection.outdated) == (2, MONTHS[2:], MONTHS[2:])
    assert collection.fit_seconds == 3.5
    share = (SESSIONS < "2021-03-01").mean()
    assert collection.coverage == pytest.approx(share)
    assert collection.figures()["rows"] == len(collection.pred)
    assert str(collection).startswith(
        f"2 rolls, {len(collection.pred)} predictions, coverage {share:.1%}"
    )

    recorder = collection.recorder
    pd.testing.assert_frame_equal(recorder.load_object("pred.pkl"), collection.pred)
    pd.testing.assert_frame_equal(recorder.load_object("label.pkl"), collection.label)
    metrics = recorder.list_metrics()
    assert metrics["rolls"] == 2
    assert metrics["IC"] == pytest.approx(collection.summary["IC"])


def test_annual_figures_count_the_sessions_that_the_label_of_the_task_spans():
    pred = _month(MONTHS[0], 1)
    summaries = {}
    for horizon in (1, 5):
        task = task_of(MONTHS[0])
        task["dataset"]["kwargs"]["label"] = {
            "func": "wf_dagster.data.labels.forward_return",
            "kwargs": {"horizon": horizon},
        }
        name = f"horizon{horizon}"
        _recorder(MONTHS[0], pred, _label(pred), experiment=name, task=task)
        rolls = Rolls([Roll(MONTHS[0], task, _roll(MONTHS[0]).segments)], CALENDAR, name)
        summaries[horizon] = collect_strategy(name, rolls).summary
    assert summaries[5]["IC"] == summaries[1]["IC"]
    assert summaries[5]["Long-Short Ann Return"] * 5 == pytest.approx(
        summaries[1]["Long-Short Ann Return"]
    )


def without_horizon(prices):
    return prices


def test_annual_figures_are_left_out_where_the_label_does_not_say_its_horizon(caplog):
    pred = _month(MONTHS[0], 1)
    task = task_of(MONTHS[0])
    task["dataset"]["kwargs"]["label"] = f"{__name__}.without_horizon"
    _recorder(MONTHS[0], pred, _label(pred), task=task)
    rolls = Rolls([Roll(MONTHS[0], task, _roll(MONTHS[0]).segments)], CALENDAR, "demo")
    collection = collect_strategy("demo", rolls)
    figures, metrics = collection.figures(), collection.recorder.list_metrics()
    assert metrics["IC"] == pytest.approx(figures["IC"])
    assert not [name for name in metrics if "Ann " in name]
    assert figures["ann_scaler"] == metrics["ann_scaler"] == 252
    assert "label_horizon" not in figures
    assert "collected predictions of demo: no annual figures, as it is not known" in caplog.text


def test_annual_figures_count_the_sessions_of_a_year_of_the_calendar():
    pred = _month(MONTHS[0], 1)
    _recorder(MONTHS[0], pred, _label(pred))
    without_weekends = TradingCalendar(pd.date_range(SESSIONS[0], SESSIONS[-1]))
    summaries = [collect_strategy("demo", _rolls(), c).summary for c in (None, without_weekends)]
    returns = [summary["Long-Short Ann Return"] for summary in summaries]
    assert returns[1] / 365 == pytest.approx(returns[0] / 252)
    assert [summary["ann_scaler"] for summary in summaries] == [252, 365]
    assert [summary["label_horizon"] for summary in summaries] == [5, 5]


def _ended(month, end):
    """The task of a month, whose test window ended elsewhere when it was trained."""
    task = task_of(month)
    start = task["dataset"]["kwargs"]["segments"]["test"][0]
    task["dataset"]["kwargs"]["segments"]["test"] = (start, end)
    return task


@pytest.mark.parametrize("end", [None, "2021-02-24"])
def test_where_a_test_window_ended_then_is_no_part_of_what_was_trained(end):
    for month in MONTHS[:2]:
        task = _ended(month, end) if month == MONTHS[1] else None
        _recorder(month, _month(month, 1), task=task).save_objects(task=task or task_of(month))
    collection = collect_strategy("demo", _rolls())
    assert collection.rolls == 2
    assert collection.gaps == [MONTHS[2]]
    days = collection.pred.index.unique("datetime")
    assert list(days) == list(SESSIONS[SESSIONS < "2021-03-01"])


def test_a_definition_that_trained_otherwise_is_still_another_one():
    task = _ended(MONTHS[1], None)
    task["model"] = {**task["model"], "kwargs": {"alpha": 9.0}}
    _recorder(MONTHS[0], _month(MONTHS[0], 1))
    _recorder(MONTHS[1], _month(MONTHS[1], 1), task=task).save_objects(task=task)
    collection = collect_strategy("demo", _rolls())
    assert (collection.rolls, collection.outdated) == (1, [MONTHS[1]])


def test_what_has_served_counts_where_a_session_has_moved_the_rolls(caplog):
    """The roll of February began a session later when it was trained and served."""
    _recorder(MONTHS[0], _month(MONTHS[0], 1))
    moved = _moved_by_a_session()
    train = moved["dataset"]["kwargs"]["segments"]["train"]
    moved["dataset"]["kwargs"]["segments"]["train"] = (train[0], "2021-01-21")  # not 01-20
    pred = _month(MONTHS[1], 2).drop(pd.Timestamp("2021-02-01"), level="datetime")
    served = _recorder("2021-02-02", pred, task=moved)
    served.save_objects(task=moved)
    unused = collect_strategy("demo", _rolls())
    assert unused.rolls == 1, "nothing says that it was more than a trial"
    for roles in ({"serving": [served.id]}, {"served": [served.id]}):
        collection = collect_strategy("demo", _rolls(), **roles)
        assert len(collection.pred) == len(unused.pred) + len(pred)
        assert collection.gaps == MONTHS[1:]
    assert "1 models that served are of rolls that there are no more" in caplog.text


def _moved_by_a_session():
    task = task_of(MONTHS[1])
    task["dataset"]["kwargs"]["segments"]["test"] = ("2021-02-02", "2021-02-26")
    return task


def test_a_model_of_the_same_training_counts_although_the_first_session_came_late(caplog):
    """Its key was that of the second session; what it has learnt is what the roll would learn."""
    _recorder(MONTHS[0], _month(MONTHS[0], 1))
    pred = _month(MONTHS[1], 2).drop(pd.Timestamp("2021-02-01"), level="datetime")
    _recorder("2021-02-02", pred, task=_moved_by_a_session()).save_objects(
        task=_moved_by_a_session()
    )
    collection = collect_strategy("demo", _rolls())
    assert (collection.rolls, collection.gaps) == (2, MONTHS[2:])
    assert len(collection.pred) == len(_month(MONTHS[0], 1)) + len(pred)
    assert "lack sessions of their test windows, such as 2021-02-01 of roll 2021-02-01" in (
        caplog.text
    )


def test_a_test_window_that_begins_before_its_roll_or_after_it_has_ended_is_another_one():
    _recorder(MONTHS[0], _month(MONTHS[0], 1))
    for start, end in (("2021-01-29", "2021-02-26"), ("2021-03-01", "2021-03-31")):
        task = task_of(MONTHS[1])
        task["dataset"]["kwargs"]["segments"]["test"] = (start, end)
        _recorder(start, _month(MONTHS[1], 2), task=task).save_objects(task=task)
    assert collect_strategy("demo", _rolls()).gaps == MONTHS[1:]


def test_runs_of_other_kinds_in_the_experiment_are_no_rolls():
    pred = _month(MONTHS[0], 1)
    with R.start(experiment_name="demo"):  # a trial by hand: no roll, no fingerprint
        R.save_objects(**{"pred.pkl": pred})
    with pytest.raises(CollectError, match="no finished recorder of the strategy's 3 rolls"):
        collect_strategy("demo", _rolls())
    _recorder(MONTHS[0], pred)
    collection = collect_strategy("demo", _rolls())
    assert collection.rolls == 1
    assert collection.outdated == []


def test_a_finished_recorder_without_predictions_is_a_gap_and_is_not_counted():
    _recorder(MONTHS[0], _month(MONTHS[0], 1), fit_seconds=1.0)
    _recorder(MONTHS[1], None, fit_seconds=50.0)
    collection = collect_strategy("demo", _rolls(MONTHS[:2]))
    assert (collection.rolls, collection.gaps, collection.fit_seconds) == (1, [MONTHS[1]], 1.0)


def test_collecting_again_replaces_what_was_collected():
    pred = _month(MONTHS[0], 1)
    _recorder(MONTHS[0], pred, _label(pred))
    first = collect_strategy("demo", _rolls())
    _recorder(MONTHS[0], pred.iloc[:24], _label(pred).iloc[:24] * np.nan)
    second = collect_strategy("demo", _rolls())
    assert second.recorder.id == first.recorder.id
    (recorder,) = find_recorders("demo", tags={"wf_kind": "collected"})
    assert len(recorder.load_object("pred.pkl")) == 24
    metrics = recorder.list_metrics()
    assert metrics["rows"] == 24
    assert math.isnan(metrics["IC"]), "no label is known any more: the old figure would be a lie"


def test_a_figure_that_is_not_given_any_more_does_not_stay():
    keep("demo", "table", {}, {"old": 1.0, "same": 1.0, "word": "x"})
    recorder = keep("demo", "table", {"a.pkl": 1}, {"same": 2.0})
    metrics = recorder.list_metrics()
    assert metrics["same"] == 2.0
    assert math.isnan(metrics["old"])
    assert "word" not in metrics
    assert recorder.load_object("a.pkl") == 1
    assert recorder.list_tags()["wf_kind"] == "table"


# several strategies


def test_signals_are_the_average_of_what_was_collected():
    preds = {}
    for seed, experiment in enumerate(("one", "two")):
        preds[experiment] = _month(MONTHS[seed], seed + 1, extra=4)
        keep(experiment, "collected", {"pred.pkl": preds[experiment]}, {})
    signals = average_signals(["one", "two"])
    assert list(signals.columns) == ["score"]
    pd.testing.assert_series_equal(signals["score"], AverageEnsemble()(preds), check_names=False)


def test_a_strategy_that_was_never_collected_is_named():
    keep("one", "collected", {"pred.pkl": _month(MONTHS[0], 1)}, {})
    with pytest.raises(CollectError, match="experiment 'two' was never collected"):
        average_signals(["one", "two"])
