"""The online life of a strategy on Qlib's data in Dagster: new days, restated days, a replay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

import wf_dagster
from tests.orchestration.online.life import Ticked
from tests.qlib.provider import write_provider
from tests.qlib.scripts import DAYS, PANEL, STEP, TEST, added_tasks, day, grow, online_tasks
from wf_dagster import OnlineToolR, RollingGen
from wf_dagster.market import Market
from wf_dagster.online.expected_sessions import due_now, fresh
from wf_dagster.online.replay_clock import ReplayClock
from wf_dagster.online.signal_store import load_signals
from wf_dagster.orchestration import (
    TrackingResource,
    build_online_checks,
    build_online_schedule,
    build_rolling_assets,
    build_signals_asset,
    new_data_sensor,
)
from wf_dagster.orchestration.automation.online_requests import online_state
from wf_dagster.orchestration.automation.price_versions import price_versions, template_prices

GRACE = pd.Timedelta(hours=6)


class Life:
    """A strategy with its schedule and its sensor, on Qlib's data."""

    def __init__(self, provider: Path, instance: dg.DagsterInstance, **settings: Any) -> None:
        wf_dagster.init(
            qlib_provider_uri=str(provider), qlib_region="us", max_workers=1, **settings
        )
        self.instance = instance
        self.cursor: str | None = None
        self.define()

    def define(self) -> None:
        """The definitions as a code location that was loaded now would have them."""
        (template,) = online_tasks()
        template["dataset"]["kwargs"]["segments"]["test"] = (day(TEST), None)
        self.strategy = build_rolling_assets(
            "ridge", template, RollingGen(STEP, RollingGen.ROLL_SD, trunc_days=3)
        )
        self.schedule = build_online_schedule(self.strategy, "30 17 * * *", "America/New_York")
        self.sensor = new_data_sensor(self.strategy)
        self.defs = dg.Definitions(
            assets=[*self.strategy, build_signals_asset(["ridge"])],
            asset_checks=build_online_checks(self.strategy),
            schedules=[self.schedule],
            sensors=[self.sensor],
            resources={"tracking": TrackingResource()},
            executor=dg.in_process_executor,
        )

    def sense(self) -> tuple[list[Any], str]:
        """What the sensor asks for, and why it does not."""
        answer = self.sensor(dg.build_sensor_context(self.instance, cursor=self.cursor))
        if isinstance(answer, dg.SkipReason):
            return [], str(answer.skip_message)
        self.cursor = answer.cursor
        return list(answer.run_requests or []), ""

    def run(self, request: Any) -> bool:
        """Whether what was asked for succeeds; its checks are in ``passed``."""
        job = self.defs.resolve_job_def("ridge_online")
        result = job.execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            run_config=request.run_config,
            tags=request.tags,
            raise_on_error=False,
        )
        self.passed = {
            check.check_name: check.passed for check in result.get_asset_check_evaluations()
        }
        return result.success

    def pred(self) -> pd.DataFrame:
        """What the online models have predicted, the latest roll's last."""
        return pd.concat(
            recorder.load_object("pred.pkl") for recorder in OnlineToolR("ridge").online_models()
        )


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def restated(position: int) -> pd.DataFrame:
    panel = PANEL.copy()
    panel.loc[(DAYS[position], "SH600000"), ["close", "vwap", "high"]] *= 1.1
    return panel


def test_new_days_of_qlibs_data_are_predicted_and_restated_ones_again(tmp_path, instance):
    provider = grow(tmp_path / "q", TEST + 3)
    life = Life(provider, instance)
    (request,), _ = life.sense()
    assert request.run_key == f"ridge:{day(TEST + 3)}"
    assert life.run(request)
    assert life.pred().index[-1][0] == DAYS[TEST + 3]
    why = f"no prices after {day(TEST + 3)}, and those before have not changed"
    assert life.sense() == life.sense() == ([], why)

    assert life.passed["complete"]
    assert not life.passed["fresh"]  # by Qlib's calendar, which runs on after the data

    grow(provider, TEST + 4)
    (request,), _ = life.sense()
    assert request.run_key == f"ridge:{day(TEST + 4)}"
    assert life.run(request)
    before = life.pred()
    assert before.index[-1][0] == DAYS[TEST + 4]
    signals = load_signals("signals")
    assert signals.index[-1][0] == DAYS[TEST + 4]
    assert signals.groupby("datetime").size().loc[DAYS[TEST + 4]] == 6
    assert online_state(life.strategy).session == day(TEST + 4)

    panel = restated(TEST + 2)
    is_visible = panel.index.get_level_values("datetime") <= DAYS[TEST + 4]
    write_provider(provider, panel[is_visible])
    (request,), _ = life.sense()
    assert ":restated:" in request.run_key
    assert life.run(request)
    after = life.pred()
    # how many rows are predicted at once moves the last bit of a 32 bit number
    changed = ((before - after).abs() > 1e-6).groupby("datetime").any()["score"]
    assert not changed.loc[: DAYS[TEST + 1]].any()
    assert changed.loc[DAYS[TEST + 2]]
    assert life.sense()[0] == []

    # the next roll takes over; missed days are made up for
    write_provider(provider, panel[panel.index.get_level_values("datetime") <= DAYS[TEST + STEP]])
    life.define()  # the days are long past, so that rolls of later ones were not foreseen
    (request,), _ = life.sense()
    assert ":restated:" not in request.run_key
    assert life.run(request)
    assert sorted(set(life.pred().index.get_level_values("datetime"))) == [DAYS[TEST + STEP]]
    sent = load_signals("signals").index.get_level_values("datetime").unique()
    assert list(sent) == list(DAYS[TEST : TEST + STEP + 1])


