"""The sensors: each asks once for what has to be done, whatever happens to it."""

from __future__ import annotations

import json

import pandas as pd

from tests.online.market import SESSIONS, STEP, TEST, day, template
from tests.orchestration.online.life import Life, create_assets, failures, roll_key


def preds(life: Life) -> pd.DataFrame:
    (model,) = life.strategy.spec.online_strategy().tool.online_models()
    return model.load_object("pred.pkl")


# new data


def test_new_prices_ask_for_one_run(life: Life) -> None:
    requests, cursor, _ = life.sense(life.new_data)
    assert [r.run_key for r in requests] == [f"ridge:{day(TEST)}"]
    assert life.run(requests[0]).success
    for _ in range(3):  # a storm of ticks
        requests, cursor, why = life.sense(life.new_data, cursor)
        assert requests == []
    assert why == f"no prices after {day(TEST)}, and those before have not changed"

    life.at(TEST + 4)  # several sessions at once
    requests, cursor, _ = life.sense(life.new_data, cursor)
    assert [r.run_key for r in requests] == [f"ridge:{day(TEST + 4)}"]
    assert life.run(requests[0]).success
    assert life.state.sessions == tuple(day(n) for n in range(TEST, TEST + 5))


def test_a_storm_of_ticks_whose_cursor_was_lost_repeats_the_key(life: Life) -> None:
    keys = {life.sense(life.new_data)[0][0].run_key for _ in range(3)}
    assert keys == {f"ridge:{day(TEST)}"}  # which Dagster launches once


def test_a_run_that_is_going_is_waited_for_without_forgetting(life: Life) -> None:
    requests, _, _ = life.sense(life.new_data)
    run = life.instance.create_run_for_job(
        life.defs.resolve_job_def("ridge_online"), tags=dict(requests[0].tags)
    )
    life.at(TEST + 1)
    requests, cursor, why = life.sense(life.new_data)
    assert (requests, cursor) == ([], None)
    assert why == f"run {run.run_id} is bringing ridge up to date"
    life.instance.report_run_canceled(run)
    requests, _, _ = life.sense(life.new_data, cursor)
    assert requests[0].run_key == f"ridge:{day(TEST + 1)}"


def test_what_the_schedule_has_done_is_not_done_again(life: Life) -> None:
    life.live(TEST)
    requests, cursor, why = life.sense(life.new_data)
    assert requests == []
    assert why == f"ridge has worked through {day(TEST)} already"
    assert cursor is not None
    assert life.sense(life.new_data, cursor)[0] == []


def test_restated_prices_predict_the_window_of_the_online_model_again(life: Life) -> None:
    life.live(TEST, TEST + STEP, TEST + STEP + 3)
    _, cursor, _ = life.sense(life.new_data)
    old, sent = preds(life), life.signals
    (first, _) = life.strategy.spec.online_strategy().all_models()
    before = first.load_object("pred.pkl")

    life.restate(TEST + STEP - 1, TEST + STEP + 1)
    (request,), cursor, _ = life.sense(life.new_data, cursor)
    assert request.run_config["ops"]["ridge_rolls"]["config"]["predict_again"] is True
    assert request.run_key.startswith(f"ridge:{day(TEST + STEP + 3)}:restated:")
    result = life.run(request)
    assert result.success, failures(result)
    new = preds(life)
    assert new.index.equals(old.index)
    assert not new.loc[SESSIONS[TEST + STEP] :].equals(old.loc[SESSIONS[TEST + STEP] :])
    # outside of the window, and of what was sent before this session, nothing moves
    pd.testing.assert_frame_equal(first.load_object("pred.pkl"), before)
    earlier = sent[sent.index.get_level_values(0) < SESSIONS[TEST + STEP + 3]]
    pd.testing.assert_series_equal(life.signals[earlier.index], earlier)
    assert life.sense(life.new_data, cursor)[0] == []


def test_prices_that_are_written_again_as_they_were_ask_for_nothing(life: Life) -> None:
    life.live(TEST)
    _, cursor, _ = life.sense(life.new_data)
    prices = pd.read_parquet(life.path)
    later = prices["datetime"] > SESSIONS[TEST + 1]
    prices.loc[later, "close"] *= 1.01  # of days that the clock still hides
    prices.to_parquet(life.path)
    requests, cursor, why = life.sense(life.new_data, cursor)
    assert (requests, why) == ([], f"ridge has worked through {day(TEST)} already")
    life.at(TEST + 1)
    (request,), _, _ = life.sense(life.new_data, cursor)
    assert request.run_config["ops"]["ridge_rolls"]["config"]["predict_again"] is False


def test_a_restatement_whose_run_failed_is_not_forgotten(life: Life) -> None:
    life.live(TEST, TEST + 2)
    _, cursor, _ = life.sense(life.new_data)
    life.restate(TEST, TEST + 1)
    (request,), cursor, _ = life.sense(life.new_data, cursor)
    run = life.instance.create_run_for_job(
        life.defs.resolve_job_def("ridge_online"), tags=dict(request.tags)
    )
    life.instance.report_run_failed(run)
    old = preds(life)
    life.at(TEST + 3)
    (request,), cursor, _ = life.sense(life.new_data, cursor)
    assert life.run(request).success
    assert not preds(life).loc[old.index].equals(old)
    life.at(TEST + 4)
    (request,), _, _ = life.sense(life.new_data, cursor)
    assert request.run_config["ops"]["ridge_rolls"]["config"]["predict_again"] is False


# rolls that are due


def test_a_roll_is_asked_for_on_the_eve_of_its_window(life: Life) -> None:
    life.live(TEST, TEST + STEP - 2)
    requests, cursor, why = life.sense(life.roll_due)
    assert (requests, why) == ([], f"roll {roll_key(0)} is trained")
    life.at(TEST + STEP - 1)
    (request,), cursor, _ = life.sense(life.roll_due, cursor)
    assert request.run_key == f"ridge:due:{roll_key(1)}@{day(TEST + STEP - 1)}"
    assert life.sense(life.roll_due, cursor)[0] == []
    assert life.run(request).success
    assert (life.online, life.waiting) == ([roll_key(0)], [roll_key(1)])
    life.at(TEST + STEP)
    requests, cursor, why = life.sense(life.roll_due, cursor)
    assert (requests, why) == ([], f"roll {roll_key(1)} is trained")
    assert life.sense(life.roll_due, cursor)[0] == []


def test_a_roll_that_failed_is_asked_for_at_the_next_session(life: Life) -> None:
    switch = life.path.parent / "fails"
    switch.write_text(roll_key(0))
    model = {
        "class": "FailsOn",
        "module_path": "tests.orchestration.models",
        "kwargs": {"switch": str(switch)},
    }
    life.define([create_assets(task=template(model=model))])
    (request,), cursor, _ = life.sense(life.roll_due)
    assert not life.run(request).success
    assert life.sense(life.roll_due, cursor)[0] == []
    switch.unlink()
    life.at(TEST + 1)
    (request,), _, _ = life.sense(life.roll_due, cursor)
    assert life.run(request).success
    assert life.online == [roll_key(0)]


def test_cursors_are_plain_text_that_a_restart_keeps(life: Life) -> None:
    _, cursor, _ = life.sense(life.new_data)
    assert cursor is not None
    assert set(json.loads(cursor)) == {"session", "version", "content"}
    again = Life.__new__(Life)
    again.__dict__.update(life.__dict__)
    again.define([create_assets()])  # a code location that was loaded again
    assert again.sense(again.new_data, cursor)[0] == []
