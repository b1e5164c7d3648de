"""Pickles that would run code are refused before they do; what recorders hold is loaded."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import pathlib
import pickle
import re
import sys
import uuid
import zoneinfo

import cloudpickle
import lightgbm
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn import ensemble, linear_model, neighbors, pipeline, preprocessing, svm
from sklearn._loss import _loss

import wf_dagster
from tests.support import task_of
from wf_dagster import R
from wf_dagster import safe_pickle as unpickle
from wf_dagster.errors import BrokenObjectError, ObjectNotFoundError, UnsafeObjectError
from wf_dagster.models import SklearnModel
from wf_dagster.tasks import init_instance


def _global(module, name):
    return f"c{module}\n{name}\n".encode()


def _call(module, name, *arguments):
    """A pickle that calls a function with strings."""
    texts = b"".join(f"V{a}\n".encode() for a in arguments)
    return _global(module, name) + b"(" + texts + b"tR."


class _Reduced:
    def __init__(self, *how):
        self.how = how

    def __reduce__(self):
        return self.how


def _dotted(module, name):
    """A pickle of protocol 4 that walks through attributes of a module."""
    module, name = (b"\x8c" + bytes([len(t)]) + t.encode() for t in (module, name))
    return b"\x80\x04" + module + name + b"\x93"


EVIL = {
    "os.system": _call("os", "system", "touch {file}"),
    "posix.system": _call("posix", "system", "touch {file}"),
    "subprocess.Popen": _call("subprocess", "Popen", "touch {file}"),
    "builtins.eval": _call("builtins", "eval", "open('{file}', 'w')"),
    "builtins.exec": _call("builtins", "exec", "open('{file}', 'w')"),
    "builtins.open": _call("builtins", "open", "{file}", "w"),
    "builtins.getattr": _call("builtins", "getattr", "x", "upper"),
    "runpy": _call("runpy", "run_path", "{file}"),
    "pandas.eval": _call("pandas", "eval", "1+1"),
    "pandas.read_pickle": _call("pandas", "read_pickle", "{file}"),
    "numpy.load": _call("numpy", "load", "{file}"),
    "numpy.memmap": _call("numpy", "memmap", "{file}", "uint8", "w+"),
    "runstring": _call("numpy.testing._private.utils", "runstring", "open('{file}', 'w')", ""),
    "a test tool": _call("numpy._pytesttester", "PytestTester", "numpy"),
    "a constructor that imports": _call("wf_dagster.models", "SklearnModel", "os.getcwd"),
    "the same by another opcode": (
        b"(" + _global("wf_dagster.models", "SklearnModel") + b"Vos.getcwd\no."
    ),
    "the same by the oldest opcode": b"(Vos.getcwd\niwf_dagster.models\nSklearnModel\n.",
    "a constructor through its base": (
        _global("copyreg", "_reconstructor")
        + b"("
        + _global("wf_dagster.models", "SklearnModel") * 2
        + b"Vos.getcwd\ntR."
    ),
    "through a module of an allowed package": (
        _dotted("pandas", "compat.sys.modules") + b"."
    ),
    "a class through a module of an allowed package": (
        _dotted("pandas", "compat.os._Environ") + b"."
    ),
    "os through an allowed package": _dotted("lightgbm", "basic.ctypes.CDLL") + b".",
    "a class that writes a file": _call("pandas", "ExcelWriter", "{file}"),
    "ufunc by name": _call("numpy.core", "_ufunc_reconstruct", "os", "getcwd"),
    "this room": _global("wf_dagster.tracking.unpickle", "_Unpickler") + b".",
    "settings": _call("wf_dagster", "init", "x"),
    "a class is changed": _global("wf_dagster.models", "SklearnModel")
    + b"(N(Vfit\nVx\ndtb.",
    "a tests module": _global("sklearn.utils.tests.test_utils", "Thing") + b".",
    "a user's class": pickle.dumps(_Reduced(print, ("x",)), 2),
}  # fmt: skip


@pytest.mark.parametrize("evil", EVIL)
def test_a_pickle_that_would_run_code_is_refused_by_name(evil, tmp_path):
    file = tmp_path / "made"
    content = EVIL[evil].replace(b"{file}", str(file).encode())
    with pytest.raises(
        UnsafeObjectError, match=r"object 'x' names .* allow=\[.*WF_TRUSTED_MODULES"
    ):
        unpickle.loads(content, "x")
    assert not file.exists()


def test_the_pickles_of_this_test_do_run_code_when_they_are_trusted_blindly(tmp_path):
    file = tmp_path / "made"
    for evil in ("os.system", "builtins.exec", "builtins.open"):
        content = EVIL[evil].replace(b"{file}", str(file).encode())
        pickle.loads(content)
        assert file.exists(), evil
        file.unlink()


@pytest.mark.parametrize("value", [lambda: 1, _Reduced(print, ("x",))], ids=["lambda", "reduce"])
def test_code_by_value_is_refused(value):
    with pytest.raises(UnsafeObjectError):
        unpickle.loads(cloudpickle.dumps(value), "x")


class Mine:
    """A user's own class."""

    def __init__(self):
        self.a = 1


