"""One query finds the same tasks in every store."""

from __future__ import annotations

import copy
import datetime
import re

import numpy as np
import pandas as pd
import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from tests.pool.conftest import STORES, make_name
from wf_dagster.errors import PoolInputError
from wf_dagster.pool import TaskManager
from wf_dagster.pool.matching import meets

DEFINITIONS = [
    {
        "model": {"class": "Ridge", "kwargs": {"alpha": 1}},
        "dataset": {"segments": {"test": (pd.Timestamp("2020-01-01"), "2020-01-31")}},
        "record": [{"class": "Signal"}, {"class": "SigAna"}],
        "tags": ["a", "b"],
    },
    {
        "model": {"class": "Ridge", "kwargs": {"alpha": 2.5}},
        "dataset": {"segments": {"test": ("2020-02-01", None)}},
        "record": [{"class": "Signal"}],
        "fast": True,
    },
    {
        "model": {"class": "GBM", "kwargs": {"alpha": "high", "depth": None}},
        "dataset": {"segments": {"test": (datetime.date(2020, 3, 1), "2020-03-31")}},
        "tags": ["c"],
        'it\'s "quoted"': 1,
    },
    {"model": {"class": "GBM", "kwargs": {}}, "fast": False, "tags": "a"},
]
EVERYWHERE = [
    ({}, {0, 1, 2, 3}),
    (None, {0, 1, 2, 3}),
    ({"status": "waiting"}, {0, 1, 2, 3}),
    ({"status": {"$ne": "waiting"}}, set()),
    ({"status": {"$in": ["done", "waiting"]}, "filter.model.class": "GBM"}, {2, 3}),
    ({"status": {"$nin": ["waiting"]}}, set()),
    ({"filter.model.class": "Ridge"}, {0, 1}),
    ({"filter.model.class": {"$ne": "Ridge"}}, {2, 3}),
    ({"filter.model.class": {"$in": ["GBM", "Linear"]}}, {2, 3}),
    ({"filter.model.class": {"$nin": ["GBM", "Linear"]}}, {0, 1}),
    ({"filter.model.class": {"$eq": "GBM"}}, {2, 3}),
    ({"filter.model.kwargs.alpha": 1}, {0}),
    ({"filter.model.kwargs.alpha": 1.0}, {0}),
    ({"filter.model.kwargs.alpha": np.int64(1)}, {0}),
    ({"filter.model.kwargs.alpha": {"$gt": 0, "$lt": 2}}, {0}),
    ({"filter.model.kwargs.alpha": {"$lte": 2.5}}, {0, 1}),
    ({"filter.model.kwargs.alpha": {"$exists": True}}, {0, 1, 2}),
    ({"filter.model.kwargs.alpha": {"$exists": False}}, {3}),
    ({"filter.model.kwargs.alpha": {"$ne": 1}}, {1, 2, 3}),
    ({"filter.model.kwargs.alpha": {"$nin": [1, "high"]}}, {1, 3}),
    ({"filter.fast": True}, {1}),
    ({"filter.fast": {"$exists": True}}, {1, 3}),
    ({"filter.nowhere.at": "all"}, set()),
    ({"$and": [{"filter.model.class": "GBM"}, {"filter.fast": False}]}, {3}),
    ({"$or": [{"filter.model.kwargs.alpha": 1}, {"filter.fast": False}]}, {0, 3}),
    (
        {
            "status": "waiting",
            "$or": [
                {"$and": [{"filter.model.class": "Ridge"}, {"filter.fast": True}]},
                {"filter.model.kwargs.alpha": "high"},
            ],
        },
        {1, 2},
    ),
    ({"filter": DEFINITIONS[2]}, {2}),
    ({"filter": {"model": "of nobody"}}, set()),
    ({"priority": {"$exists": True}}, {1}),
    ({"priority": {"$gte": 3, "$lte": 5}}, {1}),
    ({"priority": 5}, {1}),
    ({"res": {"$exists": False}}, {0, 1, 2, 3}),
    ({"attempts": 0}, {0, 1, 2, 3}),
]
# what nx-27017 does not know of arrays, of null, and of values of different kinds
NOT_ON_NX = [
    ({"filter.model.kwargs.alpha": {"$gte": 1}}, {0, 1}),
    ({"filter.model.kwargs.alpha": {"$gt": 1}}, {1}),
    ({"filter.tags": "a"}, {0, 3}),
    ({"filter.record.class": "SigAna"}, {0}),
    ({"filter.tags": ["a", "b"]}, {0}),
    ({"filter.dataset.segments.test": ("2020-01-01", datetime.date(2020, 1, 31))}, {0}),
    ({"filter.dataset.segments.test.0": pd.Timestamp("2020-02-01")}, {1}),
    ({"filter.dataset.segments.test.0": {"$gte": datetime.date(2020, 2, 1)}}, {1, 2}),
    ({"filter.dataset.segments.test.1": None}, {1, 3}),
    ({"filter.model.kwargs.alpha": {"$gt": "a"}}, {2}),
    ({"filter.model.kwargs.depth": None}, {0, 1, 2, 3}),
    ({"filter.model.kwargs.depth": {"$ne": None}}, set()),
    ({"filter.record.class": {"$in": ["SigAna"]}}, {0}),
    ({"filter.record.class": {"$ne": "Signal"}}, {2, 3}),
    ({"filter.record.1.class": "SigAna"}, {0}),
    ({"filter.tags": {"$ne": "a"}}, {1, 2}),
    ({"filter.tags": {"$gte": "b"}}, {0, 2}),
    ({'filter.it\'s "quoted"': 1}, {2}),
    ({"filter.fast": {"$ne": True}}, {0, 2, 3}),
    ({"filter.model.kwargs": {"alpha": 1}}, {0}),
]


