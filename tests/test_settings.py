from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

import wf_dagster
from wf_dagster.errors import SettingsError
from wf_dagster.settings import (
    get_settings,
    init,
    restore,
    snapshot,
    update_settings,
    worker_limit,
)


def test_an_argument_wins_over_its_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("WF_PRICES", "from-variable.parquet")
    assert wf_dagster.init().prices == "from-variable.parquet"
    assert wf_dagster.init(prices="from-argument.csv").prices == "from-argument.csv"


def test_stores_live_in_home_unless_given(tmp_path):
    settings = wf_dagster.init(home=tmp_path)
    assert settings.resolved_tracking_uri() == f"sqlite:///{tmp_path}/mlflow.db"
    assert settings.resolved_artifact_location() == tmp_path.joinpath("artifacts").as_uri()
    assert settings.resolved_task_store() == f"sqlite:///{tmp_path}/tasks.db"


def test_a_tracking_server_decides_where_its_artifacts_are():
    assert wf_dagster.init(tracking_uri="http://localhost:1").resolved_artifact_location() is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"tracking_uri": "ftp://x"}, ["tracking_uri", "WF_TRACKING_URI", "ftp://x", "sqlite"]),
        ({"task_store": "redis://x"}, ["task_store", "redis://x"]),
        ({"max_workers": 0}, ["max_workers", "0"]),
        ({"as_of": "yesterday"}, ["as_of", "yesterday", "2022-06-30"]),
        ({"as_of": pd.Timestamp("2022-06-30 12:00")}, ["as_of", "12:00:00", "use an ISO date"]),
        ({"trackng_uri": "x"}, ["trackng_uri", "no such setting", "tracking_uri"]),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_changes_nothing(wrong, named):
    before = get_settings()
    with pytest.raises(SettingsError) as caught:
        wf_dagster.init(**wrong)
    for part in named:
        assert part in str(caught.value)
    assert get_settings() is before


def test_a_wrong_variable_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("WF_MAX_WORKERS", "many")
    with pytest.raises(SettingsError, match=r"WF_MAX_WORKERS.*'many'"):
        wf_dagster.init()


def test_a_snapshot_carries_every_setting_to_another_process(tmp_path):
    settings = wf_dagster.init(home=tmp_path, as_of="2020-05-04", max_workers=3)
    values = snapshot()
    wf_dagster.init(home=tmp_path / "other")
    assert restore(values) == settings


def test_a_path_and_a_date_can_be_given_as_such(tmp_path):
    settings = wf_dagster.init(prices=tmp_path / "prices.csv", as_of=pd.Timestamp("2020-05-04"))
    assert settings.prices == f"{tmp_path}/prices.csv"
    assert settings.as_of == "2020-05-04"
    assert wf_dagster.init(as_of=date(2020, 5, 5)).as_of == "2020-05-05"


def test_a_home_that_cannot_be_made_is_one_clear_message(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    settings = wf_dagster.init(home=blocker / "home")
    with pytest.raises(SettingsError, match=r"home=.*cannot be written.*WF_HOME"):
        settings.make_home()


def test_a_relative_home_is_fixed_when_it_is_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = wf_dagster.init(home="here")
    monkeypatch.chdir("/")
    assert settings.home == Path(tmp_path, "here")


@pytest.mark.parametrize(
    ("task_url", "expected"),
    [
        ("mongodb://db:27017/", "mongodb://db:27017/rolling_db"),
        ("mongodb://db", "mongodb://db/rolling_db"),
        # without its database in the address, a login is looked up in the one that was there
        ("mongodb://me:pw@db/users", "mongodb://me:pw@db/rolling_db?authSource=users"),
        ("mongodb://db/?replicaSet=r", "mongodb://db/rolling_db?replicaSet=r"),
        ("mongodb://db/a?authSource=b", "mongodb://db/rolling_db?authSource=b"),
    ],
)
def test_qlibs_mongo_is_the_task_store_unless_there_is_another(task_url, expected):
    mongo = {"task_url": task_url, "task_db_name": "rolling_db"}
    settings = wf_dagster.init(qlib_options={"mongo": mongo})
    assert settings.resolved_task_store() == expected
    settings = wf_dagster.init(qlib_options={"mongo": mongo}, task_store="postgresql://db/tasks")
    assert settings.resolved_task_store() == "postgresql://db/tasks"


@pytest.mark.parametrize("mongo", [{"task_url": "mongodb://db"}, "mongodb://db", {"task_url": 1}])
def test_half_of_qlibs_mongo_is_refused(mongo):
    settings = wf_dagster.init(qlib_options={"mongo": mongo})
    with pytest.raises(SettingsError, match=r"task_url and a task_db_name.*WF_TASK_STORE"):
        settings.resolved_task_store()


def test_a_change_leaves_the_other_settings_chosen_or_not_as_they_were(tmp_path):
    init(home=str(tmp_path), prices="sample")
    update_settings(tracking_uri="sqlite:///there.db")
    settings = get_settings()
    assert (settings.home, settings.prices) == (tmp_path, "sample")
    assert settings.tracking_uri == "sqlite:///there.db"
    assert settings.model_fields_set >= {"home", "prices", "tracking_uri"}
    assert not worker_limit().is_chosen  # rolls are still limited by what they hold in memory
