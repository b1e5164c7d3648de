"""Raw data of handlers: computed once, and never taken for something they are not."""

from __future__ import annotations

import copy
import importlib
import itertools
import os
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib, make_dataset, make_handler, warm
from tests.qlib.provider import seeded_panel, write_provider
from tests.qlib.qlib_tasks import alpha, few_expressions
from wf_dagster.market import Market
from wf_dagster.settings import restore, snapshot
from wf_dagster.training.spread import Spread


@pytest.fixture
def qlib_data(tmp_path):
    """Data of this test's own."""
    folder = write_provider(
        tmp_path / "data", seeded_panel(5, 220), markets={"few": ["SH600000", "SH600004"]}
    )
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
    initialise_qlib()
    return folder


@pytest.fixture
def computed(monkeypatch):
    """The date ranges for which expressions were computed, here or by Qlib."""
    from qlib.data.dataset.loader import DLWParser

    from wf_dagster.qlib_engine import raw_compute as module

    ranges = []
    by_qlib, here = DLWParser.load, module.compute_features

    def loaded(self, instruments=None, start_time=None, end_time=None):
        ranges.append((start_time, end_time))
        return by_qlib(self, instruments, start_time, end_time)

    def features(instruments, fields, start, end, freq):
        ranges.append((start, end))
        return here(instruments, fields, start, end, freq)

    monkeypatch.setattr(DLWParser, "load", loaded)
    monkeypatch.setattr(module, "compute_features", features)
    return ranges


def config(**changed):
    return few_expressions("2019-02-01", "2019-09-30", ("2019-02-01", "2019-06-28"), **changed)


def by_qlib(definition):
    from qlib.utils import init_instance_by_config

    return init_instance_by_config(copy.deepcopy(definition))


def assert_equal(ours, theirs):
    for part in ("_data", "_infer", "_learn"):
        left, right = getattr(ours, part), getattr(theirs, part)
        left = getattr(left, "df", left)
        pd.testing.assert_frame_equal(left, right, check_exact=True)
        assert left.index.equals(right.index)
    for left, right in zip(ours.get_all_processors(), theirs.get_all_processors(), strict=True):
        for name, value in vars(right).items():
            if isinstance(value, (pd.Index, np.ndarray)):
                np.testing.assert_array_equal(np.asarray(vars(left)[name]), np.asarray(value))
            else:
                assert vars(left)[name] == value


@pytest.mark.parametrize(
    "instruments",
    [
        "all",
        "few",
        ["SH600003", "SH600000"],
        ["SH600003", "SH600000", "SH600003"],
        {"market": "few", "filter_pipe": []},
    ],
)
def test_several_processes_compute_what_one_computes(qlib_data, monkeypatch, instruments):
    from wf_dagster.qlib_bridge.datasets import QlibSpread
    from wf_dagster.qlib_bridge.handler_configs import make_empty_handler
    from wf_dagster.qlib_engine import column_chunks
    from wf_dagster.qlib_engine import raw_compute as module
    from wf_dagster.qlib_engine.frame_tables import to_frame

    monkeypatch.setattr(module, "_PROCESS_VALUES", 1)
    monkeypatch.setattr(module, "_PART_VALUES", 1)  # each instrument is a part
    monkeypatch.setattr(column_chunks, "_BLOCK", 9_000)  # a few columns at a time
    task = {"model": "qlib.contrib.model.linear.LinearModel"}
    spread = QlibSpread(Spread(task, 2), Market().qlib_options)
    loader = make_empty_handler(config()).data_loader
    parts = []

    def noted(function, items, most):
        parts.extend(items)
        return spread(function, items, most)

    dates = ("2019-02-01", "2019-09-30")
    folder = Market().tables.folder
    table = module.compute_table(loader, instruments, *dates, folder, noted)
    assert len(parts) == {"all": 5}.get(str(instruments), 2)
    ours, theirs = to_frame(table), module.compute_frame(loader, instruments, *dates)
    pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
    assert ours.index.equals(theirs.index)
    assert ours.index.is_unique
    assert table.values.flags.f_contiguous
    left = [entry.name for entry in folder.iterdir()]
    assert left == [table.folder.name]  # the table to be, and nothing of its parts


