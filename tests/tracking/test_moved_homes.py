"""A home folder that was moved or copied: what it holds is found where it is now."""

from __future__ import annotations

import logging
import os
import pickle
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import wf_dagster
from wf_dagster import ObjectNotFoundError, R
from wf_dagster.tracking import store
from wf_dagster.tracking.home_record import HomeRecord
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.store import get_client

LOGGER = "wf_dagster.tracking.home_record"
ODD = "moved? #1 %20ä"


@pytest.fixture
def make_home(tmp_path: Path, empty_store: Path) -> Callable[[str], Path]:
    """Makes the home folder of a name, and uses it."""

    def make(name: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        shutil.copy(empty_store, folder / "mlflow.db")
        wf_dagster.init(home=folder)
        return folder

    return make


def record(value: object, experiment: str = "e") -> MLflowRecorder:
    with R.start(experiment_name=experiment):
        R.save_objects(**{"x.pkl": value, "folder/y.pkl": value})
        recorder: MLflowRecorder = R.get_recorder()
    return recorder


def load(recorder_id: str) -> object:
    recorder = R.get_recorder(recorder_id=recorder_id)
    value = recorder.load_object("x.pkl")
    assert recorder.load_object("folder/y.pkl") == value
    return value


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [entry.getMessage() for entry in caplog.records if entry.name == LOGGER]


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def addresses(home: Path) -> set[str]:
    connection = sqlite3.connect(home / "mlflow.db")
    rows = connection.execute(
        "SELECT artifact_uri FROM runs UNION SELECT artifact_location FROM experiments "
        "WHERE name <> 'Default'"
    ).fetchall()
    connection.close()
    return {uri for (uri,) in rows}


def forget_record(home: Path) -> None:
    """Make it a database as earlier versions left it."""
    connection = sqlite3.connect(home / "mlflow.db")
    connection.execute("DROP TABLE wf_home_places")
    connection.commit()
    connection.close()


def in_process(home: Path, code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", f"from wf_dagster import R\n{code}"],
        env={**os.environ, "WF_HOME": str(home)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("name", ["b", ODD, "a/b"])
def test_a_moved_home(make_home, tmp_path, caplog, name):
    old = make_home("first/a")
    before = record([1, 2])
    (tmp_path / "aside").mkdir()
    new = tmp_path / "first" / name
    old.rename(tmp_path / "aside" / "home")
    new.parent.mkdir(exist_ok=True)
    (tmp_path / "aside" / "home").rename(new)

    wf_dagster.init(home=new)
    with caplog.at_level(logging.WARNING, LOGGER):
        assert load(before.id) == [1, 2]
    (message,) = messages(caplog)
    assert message == (
        f"the home folder is now at {new}: the files of 1 runs are found there, and 2 addresses "
        "in mlflow.db were changed"
    )
    after = record([3])
    assert after.experiment_id == before.experiment_id
    assert load(after.id) == [3]
    # MLflow, which its page asks, says the same
    for run_id in (before.id, after.id):
        uri = get_client().get_run(run_id).info.artifact_uri
        assert uri.startswith(f"{new.as_uri()}/artifacts/e/")
    assert set(R.search_records()["artifact_uri"]) == addresses(new) - {
        f"{new.as_uri()}/artifacts/e"
    }
    if name == "a/b":  # the new place is below the old one
        assert list(old.iterdir()) == [new]
    else:
        assert not old.exists()


def test_a_home_that_was_moved_twice_and_back(make_home, tmp_path):
    place = make_home("a")
    recorders = [record("a")]
    for name in ("b", "c", "a"):
        place = place.rename(tmp_path / name)
        wf_dagster.init(home=place)
        store._open_store.cache_clear()  # as in a new process
        assert [load(recorder.id) for recorder in recorders] == [*"abc"][: len(recorders)]
        recorders.append(record(name))
        assert all(uri.startswith(f"{place.as_uri()}/") for uri in addresses(place))
    assert {path.name for path in tmp_path.iterdir()} - {"home"} == {"a"}


def test_a_copy_leaves_the_original_alone(make_home, tmp_path):
    old = make_home("a")
    first = record("first")
    with R.start(experiment_name="e"):
        running = R.get_recorder()
        R.save_objects(x="running")
        running.flush()
        new = tmp_path / "b"
        shutil.copytree(old, new)
        known = files_of(old)

        wf_dagster.init(home=new)
        assert load(first.id) == "first"
        copied = R.get_recorder(recorder_id=first.id)
        copied.save_objects(**{"x.pkl": "changed", "folder/y.pkl": "changed"})
        added = record("added")
        assert load(added.id) == "added"
        assert files_of(old) == known

        wf_dagster.init(home=old)
        running.save_objects(x="went on")
    assert R.get_recorder(recorder_id=running.id).load_object("x") == "went on"
    assert load(first.id) == "first"
    assert {uri.split("/artifacts/")[0] for uri in addresses(old)} == {old.as_uri()}
    assert {uri.split("/artifacts/")[0] for uri in addresses(new)} == {new.as_uri()}


def test_pickled_recorders_and_experiments_belong_to_where_the_home_is(make_home, tmp_path):
    old = make_home("a")
    first = record("first")
    content = pickle.dumps((first, R.get_exp(experiment_name="e")))
    new = Path(shutil.copytree(old, tmp_path / "b"))
    later = pickle.dumps(record("later"))

    wf_dagster.init(home=new)
    recorder, experiment = pickle.loads(content)
    recorder.save_objects(x=1)
    assert (new / "artifacts" / "e" / first.id / "artifacts" / "x").exists()
    assert not (old / "artifacts" / "e" / first.id / "artifacts" / "x").exists()
    assert set(experiment.list_recorders()) == {first.id}
    # what the copy does not hold can only be meant there
    assert pickle.loads(later).load_object("x.pkl") == "later"

    shutil.rmtree(old)
    recorder, _ = pickle.loads(content)
    assert recorder.load_object("x.pkl") == "first"
    recorder.log_metrics(m=2.0)
    assert R.get_recorder(recorder_id=first.id).list_metrics() == {"m": 2.0}
    assert not old.exists()


def test_files_elsewhere_stay_where_they_are(make_home, tmp_path, caplog):
    old = make_home("a")
    inside = record("inside")
    disk = tmp_path / "a disk" / "artifacts"  # its name begins with that of the home
    wf_dagster.init(home=old, artifact_location=disk.as_uri())
    outside = record("outside", "on disk")
    wf_dagster.init(home=old, artifact_location="s3://bucket/artifacts")
    R.get_exp(experiment_name="in s3")
    new = old.rename(tmp_path / "b")

    wf_dagster.init(home=new)
    assert (load(inside.id), load(outside.id)) == ("inside", "outside")
    again = record("again", "on disk")
    assert {uri for uri in addresses(new) if not uri.startswith(new.as_uri())} == {
        f"{disk.as_uri()}/on_disk",
        f"{disk.as_uri()}/on_disk/{outside.id}/artifacts",
        f"{disk.as_uri()}/on_disk/{again.id}/artifacts",
        "s3://bucket/artifacts/in_s3",
    }


def test_registered_models_follow(make_home, tmp_path):
    old = make_home("a")
    recorder = record(1)
    client = get_client()
    client.create_registered_model("m")
    client.create_model_version("m", f"{recorder.artifact_uri}/folder", recorder.id)
    plain = client.create_experiment("plain path", str(old / "artifacts" / "p"))
    new = old.rename(tmp_path / "b")

    wf_dagster.init(home=new)
    artifacts = new / "artifacts" / "e" / recorder.id / "artifacts"
    version = get_client().get_model_version("m", "1")
    assert version.source == f"{artifacts.as_uri()}/folder"
    assert get_client().get_experiment(plain).artifact_location == f"{new}/artifacts/p"


@pytest.mark.slow
def test_processes_that_open_a_moved_home_at_once(make_home, tmp_path):
    old = make_home("a")
    recorders = [record(value) for value in range(3)]
    new = old.rename(tmp_path / ODD)
    code = (
        f"values = [R.get_recorder(recorder_id=i).load_object('x.pkl') for i in "
        f"{[recorder.id for recorder in recorders]}]\n"
        "with R.start(experiment_name='e'):\n"
        "    R.save_objects(**{'x.pkl': values, 'folder/y.pkl': values})\n"
        "    print(R.get_recorder().id)\n"
    )
    processes = [in_process(new, code) for _ in range(4)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert sum("the home folder is now at" in err for _, err in outputs) == 1, outputs
    wf_dagster.init(home=new)
    assert [load(out.strip()) for out, _ in outputs] == [[0, 1, 2]] * 4
    assert not old.exists()
    assert len(addresses(new)) == 3 + 4 + 1
    assert all(uri.startswith(f"{new.as_uri()}/") for uri in addresses(new))


def test_names_of_one_folder_are_no_move(make_home, tmp_path, caplog):
    real = make_home("a")
    first = record("first")
    link = tmp_path / "link"
    link.symlink_to(real)
    known = addresses(real)
    with caplog.at_level(logging.WARNING, LOGGER):
        wf_dagster.init(home=link)
        assert load(first.id) == "first"
        second = record("second")
        wf_dagster.init(home=real)
        assert (load(first.id), load(second.id)) == ("first", "second")
    assert messages(caplog) == []
    assert known < addresses(real)
    # the link goes, and so does the folder
    link.unlink()
    new = real.rename(tmp_path / "b")
    wf_dagster.init(home=new)
    assert (load(first.id), load(second.id)) == ("first", "second")
    assert all(uri.startswith(f"{new.as_uri()}/") for uri in addresses(new))


def test_a_folder_that_others_see_at_another_place(make_home, tmp_path):
    here = make_home("a")
    first = record("first")
    # a container that mounts it at b opens it meanwhile
    there = here.rename(tmp_path / "b")
    HomeRecord(there / "mlflow.db", there, 5.0).settle()
    there.rename(here)
    assert {uri.split("/artifacts/")[0] for uri in addresses(here)} == {there.as_uri()}

    assert load(first.id) == "first"
    second = record("second")
    assert load(second.id) == "second"
    assert R.search_records()["artifact_uri"].str.startswith(here.as_uri()).all()
    assert not there.exists()


def test_a_database_that_cannot_be_written_is_read(make_home, tmp_path, caplog):
    old = make_home("a")
    recorder = record(1)
    new = old.rename(tmp_path / "b")
    known = addresses(new)
    writer = sqlite3.connect(new / "mlflow.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    wf_dagster.init(home=new, tracking_patience=0.1)
    with caplog.at_level(logging.WARNING, LOGGER):
        assert load(recorder.id) == 1
    (message,) = messages(caplog)
    assert message == (
        f"{new}/mlflow.db says where files were before the home folder was moved to {new}, and "
        "cannot be written (database is locked): files are found here, but not by MLflow's page"
    )
    assert addresses(new) == known
    writer.execute("ROLLBACK")
    writer.close()
    HomeRecord(new / "mlflow.db", new, 5.0).settle()  # the next process does so
    assert all(uri.startswith(f"{new.as_uri()}/") for uri in addresses(new))


def test_a_database_that_was_moved_alone_keeps_its_files(make_home, tmp_path):
    old = make_home("a")
    recorder = record(1)
    known = addresses(old)
    new = tmp_path / "b"
    new.mkdir()
    (old / "mlflow.db").rename(new / "mlflow.db")
    wf_dagster.init(home=new)
    assert load(recorder.id) == 1
    assert addresses(new) == known
    # until they come along
    (old / "artifacts").rename(new / "artifacts")
    store._open_store.cache_clear()
    assert load(recorder.id) == 1
    assert all(uri.startswith(f"{new.as_uri()}/") for uri in addresses(new))


def test_a_home_of_an_earlier_version(make_home, tmp_path, caplog):
    old = make_home("a")
    empty = R.get_exp(experiment_name="without runs")
    recorder = record(1)
    disk = tmp_path / "disk"  # looks like another home
    wf_dagster.init(home=old, artifact_location=(disk / "artifacts").as_uri())
    outside = record(2, "on disk")
    forget_record(old)
    new = old.rename(tmp_path / "b")

    wf_dagster.init(home=new)
    with caplog.at_level(logging.WARNING, LOGGER):
        assert (load(recorder.id), load(outside.id)) == (1, 2)
    (message,) = messages(caplog)
    assert "the files of 1 runs are found there, and 3 addresses" in message
    location = get_client().get_experiment(empty.id).artifact_location
    assert location == f"{new.as_uri()}/artifacts/without_runs"
    assert R.get_recorder(recorder_id=outside.id).artifact_uri.startswith(disk.as_uri())


def test_what_an_earlier_version_wrote_to_the_old_place_after_a_move(make_home, tmp_path, caplog):
    old = make_home("a")
    moved, late = record("moved"), record("late")
    forget_record(old)
    new = old.rename(tmp_path / "b")
    folder = Path("artifacts", "e", late.id)
    (old / folder).parent.mkdir(parents=True)
    (new / folder).rename(old / folder)

    wf_dagster.init(home=new)
    with caplog.at_level(logging.WARNING, LOGGER):
        assert (load(moved.id), load(late.id)) == ("moved", "late")
    assert messages(caplog)[-1] == (
        "1 runs of mlflow.db keep their files where the home folder was before, since they are "
        f"not at {new}; the first is {old / folder / 'artifacts'}"
    )
    added = record("added")
    assert Path(added.get_local_dir()).is_relative_to(new)
    store._open_store.cache_clear()
    assert [load(r.id) for r in (moved, late, added)] == ["moved", "late", "added"]


def test_a_home_that_was_moved_away_from_its_database_says_what_is_not_there(make_home, tmp_path):
    home = make_home("a")
    database = tmp_path / "elsewhere.db"
    shutil.copy(home / "mlflow.db", database)
    wf_dagster.init(home=home, tracking_uri=f"sqlite:///{database}")
    recorder = record(1)
    known = addresses(home)
    home.rename(tmp_path / "b")
    wf_dagster.init(home=tmp_path / "b", tracking_uri=f"sqlite:///{database}")
    with pytest.raises(ObjectNotFoundError) as raised:
        load(recorder.id)
    assert str(raised.value) == (
        f"recorder {recorder.id} holds no 'x.pkl': the folder of its experiment, "
        f"{home}/artifacts/e, is not there; bring it back, or move the home folder together with "
        "its database"
    )
    assert not home.exists()
    (tmp_path / "b").rename(home)
    assert addresses(home) == known
    assert load(recorder.id) == 1
