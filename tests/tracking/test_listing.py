"""Any number of runs is listed, filtered and ordered."""

from __future__ import annotations

import sqlite3

import pandas as pd
import pytest

from wf_dagster import R, get_settings
from wf_dagster.errors import TrackingError
from wf_dagster.tracking import find_recorders


def _fill(experiment_id, count):
    """Write finished runs straight into the store; every tenth is online."""
    with sqlite3.connect(get_settings().home / "mlflow.db") as store:
        store.executemany(
            "insert into runs (run_uuid, name, status, start_time, end_time, lifecycle_stage,"
            " artifact_uri, experiment_id, source_type, user_id)"
            " values (?, ?, 'FINISHED', ?, ?, 'active', 'file:///none', ?, 'LOCAL', 'me')",
            ((f"{i:032x}", f"run{i}", i, i + 1, experiment_id) for i in range(count)),
        )
        store.executemany(
            "insert into tags (key, value, run_uuid) values (?, ?, ?)",
            (
                tag
                for i in range(count)
                for tag in (
                    ("wf_kind", "recorder", f"{i:032x}"),
                    ("state", "online" if i % 10 == 0 else "offline", f"{i:032x}"),
                )
            ),
        )


@pytest.mark.parametrize("count", [12_000, pytest.param(60_000, marks=pytest.mark.slow)])
def test_listing_pages_through_any_number_of_runs(count):
    _fill(R.get_exp(experiment_name="a").id, count)
    recorders = R.list_recorders(experiment_name="a")
    assert len(recorders) == count
    assert [r.name for r in recorders.values()] == [f"run{i}" for i in reversed(range(count))]
    online = find_recorders("a", tags={"state": "online"})
    assert len(online) == count // 10
    assert {r.list_tags()["state"] for r in online} == {"online"}


def test_many_recorders_are_found_by_their_ids():
    experiment = R.get_exp(experiment_name="a")
    _fill(experiment.id, 1200)
    wanted = [f"{i:032x}" for i in range(0, 1200, 2)]
    elsewhere = R.get_exp(experiment_name="b").create_recorder("other").id
    experiment.delete_recorder(recorder_id=wanted[0])
    recorders = experiment.by_id([*wanted, wanted[1], elsewhere, "not there"])
    assert sorted(recorders) == wanted[1:]
    assert recorders[wanted[5]].name == "run10"
    assert experiment.by_id([]) == {}
    with R.start(experiment_name="a"):
        running = R.get_recorder()
        assert experiment.by_id([running.id])[running.id] is running


@pytest.fixture
def three():
    for value in (1.0, 3.0, 2.0):
        with R.start(experiment_name="a", recorder_name=f"m{value}") as exp:
            R.log_metrics(ic=value)
            R.log_params(p=int(value))
            R.set_tags(**{"with space": f"it's {value}"})
    with R.start(experiment_name="a", recorder_name="empty"):
        pass
    return exp


def test_search_records_is_a_frame_of_metrics_params_and_tags(three):
    frame = R.search_records([three.id])
    assert len(frame) == 4
    assert list(frame["metrics.ic"].dropna()) == [2.0, 3.0, 1.0]
    assert frame["params.p"].isna().tolist() == [True, False, False, False]
    assert set(frame["tags.with space"].dropna()) == {"it's 1.0", "it's 2.0", "it's 3.0"}
    assert str(frame["start_time"].dtype) == "datetime64[ns, UTC]"
    assert (frame["end_time"] >= frame["start_time"]).all()
    assert set(frame["status"]) == {"FINISHED"}


def test_search_records_filters_orders_and_limits(three):
    best = R.search_records(
        [three.id],
        filter_string="metrics.ic > 1 and params.p != '9'",
        order_by=["metrics.ic DESC"],
        max_results=1,
    )
    assert list(best["metrics.ic"]) == [3.0]
    assert len(R.search_records(max_results=3)) == 3
    assert R.search_records([three.id], filter_string="metrics.ic > 9").empty
    pd.testing.assert_frame_equal(
        R.search_records([three.id]), three.search_records(), check_like=True
    )


def test_deleted_recorders_are_seen_only_if_asked_for(three):
    R.delete_recorder(recorder_id=R.get_recorder(recorder_name="empty", experiment_id=three.id).id)
    assert [len(R.search_records([three.id], run_view_type=v)) for v in (1, 2, 3)] == [3, 1, 4]


def test_recorders_are_listed_by_status_filter_and_number(three):
    assert len(three.list_recorders(rtype="list", max_results=2)) == 2
    with pytest.raises(ValueError, match="x"), R.start(experiment_name="a"):
        raise ValueError("x")
    assert len(three.list_recorders(status="FAILED")) == 1
    filtered = three.list_recorders(status="FINISHED", filter_string="metrics.ic >= 2")
    assert sorted(r.name for r in filtered.values()) == ["m2.0", "m3.0"]
    with pytest.raises(TrackingError, match="'set' is unknown"):
        three.list_recorders(rtype="set")


def test_tags_with_unusual_names_and_values_are_found(three):
    (recorder,) = find_recorders("a", tags={"with space": "it's 3.0"})
    assert recorder.name == "m3.0"


def test_a_malformed_filter_is_an_error_in_our_words(three):
    with pytest.raises(TrackingError, match="searching runs"):
        R.search_records([three.id], filter_string="metrics ic is high")
