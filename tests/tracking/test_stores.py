"""Any MLflow: a server with proxied files, PostgreSQL, files on S3; and servers that fail."""

from __future__ import annotations

import os
import shutil
import tempfile
import time

import numpy as np
import pandas as pd
import pytest

from tests.tracking.servers import Proxy, mlflow_server
from tests.tracking.support import own_params, run
from wf_dagster import R, init
from wf_dagster.errors import ExperimentDeletedError, ObjectNotFoundError, TrackingError
from wf_dagster.tracking import check_tracking, find_recorders, parent_run, sweep

pytestmark = pytest.mark.integration
FRAME = pd.DataFrame({"score": np.arange(1000.0)}, index=pd.RangeIndex(1000, name="row"))


@pytest.fixture(scope="session")
def server(tmp_path_factory, empty_store):
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder / "mlflow.db")
    with mlflow_server(folder) as url:
        yield url


@pytest.fixture
def proxy(server, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    proxy = Proxy(server)
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def postgres(request):
    return os.environ.get("WF_TEST_POSTGRES_URL") or request.getfixturevalue("postgresql")


@pytest.fixture
def s3(monkeypatch):
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", f"http://{host}:{port}")
    import boto3

    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket="runs")
    yield "s3://runs/wf"
    server.stop()


def _whole_story(experiment, tmp_path, monkeypatch):
    """A recorder from start to end, and everything read back."""
    with R.start(experiment_name=experiment, recorder_name="x") as exp:
        R.log_params(**{f"p{i}": i for i in range(40)}, long="x" * 7000)
        for step in range(20):
            R.log_metrics(step=step, loss=1 / (step + 1))
        R.set_tags(kind="it's")
        R.save_objects(**{"pred.pkl": FRAME, "params.pkl": {"a": 1}, "deep/x": [1, 2]})
        R.save_objects(**{"pred.pkl": FRAME * 2, "params.pkl": FRAME})
        R.save_objects(**{"params.pkl": {"b": 2}})
        (tmp_path / "notes.txt").write_text("hello")
        R.log_artifact(str(tmp_path / "notes.txt"), "texts")
    recorder = R.get_recorder(recorder_name="x", experiment_name=experiment)
    assert recorder.info["status"] == "FINISHED"
    assert recorder.list_metrics() == {"loss": 1 / 20}
    assert len(own_params(recorder)) == 41
    assert recorder.list_tags()["kind"] == "it's"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    pd.testing.assert_frame_equal(recorder.load_object("pred.pkl"), FRAME * 2)
    assert recorder.load_object("params.pkl") == {"b": 2}
    assert recorder.load_object("deep/x") == [1, 2]
    assert recorder.load_object("texts/notes.txt", raw="bytes") == b"hello"
    assert len(recorder.load_object("params_long.json", raw="bytes")) > 7000
    assert list(temporary.iterdir()) == []
    names = [n for n in recorder.list_artifacts() if not n.startswith("code_")]
    assert names == ["deep", "params.pkl", "params_long.json", "pred.pkl", "texts"]
    assert recorder.list_artifacts("texts") == ["texts/notes.txt"]
    with pytest.raises(ObjectNotFoundError, match=r"'nothing'.*holds .*params\.pkl"):
        recorder.load_object("nothing")
    (again,) = find_recorders(experiment, tags={"kind": "it's"})
    assert again == recorder
    assert len(R.search_records([exp.id], "metrics.loss < 1")) == 1
    with parent_run("run-1", experiment) as parent:
        assert R.get_recorder(recorder_id=parent).status == "RUNNING"
    assert sweep(experiment, stale_seconds=0) == []
    R.delete_exp(experiment_name=experiment)
    with pytest.raises(ExperimentDeletedError):
        R.get_exp(experiment_name=experiment)
    return recorder


def test_a_tracking_server_that_proxies_files(server, tmp_path, monkeypatch):
    init(tracking_uri=server)
    recorder = _whole_story("on a server", tmp_path, monkeypatch)
    assert recorder.get_artifact_uri().startswith("mlflow-artifacts:")
    assert recorder.url.startswith(server)
    with pytest.raises(ObjectNotFoundError, match="not on this machine: use download_artifact"):
        recorder.get_local_dir()
    assert not (tmp_path / "home" / "artifacts").exists()


def test_a_plain_folder_where_mlflow_is_told_to_take_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    init(tracking_uri="mlruns")  # Qlib's default
    recorder = _whole_story("in a folder", tmp_path, monkeypatch)
    assert recorder.get_artifact_uri().startswith((tmp_path / "mlruns").as_uri())
    assert not (tmp_path / "home" / "artifacts").exists()


