"""Online serving in a real ``dagster dev``: what happens by itself as sessions come."""

from __future__ import annotations

import importlib
import signal
import time
from pathlib import Path

import dagster as dg
import pytest

from tests.integration.dagster_dev import MODULE, DagsterDev, environment, family
from wf_dagster.online import OnlineToolR
from wf_dagster.online.signal_store import days_of, load_signals
from wf_dagster.orchestration.dagster_home import prepare_dagster_home
from wf_dagster.tracking import find_recorders

pytestmark = [pytest.mark.integration, pytest.mark.slow]

EVE, FIRST = "2022-10-27", "2022-10-28"
AFTER_THREE = "2022-11-02"
DUE = "2022-11-30"  # all labels that the roll of December learns from are known
NEW_DATA, FAILED = "ridge_new_data_sensor", "failed_recorder_sensor"
SCHEDULE = "ridge_online_schedule"
STOCKS = 20


@pytest.fixture
def clock(home, tmp_path, monkeypatch) -> Path:
    """A clock, and two rolls that were trained as of the date that it shows."""
    file = tmp_path / "clock"
    file.write_text(EVE)
    monkeypatch.setenv("WF_REPLAY_CLOCK", str(file))
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    prepare_dagster_home(home)
    location = importlib.import_module(MODULE)
    importlib.reload(location)  # another test may have loaded it for its own home
    job = location.defs.resolve_implicit_global_asset_job_def()
    with dg.DagsterInstance.get() as instance:
        done = job.execute_in_process(
            asset_selection=[
                dg.AssetKey(["ridge", part]) for part in ("recorders", "predictions", "labels")
            ],
            tags={
                "dagster/asset_partition_range_start": "2022-09-01",
                "dagster/asset_partition_range_end": "2022-10-01",
            },
            instance=instance,
        )
    assert done.success
    return file


def test_sessions_are_worked_through_by_themselves(home, clock):
    env = environment(home, clock)
    log = home / "dev.log"
    tool = OnlineToolR("ridge")
    clock.write_text(FIRST)

    with DagsterDev(log, env) as dev:
        for sensor in (NEW_DATA, FAILED):
            dev.switch("sensor", sensor)
        dev.until(dev.ended(1, "SUCCESS"), 120)
        (run,) = dev.runs()
        assert run["tags"]["wf_session"] == FIRST
        assert run["tags"]["dagster/sensor_name"] == NEW_DATA
        before, after = (m for m in dev.shown("ridge", "predictions") if _october(m))
        assert after["predictions"] == before["predictions"] + STOCKS
        assert after["recorder_id"] == before["recorder_id"]
        assert dev.shown("ridge", "online_models")[-1]["session"] == FIRST
        assert dev.shown("signals")[-1]["last"] == FIRST

        clock.write_text(AFTER_THREE)
        dev.until(dev.ended(2, "SUCCESS"), 120)
        state = tool.state()
        assert state.sessions == (FIRST, "2022-10-31", "2022-11-01", AFTER_THREE)
        november = _recorder("2022-11-01")
        assert state.online == (november.id,)
        assert state.since == "2022-11-01"
        assert [m["partition"] for m in dev.shown("ridge", "recorders")].count("2022-11-01") == 1
        online = dev.shown("ridge", "online_models")[-1]
        assert (online["session"], online["since"]) == (AFTER_THREE, "2022-11-01")
        assert november.id in online["models"]
        assert dev.shown("signals")[-1]["last"] == AFTER_THREE
        signals = load_signals("signals")
        assert signals.index.is_unique
        assert len(signals.loc[EVE:]) == 5 * STOCKS

        now = time.time()
        dev.until(lambda: len(dev.ticks("sensor", NEW_DATA, now)) >= 3, 60)
        assert {t["status"] for t in dev.ticks("sensor", NEW_DATA, now)} == {"SKIPPED"}

    with DagsterDev(log, env) as dev:  # what is switched on stays so, and goes on where it was
        now = time.time()
        dev.until(lambda: len(dev.ticks("sensor", NEW_DATA, now)) >= 3, 90)
        assert {t["status"] for t in dev.ticks("sensor", NEW_DATA, now)} == {"SKIPPED"}
        assert len(dev.runs()) == 2

        (home / "hold").touch()
        clock.write_text(DUE)
        dev.until(lambda: bool(find_recorders("ridge", status="RUNNING", tags=_DECEMBER)), 120)
        (unfinished,) = find_recorders("ridge", status="RUNNING", tags=_DECEMBER)
        killed = dev.runs()[-1]
        for process in family(_pid_of(killed["runId"])):
            process.send_signal(signal.SIGKILL)
        (home / "hold").unlink()
        dev.until(dev.ended(3, "FAILURE"), 60)
        dev.until(lambda: not find_recorders("ridge", status="RUNNING"), 60)
        assert [r.status for r in find_recorders("ridge", status=None, tags=_DECEMBER)] == [
            "FAILED"
        ]
        ended = [t["skipReason"] for t in dev.ticks("sensor", FAILED)]
        assert any(unfinished.id in (why or "") for why in ended), ended

        dev.switch("schedule", SCHEDULE)
        dev.until(dev.ended(4, "SUCCESS"), 180)
        assert dev.runs()[-1]["tags"]["dagster/schedule_name"] == SCHEDULE
        state = tool.state()
        assert state.session == DUE
        assert len(state.sessions) == len(set(state.sessions)) == 23
        assert state.next_online == (_recorder("2022-12-01").id,)
        assert days_of(load_signals("signals")).max().strftime("%Y-%m-%d") == DUE

        now = time.time()
        dev.until(lambda: bool(dev.ticks("schedule", SCHEDULE, now)), 90)
        (tick,) = dev.ticks("schedule", SCHEDULE, now)
        assert tick["status"] == "SKIPPED"
        assert DUE in tick["skipReason"]
        assert len(dev.runs()) == 4


_DECEMBER = {"roll": "2022-12-01"}


def _october(materialization):
    return materialization["partition"] == "2022-10-01"


def _recorder(roll):
    (recorder,) = find_recorders("ridge", tags={"roll": roll})
    return recorder


def _pid_of(run_id: str) -> int:
    with dg.DagsterInstance.get() as instance:
        for entry in instance.all_logs(run_id):
            event = entry.dagster_event
            if event and event.event_type_value == "ENGINE_EVENT":
                pid = event.engine_event_data.metadata.get("pid")
                if pid is not None:
                    return int(pid.value)
    raise AssertionError(f"run {run_id} named no process")