HANDLERS = {
    "few": config(),
    "listed": config(instruments=["SH600004", "SH600001"]),
    "market": config(instruments="few"),
    "open": config(end_time=None),
    "independent": config(process_type="independent"),
    "z_score": config(
        infer_processors=[
            {
                "class": "ZScoreNorm",
                "kwargs": {"fit_start_time": "2019-02-01", "fit_end_time": "2019-05-31"},
            }
        ]
    ),
    "filtered": config(
        instruments={
            "market": "all",
            "filter_pipe": [
                {
                    "filter_type": "ExpressionDFilter",
                    "rule_expression": "$close > Ref($close, 1)",
                    "filter_start_time": None,
                    "filter_end_time": None,
                    "keep": False,
                }
            ],
        }
    ),
    "ranked": config(  # labels of another type than features
        learn_processors=[
            {"class": "DropnaLabel"},
            {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
        ]
    ),
    "alpha158": alpha("Alpha158", "2019-03-01", "2019-08-30", ("2019-03-01", "2019-06-28")),
    "alpha360": alpha("Alpha360", "2019-05-01", "2019-08-30", ("2019-05-01", "2019-06-28")),
}


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_from_the_cache_is_to_the_bit_what_qlib_makes(name, qlib_data, computed):
    theirs = by_qlib(HANDLERS[name])
    computed.clear()
    assert_equal(make_handler(HANDLERS[name]), theirs)
    assert len(computed) == 1
    again = make_handler(HANDLERS[name])
    assert len(computed) == 1
    assert_equal(again, theirs)


def share_processed(definition):
    """Have a handler's processed data kept, as those of several rolls."""
    dataset = {
        "class": "DatasetH",
        "module_path": "qlib.data.dataset",
        "kwargs": {"handler": definition, "segments": {}},
    }
    warm(dataset, copy.deepcopy(dataset))


FIT = {"fit_start_time": "2019-02-01", "fit_end_time": "2019-05-31"}
SHARED = {
    "min_max": config(infer_processors=[{"class": "MinMaxNorm", "kwargs": FIT}]),
    "shared": config(
        shared_processors=[{"class": "RobustZScoreNorm", "kwargs": {**FIT, "clip_outlier": False}}],
        infer_processors=[{"class": "Fillna"}],
        process_type="independent",
    ),
    "ranked by day": config(
        infer_processors=[
            {"class": "CSRankNorm", "kwargs": {"fields_group": "feature"}},
            {"class": "CSZFillna", "kwargs": {"fields_group": "feature"}},
        ],
        learn_processors=[
            {"class": "CSZScoreNorm", "kwargs": {"fields_group": "label"}},
            {"class": "DropnaLabel"},
            {"class": "Fillna", "kwargs": {"fill_value": -1.5}},
        ],
    ),
    "infinities": config(infer_processors=[{"class": "ProcessInf"}]),
    "not processed": config(infer_processors=[], learn_processors=[]),
    "dropped by features": config(
        learn_processors=[{"class": "DropnaProcessor", "kwargs": {"fields_group": "feature"}}]
    ),
    "columns dropped": config(
        infer_processors=[{"class": "DropCol", "kwargs": {"col_list": ["MA10"]}}]
    ),
    "columns of two types in one processor": config(
        infer_processors=[
            {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
            {"class": "ZScoreNorm", "kwargs": FIT},
        ]
    ),
}
AS_A_WHOLE = {*list(SHARED)[-3:]}


@pytest.mark.parametrize("block", [1, 24 << 20])
@pytest.mark.parametrize("name", [*HANDLERS, *SHARED])
def test_a_handler_that_rolls_share_is_to_the_bit_what_qlib_makes(
    name, block, qlib_data, monkeypatch
):
    from qlib.data.dataset.handler import DataHandlerLP

    from wf_dagster.qlib_engine import by_columns

    monkeypatch.setattr(by_columns, "_BLOCK", block)  # a column at a time, or all of a group
    definition = {**HANDLERS, **SHARED}[name]
    processed = []
    original = DataHandlerLP.process_data

    def counted(self, **kwargs):
        processed.append(self)
        original(self, **kwargs)

    monkeypatch.setattr("wf_dagster.qlib_engine.processed_cache._AS_QLIB", ())
    monkeypatch.setattr(DataHandlerLP, "process_data", counted)
    share_processed(definition)
    assert len(processed) == (name in AS_A_WHOLE)
    ours = make_handler(definition)
    assert len(processed) == (name in AS_A_WHOLE)
    assert not list(Market().tables.folder.glob(".part-*"))
    assert_equal(ours, by_qlib(definition))


SELECTORS = {
    "segment": slice("2019-03-04", "2019-05-31"),
    "timestamps": slice(pd.Timestamp("2019-03-04"), pd.Timestamp("2019-05-31")),
    "no sessions at the ends": slice("2019-03-02", "2019-06-02"),
    "months": slice("2019-03", "2019-05"),
    "open start": slice(None, "2019-05-31"),
    "open end": slice("2019-03-04", None),
    "pair": ("2019-03-04", "2019-05-31"),
    "after all": slice("2021-01-01", "2021-02-01"),
    "everything": slice(None),
    "a day": pd.Timestamp("2019-03-04"),
}


COLUMNS = [
    ["feature", "label"], ["label", "feature"], ["label"], "feature", "__all", "__raw",
    ("feature", "MA10"), [("feature", "MA10"), ("feature", "STD10")],
]  # fmt: skip


@pytest.mark.parametrize("name", ["few", "ranked"])
def test_segments_of_a_handler_that_rolls_share(name, qlib_data):
    share_processed(HANDLERS[name])
    ours, theirs = make_handler(HANDLERS[name]), by_qlib(HANDLERS[name])
    for part in ("_infer", "_learn"):  # read directly, as some datasets of Qlib's do
        left, right = getattr(ours, part)["feature"], getattr(theirs, part)["feature"]
        pd.testing.assert_frame_equal(left, right, check_exact=True)
    for case, columns, key in itertools.product(SELECTORS, COLUMNS, ("infer", "learn")):
        definition = {"selector": SELECTORS[case], "col_set": columns, "data_key": key}
        left, right = ours.fetch(**definition), theirs.fetch(**definition)
        if isinstance(columns, tuple):
            pd.testing.assert_series_equal(left, right, check_exact=True, obj=f"{definition}")
            continue
        pd.testing.assert_frame_equal(left, right, check_exact=True, obj=f"{definition}")
        assert ours.get_cols(columns, key) == theirs.get_cols(columns, key)
        if case == "everything" or left.empty:  # Qlib gives everything itself, not a copy
            continue
        left.iloc[:, :] = 7.0
        pd.testing.assert_frame_equal(ours.fetch(**definition), right, check_exact=True)


@pytest.mark.parametrize("how", ["fetched", "asked for", "as it is"])
def test_a_segment_shows_what_was_changed_in_place(how, qlib_data):
    share_processed(HANDLERS["few"])
    segment = {"selector": SELECTORS["segment"], "col_set": "label", "data_key": "learn"}
    for handler in (make_handler(HANDLERS["few"]), by_qlib(HANDLERS["few"])):
        if how == "fetched":
            whole = handler.fetch(col_set="__raw", data_key="learn")
            whole[("label", "LABEL0")] = 0.25
        elif how == "asked for":
            handler._learn.loc[:, ("label", "LABEL0")] = 0.25
        assert (handler.fetch(**segment) == 0.25).all(axis=None) == (how != "as it is")


def test_a_pickled_storage_gives_the_same_segments(qlib_data):
    share_processed(HANDLERS["few"])
    storage = make_handler(HANDLERS["few"])._learn
    again = pickle.loads(pickle.dumps(storage))
    for columns in COLUMNS[:4]:
        request = {"selector": SELECTORS["segment"], "col_set": columns}
        assert again.fetch(**request).equals(storage.fetch(**request))


def test_rolls_that_end_at_different_days_share_one_computation(qlib_data, computed):
    ends = ["2019-08-30", "2019-09-13", "2019-09-30"]
    configs = [
        {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": config(end_time=end), "segments": {}},
        }
        for end in ends
    ]
    warm(*configs)
    assert len(computed) == 1
    for end in ends:
        ours = make_handler(config(end_time=end))
        count = len(computed)
        assert count == ends.index(end) + 1  # those of Qlib's own, below
        assert_equal(ours, by_qlib(config(end_time=end)))


def test_a_change_in_place_stays_in_its_handler(qlib_data):
    first = make_handler(config())
    first._data.iloc[:, :] = 7.0
    first._data.index.names = ["a", "b"]
    assert_equal(make_handler(config()), by_qlib(config()))


def test_changed_data_are_computed_anew(qlib_data, computed):
    before = make_handler(config())._data
    file = qlib_data / "features" / "sh600000" / "close.day.bin"
    values = np.fromfile(file, "<f4")
    values[60:] *= 1.5
    values.tofile(file)
    after = make_handler(config())._data
    assert len(computed) == 2
    assert not after.equals(before)
    from qlib.data.cache import H

    H.clear()
    assert_equal(make_handler(config()), by_qlib(config()))


def test_a_longer_calendar_and_a_changed_list_of_instruments_are_seen(qlib_data, computed):
    open_end = config(end_time=None)
    rows = len(make_handler(open_end)._data)
    write_provider(qlib_data, seeded_panel(5, 230))
    longer = len(make_handler(open_end)._data)
    assert longer > rows
    (qlib_data / "instruments" / "all.txt").write_text("SH600000\t2019-01-02\t2019-12-31\n")
    assert set(make_handler(open_end)._data.index.get_level_values("instrument")) == {"SH600000"}
    assert len(computed) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"start_time": "2019-02-04"},
        {"instruments": ["SH600000", "SH600001", "SH600002", "SH600003"]},
        {
            "data_loader": {
                "class": "QlibDataLoader",
                "kwargs": {"config": {"feature": ["$close"], "label": ["Ref($close, -1)/$close"]}},
            }
        },
    ],
)
def test_another_definition_is_computed_anew(changed, qlib_data, computed):
    make_handler(config())
    ours = make_handler(config(**changed))
    assert len(computed) == 2
    assert_equal(ours, by_qlib(config(**changed)))


