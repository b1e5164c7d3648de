"""Objects of a recorder: saved, replaced, listed, copied."""

from __future__ import annotations

import pickle
import tempfile
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from wf_dagster import R, init
from wf_dagster.errors import ObjectNotFoundError, TrackingError
from wf_dagster.tracking import find_recorders

FRAME = pd.DataFrame({"score": np.arange(4.0)})


@pytest.fixture
def recorder():
    with R.start(experiment_name="a"):
        yield R.get_recorder()


def _own(recorder, folder=None):
    return [n for n in recorder.list_artifacts(folder) if not n.startswith("code_")]


def test_objects_come_back_under_the_name_they_were_saved_under(recorder):
    recorder.save_objects(**{"pred.pkl": FRAME, "params.pkl": {"a": 1}, "plain": FRAME["score"]})
    pd.testing.assert_frame_equal(recorder.load_object("pred.pkl"), FRAME)
    pd.testing.assert_frame_equal(recorder.load_object("pred.parquet"), FRAME)
    pd.testing.assert_series_equal(recorder.load_object("plain"), FRAME["score"])
    assert recorder.load_object("params.pkl") == {"a": 1}
    assert _own(recorder) == ["params.pkl", "plain", "pred.pkl"]


def test_names_that_differ_in_their_ending_are_different_objects(recorder):
    recorder.save_objects(**{"a": FRAME, "a.pkl": FRAME * 2, "a.x": FRAME * 3})
    assert [recorder.load_object(n)["score"][1] for n in ("a", "a.pkl", "a.x")] == [1, 2, 3]


@pytest.mark.parametrize(("first", "second"), [(FRAME, {"a": 1}), ({"a": 1}, FRAME)])
def test_a_name_saved_twice_is_replaced_even_by_another_kind(recorder, first, second):
    recorder.save_objects(**{"x.pkl": first})
    recorder.save_objects(**{"x.pkl": second})
    assert repr(recorder.load_object("x.pkl")) == repr(second)
    assert len(_own(recorder)) == 1


def test_a_reader_never_sees_half_an_object(recorder):
    big = [pd.DataFrame({"x": np.full(200_000, float(i))}) for i in range(2)]
    recorder.save_objects(**{"x.pkl": big[0]})
    stop = threading.Event()

    def write():
        turn = 0
        while not stop.is_set():
            turn = 1 - turn
            recorder.save_objects(**{"x.pkl": big[turn]})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(60):
            values = recorder.load_object("x.pkl")["x"]
            assert len(values) == 200_000
            assert values.nunique() == 1
    finally:
        stop.set()
        writer.join()
    assert _own(recorder) == ["x.pkl"]


def test_a_failed_save_leaves_the_old_object_and_nothing_else(recorder):
    recorder.save_objects(x=1)
    with pytest.raises(TrackingError, match=r"'x' \(generator\) cannot be pickled.*log_artifact"):
        recorder.save_objects(x=(i for i in range(3)))
    assert recorder.load_object("x") == 1
    assert _own(recorder) == ["x"]


def test_folders_of_any_depth(recorder):
    recorder.save_objects(artifact_path="a/b", **{"c/d.pkl": {"deep": 1}, "e": 2})
    assert _own(recorder) == ["a"]
    assert recorder.list_artifacts("a") == ["a/b"]
    assert recorder.list_artifacts("a/b") == ["a/b/c", "a/b/e"]
    assert recorder.list_artifacts("a/b/c") == ["a/b/c/d.pkl"]
    assert recorder.list_artifacts("nothing") == []
    assert recorder.load_object("a/b/c/d.pkl") == {"deep": 1}


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/../../x", "..", "a\\..\\x"])
def test_a_name_that_leaves_the_recorder_is_refused(recorder, name):
    for call in (
        lambda: recorder.save_objects(**{name: 1}),
        lambda: recorder.load_object(name),
        lambda: recorder.load_object(name, raw="bytes"),
        lambda: recorder.download_artifact(name),
        lambda: recorder.list_artifacts(name),
        lambda: recorder.save_objects(artifact_path=name, x=1),
    ):
        with pytest.raises(TrackingError, match="no name inside a recorder"):
            call()


def test_files_and_folders_are_copied_in_and_out(recorder, tmp_path):
    source = tmp_path / "results"
    (source / "deep").mkdir(parents=True)
    (source / "one.pkl").write_bytes(pickle.dumps([1]))
    (source / "deep" / "two.txt").write_text("two")
    recorder.save_objects(local_path=str(source), artifact_path="copied")
    recorder.log_artifact(str(source / "one.pkl"))
    assert recorder.load_object("copied/one.pkl") == [1]
    assert recorder.load_object("one.pkl") == [1]
    assert Path(recorder.download_artifact("copied/deep/two.txt")).read_text() == "two"
    out = recorder.download_artifact("copied", str(tmp_path / "out"))
    assert Path(out, "deep", "two.txt").read_text() == "two"
    assert Path(out).is_relative_to(tmp_path / "out")
    assert R.download_artifact("one.pkl") == recorder.download_artifact("one.pkl")


def test_what_is_not_there_is_named_with_what_is(recorder, tmp_path):
    recorder.save_objects(x=1, artifact_path="folder")
    for call in (recorder.load_object, recorder.download_artifact):
        with pytest.raises(ObjectNotFoundError, match=r"no 'folder/y'.*folder/x"):
            call("folder/y")
    with pytest.raises(TrackingError, match="no such file"):
        recorder.log_artifact(str(tmp_path / "nothing"))
    with pytest.raises(TrackingError, match="one or the other"):
        recorder.save_objects(local_path=str(tmp_path), x=1)


def test_an_unknown_way_to_read_is_refused(recorder):
    recorder.save_objects(x=1)
    with pytest.raises(TrackingError, match="raw 'file' is unknown"):
        recorder.load_object("x", raw="file")


def test_reading_leaves_nothing_in_the_temporary_folder(recorder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(tmp_path.iterdir())
    recorder.save_objects(**{"a.pkl": FRAME, "b": 1})
    for name in ("a.pkl", "b"):
        recorder.load_object(name)
        recorder.load_object(name, raw="bytes")
    assert set(tmp_path.iterdir()) == before


def test_the_local_folder_holds_the_artifacts(recorder):
    recorder.save_objects(x=1)
    assert Path(recorder.get_local_dir(), "artifacts", "x").is_file()
    assert recorder.get_artifact_uri() == Path(recorder.get_local_dir(), "artifacts").as_uri()


def test_an_artifact_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    init(artifact_location=str(tmp_path / "file" / "artifacts"))
    with (
        pytest.raises(TrackingError, match=r"file/artifacts.*cannot be.*WF_ARTIFACT_LOCATION"),
        R.start(experiment_name="elsewhere"),
    ):
        R.save_objects(x=1)
    (failed,) = find_recorders("elsewhere", status=None)
    assert failed.info["status"] == "FAILED"
