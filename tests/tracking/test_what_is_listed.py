"""Recorders are trainings: parents of Dagster runs and what an experiment has one of are none."""

import mlflow
import pytest

from wf_dagster import R
from wf_dagster.collect import RecorderCollector, keep
from wf_dagster.errors import RecorderNotFoundError
from wf_dagster.tracking import find_recorder_of_kind, parent_run

NAME = "demo"


@pytest.fixture
def trained():
    """A training under a parent, beside another resource's parent, and collected frames."""
    with (
        parent_run("run-1", NAME, name="dagster run-1") as parent,
        R.start(experiment_name=NAME, recorder_name="2020", parent_run_id=parent),
    ):
        R.save_objects(**{"pred.pkl": 1})
        recorder = R.get_recorder()
    experiment = R.get_exp(experiment_name=NAME)
    client = mlflow.MlflowClient(R.get_uri())
    client.create_run(experiment.id, tags={"dagster_run_id": "run-2"}, run_name="2020")
    keep(NAME, "collected", {"pred.pkl": 2}, {})
    return recorder


def test_only_trainings_are_listed(trained):
    experiment = R.get_exp(experiment_name=NAME)
    assert list(R.list_recorders(experiment_name=NAME)) == [trained.id]
    assert list(experiment.list_recorders()) == [trained.id]
    assert experiment.list_recorders(rtype="list", max_results=1) == [trained]
    assert experiment.info["recorders"] == [trained.id]
    assert list(R.search_records([experiment.id])["run_id"]) == [trained.id]


def test_other_kinds_are_found_by_their_tag(trained):
    experiment = R.get_exp(experiment_name=NAME)
    (collected,) = experiment.list_recorders(filter_string="tags.wf_kind = 'collected'").values()
    assert collected == find_recorder_of_kind(NAME, "collected")
    frame = R.search_records([experiment.id], "tags.wf_kind = 'parent'")
    assert list(frame["tags.dagster_run_id"]) == ["run-1"]


def test_a_name_is_that_of_no_parent(trained):
    named = {"experiment_name": NAME}
    assert R.get_recorder(recorder_name="2020", **named) == trained, "the newer one is a parent"
    assert R.get_recorder(recorder_name="collected", **named).load_object("pred.pkl") == 2
    with pytest.raises(RecorderNotFoundError, match="no recorder called 'dagster run-1'"):
        R.get_recorder(recorder_name="dagster run-1", **named)


def test_runs_that_somebody_else_has_logged_are_listed(trained):
    experiment = R.get_exp(experiment_name=NAME)
    run = mlflow.MlflowClient(R.get_uri()).create_run(experiment.id)
    assert set(R.list_recorders(experiment_name=NAME)) == {trained.id, run.info.run_id}


def test_many_other_runs_hide_no_training(trained):
    client = mlflow.MlflowClient(R.get_uri())
    experiment = R.get_exp(experiment_name=NAME)
    for _ in range(25):
        client.create_run(experiment.id, tags={"wf_kind": "parent"}, run_name="2020")
    assert experiment.list_recorders(rtype="list", max_results=1) == [trained]
    assert R.get_recorder(recorder_name="2020", experiment_name=NAME) == trained


def test_collectors_read_no_parent(trained):
    def collect(experiment):
        return RecorderCollector(
            experiment, rec_key_func=lambda r: r.name, artifacts_path={"pred": "pred.pkl"}
        )()

    assert collect(NAME) == {"pred": {"2020": 1}}
    # a function may give what is no training, but no parent
    everything = collect(lambda: R.get_exp(experiment_name=NAME).search())
    assert everything == {"pred": {"2020": 1, "collected": 2}}
