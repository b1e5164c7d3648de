"""Qlib is initialised once a process, as the settings or the user's own ``qlib.init`` say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib
from tests.qlib.provider import seeded_panel, write_provider
from wf_dagster import CalendarError, RollingGen, SettingsError
from wf_dagster.market import Market

ROOT = Path(__file__).parents[2]


def run(code: str, cwd: Path, **variables: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WF_HOME": str(cwd / "home"), **variables},
    )
    assert process.returncode == 0, process.stderr[-3000:]
    return process.stdout


def test_the_calendar_is_qlibs_with_its_future_sessions(seeded):
    calendar = Market().calendar
    days = (seeded / "calendars" / "day.txt").read_text().split()
    ahead = (seeded / "calendars" / "day_future.txt").read_text().split()
    assert [f"{day:%Y-%m-%d}" for day in calendar.sessions] == ahead
    assert f"{calendar.last_session:%Y-%m-%d}" == days[-1]
    assert RollingGen().calendar.last_session == calendar.last_session


def test_the_calendar_without_future_sessions_ends_with_the_data(tmp_path):
    folder = write_provider(tmp_path / "q", seeded_panel(2, 60))
    (folder / "calendars" / "day_future.txt").unlink()
    wf_dagster.init(qlib_provider_uri=str(folder))
    calendar = Market().calendar
    assert calendar.sessions[-1] == calendar.last_session


def test_the_calendar_moves_on_with_its_files(tmp_path):
    folder = write_provider(tmp_path / "q", seeded_panel(2, 60))
    wf_dagster.init(qlib_provider_uri=str(folder))
    before = Market().calendar.last_session
    write_provider(folder, seeded_panel(2, 65))
    assert Market().calendar.last_session > before


def test_a_replay_date_hides_later_sessions_of_qlibs_calendar(seeded):
    wf_dagster.init(qlib_provider_uri=str(seeded), as_of="2020-03-01")
    assert Market().calendar.last_session == pd.Timestamp("2020-02-28")


def test_the_setting_calendar_wins(seeded):
    wf_dagster.init(qlib_provider_uri=str(seeded), calendar="XNYS")
    assert Market().calendar.last_session == pd.Timestamp("2022-12-28")


@pytest.mark.slow
def test_the_users_own_init_is_taken_over_and_reaches_worker_processes(qlib_folder, tmp_path):
    (tmp_path / "script.py").write_text(f"""
import json, qlib
from qlib.constant import REG_US
from tests.qlib.qlib_tasks import ridge, seeded_template
from wf_dagster import RollingGen, TrainerR, get_settings, task_generator

if __name__ == "__main__":
    qlib.init(provider_uri={str(qlib_folder / "seeded")!r}, region=REG_US, kernels=1)
    tasks = task_generator(seeded_template(ridge()), RollingGen(step=90))
    recorders = TrainerR("by_user")(tasks)
    settings = get_settings()
    print(json.dumps([
        settings.qlib_provider_uri, settings.qlib_region,
        [r.status for r in recorders], len(recorders[0].load_object("pred.pkl")),
    ]))