def test_the_order_of_groups_is_the_order_of_columns(qlib_data):
    first = config()
    fields = first["kwargs"]["data_loader"]["kwargs"]["config"]
    turned = copy.deepcopy(first)
    turned["kwargs"]["data_loader"]["kwargs"]["config"] = dict(reversed(list(fields.items())))
    for definition in (first, turned):
        share_processed(definition)
        assert_equal(make_handler(definition), by_qlib(definition))


def test_another_fit_period_takes_the_raw_data_and_is_fitted_anew(qlib_data, computed):
    make_handler(config())
    other = few_expressions("2019-02-01", "2019-09-30", ("2019-03-01", "2019-05-31"))
    ours = make_handler(other)
    assert len(computed) == 1
    assert_equal(ours, by_qlib(other))


HANDLER_CODE = """
from qlib.contrib.data.handler import Alpha158
from qlib.data.dataset.processor import Processor


class Mine(Alpha158):
    def get_feature_config(self):
        return ["$close/Ref($close, {back})"], ["BACK"]


class Scaled(Processor):
    def __init__(self, by=2.0):
        self.by = by

    def __call__(self, df):
        return df * self.by * {factor}
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch):
    """Writes a module of the user's, with a handler and a processor."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(back=1, factor=1.0):
        (folder / "own_handler.py").write_text(HANDLER_CODE.format(back=back, factor=factor))
        sys.modules.pop("own_handler", None)
        importlib.invalidate_caches()

    yield write
    sys.modules.pop("own_handler", None)


