"""Handlers that a script sets up with Qlib's own functions, and the tables of this project."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.qlib.bridge_calls import initialise_qlib
from tests.qlib.provider import seeded_panel, write_provider
from tests.qlib.qlib_tasks import few_expressions
from wf_dagster.settings import get_settings

PARTS = ("_data", "_infer", "_learn")


@pytest.fixture
def qlib_data(tmp_path):
    folder = write_provider(tmp_path / "data", seeded_panel(5, 220))
    wf_dagster.init(qlib_provider_uri=str(folder), qlib_region="us")
    initialise_qlib()
    return folder


@pytest.fixture
def shared(qlib_data):
    from wf_dagster.qlib_bridge import shared_handlers

    shared_handlers.install()
    yield shared_handlers
    shared_handlers.uninstall()


def definition(**changed):
    return few_expressions("2019-02-01", "2019-09-30", ("2019-02-01", "2019-06-28"), **changed)


def set_up(config):
    from qlib.utils import init_instance_by_config

    return init_instance_by_config(copy.deepcopy(config))


def list_tables():
    folder = get_settings().home / "cache" / "features"
    return sorted(e.name for e in folder.glob("qlib-*") if e.is_dir()) if folder.exists() else []


def test_a_handler_that_was_computed_before_is_not_computed_again(shared, monkeypatch):
    shared.uninstall()
    by_qlib = set_up(definition())
    assert list_tables() == []
    shared.install()
    first = set_up(definition())
    tables = list_tables()

    from wf_dagster.qlib_engine import raw_compute

    def refuse(*_args):
        raise AssertionError("computed again")

    monkeypatch.setattr(raw_compute, "compute_features", refuse)
    again = set_up(definition())
    assert len(tables) >= 3  # raw, and both kinds of processed data
    assert list_tables() == tables
    for ours in (first, again):
        for part in PARTS:
            left, right = getattr(ours, part), getattr(by_qlib, part)
            assert isinstance(left, pd.DataFrame)
            pd.testing.assert_frame_equal(left, right, check_exact=True)
        learnt = [vars(processor) for processor in ours.get_all_processors()]
        for mine, theirs in zip(learnt, by_qlib.get_all_processors(), strict=True):
            for name in ("mean_train", "std_train", "min_val", "max_val"):
                if hasattr(theirs, name):
                    np.testing.assert_array_equal(mine[name], getattr(theirs, name))


def test_other_dates_are_cut_from_the_same_raw_data(shared):
    set_up(definition())
    raw = [name for name in list_tables() if not name.startswith("qlib-processed")]
    earlier = few_expressions("2019-02-01", "2019-08-30", ("2019-02-01", "2019-06-28"))
    ours = set_up(earlier)
    assert [n for n in list_tables() if not n.startswith("qlib-processed")] == raw
    shared.uninstall()
    by_qlib = set_up(earlier)
    for part in PARTS:
        pd.testing.assert_frame_equal(getattr(ours, part), getattr(by_qlib, part), check_exact=True)


def test_a_changed_frame_of_one_handler_is_not_that_of_the_next(shared):
    first = set_up(definition())
    before = first._infer.iloc[0, 0]
    first._infer.iloc[0, 0] = 1e9
    assert set_up(definition())._infer.iloc[0, 0] == before


def test_a_name_without_data_is_left_out_as_by_qlib_and_said(shared, caplog):
    config = definition(instruments=["SH600000", "SH600002", "SH999999"])
    ours = set_up(config)
    assert "SH999999" in caplog.text
    assert "Qlib loads its data itself" in caplog.text
    shared.uninstall()
    pd.testing.assert_frame_equal(ours._learn, set_up(config)._learn, check_exact=True)


def test_fitted_processors_are_not_fitted_again(shared):
    handler = set_up(definition())
    scale = next(p for p in handler.get_all_processors() if hasattr(p, "mean_train"))
    scale.mean_train = scale.mean_train + 1.0
    expected = np.array(scale.mean_train)
    handler.setup_data(init_type=type(handler).IT_LS)
    np.testing.assert_array_equal(scale.mean_train, expected)


def test_a_replay_date_hides_later_rows(shared):
    wf_dagster.init(**{**get_settings().model_dump(exclude_unset=True), "as_of": "2019-07-31"})
    handler = set_up(definition())
    assert handler._data.index.get_level_values("datetime").max() == pd.Timestamp("2019-07-31")


def test_qlib_is_as_before_when_it_is_undone(shared):
    from qlib.data.dataset.handler import DataHandler, DataHandlerLP

    during = DataHandler.setup_data, DataHandlerLP.setup_data
    shared.install()
    assert (DataHandler.setup_data, DataHandlerLP.setup_data) == during
    shared.uninstall()
    assert (
        DataHandler.setup_data.__module__
        == DataHandlerLP.setup_data.__module__
        == ("qlib.data.dataset.handler")
    )


def test_the_mirrors_function_shares_for_its_own_call_alone(qlib_data):
    from qlib.data.dataset.handler import DataHandler

    from wf_dagster.compat.qlib.utils import init_instance_by_config

    own = DataHandler.setup_data
    by_qlib = set_up(definition())
    assert list_tables() == []
    here = init_instance_by_config(definition())
    assert list_tables()
    assert DataHandler.setup_data is own
    for part in PARTS:
        pd.testing.assert_frame_equal(getattr(here, part), getattr(by_qlib, part))
