"""The commands of the README, as typed."""

from __future__ import annotations

import pytest

from wf_dagster.tracking import find_recorders

pytestmark = pytest.mark.integration

MATERIALIZE = ("dagster", "asset", "materialize", "-m", "assets.definitions", "--select")


def test_one_partition(site):
    done = site.run(*MATERIALIZE, "sp500_ridge/recorders", "--partition", "2020-03-01")
    assert done.returncode == 0, done.stdout
    assert "sp500_ridge 2020-03-01 [1/1] trained in" in done.stdout
    assert site.materialized("sp500_ridge", "recorders") == {"2020-03-01": 1}
    (recorder,) = find_recorders("sp500_ridge")
    assert recorder.list_tags()["roll"] == "2020-03-01"
    assert recorder.load_object("pred.pkl").index.get_level_values(0).max().month == 3


@pytest.mark.slow
def test_a_range_of_partitions_is_one_run(site):
    done = site.run(
        *MATERIALIZE,
        "sp500_ridge/recorders,sp500_ridge/predictions,sp500_ridge/labels",
        "--partition-range",
        "2019-11-01...2020-01-01",
    )
    assert done.returncode == 0, done.stdout
    keys = ["2019-11-01", "2019-12-01", "2020-01-01"]
    for part in ("recorders", "predictions", "labels"):
        assert site.materialized("sp500_ridge", part) == dict.fromkeys(keys, 1)
    recorders = find_recorders("sp500_ridge")
    assert sorted(r.list_tags()["roll"] for r in recorders) == keys
    assert len({r.list_tags()["mlflow.parentRunId"] for r in recorders}) == 1


@pytest.mark.slow
def test_dg_launch(site):
    done = site.run("dg", "launch", "--assets", "sp500_lgbm/recorders", "--partition", "2020-03-02")
    assert done.returncode == 0, done.stdout
    assert site.materialized("sp500_lgbm", "recorders") == {"2020-03-02": 1}


@pytest.mark.slow
def test_a_store_that_does_not_answer_is_one_message_and_nothing_is_trained(site):
    done = site.run(
        *MATERIALIZE,
        "sp500_ridge/recorders",
        "--partition",
        "2020-03-01",
        WF_TRACKING_URI="http://127.0.0.1:9",
    )
    assert done.returncode != 0
    assert "the MLflow store http://127.0.0.1:9 does not answer" in done.stdout
    assert "WF_TRACKING_URI" in done.stdout
    assert "urllib3" not in done.stdout
    assert site.materialized("sp500_ridge", "recorders") == {}


def test_a_key_that_is_no_roll_trains_nothing(site):
    done = site.run(*MATERIALIZE, "sp500_ridge/recorders", "--partition", "2020-03-15")
    assert done.returncode != 0
    assert "2020-03-15" in done.stdout
    assert find_recorders("sp500_ridge", status=None) == []


@pytest.mark.slow
def test_prices_that_are_not_there_are_named_when_definitions_load(site):
    done = site.run(
        *MATERIALIZE, "sp500_ridge/recorders", "--partition", "2020-03-01", WF_PRICES="no.parquet"
    )
    assert done.returncode != 0
    assert "no.parquet does not exist" in done.stdout
    assert "WF_PRICES" in done.stdout