def own():
    return {
        "class": "Mine",
        "module_path": "own_handler",
        "kwargs": {
            "instruments": "all",
            "start_time": "2019-02-01",
            "end_time": "2019-09-30",
            "infer_processors": [{"class": "Scaled", "module_path": "own_handler"}],
            "learn_processors": [],
        },
    }


def test_a_changed_handler_is_computed_anew(own_module, qlib_data, computed):
    own_module(back=1)
    make_handler(own())
    make_handler(own())
    assert len(computed) == 1
    own_module(back=3)
    ours = make_handler(own())
    assert len(computed) == 2
    assert_equal(ours, by_qlib(own()))


def test_a_changed_processor_processes_anew(own_module, qlib_data):
    dataset = {
        "class": "DatasetH",
        "module_path": "qlib.data.dataset",
        "kwargs": {"handler": own(), "segments": {}},
    }
    own_module(factor=1.0)
    warm(dataset, dataset)
    before = make_handler(own())._infer
    own_module(factor=10.0)
    after = make_handler(own())._infer
    np.testing.assert_allclose(after.to_numpy(), before.to_numpy() * 10, rtol=1e-6)


def test_a_loader_of_another_kind_is_left_to_qlib(qlib_data, home):
    frame = by_qlib(config())._data
    definition = {
        "class": "DataHandlerLP",
        "module_path": "qlib.data.dataset.handler",
        "kwargs": {
            "data_loader": {
                "class": "StaticDataLoader",
                "module_path": "qlib.data.dataset.loader",
                "kwargs": {"config": frame},
            }
        },
    }
    pd.testing.assert_frame_equal(make_handler(definition)._data, frame)
    assert not list((home / "cache").rglob("values.npy"))


