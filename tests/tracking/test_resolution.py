"""Which experiment and which recorder is meant."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest

import wf_dagster
from wf_dagster import MLflowExperiment, MLflowExpManager, MLflowRecorder, R
from wf_dagster.errors import (
    ExperimentDeletedError,
    ExperimentNotFoundError,
    RecorderNotFoundError,
    SettingsError,
    TrackingError,
)


def _create_finished(experiment="a", recorder="x"):
    with R.start(experiment_name=experiment, recorder_name=recorder):
        return R.get_recorder()


def _pickled(recorder):
    """As an earlier version pickled it, with plain times."""
    state = recorder.__getstate__()
    for name in ("start_time", "end_time"):
        state[name] = datetime.fromtimestamp(state[name].timestamp(), timezone.utc)
    restored = MLflowRecorder.__new__(MLflowRecorder)
    restored.__setstate__(pickle.loads(pickle.dumps(state)))
    return restored


class TestGetExp:
    def test_the_active_one_without_id_or_name_whatever_create_says(self):
        with R.start(experiment_name="a") as started:
            for create in (True, False):
                assert R.get_exp(create=create).id == started.id

    def test_the_default_one_when_none_is_active_and_it_is_made_once(self):
        first = R.get_exp()
        assert first.name == "Experiment"
        assert R.get_exp().id == R.get_exp(create=False).id == first.id

    def test_no_default_one_and_not_to_be_made_is_an_error(self):
        with pytest.raises(ExperimentNotFoundError, match="no experiment called 'Experiment'"):
            R.get_exp(create=False)
        assert "Experiment" not in R.list_experiments()

    @pytest.mark.parametrize("inside", [True, False])
    def test_a_name_is_found_or_made(self, inside):
        experiment_id = _create_finished("a").experiment_id
        if inside:
            R.start_exp(experiment_name="other")
        assert R.get_exp(experiment_name="a").id == experiment_id
        assert R.get_exp(experiment_name="a", create=False).id == experiment_id
        with pytest.raises(ExperimentNotFoundError, match="'b'"):
            R.get_exp(experiment_name="b", create=False)
        assert R.get_exp(experiment_name="b").name == "b"
        R.end_exp()

    @pytest.mark.parametrize("inside", [True, False])
    def test_an_id_is_found_and_never_made(self, inside):
        experiment_id = _create_finished("a").experiment_id
        if inside:
            R.start_exp(experiment_name="other")
        assert R.get_exp(experiment_id=experiment_id).name == "a"
        for create in (True, False):
            with pytest.raises(ExperimentNotFoundError, match="'12345'"):
                R.get_exp(experiment_id="12345", create=create)
        R.end_exp()

    def test_a_deleted_one_is_an_error_that_says_how_to_restore_it(self):
        experiment_id = _create_finished("a").experiment_id
        R.delete_exp(experiment_name="a")
        assert "a" not in R.list_experiments()
        for which in ({"experiment_name": "a"}, {"experiment_id": experiment_id}):
            for create in (True, False):
                with pytest.raises(
                    ExperimentDeletedError, match=f"restore --experiment-id {experiment_id}"
                ):
                    R.get_exp(**which, create=create)

    def test_the_command_that_restores_a_deleted_one_works(self, tmp_path):
        _create_finished("a")
        R.delete_exp(experiment_name="a")
        with pytest.raises(ExperimentDeletedError) as caught:
            R.get_exp(experiment_name="a")
        command = str(caught.value).split("`")[1]
        assert " mlflow " in command
        # as typed in a shell, somewhere else
        typed = command.replace(" mlflow ", f" {sys.executable} -m mlflow ")
        subprocess.run(typed, shell=True, cwd=tmp_path, check=True, capture_output=True)
        assert len(R.list_recorders(experiment_name="a")) == 1

    def test_start_starts_a_recorder_unless_one_is_active(self):
        exp = R.get_exp(experiment_name="a", start=True)
        active = R.get_recorder()
        assert exp.active_recorder == active
        assert active.status == "RUNNING"
        R.get_exp(experiment_name="b", start=True)
        assert R.get_recorder() == active
        R.end_exp()

    def test_deleting_needs_an_id_or_a_name_that_is_there(self):
        with pytest.raises(ExperimentNotFoundError, match="say which"):
            R.delete_exp()
        with pytest.raises(ExperimentNotFoundError, match="'zz'"):
            R.delete_exp(experiment_name="zz")


class TestGetRecorder:
    def test_the_active_one_without_id_or_name(self):
        with R.start(experiment_name="a", recorder_name="x"):
            assert R.get_recorder().name == "x"
            assert R.get_exp().get_recorder() == R.get_recorder()

    def test_without_an_active_one_the_error_says_what_to_do(self):
        _create_finished()
        for call in (R.get_recorder, lambda: R.load_object("x"), lambda: R.delete_tags("x")):
            with pytest.raises(RecorderNotFoundError, match=r"with R\.start.*recorder_id"):
                call()
        with pytest.raises(RecorderNotFoundError, match="experiment 'a'"):
            R.get_recorder(experiment_name="a")
        _create_finished("Experiment", "named")  # the default one, but no recorder without a name
        with pytest.raises(RecorderNotFoundError, match=r"with R\.start"):
            R.get_recorder()

    def test_without_an_active_one_it_is_the_latest_without_a_name_as_in_qlib(self):
        with R.start():
            first = R.get_recorder()
        with R.start():
            R.save_objects(x=2)
            latest = R.get_recorder()
        _create_finished("Experiment", "named")
        assert R.get_recorder() == latest != first
        assert R.get_recorder(experiment_name="Experiment") == latest
        assert R.load_object("x") == 2
        assert R.get_exp().get_recorder() == latest
        with R.start(experiment_name="other"):
            assert R.get_recorder(experiment_name="Experiment") == latest
            assert R.get_recorder() != latest
        with pytest.raises(RecorderNotFoundError, match="active"):  # it changes none unasked
            R.delete_tags("wf_kind")

    def test_a_thread_without_one_is_given_no_other_while_some_are_active(self):
        with R.start():
            pass
        with R.start(experiment_name="a"), ThreadPoolExecutor(1) as pool:
            asked = pool.submit(R.get_recorder)
        with pytest.raises(RecorderNotFoundError, match="elsewhere in this process"):
            asked.result()

    def test_an_id_is_found_wherever_it_is(self):
        recorder = _create_finished("a")
        assert R.get_recorder(recorder_id=recorder.id).experiment_id == recorder.experiment_id
        assert R.get_recorder(recorder_id=recorder.id, experiment_name="a") == recorder
        with R.start(experiment_name="b"):
            assert R.get_recorder(recorder_id=recorder.id) == recorder

    def test_an_id_in_another_experiment_is_not_relabelled(self):
        recorder = _create_finished("a")
        _create_finished("b")
        with pytest.raises(RecorderNotFoundError, match="belongs to experiment"):
            R.get_recorder(recorder_id=recorder.id, experiment_name="b")

    def test_an_id_that_is_not_there(self):
        _create_finished("a")
        for create in (True, False):
            with pytest.raises(RecorderNotFoundError, match="'nope'"):
                R.get_exp(experiment_name="a").get_recorder("nope", create=create)

    def test_a_name_is_looked_for_in_the_given_the_active_or_the_default_experiment(self):
        names = ("a", "b", "Experiment")
        in_a, in_b, in_default = map(_create_finished, names)
        assert R.get_recorder(recorder_name="x", experiment_name="a") == in_a
        assert R.get_recorder(recorder_name="x", experiment_id=in_a.experiment_id) == in_a
        with R.start(experiment_name="b"):
            assert R.get_recorder(recorder_name="x") == in_b
        assert R.get_recorder(recorder_name="x") == in_default
        with pytest.raises(RecorderNotFoundError, match="'a' has no recorder called 'y'"):
            R.get_recorder(recorder_name="y", experiment_name="a")
        with pytest.raises(ExperimentNotFoundError):
            R.get_recorder(recorder_name="x", experiment_name="zz")

    def test_of_two_with_one_name_it_is_the_latest_by_start_time(self):
        recorders = [_create_finished("a") for _ in range(5)]
        assert R.get_recorder(recorder_name="x", experiment_name="a") == recorders[-1]
        assert list(R.list_recorders(experiment_name="a")) == [r.id for r in reversed(recorders)]

    @pytest.mark.parametrize("name", ["it's", 'say "x"', "back\\slash", "50%", "a_b", "ä€"])
    def test_names_with_unusual_signs_are_found(self, name):
        recorder = _create_finished("a", name)
        _create_finished("a", "aXb")
        assert R.get_recorder(recorder_name=name, experiment_name="a") == recorder

    def test_create_makes_a_scheduled_one_and_start_a_running_one(self):
        exp = R.get_exp(experiment_name="a")
        scheduled = exp.get_recorder(recorder_name="x")
        assert scheduled.info["status"] == "SCHEDULED"
        assert exp.get_recorder(recorder_name="x") == scheduled
        unnamed = exp.get_recorder()
        assert unnamed != scheduled
        assert exp.get_recorder() == unnamed
        running = exp.get_recorder(recorder_name="y", start=True)
        assert (running.status, exp.active_recorder) == ("RUNNING", running)
        R.end_exp()

    def test_a_deleted_one_is_not_found(self):
        first, second = _create_finished("a"), _create_finished("a")
        R.delete_recorder(recorder_id=second.id)
        assert R.get_recorder(recorder_name="x", experiment_name="a") == first
        with pytest.raises(RecorderNotFoundError, match=f"restore --run-id {second.id}"):
            R.get_recorder(recorder_id=second.id)
        assert list(R.list_recorders(experiment_name="a")) == [first.id]

    def test_deleting_by_name_takes_the_latest_of_the_active_experiment(self):
        first, second = _create_finished("a"), _create_finished("a")
        with R.start(experiment_name="a", recorder_name="now"):
            R.delete_recorder(recorder_name="x")
            assert second.id not in R.list_recorders()
            assert first.id in R.list_recorders()
            with pytest.raises(RecorderNotFoundError, match="say which"):
                R.delete_recorder()


@pytest.fixture
def other(tmp_path, empty_store):
    """The address of a store that is not that of the settings."""
    shutil.copy(empty_store, tmp_path / "other.db")
    return f"sqlite:///{tmp_path}/other.db"


class TestAddress:
    def test_what_start_is_given_holds_inside_the_block_only(self, tmp_path, other):
        before = R.get_uri()
        with R.start(experiment_name="a", uri=other):
            assert R.get_uri() == other
            inside = R.get_recorder()
            assert R.get_recorder(recorder_id=inside.id) == inside
            assert set(R.list_experiments()) >= {"a"}
        assert R.get_uri() == before
        assert "a" not in R.list_experiments()
        assert inside.get_artifact_uri().startswith(tmp_path.as_uri())
        with pytest.raises(RecorderNotFoundError):
            R.get_recorder(recorder_id=inside.id)

    def test_uri_context_changes_the_default_inside_the_block(self, other):
        before = R.get_uri()
        with R.uri_context(other):
            assert R.get_uri() == other
            _create_finished("a")
        assert R.get_uri() == before
        assert "a" not in R.list_experiments()
        with R.uri_context(other):
            assert "a" in R.list_experiments()

    def test_set_uri_changes_the_settings(self, tmp_path):
        other = f"sqlite:///{tmp_path}/other.db"
        before = R.get_uri()
        R.set_uri(other)
        assert R.get_uri() == wf_dagster.get_settings().tracking_uri == other
        R.set_uri(None)
        assert R.get_uri() == before
        with pytest.raises(SettingsError, match="ftp://x"):
            R.set_uri("ftp://x")

    @pytest.mark.parametrize("uri", ["mlruns", "file:mlruns", "file:///tmp/mlruns"])
    def test_a_plain_folder_is_refused_and_nothing_is_left_behind(self, uri, tmp_path, monkeypatch):
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        with pytest.raises(TrackingError, match=FOLDER), R.start(uri=uri):
            pass
        assert list((tmp_path / "here").iterdir()) == []


FOLDER = r"plain folder.*`mlflow migrate-filestore --source \S*mlruns .*MLFLOW_ALLOW_FILE_STORE"


class TestInfo:
    def test_of_a_recorder(self):
        recorder = _create_finished("a", "x")
        info = recorder.info
        assert list(info) == [
            "class", "id", "name", "experiment_id", "start_time", "end_time", "status",
        ]  # fmt: skip
        assert (info["class"], info["name"], info["status"]) == ("Recorder", "x", "FINISHED")
        local = recorder.start_time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        assert info["start_time"] == local
        assert recorder.start_time.tzinfo is not None
        assert recorder.start_time <= recorder.end_time
        assert str(recorder) == str(info)

    def test_times_compare_with_text_as_with_times(self):
        recorder = _create_finished()
        for found in (recorder, R.get_recorder(recorder_id=recorder.id), _pickled(recorder)):
            for time in (found.start_time, found.end_time):
                text = time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
                assert time == text
                assert time != "2020-01-01 00:00:00"
                assert "2020-01-01" < time < "2999"
                assert time <= text <= time
                assert (
                    datetime(2020, 1, 1, tzinfo=timezone.utc) < time <= datetime.now(timezone.utc)
                )
                assert pd.Timestamp(time) == time
                assert found.end_time - found.start_time >= timedelta(0)
                assert {time: 1}[time + timedelta(0)] == 1

    def test_a_recorder_gets_another_name(self):
        recorder = _create_finished("a", "x")
        recorder.set_recorder_name("y")
        assert recorder.name == "y"
        assert R.get_recorder(recorder_name="y", experiment_name="a") == recorder
        assert recorder.client.get_run(recorder.id).info.run_name == "y"

    def test_clients_and_addresses_are_those_of_mlflow(self, tmp_path):
        with R.start(experiment_name="a") as exp:
            pass
        assert R.exp_manager.client.get_experiment(exp.id).name == "a"
        assert exp.client.get_experiment(exp.id).name == "a"
        before = R.exp_manager.default_uri
        assert before == R.get_uri()
        R.exp_manager.default_uri = f"sqlite:///{tmp_path}/other.db"
        assert R.get_uri() == R.exp_manager.uri == f"sqlite:///{tmp_path}/other.db"
        R.exp_manager.default_uri = None
        assert R.get_uri() == before
        own = MLflowExpManager(f"sqlite:///{tmp_path}/own.db", "mine")
        own.default_uri = f"sqlite:///{tmp_path}/third.db"
        assert own.get_exp().name == "mine"
        assert (tmp_path / "third.db").is_file()
        assert R.get_uri() == before

    def test_of_an_experiment(self):
        earlier = _create_finished("a")
        with R.start(experiment_name="a") as exp:
            now = R.get_recorder()
            assert exp.info == {
                "class": "Experiment",
                "id": exp.id,
                "name": "a",
                "active_recorder": now.id,
                "recorders": [now.id, earlier.id],
            }
        assert exp.info["active_recorder"] is None

    def test_the_public_kinds_are_what_their_names_say(self):
        with R.start() as exp:
            assert isinstance(exp, wf_dagster.Experiment)
            assert isinstance(exp, MLflowExperiment)
            assert isinstance(R.get_recorder(), wf_dagster.Recorder)
            assert isinstance(R.get_recorder(), MLflowRecorder)
            assert isinstance(R.exp_manager, wf_dagster.ExpManager)
            assert isinstance(R.exp_manager, wf_dagster.MLflowExpManager)
            assert isinstance(R, wf_dagster.QlibRecorder)

    def test_listing_an_experiment_that_is_not_there_makes_none(self):
        assert R.list_recorders(experiment_name="zz") == {}
        assert "zz" not in R.list_experiments()