class Colour(enum.Enum):
    RED = 1


def test_a_users_class_is_loaded_when_it_is_allowed_by_call_or_setting():
    with R.start(experiment_name="a"):
        R.save_objects(mine=Mine())
        with pytest.raises(UnsafeObjectError, match=re.escape(f"allow=[{__name__!r}]")):
            R.load_object("mine")
        for allow in ([__name__], [f"{__name__}.Mine"], ["other", __name__]):
            assert R.load_object("mine", allow=allow).a == 1
        with pytest.raises(UnsafeObjectError):
            R.load_object("mine", allow=[__name__[:-1], f"{__name__}.Min"])
        recorder = R.get_recorder()
    wf_dagster.init(trusted_modules=f"other, {__name__}")
    assert recorder.load_object("mine").a == 1


X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "model",
    [
        linear_model.Ridge(),
        linear_model.LassoCV(cv=2),
        ensemble.RandomForestRegressor(5),
        ensemble.GradientBoostingRegressor(n_estimators=5),
        ensemble.HistGradientBoostingRegressor(max_iter=5),
        ensemble.IsolationForest(n_estimators=5),
        neighbors.KNeighborsRegressor(algorithm="kd_tree"),
        neighbors.KNeighborsRegressor(algorithm="ball_tree"),
        svm.SVR(),
        pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.SGDRegressor()),
        lightgbm.LGBMRegressor(n_estimators=5, min_child_samples=2, verbose=-1),
    ],
    ids=lambda m: type(m).__name__,
)
def test_fitted_models_are_loaded_and_predict_the_same(model):
    model.fit(X, Y)
    for dumps in (pickle.dumps, cloudpickle.dumps):
        again = unpickle.loads(dumps(model), "x")
        assert np.array_equal(again.predict(X), model.predict(X))


def test_losses_are_found_under_the_name_that_older_versions_of_scikit_learn_give_them():
    loss = _loss.CyHalfSquaredError()
    content = pickle.dumps(loss, 0).replace(b"sklearn._loss._loss", b"_loss")
    assert b"c_loss\n" in content
    sys.modules.pop("_loss", None)
    assert type(unpickle.loads(content, "x")) is type(loss)


def test_our_models_and_datasets_are_loaded():
    model = SklearnModel("sklearn.linear_model.Ridge", alpha=3.0)
    assert unpickle.loads(cloudpickle.dumps(model), "x").estimator.alpha == 3.0
    dataset = init_instance(task_of("2020-01-01")["dataset"])
    again = unpickle.loads(cloudpickle.dumps(dataset), "x")
    assert again.segments == dataset.segments


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.0, "x", None, True, b"b", {1, 2}, (3,), frozenset({4}), 1 + 2j, slice(1, 2)]},
        collections.OrderedDict(a=1),
        collections.defaultdict(list, a=[1]),
        collections.Counter("aab"),
        collections.deque([1, 2], maxlen=3),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
        datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Asia/Shanghai")),
        [datetime.date(2020, 1, 1), datetime.time(1), datetime.timedelta(1)],
        decimal.Decimal("1.5"),
        uuid.UUID(int=5),
        pathlib.Path("a/b"),
        pathlib.PurePosixPath("a"),
        [np.int64(1), np.float32(2), np.datetime64("2020-01-01"), np.dtype("int8"), np.str_("a")],
        [pd.Timestamp("2020", tz="UTC"), pd.Timestamp("2020", tz="Asia/Shanghai"), pd.Timedelta(1)],
        [pd.Period("2020-01"), pd.Interval(1, 2), pd.offsets.BDay(2)],
        range(3),
    ],
    ids=lambda v: str(v)[:40],
)
@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_loaded_whatever_the_protocol(value, protocol):
    assert unpickle.loads(pickle.dumps(value, protocol), "x") == value


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame({"a": [1, "x"], "b": pd.Categorical(["u", "v"])}),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_product([["f"], ["a", "b"]])),
        pd.Series(pd.array([1, None], dtype="Int64")),
        pd.Series(pd.array(["a", None], dtype="string")),
        pd.Series(pd.array([True, None], dtype="boolean")),
        pd.Series(pd.array([1.5, None], dtype="Float64")),
        pd.Series(pd.period_range("2020", periods=2, freq="M")),
        pd.Series(pd.interval_range(0, 2)),
        pd.Series([1, None], dtype="int64[pyarrow]"),
        pd.Series(["a", None], dtype="string[pyarrow]"),
        pd.Series([0, 0, 1], dtype="Sparse[int]"),
        pd.Series(pd.date_range("2020", periods=2, tz="Asia/Shanghai"), name=("a", 1)),
    ],
    ids=lambda v: str(v.dtypes)[:30],
)
def test_frames_that_parquet_does_not_hold_are_loaded(value):
    again = unpickle.loads(cloudpickle.dumps(value), "x")
    assert again.equals(value)