def test_what_is_pickled_holds_no_data_and_only_qlibs_classes(qlib_data):
    dataset = make_dataset(
        {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": config(), "segments": {"test": ("2019-08-01", "2019-09-27")}},
        }
    )
    content = pickle.dumps(dataset)
    assert len(content) < 20_000
    assert b"wf_dagster" not in content


def load(values, definition):
    restore(values)
    initialise_qlib()
    frame = make_handler(definition)._data
    return os.getpid(), len(frame), float(frame.iloc[:, 0].sum())


def test_processes_share_one_table(qlib_data, home):
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        jobs = [pool.submit(load, snapshot(), config()) for _ in range(4)]
        results = {job.result()[1:] for job in jobs}
    assert len(results) == 1
    assert len(list((home / "cache" / "features").glob("qlib-*/values.npy"))) == 1


def test_a_time_series_dataset_trains_on_cached_data(qlib_data):
    from qlib.data.dataset import TSDatasetH

    kwargs = {
        "segments": {"train": ("2019-03-01", "2019-06-28"), "test": ("2019-08-01", "2019-09-27")},
        "step_len": 5,
    }
    definition = {"class": "TSDatasetH", "module_path": "qlib.data.dataset"}
    ours = make_dataset({**definition, "kwargs": {**kwargs, "handler": config()}})
    again = make_dataset({**definition, "kwargs": {**kwargs, "handler": config()}})
    theirs = TSDatasetH(handler=by_qlib(config()), **kwargs)
    for dataset in (ours, again):
        left, right = dataset.prepare("test"), theirs.prepare("test")
        assert len(left) == len(right) > 100
        np.testing.assert_array_equal(left[7], right[7])
