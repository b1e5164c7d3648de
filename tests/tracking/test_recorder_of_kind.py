"""The recorders that an experiment has one of, and the parents of recorders."""

from __future__ import annotations

from wf_dagster import R
from wf_dagster.tracking import (
    create_recorder_of_kind,
    find_recorder_of_kind,
    find_recorders,
    set_parent,
    start_recorder_of_kind,
)


def test_an_experiment_that_is_not_there_has_no_recorder_of_a_kind():
    assert find_recorder_of_kind("a", "table") is None
    assert "a" not in R.list_experiments()


def test_the_recorder_of_a_kind_is_started_once_and_gone_on_with():
    with start_recorder_of_kind("a", "table", tags={"of": "x"}) as first:
        assert R.get_recorder() is first
        first.log_metrics(m=1.0)
    with start_recorder_of_kind("a", "table") as second:
        second.log_metrics(m=2.0)
    assert second == first == find_recorder_of_kind("a", "table")
    assert find_recorder_of_kind("a", "another") is None
    (recorder,) = find_recorders("a", tags={"wf_kind": "table"})
    assert (recorder.name, recorder.status) == ("table", "FINISHED")
    assert recorder.list_metrics() == {"m": 2.0}
    assert recorder.list_tags()["of"] == "x"


def test_of_two_that_were_created_at_the_same_time_the_older_one_counts():
    first = create_recorder_of_kind("a", "online")
    assert first.status == "SCHEDULED"
    assert create_recorder_of_kind("a", "online") == first
    assert find_recorder_of_kind("a", "online", oldest=True) == first
    assert find_recorder_of_kind("a", "online") != first


def test_a_recorder_is_shown_under_the_parent_that_it_is_given():
    with R.start(experiment_name="a", parent_run_id="1" * 32):
        recorder = R.get_recorder()
    set_parent(recorder, "2" * 32)
    again = R.get_recorder(recorder_id=recorder.id)
    assert again.list_tags()["mlflow.parentRunId"] == "2" * 32
