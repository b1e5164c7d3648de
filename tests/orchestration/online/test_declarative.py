"""Assets that follow their prices by conditions: no schedule, no sensor, no configuration."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from tests.online.market import REACH, SESSIONS, STEP, TEST, day, strategy, use_prices
from tests.online.stored import assert_same
from tests.orchestration.online.life import (
    Life,
    create_assets,
    failures,
    roll_key,
    state_of_strategy,
)
from tests.orchestration.online.test_same_signals import home
from wf_dagster import OnlineManager, load_analyses
from wf_dagster.errors import OnlineError
from wf_dagster.orchestration import TrackingResource, build_prices_asset, build_signals_asset

BY_AUTOMATION = {"dagster/from_automation_condition": "true", "dagster/auto_materialize": "true"}


class Automation:
    """Dagster's automation of a code location, tick by tick."""

    def __init__(self, life: Life, **options: Any) -> None:
        self.life = life
        self.prices = build_prices_asset(cron="*/30 * * * *")
        life.strategy = create_assets(automation="declarative", **options)
        life.strategies = [life.strategy]
        life.defs = dg.Definitions(
            assets=[
                self.prices,
                *life.strategy,
                build_signals_asset(["ridge"], automation="declarative"),
            ],
            resources={"tracking": TrackingResource()},
            executor=dg.in_process_executor,
        )
        self.cursor: Any = None
        self.now = pd.Timestamp(f"{day(TEST)} 12:00", tz="UTC")
        self.tick()  # the first one only takes note of what there is

    def tick(self, minutes: int = 5) -> dict[str, list[str | None]]:
        """What is requested, by asset."""
        self.now += pd.Timedelta(minutes=minutes)
        result = dg.evaluate_automation_conditions(
            defs=self.life.defs,
            instance=self.life.instance,
            evaluation_time=self.now.to_pydatetime(),
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        requests = {}
        for key in self.life.defs.resolve_asset_graph().get_all_asset_keys():
            if partitions := result.get_requested_partitions(key):
                requests[key.to_user_string()] = sorted(partitions, key=str)
        return requests

    def launch(self, requests: dict[str, list[str | None]]) -> list[Any]:
        """Execute what was requested: a run for all assets of a partition."""
        runs = defaultdict(list)
        for asset, partitions in requests.items():
            for partition in partitions:
                runs[partition].append(asset)
        results = []
        for partition, assets in runs.items():
            results.append(
                self.life.materialize(assets, partition_key=partition, tags=BY_AUTOMATION)
            )
        return results

    def settle(self) -> list[dict[str, list[str | None]]]:
        """Tick and launch, from a look at the prices until nothing is requested any more."""
        self.now = self.now.floor("30min") + pd.Timedelta(minutes=26)
        requests = []
        while requested := self.tick():
            for result in self.launch(requested):
                assert result.success, failures(result)
            requests.append(requested)
        assert requests.pop(0) == {"prices": [None]}
        return requests

    def evening(self, position: int) -> list[dict[str, list[str | None]]]:
        """The evening of a session."""
        self.life.at(position)
        self.now = pd.Timestamp(f"{day(position)} 23:00", tz="UTC")
        return self.settle()


@pytest.fixture
def automation(life: Life) -> Automation:
    return Automation(life)


FOLLOWED: dict[str, list[str | None]] = {
    "ridge/collected": [None],
    "ridge/online_models": [None],
    "signals": [None],
}


def rolls(number: int) -> dict[str, list[str | None]]:
    return {"ridge/predictions": [roll_key(number)], "ridge/labels": [roll_key(number)]}


def test_new_prices_run_through_the_assets_once(automation: Automation) -> None:
    life = automation.life
    assert automation.evening(TEST) == [rolls(0), FOLLOWED]
    assert life.state.sessions == (day(TEST),)
    assert life.signals.index[-1][0] == SESSIONS[TEST]
    assert automation.settle() == []  # looked at again, the same
    assert automation.evening(TEST + 1) == [rolls(0), FOLLOWED]
    assert life.state.session == day(TEST + 1)


def test_a_roll_that_is_due_is_trained_and_switched(automation: Automation) -> None:
    life = automation.life
    automation.evening(TEST)
    life.events()
    assert automation.evening(TEST + STEP - 1) == [rolls(0), FOLLOWED]
    assert (life.online, life.waiting) == ([roll_key(0)], [roll_key(1)])
    assert life.events()["recorders"] == [roll_key(1)]
    automation.evening(TEST + STEP)
    assert (life.online, life.waiting) == ([roll_key(1)], [])


def test_prices_that_come_late_find_the_roll_that_serves(life: Life) -> None:
    """Dagster's latest partition may be a roll that no price is there for yet."""
    automation = Automation(life, trunc_days=REACH)
    automation.evening(TEST)
    life.events()
    life.at(TEST + STEP - 1)
    automation.now = pd.Timestamp(f"{day(TEST + STEP + 1)} 00:30", tz="UTC")
    assert automation.settle() == [rolls(1), FOLLOWED]
    assert life.state.session == day(TEST + STEP - 1)
    assert life.signals.index[-1][0] == SESSIONS[TEST + STEP - 1]
    events = life.events()
    assert events["predictions"] == [roll_key(0)]  # and not the partition of the run
    assert events["labels"] == [roll_key(0)]


def test_analyses_follow_what_was_collected(life: Life) -> None:
    records = [{"class": "SigAnaRecord", "module_path": "wf_dagster.records"}]
    automation = Automation(life, analyses=records)
    analysed: dict[str, list[str | None]] = {"ridge/analyses": [None]}
    assert automation.evening(TEST) == [rolls(0), {**FOLLOWED, **analysed}]
    recorder = load_analyses("ridge")
    assert len(recorder.load_object("pred.pkl").index.unique("datetime")) == 1
    assert recorder.list_tags()["labels_known"] == "none"  # the first session of all
    assert automation.evening(TEST + REACH) == [rolls(0), {**FOLLOWED, **analysed}]
    assert len(recorder.load_object("pred.pkl").index.unique("datetime")) == 1 + REACH
    assert load_analyses("ridge").list_metrics().keys() >= {"IC", "Rank IC"}


@pytest.mark.slow
def test_restated_prices_come_through(automation: Automation) -> None:
    life = automation.life
    automation.evening(TEST)
    automation.evening(TEST + 2)
    life.restate(TEST, TEST + 2)
    assert automation.settle() == [rolls(0), FOLLOWED]


@pytest.mark.slow
def test_the_same_end_as_a_simulation(automation: Automation, empty_store: Any) -> None:
    life = automation.life
    last = TEST + STEP + 2
    for position in (TEST, TEST + STEP - 1, TEST + STEP, last):
        automation.evening(position)
    online = strategy(trunc_days=REACH + 1)
    served = state_of_strategy(online)
    use_prices(
        life.path, pd.read_parquet(life.path), home=home(life.path.parent, empty_store, "other")
    )
    OnlineManager(online, begin_time=day(TEST)).simulate(day(last))
    assert_same(served, state_of_strategy(online))


def test_materialize_still_does_what_it_did(automation: Automation) -> None:
    life = automation.life
    keys = [f"ridge/{part}" for part in ("recorders", "predictions", "labels")]
    assert life.materialize(keys, partition_key=roll_key(0)).success
    assert life.state.sessions == ()
    assert life.events()["predictions"] == [roll_key(0)]


def test_another_way_is_refused() -> None:
    with pytest.raises(OnlineError, match="'sometimes' is unknown: use 'manual' or 'declarative'"):
        build_signals_asset(["ridge"], automation="sometimes")  # type: ignore[arg-type]
