"""The schedule: one run a session, and a reason where there is none."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from tests.online.market import REACH, SESSIONS, STEP, TEST, day, template
from tests.orchestration.online.life import Life, create_assets, failures, roll_key
from wf_dagster.collect import average_signals
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.orchestration.automation import online_requests as online_runs

FRIDAY = next(n for n in range(TEST, len(SESSIONS)) if SESSIONS[n].dayofweek == 4)


def reason(answer: Any) -> str:
    assert isinstance(answer, dg.SkipReason), answer
    return answer.skip_message or ""


def test_a_session_is_one_run_with_a_key_and_tags(life: Life) -> None:
    request = life.tick()
    assert request.run_key == f"ridge:{day(TEST)}"
    assert request.partition_key == roll_key(0)
    assert request.tags["wf_online"] == "ridge"
    assert request.tags["wf_session"] == day(TEST)
    assert life.run(request).success
    (run,) = life.instance.get_runs(dg.RunsFilter(tags={"wf_online": "ridge"}))
    assert run.job_name == "ridge_online"


def test_days_without_a_session_are_skipped(life: Life) -> None:
    life.prices_until(FRIDAY)
    saturday = f"{SESSIONS[FRIDAY].date() + timedelta(days=1)}"
    assert reason(life.tick(saturday)) == f"{saturday} is no session of XNYS"
    assert reason(life.tick("2020-05-25")) == "2020-05-25 is no session of XNYS"  # Memorial Day
    assert life.tick(day(FRIDAY)).tags["wf_session"] == day(FRIDAY)


def test_prices_that_are_late_are_waited_for(life: Life) -> None:
    life.prices_until(FRIDAY)
    monday = FRIDAY + 1
    skipped = reason(life.tick(day(monday)))
    assert f"prices of {day(monday)} are not there yet, the last are of {day(FRIDAY)}" in skipped
    life.prices_until(monday)
    assert life.tick(day(monday)).run_key == f"ridge:{day(monday)}"


def test_where_prices_are_the_calendar_the_next_session_is_waited_for(life: Life) -> None:
    life.prices_until(SESSIONS.get_loc("2020-04-29"), calendar="prices")
    assert "prices of 2020-04-30 are not there yet, the last are of 2020-04-29" in reason(
        life.tick("2020-04-30")
    )


def test_a_tick_past_all_sessions_that_are_known_is_for_the_last_one(life: Life) -> None:
    """As of weeks, which no exchange continues, and whose days are not those of the ticks."""
    life.prices_until(SESSIONS.get_loc("2020-04-29"), calendar="prices")
    assert life.tick("2026-01-05").tags["wf_session"] == "2020-04-29"


def test_where_prices_are_the_calendar_holidays_are_those_of_the_exchange_that_has_them(
    life: Life,
) -> None:
    life.prices_until(SESSIONS.get_loc("2020-04-29"), calendar="prices")
    assert reason(life.tick("2020-05-02")) == "2020-05-02 is no session of XNYS"


def test_the_day_of_a_tick_is_that_of_the_exchange(life: Life) -> None:
    life.prices_until(FRIDAY)
    late = f"{day(FRIDAY)} 23:30"  # Saturday in UTC
    assert life.tick(late).tags["wf_session"] == day(FRIDAY)


def test_a_session_is_not_worked_through_twice(life: Life) -> None:
    life.live(TEST)
    assert reason(life.tick()) == f"ridge has worked through {day(TEST)} already"


def test_an_earlier_session_is_not_worked_through_any_more(life: Life) -> None:
    life.live(TEST, TEST + 2)
    life.at(TEST + 1)
    assert reason(life.tick()) == f"ridge has worked through {day(TEST + 1)} already"


def test_a_run_that_is_going_is_waited_for(life: Life) -> None:
    job = life.defs.resolve_job_def("ridge_online")
    request = life.tick()
    run = life.instance.create_run_for_job(
        job, tags=dict(request.tags), run_config=request.run_config
    )
    assert reason(life.tick()) == f"run {run.run_id} is bringing ridge up to date"
    life.instance.report_run_failed(run)
    assert life.tick().run_key == f"ridge:{day(TEST)}:1"  # Dagster launches no key twice


def test_a_run_that_died_unseen_is_not_waited_for(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = life.defs.resolve_job_def("ridge_online")
    run = life.instance.create_run_for_job(job, tags=dict(life.tick().tags))
    life.instance.report_dagster_event(
        dg.DagsterEvent(event_type_value="PIPELINE_START", job_name=job.name), run.run_id
    )
    assert run.run_id in reason(life.tick())  # it may be about to begin
    monkeypatch.setattr(online_runs, "_STARTING", timedelta(0))
    with OnlineLedger("ridge").exclusive():
        assert run.run_id in reason(life.tick())  # it is at work
    request = life.tick()
    assert request.run_key == f"ridge:{day(TEST)}:1"
    assert life.run(request).success


def test_a_run_that_died_after_its_rolls_is_made_up_for(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.live(TEST)
    life.at(TEST + 1)

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("wf_dagster.orchestration.steps.signals_step.keep_signals", die)
        assert not life.run(life.tick()).success
    assert life.state.session == day(TEST + 1)
    assert life.signals.index[-1][0] == SESSIONS[TEST]
    request = life.tick()
    assert request.run_key == f"ridge:{day(TEST + 1)}:1"
    assert life.run(request).success
    assert life.signals.index[-1][0] == SESSIONS[TEST + 1]
    assert reason(life.tick()) == f"ridge has worked through {day(TEST + 1)} already"


def test_the_partition_is_the_roll_that_serves(life: Life) -> None:
    partitions = {}
    for position in (TEST, TEST + STEP - 2, TEST + STEP - 1, TEST + STEP, TEST + STEP + 1):
        life.at(position)
        request = life.tick()
        partitions[position] = request.partition_key
        assert life.run(request).success
    assert list(partitions.values()) == [roll_key(0)] * 3 + [roll_key(1)] * 2


def test_a_roll_that_is_yet_to_be_trained_is_no_partition_to_rely_on(life: Life) -> None:
    life.define([create_assets(trunc_days=REACH)])  # due at the close of its first test session
    life.live(TEST)
    life.at(TEST + STEP)
    request = life.tick()
    assert request.partition_key == roll_key(0)
    assert life.run(request).success
    assert life.online == [roll_key(1)]


def test_no_price_file_is_one_clear_sentence(life: Life) -> None:
    life.path.unlink()
    assert "does not exist: give its path with" in reason(life.tick())


def test_a_roll_that_was_not_planned_asks_for_a_reload(life: Life) -> None:
    life.at(TEST + 4 * STEP)  # after Memorial Day, which weekdays count and the prices do not
    assert roll_key(4) == "2020-05-29"
    answer = reason(life.tick())
    assert "roll 2020-05-29 of ridge is no partition of the code location as it was" in answer
    assert answer.endswith("reload the code location")
    life.define([create_assets()])
    assert life.tick().partition_key == roll_key(4)


def test_two_strategies_share_their_signals(life: Life) -> None:
    life.define([create_assets(), create_assets("lazy", template(alpha=1e4))])
    for position in (TEST, TEST + 1):
        life.at(position)
        for schedule in life.schedules:
            result = life.run(life.tick(schedule=schedule))
            assert result.success, failures(result)
    both = life.signals
    expected = average_signals(["ridge", "lazy"])["score"]
    assert both.equals(expected)
