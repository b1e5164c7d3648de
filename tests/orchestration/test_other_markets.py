"""A backfill of prices whose days are those of no exchange, or differ from theirs a little."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pandas as pd

from tests.online.market import FEATURES, LABEL, REACH
from wf_dagster import Market, RollingGen
from wf_dagster.exchanges import exchange_sessions
from wf_dagster.orchestration import TrackingResource, build_online_checks, build_rolling_assets

CLOSED, SPECIAL = pd.Timestamp("2020-11-16"), pd.Timestamp("2020-11-14")  # Diwali, a Saturday
NAMES = ["A", "B", "C", "D"]


def _assets(folder, days, market_of, test_from):
    days = pd.DatetimeIndex(days, name="datetime")
    closes = 50 * np.exp(np.random.default_rng(3).normal(0, 0.01, (len(days), 4)).cumsum(0))
    path = folder / "prices.parquet"
    table = pd.DataFrame(closes, days, pd.Index(NAMES, name="instrument"))
    table.stack().rename("close").reset_index().to_parquet(path)
    template = {
        "model": {"class": "SklearnModel", "module_path": "wf_dagster.models"},
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "features": FEATURES,
                "label": LABEL,
                "segments": {
                    "train": (days[20], test_from - pd.Timedelta(days=1)),
                    "test": (test_from, None),
                },
                "learn_processors": [{"class": "DropnaLabel"}],
            },
        },
        "record": ["wf_dagster.records.SignalRecord"],
    }
    strategy = build_rolling_assets(
        "far",
        template,
        RollingGen("month", trunc_days=REACH + 1),
        market=market_of(str(path)),
        max_workers=1,
    )
    checks = build_online_checks(strategy)
    return strategy, dg.Definitions(
        assets=[*strategy],
        asset_checks=checks,
        resources={"tracking": TrackingResource()},
    )


def _backfill(strategy, definitions):
    keys = strategy.spec.partitions.rolls.keys
    job = definitions.get_implicit_global_asset_job_def()
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": keys[0],
                "dagster/asset_partition_range_end": keys[-1],
            },
        )
    assert result.success
    return {
        f"{e.asset_key.path[-1]}/{e.check_name}": e for e in result.get_asset_check_evaluations()
    }


def _predicted(strategy):
    pred = strategy.spec.inspection().collected().load_object("pred.pkl")
    return pred.index


def test_a_market_that_never_closes_is_predicted_on_every_day(tmp_path):
    days = pd.date_range("2020-01-01", "2020-12-31")
    test_from = pd.Timestamp("2020-07-01")
    strategy, definitions = _assets(tmp_path, days, lambda path: Market(path), test_from)
    checks = _backfill(strategy, definitions)
    assert checks["predictions/complete"].passed
    expected = pd.MultiIndex.from_product([days[days >= test_from], NAMES])
    assert set(_predicted(strategy)) == set(expected)


def test_a_late_holiday_and_a_special_session_are_named_by_the_check(tmp_path):
    days = exchange_sessions("XBOM", pd.Timestamp("2020-01-01"), pd.Timestamp("2020-12-31"))
    assert CLOSED not in days
    late = pd.Timestamp("2020-11-18")
    assert late in days
    days = days.drop(late).union([SPECIAL])
    strategy, definitions = _assets(
        tmp_path, days, lambda path: Market(path, "XBOM"), pd.Timestamp("2020-07-01")
    )
    check = _backfill(strategy, definitions)["predictions/complete"]
    assert check.passed
    assert "XBOM has no session on 1 of" in check.description
    assert "2020-11-14" in check.description
    assert "the prices have none on 1 sessions of XBOM, 2020-11-18" in check.description
    expected = pd.MultiIndex.from_product([days[days >= "2020-07-01"], NAMES])
    assert set(_predicted(strategy)) == set(expected), "nothing is lost"