""")
    process = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "WF_HOME": str(tmp_path / "home"),
            "WF_MAX_WORKERS": "2",
        },
    )
    assert process.returncode == 0, process.stderr[-3000:]
    uri, region, statuses, rows = json.loads(process.stdout.splitlines()[-1])
    assert (uri, region) == (str(qlib_folder / "seeded"), "us")
    assert statuses == ["FINISHED"] * 3
    assert rows > 300
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, "mongodb://db:27017/rolling_db"),
        ({"WF_TASK_STORE": "sqlite:////t.db"}, "sqlite:////t.db"),
    ],
)
def test_the_users_own_mongo_is_the_task_store_unless_the_settings_name_one(
    named, expected, seeded, tmp_path
):
    code = (
        "import qlib\n"
        "from wf_dagster import get_settings\n"
        "from wf_dagster.market import adopt_qlib_init\n"
        "adopt_qlib_init()\n"  # which does nothing before
        "mongo = {'task_url': 'mongodb://db:27017/', 'task_db_name': 'rolling_db'}\n"
        f"qlib.init(provider_uri={str(seeded)!r}, region='us', mongo=mongo)\n"
        "adopt_qlib_init()\n"
        "print(get_settings().resolved_task_store())"
    )
    assert run(code, tmp_path, **named).split()[-1] == expected


def test_nothing_of_qlibs_is_imported_before_a_task_needs_it(tmp_path):
    code = (
        "import sys, wf_dagster\nfrom wf_dagster import *\n"
        "from wf_dagster import Market\n_ = Market().calendar\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'qlib'])"
    )
    assert run(code, tmp_path).strip() == "[]"


def test_further_arguments_of_qlibs_init_come_from_a_variable(seeded, tmp_path):
    code = (
        "from tests.qlib.bridge_calls import initialise_qlib\ninitialise_qlib()\n"
        "from qlib.config import C\nprint(C['maxtasksperchild'], C['region'], C['kernels'])"
    )
    output = run(
        code,
        tmp_path,
        WF_QLIB_PROVIDER_URI=str(seeded),
        WF_QLIB_REGION="us",
        WF_QLIB_OPTIONS='{"maxtasksperchild": 7}',
    )
    assert output.split()[-3:] == ["7", "us", "1"]


def test_qlib_follows_the_settings_to_other_data(qlib_folder):
    from qlib.data import D

    for panel, name in (("seeded", "SH600000"), ("sample", "AAPL"), ("seeded", "SH600000")):
        wf_dagster.init(qlib_provider_uri=str(qlib_folder / panel))
        assert len(Market().calendar) > 400
        frame = D.features([name], ["$close"])
        assert len(frame) > 400


@pytest.mark.parametrize("what", ["missing", "empty", "calendars", "instruments", "features"])
def test_a_provider_folder_that_is_missing_or_lacks_a_part_is_named(what, tmp_path):
    folder = tmp_path / "data"
    if what != "missing":
        folder.mkdir()
    if what in ("calendars", "instruments", "features"):
        write_provider(folder, seeded_panel(2, 60))
        for file in sorted((folder / what).rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
    wf_dagster.init(qlib_provider_uri=str(folder))
    with pytest.raises(SettingsError) as caught:
        _ = Market().calendar
    assert str(folder) in str(caught.value)
    assert "WF_QLIB_PROVIDER_URI" in str(caught.value)
    if what in ("calendars", "instruments", "features"):
        assert f"has no {what}" in str(caught.value)


def test_a_provider_without_a_daily_calendar_is_named(tmp_path):
    folder = write_provider(tmp_path / "q", seeded_panel(2, 60), freq="1min")
    wf_dagster.init(qlib_provider_uri=str(folder))
    with pytest.raises(CalendarError, match=r"no daily calendar.*1min"):
        _ = Market().calendar


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"qlib_region": "uk"}, "qlib_region.*'cn', 'us' or 'tw'"),
     ({"qlib_options": {"no_such": 1, "calendar_provider": "Nothing"}}, "qlib_options")],
)  # fmt: skip
def test_a_wrong_setting_is_refused_by_name(settings, named, seeded):
    def use():
        wf_dagster.init(qlib_provider_uri=str(seeded), **settings)
        _ = Market().calendar

    with pytest.raises(SettingsError, match=named):
        use()
    wf_dagster.init(qlib_provider_uri=str(seeded), qlib_region="us")
    from qlib.data import D

    assert len(Market().calendar) > 400
    assert len(D.features(["SH600000"], ["$close"])) > 400


def test_qlibs_recorder_leads_back_when_the_bridge_is_uninstalled(seeded, monkeypatch):
    initialise_qlib()
    from qlib.workflow import R

    from wf_dagster.qlib_bridge import recorders

    by_user = SimpleNamespace(exp_manager="one of Qlib's")
    monkeypatch.setattr(R, "_provider", by_user)
    recorders.install()
    recorders.install()  # once is enough
    assert R.exp_manager is wf_dagster.R.exp_manager
    recorders.uninstall()
    assert R.exp_manager == by_user.exp_manager
    recorders.uninstall()
    assert R.exp_manager == by_user.exp_manager