def test_a_server_given_to_one_start_only(server):
    with R.start(experiment_name="given", uri=server):
        R.save_objects(x=1)
        assert R.load_object("x") == 1
        assert R.get_recorder().get_artifact_uri().startswith("mlflow-artifacts:")


def test_postgres(postgres, tmp_path, monkeypatch):
    init(tracking_uri=postgres)
    _whole_story("in postgres", tmp_path, monkeypatch)
    forked = """
pid = os.fork()
with R.start(experiment_name="forked"):
    R.log_params(child=int(pid == 0))
if pid: assert os.waitpid(pid, 0)[1] == 0
"""
    before = "with R.start(experiment_name='forked'): R.log_params(child=2)\n"
    done = run(before + forked)
    assert done.returncode == 0, done.err
    recorders = find_recorders("forked")
    assert sorted(r.list_params()["child"] for r in recorders) == ["0", "1", "2"]


def test_files_on_s3(s3, tmp_path, monkeypatch):
    init(artifact_location=s3)
    recorder = _whole_story("on s3", tmp_path, monkeypatch)
    assert recorder.get_artifact_uri().startswith("s3://runs/wf/on_s3/")


@pytest.mark.parametrize("mode", ["500", "hang", "refuse"])
def test_a_server_that_fails_in_the_middle_costs_a_delay_and_no_data(proxy, mode):
    init(tracking_uri=proxy.url)
    with R.start(experiment_name=f"fails {mode}"):
        recorder = R.get_recorder()
        R.log_params(before=1)
        proxy.fail(mode, 2)
        R.save_objects(**{"pred.pkl": FRAME})
        proxy.fail(mode, 2)
        for step in range(50):
            R.log_metrics(step=step, loss=step)
        R.set_tags(t=1)
    assert proxy.failed >= 2
    assert proxy.mode == "pass"
    again = R.get_recorder(recorder_id=recorder.id)
    assert again.info["status"] == "FINISHED"
    assert own_params(again) == {"before": "1"}
    assert again.list_metrics() == {"loss": 49}
    assert again.list_tags()["t"] == "1"
    pd.testing.assert_frame_equal(again.load_object("pred.pkl"), FRAME)


def test_one_that_stays_away_is_an_error_and_what_was_logged_can_still_be_written(proxy):
    init(tracking_uri=proxy.url, tracking_patience=1)
    proxy.mode = "pass"
    R.start_exp(experiment_name="away")
    recorder = R.get_recorder()
    R.log_metrics(m=1.0)
    recorder.flush()
    R.log_metrics(step=1, m=2.0)
    proxy.mode = "500"
    with pytest.raises(TrackingError, match=rf"store {proxy.url} failed while logging: .*500"):
        R.end_exp("FINISHED")
    proxy.mode = "pass"
    assert R.get_recorder() is recorder  # still the active one, to be ended again
    R.end_exp("FINISHED")
    again = R.get_recorder(recorder_id=recorder.id)
    assert (again.status, again.list_metrics()) == ("FINISHED", {"m": 2.0})


def test_an_error_of_the_script_is_not_hidden_by_a_store_that_is_away(proxy, caplog):
    init(tracking_uri=proxy.url, tracking_patience=0)
    with pytest.raises(KeyError, match="mine"), R.start(experiment_name="hidden"):  # noqa: PT012
        recorder = R.get_recorder()
        proxy.mode = "500"
        raise KeyError("mine")
    assert "could not be ended" in caplog.text
    proxy.mode = "pass"
    recorder.end_run("FAILED")


def test_a_store_that_was_never_there_is_an_error_at_once():
    init(tracking_uri="http://127.0.0.1:9")
    started = time.monotonic()
    with pytest.raises(TrackingError, match=r"127\.0\.0\.1:9 does not answer.*WF_TRACKING_URI"):
        check_tracking()
    with pytest.raises(TrackingError, match="does not answer"), R.start():
        pass
    assert time.monotonic() - started < 30


def test_a_password_in_an_address_is_never_shown():
    init(tracking_uri="postgresql://me:hunter2@127.0.0.1:9/db")
    with pytest.raises(TrackingError) as caught, R.start():
        pass
    assert "hunter2" not in str(caught.value)
    assert "me:***@127.0.0.1:9" in str(caught.value)


def test_a_driver_that_is_not_installed_is_named():
    with pytest.raises(TrackingError, match=r"'pymssql', which is not installed: install it"):
        check_tracking("mssql+pymssql://user:secret@127.0.0.1:9/mlflow")
