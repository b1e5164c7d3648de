from __future__ import annotations

import logging
from pathlib import Path

import dagster as dg
import pytest

from wf_dagster.errors import SettingsError
from wf_dagster.orchestration.dagster_home import check_dagster_home, prepare_dagster_home


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_usual_folder_goes_by_its_own_name(tmp_path, cache):
    assert prepare_dagster_home(tmp_path / "a b#ä") == tmp_path / "a b#ä" / "dagster"
    assert not cache.exists()


def test_dagster_keeps_its_runs_in_a_home_of_any_name(tmp_path, monkeypatch):
    home = tmp_path / "at" / "wf? %20"
    folder = prepare_dagster_home(home)
    assert prepare_dagster_home(home) == folder
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    with dg.DagsterInstance.get() as instance:
        run = dg.materialize([dg.asset(lambda: None, name="a")], instance=instance).run_id
    assert (home / "dagster" / "history" / "runs.db").exists()
    assert [path.name for path in home.parent.iterdir()] == [home.name]
    with dg.DagsterInstance.get() as instance:
        assert instance.get_run_by_id(run).is_success

    # the next place has a link of its own
    moved = home.rename(tmp_path / "at" / "moved?")
    monkeypatch.delenv("DAGSTER_HOME")
    monkeypatch.setenv("DAGSTER_HOME", str(prepare_dagster_home(moved)))
    with dg.DagsterInstance.get() as instance:
        assert instance.get_run_by_id(run).is_success
    assert not home.exists()


def test_no_place_for_a_link(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(SettingsError, match=r"wf\?.*cannot be written.*set DAGSTER_HOME to a fol"):
        prepare_dagster_home(tmp_path / "wf?")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache?"))
    with pytest.raises(SettingsError, match=r"nor be led there by .*cache\?.*set DAGSTER_HOME to"):
        prepare_dagster_home(tmp_path / "wf?")


def test_a_folder_that_dagster_itself_will_miss_is_named(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with caplog.at_level(logging.WARNING):
        check_dagster_home()
    assert caplog.text == ""
    monkeypatch.setenv("DAGSTER_HOME", f"{tmp_path}/wf?/dagster")
    with caplog.at_level(logging.WARNING):
        check_dagster_home()
    assert f"DAGSTER_HOME='{tmp_path}/wf?/dagster'" in caplog.text
    assert "take ? and %20 in it for something else" in caplog.text
