"""Equal content, equal fingerprint; different content, different fingerprint."""

from __future__ import annotations

import copy
import datetime
import json
import re
import subprocess
import sys
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support import task_of
from wf_dagster.errors import TaskError
from wf_dagster.models import SklearnModel
from wf_dagster.tasks import canonical_json, fingerprint

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.dates(datetime.date(1700, 1, 1), datetime.date(2200, 1, 1))
)
contents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def otherwise(value, draw):
    """The same content, written down in another way."""
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return {key: otherwise(value[key], draw) for key in keys}
    if isinstance(value, list):
        items = [otherwise(inner, draw) for inner in value]
        return draw(st.sampled_from([items, tuple(items)]))
    if isinstance(value, bool):
        return draw(st.sampled_from([value, np.bool_(value)]))
    if isinstance(value, int) and abs(value) < 2**53:
        return draw(st.sampled_from([value, np.int64(value), float(value), np.float64(value)]))
    if isinstance(value, float):
        return draw(st.sampled_from([value, np.float64(value)]))
    if isinstance(value, datetime.date):
        stamp = pd.Timestamp(value)
        ways = [value, stamp, stamp.to_pydatetime(), stamp.to_datetime64(), value.isoformat()]
        return draw(st.sampled_from([*ways, f"{value} 00:00:00", f"{value}T00:00"]))
    return value


@given(contents, st.data())
def test_how_a_task_is_written_down_does_not_matter(content, data):
    same = otherwise(content, data.draw)
    assert canonical_json(same) == canonical_json(content)


@given(contents, contents)
def test_different_content_has_a_different_fingerprint(first, second):
    assume(canonical_json(first) != canonical_json(second))
    assert fingerprint(first) != fingerprint(second)


@given(st.recursive(st.none() | st.booleans() | st.integers(), st.lists), st.data())
def test_plain_values_are_their_own_canonical_form(value, data):
    assert json.loads(canonical_json(value)) == value


@given(st.text(), st.text())
def test_texts_that_are_no_dates_differ_when_they_differ(first, second):
    assert (fingerprint(first) == fingerprint(second)) == (first == second)


DIFFERENT = [
    (True, 1),
    (False, 0),
    (False, None),
    (None, "None"),
    (1, "1"),
    (1.5, "1.5"),
    (float("nan"), None),
    (float("nan"), "nan"),
    (float("inf"), float("-inf")),
    (float("inf"), "Infinity"),
    (10**30, 10**30 + 1),
    (0.1, np.float32(0.1)),
    ([1, 2], [2, 1]),
    ([], {}),
    ([[1], 2], [[1, 2]]),
    ({"a": {"b": 1}}, {"a": {"c": 1}}),
    ({"a": None}, {}),
    ("2020-01-01", "2020-01-02"),
    ("2020-01-01 09:30", "2020-01-01"),
    (pd.Timestamp("2020-01-01", tz="UTC"), pd.Timestamp("2020-01-01")),
    ("2020-1-1", "2020-01-01"),
    ("2020-13-45", "2020-13-46"),
    ("2020-01-01\n", "2020-01-01"),
    (SklearnModel, "SklearnModel"),
    (max, min),
]


@pytest.mark.parametrize(("first", "second"), DIFFERENT, ids=repr)
def test_what_looks_alike_differs(first, second):
    assert fingerprint({"x": first}) != fingerprint({"x": second})


SAME = [
    (float("nan"), np.nan),
    (float("inf"), np.float64("inf")),
    (-0.0, 0),
    (1e22, 10**22),
    (np.array([1, 2]), (1, 2)),
    (np.array(3), 3),
    (np.array(["2020-01-01"], dtype="datetime64[ns]"), ["2020-01-01"]),
    (pd.DatetimeIndex(["2020-01-01"]), ["2020-01-01"]),
    (pd.NaT, None),
    (np.datetime64("NaT"), None),
    (np.timedelta64(1, "D"), datetime.timedelta(days=1)),
    ({3, 1, 2}, frozenset([2, 3, 1])),
    ({1: "a"}, {"1": "a"}),
    (PurePosixPath("a/b"), "a/b"),
    (pd.Timedelta(days=1), datetime.timedelta(days=1)),
    (SklearnModel, "wf_dagster.models.sklearn_model.SklearnModel"),
    (datetime.datetime(2020, 1, 1, 9, 30), "2020-01-01 09:30"),
]


@pytest.mark.parametrize(("first", "second"), SAME, ids=repr)
def test_the_same_thing_in_other_clothes_is_the_same(first, second):
    assert fingerprint({"x": first}) == fingerprint({"x": second})


def test_a_fingerprint_is_64_hexadecimal_digits():
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(task_of("2020-03-02")))


def test_a_fingerprint_is_the_same_in_another_process():
    task = {"x": [1, 2.5, "2020-01-01"], "y": {"b": {2, 1}, "a": None}}
    code = f"from wf_dagster import fingerprint; print(fingerprint({task!r}))"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for _ in range(2)  # sets come in another order
    ]
    assert {run.stdout.strip() for run in runs} == {fingerprint(task)}


def test_a_fingerprint_known_from_before_stays():
    """Recorders of the past are found by it: a change here orphans them."""
    assert canonical_json({"b": (1, 2.0, True), "a": datetime.date(2020, 1, 2)}) == (
        '{"a":"2020-01-02","b":[1,2,true]}'
    )
    assert fingerprint({"a": 1}) == (
        "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
    )


def test_a_ready_object_counts_as_its_class_and_its_state():
    def task(alpha):
        ready = SklearnModel("sklearn.linear_model.Ridge", alpha=alpha)
        return {**task_of("2020-03-02"), "model": ready}

    assert fingerprint(task(1.0)) == fingerprint(task(1.0)) == fingerprint(copy.deepcopy(task(1)))
    assert fingerprint(task(1.0)) != fingerprint(task(2.0))


def test_a_series_counts_by_its_rows():
    def task(*weights, day="2020-01-02"):
        index = pd.MultiIndex.from_tuples([("2020-01-01", day), ("2020-01-03", None)])
        return {"reweighter": pd.Series(weights, index=index)}

    assert fingerprint(task(1.0, 0.5)) == fingerprint(copy.deepcopy(task(1, 0.5)))
    changed = [task(0.5, 1.0), task(1.0, 0.5, day="2020-01-05"), {"reweighter": [1.0, 0.5]}]
    assert len({fingerprint(t) for t in [task(1.0, 0.5), *changed]}) == 4


@pytest.mark.parametrize(
    "value",
    [
        lambda: 1,
        object(),
        (number for number in ()),
        re,
        pd.DataFrame({"a": [1]}),
        b"bytes",
        1j,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_has_no_canonical_form_is_named_by_its_place(value):
    with pytest.raises(TaskError, match=rf"task\.a\.1 is a {type(value).__name__}, which has no"):
        fingerprint({"a": [0, value]})


def test_a_task_that_holds_itself_is_refused():
    task = {"a": 1}
    task["task"] = task
    with pytest.raises(TaskError, match="holds itself"):
        fingerprint(task)
