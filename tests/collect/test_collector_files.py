"""Collectors that were written to a file, and lists of recorders."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pandas as pd
import pytest

from tests.reference import frames
from wf_dagster import R, RollingGen, RollingStrategy
from wf_dagster.collect import (
    Collector,
    MergeCollector,
    RecorderCollector,
    RollingGroup,
    list_recorders,
)
from wf_dagster.errors import CollectError, ExperimentNotFoundError, UnsafeObjectError

EXPERIMENT = "collected from files"


@pytest.fixture
def rolls():
    recorders = {}
    for key, frame in frames.rolls().items():
        with R.start(experiment_name=EXPERIMENT, recorder_name="/".join(key)):
            R.save_objects(**{"pred.pkl": frame})
            recorders[key] = R.get_recorder()
    return recorders


@pytest.mark.usefixtures("rolls")
def test_a_collector_from_a_file_collects_what_it_did(tmp_path):
    collector = MergeCollector({"all": RecorderCollector(EXPERIMENT)})
    collector.to_pickle(tmp_path / "collector.pkl")
    loaded = MergeCollector.load(tmp_path / "collector.pkl")
    assert Collector.load(filepath=tmp_path / "collector.pkl").collect().keys() == {("all", "pred")}
    wanted, again = collector()[("all", "pred")], loaded()[("all", "pred")]
    assert list(again) == list(wanted)
    for key, frame in wanted.items():
        pd.testing.assert_frame_equal(again[key], frame)


def test_that_of_a_strategy_too(tmp_path, rolls):
    template = {"model": "package.Model", "dataset": "package.Data"}
    strategy = RollingStrategy(EXPERIMENT, template, RollingGen(20))
    collector = strategy.get_collector(rec_key_func=None, process_list=[RollingGroup()])
    collector.to_pickle(tmp_path / "collector.pkl")
    loaded = RecorderCollector.load(tmp_path / "collector.pkl")
    assert loaded.get_exp_name() == EXPERIMENT
    assert isinstance(loaded.process_list[0], RollingGroup)


def test_another_process_reads_it(tmp_path, rolls, home):
    RecorderCollector(EXPERIMENT).to_pickle(tmp_path / "collector.pkl")
    code = textwrap.dedent(f"""
        from wf_dagster.collect import RecorderCollector
        print(len(RecorderCollector.load({str(tmp_path / "collector.pkl")!r})()["pred"]))
    """)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(len(rolls))


@pytest.mark.usefixtures("rolls")
def test_functions_of_a_script_run_when_they_are_allowed(tmp_path):
    main = {"__name__": "__main__"}
    exec("def key(recorder): return recorder.name", main)
    file = tmp_path / "collector.pkl"
    RecorderCollector(EXPERIMENT, rec_key_func=main["key"]).to_pickle(file)
    with pytest.raises(UnsafeObjectError, match=r"allow=\['__main__'\]"):
        RecorderCollector.load(file)
    loaded = RecorderCollector.load(file, allow=["__main__"])
    assert set(loaded()["pred"]) == {"/".join(key) for key in frames.rolls()}


@pytest.mark.usefixtures("rolls")
def test_what_is_no_such_file_is_named(tmp_path):
    file = tmp_path / "collector.pkl"
    with pytest.raises(CollectError, match=r"collector\.pkl cannot be read: No such file"):
        RecorderCollector.load(file)
    RecorderCollector(EXPERIMENT).to_pickle(file)
    with pytest.raises(CollectError, match="holds a RecorderCollector, no MergeCollector"):
        MergeCollector.load(file)
    with (tmp_path / "open").open("w") as opened:
        collector = RecorderCollector(EXPERIMENT, rec_key_func=lambda recorder: opened.name)
        with pytest.raises(CollectError, match="must not refer to an open file"):
            collector.to_pickle(file)


@pytest.mark.usefixtures("rolls")
def test_options_of_qlibs_are_said_to_do_nothing(tmp_path, caplog):
    RecorderCollector(EXPERIMENT).to_pickle(tmp_path / "collector.pkl", dump_all=True)
    assert "dump_all=True is ignored" in caplog.text
    assert RecorderCollector.load(tmp_path / "collector.pkl").get_exp_name() == EXPERIMENT


def test_recorders_are_listed_by_a_filter(rolls):
    listed = list_recorders(EXPERIMENT)
    assert list(listed) == [recorder.id for recorder in reversed([*rolls.values()])]
    key, wanted = next(iter(rolls.items()))
    name = "/".join(key)
    assert list(list_recorders(EXPERIMENT, lambda recorder: recorder.name == name)) == [wanted.id]
    experiment = R.get_exp(experiment_name=EXPERIMENT)
    assert list_recorders(experiment) == listed
    with pytest.raises(ExperimentNotFoundError):
        list_recorders("misspelt")
