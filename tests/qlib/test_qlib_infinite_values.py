"""Infinite values in Qlib's data: said, and not changed."""

from __future__ import annotations

import copy
import logging

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.provider import seeded_panel, write_provider
from tests.qlib.qlib_tasks import few_expressions
from wf_dagster.data.processors import ProcessInf
from wf_dagster.errors import DataError
from wf_dagster.market import Market

FIT = {"fit_start_time": "2019-02-01", "fit_end_time": "2019-06-28"}
# infinite on each day on which the close is above the open
SOMETIMES = (["$close/If($close>$open, 0, 1)", "Mean($close, 3)"], ["RATIO", "MA3"])


@pytest.fixture
def qlib_data(tmp_path):
    folder = write_provider(tmp_path / "data", seeded_panel(5, 220))
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
    return folder


def handler(**changed):
    definition = few_expressions(
        "2019-02-01", "2019-09-30", (FIT["fit_start_time"], FIT["fit_end_time"]), **changed
    )
    definition["kwargs"]["data_loader"]["kwargs"]["config"]["feature"] = SOMETIMES
    return definition


def made(definition, *, shared=False):
    from wf_dagster.qlib_bridge.datasets import make_handler, warm
    from wf_dagster.qlib_bridge.session import ensure

    ensure(Market().qlib_options)
    if shared:
        dataset = {
            "class": "DatasetH",
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": definition, "segments": {}},
        }
        warm([dataset, dataset], Market())
    return make_handler(definition, Market())


@pytest.mark.parametrize("shared", [False, True])
def test_what_they_reach_is_said(qlib_data, caplog, shared):
    norm = [{"class": "ZScoreNorm", "kwargs": {**FIT, "fields_group": "feature"}}]
    with caplog.at_level(logging.WARNING):
        made(handler(infer_processors=norm), shared=shared)
    assert "infinite values reach ZScoreNorm: feature RATIO" in caplog.text
    assert "MA3" not in caplog.text
    assert "put {'class': 'ProcessInf'} first" in caplog.text


@pytest.mark.parametrize("shared", [False, True])
def test_what_is_left_for_the_model_is_said(qlib_data, caplog, shared):
    with caplog.at_level(logging.WARNING):
        data = made(handler(infer_processors=[], learn_processors=[]), shared=shared)
    frame = data.fetch(col_set="feature", data_key="infer")
    count = int(np.isinf(frame["RATIO"]).sum())
    assert count > 100
    assert f"infinite values reach the model: feature RATIO {count}, of {len(frame)} rows" in (
        caplog.text
    )


def test_nothing_is_said_where_process_inf_comes_first(qlib_data, caplog):
    with caplog.at_level(logging.WARNING):
        made(handler(infer_processors=[{"class": "ProcessInf"}]))
    assert "infinite" not in caplog.text


def test_our_process_inf_means_what_qlibs_does():
    from qlib.data.dataset import processor as qlibs

    random = np.random.default_rng(0)
    rows = pd.MultiIndex.from_product(
        [pd.bdate_range("2020-01-01", periods=30), list("uvwxyz")], names=["datetime", "instrument"]
    )
    values = random.normal(size=(len(rows), 3))
    values[random.random(values.shape) < 0.1] = np.nan
    values[random.random(values.shape) < 0.1] = np.inf
    values[random.random(values.shape) < 0.1] = -np.inf
    columns = pd.MultiIndex.from_tuples([("feature", "a"), ("feature", "b"), ("label", "y")])
    frame = pd.DataFrame(values, index=rows, columns=columns)
    theirs = qlibs.ProcessInf()(frame.copy())
    pd.testing.assert_frame_equal(ProcessInf()(frame), theirs, rtol=1e-12)


def test_a_typo_in_a_handlers_instruments_is_refused_with_the_nearest(qlib_data):
    with pytest.raises(DataError, match=r"1 of 2 have no data .*'SH60000O' \(nearest: SH60000"):
        made(handler(instruments=["SH600001", "SH60000O"]))
    with pytest.raises(DataError, match=r"'al' are no list of .*; is all meant\?"):
        made(handler(instruments="al"))


@pytest.mark.parametrize("block", [1, 24 << 20])
def test_process_inf_among_others_is_to_the_bit_what_qlib_makes(qlib_data, monkeypatch, block):
    from qlib.utils import init_instance_by_config

    from wf_dagster.qlib_engine import by_columns

    monkeypatch.setattr(by_columns, "_BLOCK", block)  # a column at a time, or all of a group
    infer = [{"class": "ProcessInf"}, {"class": "ZScoreNorm", "kwargs": FIT}, {"class": "Fillna"}]
    learn = [
        {"class": "DropnaLabel"},
        {"class": "CSZScoreNorm", "kwargs": {"fields_group": "label"}},
    ]
    definition = handler(infer_processors=infer, learn_processors=learn)
    ours = made(definition, shared=True)
    theirs = init_instance_by_config(copy.deepcopy(definition))
    for key in ("infer", "learn"):
        mine, its = (of.fetch(col_set="__raw", data_key=key) for of in (ours, theirs))
        assert np.isfinite(its["feature"].to_numpy()).all()
        pd.testing.assert_frame_equal(mine, its, check_exact=True)
