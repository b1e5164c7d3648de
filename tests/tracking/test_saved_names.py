"""Objects are listed, loaded and copied under the names they were saved with."""

from __future__ import annotations

import pickle
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from wf_dagster import R, get_settings
from wf_dagster.tracking.saved_names import name_of, tags_of_names

FRAME = pd.DataFrame({"score": np.arange(4.0)})
OURS = {"wf_kind": "recorder"}


@pytest.fixture
def recorder():
    with R.start(experiment_name="names"):
        yield R.get_recorder()


def own(recorder, folder=None):
    return [n for n in recorder.list_artifacts(folder) if not n.startswith("code_")]


def again(recorder):
    return R.get_recorder(recorder_id=recorder.id)


@pytest.mark.parametrize("name", ["x.pkl", "x.pickle", "x.parquet", "x", "x.csv"])
def test_a_frame_is_listed_loaded_and_copied_under_its_name(recorder, name, tmp_path):
    recorder.save_objects(**{name: FRAME}, artifact_path="sub")
    R.end_exp()
    for found in (recorder, again(recorder)):
        assert found.list_artifacts("sub") == [f"sub/{name}"]
        pd.testing.assert_frame_equal(found.load_object(f"sub/{name}"), FRAME)
        for folder in (None, str(tmp_path)):
            copy = Path(found.download_artifact(f"sub/{name}", folder))
            assert copy.name == name
            if name.endswith((".pkl", ".pickle")):
                pd.testing.assert_frame_equal(pd.read_pickle(copy), FRAME)
            else:
                pd.testing.assert_frame_equal(pd.read_parquet(copy), FRAME)
    assert (tmp_path / "sub" / name).is_file()


def test_one_name_never_takes_the_file_of_another(recorder):
    saved = {"x.parquet": FRAME, "x.pkl": FRAME * 2, "x.pickle": FRAME * 3, "x": FRAME * 4}
    recorder.save_objects(**saved)
    recorder.save_objects(**{"x.pkl": {"a": 1}})  # which removes no file of the others
    for found in (recorder, again(recorder)):
        assert own(found) == sorted(saved)
        assert found.load_object("x.pkl") == {"a": 1}
        for name in set(saved) - {"x.pkl"}:
            pd.testing.assert_frame_equal(found.load_object(name), saved[name])


def test_files_that_were_copied_in_keep_their_names(recorder, tmp_path):
    source = tmp_path / "in"
    (source / "deep").mkdir(parents=True)
    for name in ("a.parquet", "deep/b.parquet", "c.pkl"):
        FRAME.to_parquet(source / name)
    recorder.log_artifact(str(source), "copied")
    recorder.log_artifact(str(source / "a.parquet"))
    recorder.save_objects(**{"pred.pkl": FRAME}, artifact_path="copied")
    R.end_exp()
    found = again(recorder)
    assert own(found) == ["a.parquet", "copied"]
    assert found.list_artifacts("copied") == [
        f"copied/{name}" for name in ("a.parquet", "c.pkl", "deep", "pred.pkl")
    ]
    assert found.list_artifacts("copied/deep") == ["copied/deep/b.parquet"]
    out = Path(found.download_artifact("copied", str(tmp_path / "out")))
    assert sorted(path.name for path in out.iterdir()) == ["a.parquet", "c.pkl", "deep", "pred.pkl"]
    pd.testing.assert_frame_equal(pd.read_pickle(out / "pred.pkl"), FRAME)
    whole = Path(found.download_artifact(""))
    assert (whole / "copied" / "pred.pkl").is_file()
    stored = Path(found.get_local_dir(), "artifacts", "copied")
    assert (stored / "pred.parquet").is_file()  # what is kept was not touched
    assert not (stored / "pred.pkl").exists()


def test_the_name_of_a_file_is_that_of_the_last_save(recorder, tmp_path):
    FRAME.to_parquet(tmp_path / "x.parquet")
    recorder.save_objects(**{"x.pkl": FRAME})
    recorder.log_artifact(str(tmp_path / "x.parquet"))
    assert own(recorder) == ["x.parquet"]
    recorder.save_objects(**{"x.pkl": FRAME * 2})
    assert own(recorder) == ["x.parquet", "x.pkl"]
    pd.testing.assert_frame_equal(recorder.load_object("x.pkl"), FRAME * 2)
    pd.testing.assert_frame_equal(recorder.load_object("x.parquet"), FRAME)


def test_runs_of_others_list_their_files_as_they_are(recorder, tmp_path):
    R.end_exp()
    client = mlflow.MlflowClient(get_settings().resolved_tracking_uri())
    run = client.create_run(recorder.experiment_id)
    FRAME.to_parquet(tmp_path / "theirs.parquet")
    FRAME.to_pickle(tmp_path / "pred.pkl")
    for name in ("theirs.parquet", "pred.pkl"):
        client.log_artifact(run.info.run_id, str(tmp_path / name))
    theirs = R.get_recorder(recorder_id=run.info.run_id)
    assert theirs.list_artifacts() == ["pred.pkl", "theirs.parquet"]
    theirs.save_objects(**{"pred.pkl": FRAME * 2})  # as an updater of predictions does
    for found in (theirs, again(theirs)):
        assert found.list_artifacts() == ["pred.pkl", "theirs.parquet"]
        pd.testing.assert_frame_equal(found.load_object("pred.pkl"), FRAME * 2)


def test_what_is_missing_is_said_with_names_as_they_were_saved(recorder):
    recorder.save_objects(**{"pred.pkl": FRAME})
    with pytest.raises(LookupError, match=r"no 'label\.pkl': it holds .*pred\.pkl"):
        recorder.load_object("label.pkl")


def test_saving_frames_asks_the_store_for_no_tags(recorder, monkeypatch):
    def refuse(*args):
        raise AssertionError("the run was read")

    monkeypatch.setattr(type(recorder), "reload", refuse)
    for _ in range(2):
        recorder.save_objects(**{"pred.pkl": FRAME, "ic.pkl": FRAME["score"]})
    assert own(recorder) == ["ic.pkl", "pred.pkl"]
    monkeypatch.undo()


def test_thousands_of_names_fit_into_tags_of_bounded_length():
    files = [f"folder/{'long' * 10}_{i}.parquet" for i in range(1000)]
    tags = tags_of_names([(file, file) for file in files], OURS)
    assert max(map(len, tags.values())) <= 4500
    assert len(tags) < 20
    assert all(name_of(file, {**OURS, **tags}) == file for file in files)
    assert name_of("folder/other.parquet", {**OURS, **tags}) == "folder/other.pkl"
    assert tags_of_names([("pred.parquet", "pred.pkl")], OURS) == {}


def test_another_unpickler_reads_what_ours_refuses(recorder):
    recorder.save_objects(**{"own": Holder(3), "frame.pkl": FRAME})
    R.end_exp()
    found = again(recorder)
    assert found.load_object("own", unpickler=pickle.Unpickler).value == 3
    assert found.load_object("own", pickle.Unpickler).value == 3  # Qlib's second parameter
    pd.testing.assert_frame_equal(found.load_object("frame.pkl", unpickler=pickle.Unpickler), FRAME)


class Holder:
    def __init__(self, value):
        self.value = value
