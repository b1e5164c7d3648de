"""Whatever frame or series is saved comes back as it was: by Parquet where it can hold it."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from hypothesis.extra import pandas as pdst

from wf_dagster.tracking import object_files

DTYPES = [
    "int8", "int64", "uint16", "uint64", "float32", "float64", "bool",
    "datetime64[ns]", "datetime64[us]", "datetime64[ms]", "datetime64[s]", "timedelta64[ns]",
]  # fmt: skip


def _round_trip(value):
    name, content = object_files.dump("x.pkl", value)
    return name, object_files.load(name, content)


def _assert_intact(back, value):
    assert type(back) is type(value)
    if isinstance(value, pd.Series):
        pd.testing.assert_series_equal(back, value, check_freq=True)
        assert type(back.name) is type(value.name)
    else:
        pd.testing.assert_frame_equal(back, value, check_freq=True, check_column_type=True)
        assert list(back.columns) == list(value.columns)
        assert back.columns.names == value.columns.names
    assert type(back.index) is type(value.index)
    assert back.index.equals(value.index)
    assert back.index.names == value.index.names
    if isinstance(value.index, pd.DatetimeIndex):
        assert back.index.freq == value.index.freq
    assert repr(back.attrs) == repr(value.attrs)
    # None, NaN and NaT are told apart, which pandas' comparison does not
    frame, again = (pd.DataFrame(v).select_dtypes("object") for v in (value, back))
    kinds = [[type(v) for v in f.to_numpy().ravel()] for f in (frame, again)]
    assert kinds[0] == kinds[1]


names = st.one_of(st.none(), st.text(max_size=5), st.integers(), st.just("value"), st.booleans())
cells = st.one_of(
    st.none(), st.text(max_size=5), st.integers(-5, 5), st.floats(), st.booleans(), st.dates()
)
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=4), st.floats(allow_nan=False)
)
attrs = st.dictionaries(
    st.one_of(st.text(max_size=4), st.integers()),
    st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=2), st.tuples(inner)),
        max_leaves=4,
    ),
    max_size=2,
)


def several(values, size):
    return st.lists(values, min_size=size, max_size=size)


def numbers(dtype, size):
    dtype = np.dtype(dtype)
    # a long time, but not beyond what every unit can hold
    limits = {"min_value": -(2**31), "max_value": 2**31} if dtype.kind in "Mm" else {}
    return npst.arrays(dtype, size, elements=npst.from_dtype(dtype, **limits))


@st.composite
def indexes(draw, size):
    kind = draw(st.sampled_from(["range", "int", "float", "text", "dates", "days", "tz", "multi"]))
    name = draw(names)
    if kind == "range":
        return pd.RangeIndex(2, 2 + 3 * size, 3, name=name)
    if kind == "dates":
        return pd.DatetimeIndex(draw(numbers("datetime64[ns]", size)), name=name)
    if kind == "days":
        freq = draw(st.sampled_from(["D", "B", "MS"]))
        return pd.date_range("2020-01-01", periods=size, freq=freq, name=name)
    if kind == "tz":
        zone = draw(st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"]))
        return pd.date_range("2020-01-01", periods=size, freq="h", tz=zone, name=name)
    if kind == "multi":
        days = pd.date_range("2020-01-01", periods=size)
        words = draw(several(st.one_of(st.text(max_size=3), st.none()), size))
        return pd.MultiIndex.from_arrays([days, words], names=[name, draw(names)])
    values = {"int": st.integers(-9, 9), "float": st.floats(), "text": st.text(max_size=3)}[kind]
    return pd.Index(draw(several(values, size)), name=name)


@st.composite
def columns(draw, size):
    kind = draw(st.sampled_from([*DTYPES, "text", "object", "category", "Int64", "string", "tz"]))
    if kind == "text":
        return np.array([*draw(several(st.text(max_size=5), size)), None], dtype=object)[:-1]
    if kind == "object":
        return np.array([*draw(several(cells, size)), None], dtype=object)[:-1]
    if kind == "category":
        values = draw(several(st.sampled_from(["a", "b", None]), size))
        return pd.Categorical(values, categories=["b", "a", "c"], ordered=draw(st.booleans()))
    if kind in ("Int64", "string"):
        values = st.integers(-9, 9) if kind == "Int64" else st.text(max_size=3)
        return pd.array(draw(several(st.one_of(st.none(), values), size)), dtype=kind)
    if kind == "tz":
        return pd.date_range("2020-01-01", periods=size, tz="Asia/Shanghai")
    return draw(numbers(kind, size))


@st.composite
def frames(draw):
    size = draw(st.integers(0, 4))
    labels = draw(st.lists(st.one_of(st.text(max_size=3), st.integers(0, 3)), max_size=3))
    index = draw(indexes(size))
    frame = pd.DataFrame(
        {i: pd.Series(draw(columns(size)), index=index) for i in range(len(labels))}, index=index
    )
    if labels:
        frame.columns = pd.Index(labels, dtype=object, name=draw(names))
    frame.attrs = draw(attrs)
    return frame


@st.composite
def series(draw):
    size = draw(st.integers(0, 4))
    series = pd.Series(draw(columns(size)), index=draw(indexes(size)), name=draw(names))
    series.attrs = draw(attrs)
    return series


FIND = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@FIND
@given(frames())
def test_any_frame_comes_back_as_it_was(frame):
    _assert_intact(_round_trip(frame)[1], frame)


@FIND
@given(series())
def test_any_series_comes_back_as_it_was(value):
    _assert_intact(_round_trip(value)[1], value)


@FIND
@given(pdst.data_frames([pdst.column("a", dtype=float), pdst.column("b", dtype="int32")]))
def test_plain_frames_are_parquet(frame):
    name, back = _round_trip(frame)
    assert name == "x.parquet"
    _assert_intact(back, frame)


def _prediction():
    days = pd.date_range("2020-01-01", periods=3)
    index = pd.MultiIndex.from_product([days, ["AAPL", "MSFT"]], names=["datetime", "instrument"])
    return pd.DataFrame({"score": np.arange(6.0)}, index=index)


@pytest.mark.parametrize(
    "value",
    [
        _prediction(),
        _prediction()["score"],
        pd.Series([0.1, np.nan], index=pd.date_range("2020-01-01", periods=2, freq="B"), name="ic"),
        pd.Series([1, 2]),
        pd.Series(["a", "b"], name=0),
    ],
    ids=["prediction", "score", "ic", "no name", "number as name"],
)
def test_what_recorders_mostly_hold_is_parquet(value):
    value.attrs = {"horizon": 5, "fields": ["a", "b"]}
    name, back = _round_trip(value)
    assert name == "x.parquet"
    _assert_intact(back, value)


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=[0, 1]),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_product([["feature"], ["a", "b"]])),
        pd.DataFrame({"a": [1, "x", None]}),
        pd.DataFrame({"a": ["x", np.nan]}),
        pd.DataFrame({"a": [1 + 2j]}),
        pd.DataFrame({"a": [{"b": 1}]}),
        pd.DataFrame({"a": pd.period_range("2020", periods=2, freq="M")}),
        pd.Series([1], name=("a", "b")),
        pd.Series([datetime.date(2020, 1, 1)]),
    ],
    ids=str,
)
def test_what_parquet_cannot_hold_is_a_pickle_and_comes_back_as_it_was(value):
    name, back = _round_trip(value)
    assert name == "x.pkl"
    _assert_intact(back, value)


def test_attrs_that_json_would_change_are_kept_too():
    frame = _prediction()
    frame.attrs = {"pair": (1, 2), 3: "three"}
    assert _round_trip(frame)[1].attrs == {"pair": (1, 2), 3: "three"}


def test_a_parquet_file_of_somebody_else_is_read():
    import io

    sink = io.BytesIO()
    _prediction().to_parquet(sink)
    _assert_intact(object_files.load("theirs.parquet", sink.getvalue()), _prediction())
