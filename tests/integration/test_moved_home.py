"""A home folder that moves to a place with an odd name between two backfills."""

from __future__ import annotations

import signal
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

import wf_dagster
from tests.integration.conftest import Site
from tests.integration.test_ui import Pages
from wf_dagster.orchestration.dagster_home import prepare_dagster_home
from wf_dagster.tracking import R, find_recorders

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1200)]

NAME = "sp500_ridge"
PARTS = ",".join(f"{NAME}/{part}" for part in ("recorders", "predictions", "labels"))
OBJECTS = ("pred.pkl", "label.pkl", "params.pkl", "dataset", "task", "sig_analysis/ic.pkl")


@pytest.mark.parametrize("name", ["wf? #1 %20ä"])
def test_backfills_before_and_after_a_move(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    materialize(site, "2020-01-01...2020-02-01")
    before = load_rolls()
    assert sorted(before) == ["2020-01-01", "2020-02-01"]

    new = site.home.rename(tmp_path / name)
    monkeypatch.delenv("DAGSTER_HOME")
    places = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "WF_HOME": str(new)}
    for variable, value in places.items():
        monkeypatch.setenv(variable, value)
    link = prepare_dagster_home(new)
    assert link != new / "dagster"
    assert link.samefile(new / "dagster")
    moved = replace(site, home=new, env={**site.env, **places, "DAGSTER_HOME": str(link)})
    wf_dagster.init()

    materialize(moved, "2020-03-01...2020-03-01")
    after = load_rolls()
    assert sorted(after) == [*sorted(before), "2020-03-01"]
    for key, objects in before.items():
        for known, now in zip(objects, after[key], strict=True):
            assert_equal(now, known)
    features = [path for path in (new / "cache" / "features").iterdir() if path.is_dir()]
    assert len(features) == 1  # computed once, before the move
    assert moved.materialized(NAME, "predictions") == dict.fromkeys(after, 1)

    del moved.env["DAGSTER_HOME"]
    pages = Pages(moved)
    try:
        deadline = time.monotonic() + 500
        while not pages.up():
            assert time.monotonic() < deadline, pages.log.read_text()
            time.sleep(1)
        (recorder,) = find_recorders(NAME, tags={"roll": "2020-01-01"})
        answer = requests.get(
            f"http://localhost:{pages.mlflow}/get-artifact",
            {"path": "pred.parquet", "run_uuid": recorder.id},
            timeout=60,
        )
        assert answer.status_code == 200
        assert answer.content == recorder.load_object("pred.pkl", raw="bytes")
    finally:
        pages.stop(signal.SIGINT)

    assert not site.home.exists()
    assert {path.name for path in tmp_path.iterdir()} == {name, "cache"}


def test_a_page_of_mlflow_alone_sees_the_files_of_a_home_once_it_was_opened(
    home: Path, tmp_path: Path
) -> None:
    """The database alone, as ``mlflow ui`` reads it, names no former place."""
    with R.start(experiment_name="e"):
        R.save_objects(x=1)
    new = home.rename(tmp_path / "moved")
    wf_dagster.init(home=new)
    R.list_experiments()
    connection = sqlite3.connect(new / "mlflow.db")
    dump = "\n".join(line for line in connection.iterdump() if "wf_home_places" not in line)
    connection.close()
    assert f"{new.as_uri()}/artifacts/e" in dump
    assert f"{home}/" not in dump


def materialize(site: Site, keys: str) -> None:
    done = site.run(
        *("dagster", "asset", "materialize", "-m", "assets.definitions"),
        *("--select", PARTS, "--partition-range", keys),
        WF_MAX_WORKERS="1",
    )
    assert done.returncode == 0, done.stdout[-5000:]


def load_rolls() -> dict[str, list[Any]]:
    """The objects of each roll, their files' bytes, metrics and params."""
    return {
        recorder.list_tags()["roll"]: [
            *(recorder.load_object(name) for name in OBJECTS),
            {name: recorder.load_object(name, raw="bytes") for name in OBJECTS},
            recorder.list_metrics(),
            recorder.list_params(),
        ]
        for recorder in find_recorders(NAME)
    }


def assert_equal(now: Any, known: Any) -> None:
    if isinstance(known, pd.DataFrame):
        pd.testing.assert_frame_equal(now, known)
    elif isinstance(known, pd.Series):
        pd.testing.assert_series_equal(now, known)
    elif isinstance(known, dict):
        assert now == known
    else:  # models and datasets, whose bytes are compared too
        assert type(now) is type(known)
