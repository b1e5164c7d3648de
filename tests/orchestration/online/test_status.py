"""What ``wf-dagster status`` says, and when it asks for a person."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.online.market import STEP, TEST, day, template
from tests.orchestration.online.life import PARTS, Life, create_assets, failures, roll_key
from wf_dagster import Market, OwnPrices
from wf_dagster.cli import app
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.online.online_state import Change, OnlineState
from wf_dagster.online.status_reading import read_strategy_status
from wf_dagster.tracking import R

EVE = TEST + STEP - 1  # all labels that the second roll learns from are known


def run(*arguments: str) -> Any:
    module = "tests.orchestration.online.status_location"
    return CliRunner().invoke(app, ["status", "-m", module, *arguments])


def read(code: int, *arguments: str) -> dict[str, Any]:
    """The status of the strategy."""
    done = run("ridge", "--json", *arguments)
    assert done.exit_code == code, done.output
    (status,) = json.loads(done.stdout)
    return status


def models(models: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(model["roll"], model["since"]) for model in models]


def test_a_fresh_home_is_well_and_its_prices_are_recorded(life: Life, home: Path) -> None:
    life.at(TEST + 3)
    recorded = home / "cache"
    assert not [*recorded.glob("sessions-*")]
    status = read(0)
    assert [*recorded.glob("sessions-*")]
    assert status["prices_until"] == status["hidden_after"] == day(TEST + 3)
    assert status["rolls"] == {
        "due": 1,
        "trained": 0,
        "missing": [roll_key(0)],
        "outdated": [],
        "running": roll_key(0),
        "next": roll_key(1),
        "next_due": day(EVE),
    }
    assert (status["online"], status["session"], status["behind"]) == ([], None, None)
    assert status["signals"] == [{"experiment": "signals", "until": None, "behind": None}]
    lines = run().output.splitlines()
    assert lines[0] == "ridge: all is well"
    assert (
        f"  rolls     1 due, 0 trained, 1 missing (first {roll_key(0)}); running {roll_key(0)}"
        in (lines)
    )
    assert f"  next      {roll_key(1)}, due at the close of {day(EVE)}" in lines


def test_what_a_backfill_left_out_is_named_and_no_alarm(life: Life) -> None:
    life.at(TEST + STEP + 2)
    done = life.materialize([f"ridge/{part}" for part in PARTS], partition_key=roll_key(0))
    assert done.success, failures(done)
    rolls = read(0)["rolls"]
    assert (rolls["due"], rolls["trained"], rolls["missing"]) == (2, 1, [roll_key(1)])
    assert rolls["running"] == roll_key(1)


def test_what_serves_and_how_far_it_came(life: Life) -> None:
    life.live(EVE - 1, EVE)
    status = read(0)
    assert models(status["online"]) == [(roll_key(0), day(EVE - 1))]
    assert models(status["next_online"]) == [(roll_key(1), None)]
    assert (status["rolls"]["due"], status["rolls"]["missing"]) == (2, [])

    life.live(EVE + 1)
    status = read(0)
    assert models(status["online"]) == [(roll_key(1), day(EVE + 1))]
    assert (status["session"], status["behind"]) == (day(EVE + 1), 0)
    assert status["signals"] == [{"experiment": "signals", "until": day(EVE + 1), "behind": 0}]

    life.at(EVE + 2)
    assert read(0)["behind"] == 1  # as many may be missing as the check `fresh` lets pass
    assert read(1, "--max-missed", "0")["behind"] == 1
    life.at(EVE + 3)
    done = run()
    assert done.exit_code == 1
    assert done.output.startswith("ridge: needs a person")
    assert f"worked through up to {day(EVE + 1)}, 2 sessions behind" in done.output
    assert f"prices reach {day(EVE + 3)}; is the schedule running?" in done.output
    assert f"signals 'signals' end on {day(EVE + 1)}, 2 sessions behind" in done.output


def test_models_that_went_away_are_missed(life: Life) -> None:
    life.live(EVE - 1, EVE, EVE + 1)
    online = life.state.online
    experiment = R.get_exp(experiment_name="ridge")
    first = life.state.changes[0].online[0]
    experiment.delete_recorder(first)
    status = read(1)
    assert status["rolls"]["missing"] == [roll_key(0)]
    (problem,) = status["problems"]
    assert problem.startswith(f"roll {roll_key(0)} is not trained, and sessions of its test")

    experiment.delete_recorder(online[0])
    problems = read(1)["problems"]
    assert f"recorder {online[0]}, which is online, was deleted" in problems
    assert any("so it is with 1 more" in problem for problem in problems)


def test_a_roll_of_an_earlier_definition_is_told_from_none(life: Life) -> None:
    life.at(TEST + STEP + 2)
    life.define([create_assets(task=template(alpha=7.0))])
    done = life.materialize([f"ridge/{part}" for part in PARTS], partition_key=roll_key(0))
    assert done.success, failures(done)
    rolls = read(0)["rolls"]
    assert (rolls["trained"], rolls["missing"]) == (0, [roll_key(0), roll_key(1)])
    assert rolls["outdated"] == [roll_key(0)]
    assert f"2 missing (first {roll_key(0)}), 1 of them trained by an earlier" in run().output


def test_what_the_last_session_left_undone_is_a_problem(life: Life) -> None:
    life.live(TEST)
    state = life.state
    ledger = OnlineLedger("ridge")
    ledger.write(replace(state, failures=("roll X: the disk is full",)))
    assert read(1)["problems"] == [f"session {day(TEST)}: roll X: the disk is full"]
    ledger.write(replace(state, online=()))
    (problem,) = read(1)["problems"]
    assert problem.startswith("no model is online")


def test_prices_that_cannot_be_read_are_a_message(life: Life) -> None:
    life.live(TEST)
    life.path.unlink()
    done = run()
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert "  prices    cannot be read" in done.output
    assert str(life.path) in done.output
    status = read(1)
    assert status["prices_until"] is None
    assert status["prices_error"] in status["problems"][0]
    assert status["rolls"] is None
    assert models(status["online"]) == [(roll_key(0), day(TEST))]
    assert (status["session"], status["behind"]) == (day(TEST), None)
    assert status["signals"][0]["until"] == day(TEST)


class Offline(OwnPrices):
    """A source that reaches nobody."""

    def read(self) -> pd.DataFrame:
        raise OSError("no route to the desk")

    def revision(self) -> str:
        return "1"


def test_a_source_of_ones_own_may_raise_anything() -> None:
    def no_rolls() -> Any:
        raise AssertionError("the prices come first")

    market = Market(Offline())
    status = read_strategy_status(
        "own", "own", market, no_rolls, max_missed=1, grace=timedelta(hours=6)
    )
    assert status.prices_error == "OSError: no route to the desk"
    assert status.problems == ("prices: OSError: no route to the desk",)


def test_what_the_command_cannot_work_with_is_refused(
    life: Life, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run("typo")
    assert done.exit_code == 2
    assert "no strategy 'typo': it has ridge" in done.output
    (tmp_path / "bare_of_strategies.py").write_text(
        "import dagster as dg\n\ndefs = dg.Definitions()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    done = CliRunner().invoke(app, ["status", "-m", "bare_of_strategies"])
    assert done.exit_code == 2
    assert "the code location has no strategy" in done.output


def test_a_recorder_serves_since_its_last_break() -> None:
    changes = [("2020-01-02", "a"), ("2020-01-03", "b"), ("2020-01-06", "ab"), ("2020-01-07", "a")]
    state = OnlineState(online=("a",), changes=tuple(Change(s, tuple(ids)) for s, ids in changes))
    assert state.online_since("a") == "2020-01-06"
    assert state.online_since("b") is None
    by_hand = OnlineState(online=("a",), changes=(Change("", ("a",)),))
    assert by_hand.online_since("a") is None