def test_the_schedule_goes_by_qlibs_calendar(tmp_path, instance):
    provider = grow(tmp_path / "q", TEST)
    life = Life(provider, instance)

    def tick(date: str) -> Any:
        moment = pd.Timestamp(f"{date} 17:30", tz="America/New_York")
        return life.schedule(Ticked(instance, moment))

    saturday = DAYS[TEST] + pd.offsets.Week(weekday=5)
    assert tick(f"{saturday:%Y-%m-%d}").skip_message.endswith("is no session of Qlib's calendar")
    assert "are not there yet" in tick(day(TEST + 1)).skip_message
    request = tick(day(TEST))
    assert life.run(request)
    assert "has worked through" in tick(day(TEST)).skip_message
    grow(provider, TEST + 1)
    assert tick(day(TEST + 1)).run_key == f"ridge:{day(TEST + 1)}"


def test_a_replay_clock_shows_qlibs_days_one_by_one(tmp_path, instance):
    provider = write_provider(tmp_path / "q", PANEL)
    clock = tmp_path / "clock"
    clock.write_text(day(TEST))
    life = Life(provider, instance, replay_clock=clock)
    assert life.strategy.spec.partitions.rolls.keys[-1] == day(-STEP)  # up to the end of the data
    assert list(ReplayClock(clock, Market()).sessions(count=2)) == list(DAYS[TEST + 1 : TEST + 3])
    for position in (TEST, TEST + 1):
        clock.write_text(day(position))
        (request,), _ = life.sense()
        assert life.run(request)
        assert life.pred().index[-1][0] == DAYS[position]
    (recorder,) = OnlineToolR("ridge").online_models()
    assert recorder.load_object("label.pkl").isna().all(axis=None)  # known two sessions later
    assert all(life.passed.values()), life.passed
    assert {"complete", "usable_scores", "score_drift", "fresh"} <= life.passed.keys()
    assert recorder.load_object("drift/reference.json", raw="bytes")
    assert life.sense()[0] == []


def test_prices_are_those_of_the_dataset(tmp_path):
    provider = grow(tmp_path / "q", TEST)
    wf_dagster.init(qlib_provider_uri=str(provider))
    qlibs, samples = template_prices(added_tasks()[0], Market()), price_versions(Market("sample"))
    assert qlibs.version() == price_versions(Market("qlib")).version() != samples.version()
    panels = {"dataset": {"class": "PanelDataset", "module_path": "wf_dagster.data", "kwargs": {}}}
    assert template_prices(panels, Market()).version() == samples.version()
    assert samples.content(DAYS[3]) != samples.content(DAYS[4])


def test_the_content_of_qlibs_data_is_that_of_its_days(tmp_path):
    wf_dagster.init(qlib_provider_uri=str(grow(tmp_path / "q", TEST)))
    data, day_before = price_versions(Market("qlib")), DAYS[TEST - 1]
    version, content, shorter = data.version(), data.content(DAYS[TEST]), data.content(day_before)
    assert content != shorter
    grow(tmp_path / "q", TEST + 1)
    assert data.version() != version
    assert data.content(DAYS[TEST]) == content
    assert data.content(day_before) == shorter
    panel = restated(TEST)
    write_provider(tmp_path / "q", panel)
    assert data.content(DAYS[TEST]) != content
    assert data.content(day_before) == shorter
    (tmp_path / "q" / "features" / "sh600000" / "close.day.bin").write_bytes(b"")
    assert data.content(day_before) != shorter


def test_predictions_on_qlibs_data_get_stale_by_its_calendar(tmp_path):
    wf_dagster.init(qlib_provider_uri=str(grow(tmp_path / "q", TEST)))
    now = (DAYS[TEST + 3] + pd.Timedelta(hours=31)).tz_localize("UTC")
    due = due_now(Market(), GRACE, now)
    assert due.session == DAYS[TEST + 3]
    assert not fresh(DAYS[TEST], due).passed
    assert fresh(DAYS[TEST + 2], due).passed
    wf_dagster.init(qlib_provider_uri=str(tmp_path / "q"), as_of=day(TEST))
    assert due_now(Market(), GRACE, now).session == DAYS[TEST]