@pytest.fixture(scope="module", params=STORES)
def filled(request, locate, tmp_path_factory):
    """A pool whose tasks no test changes, and their ids."""
    pool = TaskManager(make_name(), locate(request.param, tmp_path_factory.mktemp("store")))
    ids = pool.create_task(DEFINITIONS)
    pool.prioritize({"_id": ids[1]}, 5)
    return pool, ids


def find(filled, query):
    pool, ids = filled
    before = copy.deepcopy(query)
    tasks = {ids.index(task["_id"]) for task in pool.query(query)}
    assert query == before
    assert sum(pool.task_stat(query).values()) == len(tasks)
    return tasks


@pytest.mark.parametrize(("query", "expected"), EVERYWHERE, ids=str)
def test_a_query_finds(filled, query, expected):
    assert find(filled, query) == expected


@pytest.mark.parametrize(("query", "expected"), NOT_ON_NX, ids=str)
def test_a_query_with_mongodbs_finer_points_finds(filled, query, expected, request):
    if "mongodb" in request.node.callspec.id.split("-"):
        pytest.skip("nx-27017 differs from MongoDB here")
    assert find(filled, query) == expected


def test_ids_are_found_by_value_and_by_operator(filled):
    _, ids = filled
    assert find(filled, {"_id": ids[2]}) == {2}
    assert find(filled, {"_id": ObjectId(ids[2])}) == {2}
    assert find(filled, {"_id": {"$in": [ObjectId(ids[0]), ids[3]]}}) == {0, 3}
    assert find(filled, {"_id": {"$in": tuple(ids)}}) == {0, 1, 2, 3}
    assert find(filled, {"_id": {"$in": []}}) == set()
    assert find(filled, {"_id": {"$nin": ids[:2]}}) == {2, 3}
    assert find(filled, {"_id": {"$ne": ids[0]}}) == {1, 2, 3}
    assert find(filled, {"_id": {"$gt": ids[1]}}) == {2, 3}
    assert find(filled, {"$and": [{"_id": {"$ne": ids[0]}}, {"_id": {"$ne": ids[1]}}]}) == {2, 3}


def test_many_ids_are_no_trouble(filled):
    _, ids = filled
    assert find(filled, {"_id": {"$in": [*map(str, range(70_000)), ids[1]]}}) == {1}


@pytest.mark.parametrize(
    "query",
    [
        {"filter.a": {"$regex": "x"}},
        {"$where": "1"},
        {"$nor": [{"status": "done"}]},
        {"_id": {"$mod": [2, 1]}},
    ],
    ids=str,
)
def test_an_unsupported_operator_is_refused_by_name(query, file_pool):
    operator = next(word for word in ("$regex", "$where", "$nor", "$mod") if word in str(query))
    pool = file_pool
    for call in (pool.task_stat, pool.fetch_task, pool.remove, pool.reset_waiting):
        with pytest.raises(PoolInputError, match=rf"operator '\{operator}' is not supported"):
            call(query)


def test_an_unknown_field_is_refused_by_name(file_pool):
    with pytest.raises(PoolInputError, match=r"query on 'owner': a task has the fields _id, "):
        file_pool.task_stat({"owner": "me"})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("status", "is no dict"),
        ({"_id": {"$in": "abc"}}, r"\$in takes a list"),
        ({"$or": {"status": "done"}}, r"\$or takes a list"),
        ({"def.model": "A"}, "kept as bytes"),
        ({"res": 1}, "kept as bytes"),
        ({"filter.model.class": re.compile("A")}, "no JSON form"),
        ({"priority": {"$gt": "high"}}, "'high' is no number"),
        ({"attempts": True}, "True is no number"),
        ({"worker": 5}, "5 is no text"),
    ],
    ids=str,
)
def test_a_malformed_query_is_refused(file_pool, query, message):
    with pytest.raises(PoolInputError, match=message):
        list(file_pool.query(query))


values = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from(["", "a", "b"]))


@given(st.lists(values, max_size=3), values)
def test_what_one_operator_finds_its_opposite_leaves_out(document, value):
    holds = lambda operator, operand: meets({"x": document}, ["x"], operator, operand)  # noqa: E731
    assert holds("$eq", value) != holds("$ne", value)
    assert holds("$in", [value]) == holds("$eq", value)
    assert holds("$nin", [value]) == holds("$ne", value)
    if type(value) in (int, str):
        assert holds("$gte", value) == (holds("$gt", value) or holds("$eq", value))
