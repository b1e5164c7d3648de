"""Online models of Qlib's, brought up to date here and by Qlib: the same frames."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.by_qlib import GROWN
from tests.qlib.provider import grow
from tests.qlib.qlib_tasks import UPDATED, UPDATED_FROM
from wf_dagster import OnlineToolR, RecorderCollector, TrainerR
from wf_dagster.records.analysis import ic_series

ROOT = Path(__file__).parents[2]
FILES = ("pred.pkl", "label.pkl")


def assert_same(ours, theirs):
    for our, their in zip(ours, theirs, strict=True):
        assert our.index.equals(their.index)
        assert list(our.columns) == list(their.columns)
        np.testing.assert_allclose(
            our.to_numpy(dtype="float64"), their.to_numpy(dtype="float64"), rtol=0, atol=1e-6
        )


def load_frames(recorder):
    return [recorder.load_object(file) for file in FILES]


def online(name):
    (recorder,) = OnlineToolR(name, trusted=["tests.qlib.window_model"]).online_models()
    return recorder


def last_day(frame):
    return frame.dropna().index.get_level_values("datetime").max()


@pytest.mark.parametrize("name", UPDATED)
def test_an_update_gives_what_qlibs_gives(name, updates, tmp_path):
    folder = grow(tmp_path / "grows", UPDATED_FROM)
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us", max_workers=1)
    (recorder,) = TrainerR(name)([UPDATED[name]])
    assert_same(load_frames(recorder), updates[name]["before"])
    grow(folder)
    tool = OnlineToolR(name, trusted=["tests.qlib.window_model"])
    tool.reset_online_tag(recorder)
    assert tool.update_online_pred() == [recorder]
    assert tool.update_online_label() == [recorder]
    assert_same(load_frames(recorder), updates[name]["after"])
    for before, after in zip(updates[name]["before"], load_frames(recorder), strict=True):
        assert len(pd.bdate_range(last_day(before), last_day(after))) == 31
    assert tool.update_online_pred() == []


UPDATE = """
import sys
from wf_dagster import OnlineToolR, R, RMDLoader
from wf_dagster.training.refresh import refresh_analysis

if __name__ == "__main__":
    (name,) = sys.argv[1:]
    (recorder,) = R.list_recorders(experiment_name=name).values()
    # the first thing that needs Qlib's data
    dataset = RMDLoader(recorder).get_dataset("2020-06-01", "2020-06-30")
    assert dataset.handler.fetch().notna().any(axis=None)
    tool = OnlineToolR(name, trusted=["tests.qlib.window_model"])
    tool.set_online_tag("online", recorder)
    assert tool.get_online_tag(recorder) == "online"
    assert len(tool.update_online_pred()) == len(tool.update_online_label()) == 1
    refresh_analysis(recorder, recorder.load_object("task"))
"""


@pytest.mark.parametrize(
    "name", ["updated_ridge", pytest.param("updated_window", marks=pytest.mark.slow)]
)
def test_what_qlib_wrote_is_put_online_by_a_process_that_has_never_trained(
    name, updates, qlib_folder, tmp_path
):
    settings = {
        "tracking_uri": f"sqlite:///{qlib_folder}/{GROWN}_{GROWN}.db",
        "qlib_provider_uri": str(qlib_folder / GROWN),
        "qlib_region": "us",
    }
    variables = {f"WF_{key.upper()}": value for key, value in settings.items()}
    process = subprocess.run(
        [sys.executable, "-c", UPDATE, f"{name}_left"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
    )
    assert process.returncode == 0, process.stderr[-3000:]
    wf_dagster.init(**settings)
    recorder = online(f"{name}_left")
    ic, _ = ic_series(*(frame.iloc[:, 0] for frame in updates[name]["after"]))
    old, _ = ic_series(*(frame.iloc[:, 0] for frame in updates[name]["before"]))
    assert recorder.list_metrics()["IC"] == pytest.approx(ic.mean(), abs=1e-6)
    assert abs(ic.mean() - old.mean()) > 1e-4
    pd.testing.assert_series_equal(
        recorder.load_object("sig_analysis/ic.pkl"), ic, check_names=False, check_freq=False
    )
    assert_same(load_frames(recorder), updates[name]["after"])
    assert recorder.list_tags()["online_status"] == "online"
    collected = RecorderCollector(
        f"{name}_left",
        rec_key_func=lambda rec: rec.id,
        artifacts_path=dict(zip(("pred", "label"), FILES, strict=True)),
    )()
    assert_same([collected[key][recorder.id] for key in ("pred", "label")], updates[name]["after"])
