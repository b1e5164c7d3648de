"""Weights of samples: what names them, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wf_dagster.errors import DataError, TaskError
from wf_dagster.tasks.reweighting import make_reweighter, weigh

ROWS = pd.MultiIndex.from_product(
    [pd.to_datetime(["2020-01-02", "2020-01-03"]), ["A", "B"]], names=["datetime", "instrument"]
)
DATA = pd.DataFrame(
    np.arange(8.0).reshape(4, 2),
    ROWS,
    pd.MultiIndex.from_tuples([("feature", "a"), ("label", "label")]),
)
HERE = "tests.tasks.test_reweighting"


class Scaled:
    def __init__(self, factor=1.0):
        self.factor = factor

    def reweight(self, data):
        return data["label"]["label"] * self.factor


def by_label(data, factor=1.0):
    return (data["label"]["label"] * factor).to_numpy()


READY = Scaled(3.0)


@pytest.mark.parametrize(
    ("config", "factor"),
    [
        (Scaled(2.0), 2),
        (Scaled, 1),
        (by_label, 1),
        (f"{HERE}.by_label", 1),
        (f"{HERE}.Scaled", 1),
        (f"{HERE}.READY", 3),
        ({"class": "Scaled", "module_path": HERE, "kwargs": {"factor": 4.0}}, 4),
        ({"class": Scaled, "kwargs": {"factor": 4.0}}, 4),
        ({"func": f"{HERE}.by_label", "kwargs": {"factor": 5.0}}, 5),
        ({"func": "by_label", "module_path": HERE}, 1),
        ({"func": by_label, "kwargs": {"factor": 5.0}}, 5),
    ],
)
def test_objects_functions_and_their_names_weigh(config, factor):
    weights = weigh(make_reweighter(config), DATA, "train")
    assert weights.tolist() == [1 * factor, 3 * factor, 5 * factor, 7 * factor]
    assert weights.index.equals(ROWS)


def test_a_series_is_put_in_the_order_of_the_rows():
    weights = weigh(lambda data: by_series(data).iloc[::-1], DATA, "train")
    assert weights.tolist() == [1, 3, 5, 7]


def by_series(data):
    return data["label"]["label"]


@pytest.mark.parametrize("shape", [lambda w: w.to_frame(), lambda w: w.to_numpy()[:, None], list])
def test_one_column_and_a_list_are_taken(shape):
    assert weigh(lambda data: shape(by_series(data)), DATA, "train").tolist() == [1, 3, 5, 7]


WRONG = {
    "a negative weight": ([1, -2, 3, 4], r"gave 1 negative weights .* -2\.0 at 2020-01-02 B"),
    "NaN": ([1, 2, np.nan, np.nan], r"gave 2 NaN or infinite weights .*nan at 2020-01-03 A"),
    "infinite": ([1, 2, 3, np.inf], r"gave 1 NaN or infinite weights for segment train"),
    "too few": ([1, 2], r"gave weights of shape \(2,\) for the 4 rows of segment train"),
    "a table": (np.ones((4, 2)), r"gave weights of shape \(4, 2\) for the 4 rows"),
    "zeros": ([0, 0, 0, 0], r"gave the weight 0 to each row of segment train"),
    "texts": (["a", "b", "c", "d"], r"gave a list for segment train: it must give a number"),
    "other rows": (pd.Series([1, 2, 3, 4]), r"gave a Series whose index is not that of the 4 rows"),
}


@pytest.mark.parametrize("case", WRONG)
def test_weights_that_cannot_be_used_are_refused_by_name(case):
    values, message = WRONG[case]

    def odd(data):
        return values

    with pytest.raises(DataError, match=rf"reweighter odd {message}"):
        weigh(odd, DATA, "train")


def test_what_is_no_reweighter_is_refused_with_what_is():
    with pytest.raises(TaskError, match=r"reweighter is \{'weights': 1\}: use an object with rew"):
        weigh(make_reweighter({"weights": 1}), DATA, "train")
    with pytest.raises(
        TaskError, match=r"reweighter: .* has no 'by_labl'; did you mean 'by_label'"
    ):
        make_reweighter(f"{HERE}.by_labl")