def test_nan_arrays_generators_and_sparse_matrices_are_loaded():
    month = pd.DateOffset(months=1)
    assert unpickle.loads(pickle.dumps(month), "x") == month
    assert pd.isna(unpickle.loads(pickle.dumps(pd.NaT), "x"))
    assert unpickle.loads(pickle.dumps(pd.NA), "x") is pd.NA
    array = np.array([1.0, np.nan])
    assert np.array_equal(unpickle.loads(pickle.dumps(array, 5), "x"), array, equal_nan=True)
    assert list(unpickle.loads(pickle.dumps(np.array([{"a": 1}], dtype=object)), "x")) == [{"a": 1}]
    rng = np.random.default_rng(3)
    assert unpickle.loads(pickle.dumps(rng), "x").random() == rng.random()
    matrix = scipy.sparse.csr_matrix(np.eye(3))
    assert (unpickle.loads(pickle.dumps(matrix), "x") != matrix).nnz == 0
    index = pd.MultiIndex.from_product([[1, 2], ["a"]])
    assert unpickle.loads(pickle.dumps(index), "x").equals(index)


def test_a_file_that_is_no_object_says_how_to_read_it(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with R.start(experiment_name="a"):
        R.log_artifact(str(tmp_path / "notes.txt"))
        with pytest.raises(BrokenObjectError, match="raw='bytes'"):
            R.load_object("notes.txt")
        assert R.load_object("notes.txt", raw="bytes") == b"hello"
        assert pathlib.Path(R.load_object("notes.txt", raw="path")).read_text() == "hello"
        with pytest.raises(ObjectNotFoundError, match=r"'nothing': it holds .*notes\.txt"):
            R.load_object("nothing")


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1garbagePAR1", b"\x80\x04", b"hello", b"}."[:1]]
)
def test_a_part_of_an_object_is_an_error_in_our_words(content):
    from wf_dagster.tracking import object_files

    with pytest.raises(BrokenObjectError):
        object_files.load("x", content)


def test_code_that_is_gone_is_an_error_in_our_words():
    from wf_dagster.tracking import object_files

    content = _global("wf_dagster.models", "NoSuchModel") + b"."
    with pytest.raises(BrokenObjectError, match="NoSuchModel"):
        object_files.load("x", content)


def test_code_by_value_is_loaded_where_main_is_trusted_and_the_refusal_says_so():
    by_value = {"__name__": "__main__", "np": np}
    exec("class Net:\n    def predict(self):\n        return np.arange(3)", by_value)
    content = cloudpickle.dumps(by_value["Net"]())
    with pytest.raises(
        UnsafeObjectError,
        match=r"'params.pkl' holds code of a notebook or a script .*allow=\['__main__'\] or set "
        r"WF_TRUSTED_MODULES=__main__ \(the setting trusted_modules\)",
    ):
        unpickle.loads(content, "params.pkl")
    with pytest.raises(UnsafeObjectError):
        unpickle.loads(content, "params.pkl", ["main", "tests"])
    loaded = unpickle.loads(content, "params.pkl", ["__main__"])
    assert loaded.predict().tolist() == [0, 1, 2]


def test_a_recorder_whose_task_this_session_has_trained_gives_its_code_back():
    by_value = {"__name__": "__main__"}
    exec("class Net:\n    a = 1", by_value)
    with R.start(experiment_name="a"):
        recorder = R.get_recorder()
        recorder.trust(["__main__"])
        recorder.save_objects(net=by_value["Net"]())
    with R.start(experiment_name="a"):
        other = R.get_recorder()
        other.save_objects(net=by_value["Net"]())
    assert R.get_recorder(recorder_id=recorder.id).load_object("net").a == 1
    with pytest.raises(UnsafeObjectError, match=r"allow=\['__main__'\]"):
        R.get_recorder(recorder_id=other.id).load_object("net")
