"""What loading definitions costs: no price is read, and nothing that is slow to import."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

import wf_dagster
from tests.support import task_of
from wf_dagster import Market, RollingGen
from wf_dagster.orchestration import (
    TrackingResource,
    build_freshness_sensor,
    build_online_checks,
    build_online_schedule,
    build_rolling_assets,
    new_data_sensor,
    roll_due_sensor,
    rolling_partitions,
)

REPOSITORY = Path(__file__).parents[2]
SLOW = ["pandas", "numpy", "pyarrow", "sklearn", "mlflow", "exchange_calendars", "lightgbm"]
LOADED = """
import json, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
{code}
print(json.dumps([[name for name in {slow} if name in sys.modules], opened]))
"""
OWN = """
import dagster as dg
from wf_dagster import Market, RollingGen, build_rolling_assets, new_data_sensor
from wf_dagster.orchestration import TrackingResource, build_online_checks
template = json.loads({template!r})
strategies = [
    build_rolling_assets(name, template, RollingGen(step, trunc_days=7), market=Market({prices!r}))
    for name, step in (("monthly", "month"), ("counted", 20))
]
defs = dg.Definitions(
    assets=[asset for strategy in strategies for asset in strategy],
    asset_checks=build_online_checks(strategies),
    sensors=[new_data_sensor(strategy) for strategy in strategies],
    resources={{"tracking": TrackingResource()}},
)
repository = defs.get_repository_def()
assert len(repository.assets_defs_by_key) == 10
"""


def load(code, home):
    """The slow modules that are there after it, and the files that were opened."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code, slow=SLOW)],
        cwd=REPOSITORY,
        env={**os.environ, "WF_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (*json.loads(done.stdout.splitlines()[-1]), done.stderr)


def test_the_sample_strategies_load_without_prices_and_slow_libraries(tmp_path):
    modules, opened, _ = load("import assets.definitions", tmp_path / "home")
    assert modules == []
    assert not [path for path in opened if path.endswith((".parquet", ".csv", ".csv.gz"))]


def test_what_a_users_module_imports_is_light(tmp_path):
    names = "RollingGen, Market, build_rolling_assets, build_strategy_definitions, fingerprint"
    assert load(f"from wf_dagster import {names}", tmp_path / "home")[0] == []


def write(path, content):
    if content is not None:
        path.write_text(content)
    return str(path)


@pytest.mark.parametrize(
    "content",
    [None, "no prices at all", "datetime,instrument,close\n2020-01-02,A,1\n2020-01-02,A,2\n"],
    ids=["missing", "broken", "duplicate"],
)
def test_whatever_the_prices_are_definitions_load(tmp_path, content):
    file = write(tmp_path / "prices.csv", content)
    code = OWN.format(prices=file, template=json.dumps(task_of("2019-01-02")))
    modules, opened, said = load(code, tmp_path / "home")
    assert modules == []
    assert file not in opened
    assert "strategy 'counted': which days are sessions is not known" in said
    assert "'monthly'" not in said


def test_a_database_that_is_away_is_not_asked(tmp_path):
    address = "postgresql://nobody@127.0.0.1:1/prices#daily"
    code = OWN.format(prices=address, template=json.dumps(task_of("2019-01-02")))
    assert load(code, tmp_path / "home")[0] == []


def location(market):
    template = task_of("2019-01-02")
    template["dataset"]["kwargs"]["segments"]["test"] = ("2019-01-02", None)
    strategy = build_rolling_assets(
        "demo", template, RollingGen("month", trunc_days=7), market=market
    )
    return strategy, dg.Definitions(
        assets=strategy,
        asset_checks=build_online_checks(strategy),
        resources={"tracking": TrackingResource()},
        executor=dg.in_process_executor,
    )


def test_ticks_and_checks_say_what_is_wrong_with_prices(home, instance, tmp_path):
    wf_dagster.init(home=home)
    market = Market(str(tmp_path / "prices.parquet"))
    strategy, definitions = location(market)
    for sensor in (new_data_sensor(strategy), roll_due_sensor(strategy)):
        with dg.build_sensor_context(instance=instance) as context:
            answer = sensor(context)
        assert isinstance(answer, dg.SkipReason)
        assert "prices.parquet does not exist" in answer.skip_message
    schedule = build_online_schedule(strategy, "30 17 * * *", "UTC")
    tick = pd.Timestamp("2024-01-02 17:30", tz="UTC").to_pydatetime()
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=tick) as context:
        assert "does not exist" in schedule(context).skip_message
    with dg.build_sensor_context(instance=instance) as context:
        answer = build_freshness_sensor(strategy)(context)
    assert isinstance(answer, dg.SkipReason)
    result = (
        definitions.resolve_implicit_global_asset_job_def()
        .get_subset(asset_check_selection={dg.AssetCheckKey(strategy.key("predictions"), "fresh")})
        .execute_in_process(instance=instance)
    )
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    assert "does not exist" in check.description


def test_a_run_says_what_is_wrong_with_prices(home, instance, tmp_path):
    strategy, definitions = location(Market(str(tmp_path / "prices.parquet")))
    result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[strategy.key("recorders")],
        instance=instance,
        raise_on_error=False,
        partition_key="2019-01-01",
    )
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert "prices.parquet does not exist" in failure.event_specific_data.error.message


def test_a_partition_that_is_no_roll_of_the_prices_names_the_nearest(home, tmp_path):
    days = pd.bdate_range("2018-06-01", "2019-12-31").difference(
        pd.DatetimeIndex(["2019-01-03", "2019-01-04"])
    )
    index = pd.MultiIndex.from_product([days, ["A", "B"]], names=["datetime", "instrument"])
    frame = pd.DataFrame({"close": np.linspace(1.0, 2.0, len(index))}, index)
    frame.to_parquet(tmp_path / "prices.parquet")
    template = task_of("2019-01-02")
    template["dataset"]["kwargs"]["segments"] = {
        "train": ("2018-06-01", "2018-12-31"),
        "test": ("2019-01-02", None),
    }
    market = Market(str(tmp_path / "prices.parquet"))
    partitions = rolling_partitions(
        template, RollingGen(5, trunc_days=7), market=market, name="demo"
    )
    planned = partitions.definition.get_partition_keys()
    assert planned[:2] == ["2019-01-02", "2019-01-09"]
    rolls, early, misplaced = partitions.split_due([*planned[:2], "2019-12-31", planned[-1]])
    assert [roll.key for roll in rolls] == ["2019-01-02"]
    assert set(early) == {"2019-12-31", planned[-1]}
    assert list(misplaced) == ["2019-01-09"]
    assert re.search(
        r"'2019-01-09' is no roll of 'demo': the nearest is 2019-01-02 and 2019-01-11 .*"
        r"planned before the prices were read: reload the code location",
        misplaced["2019-01-09"],
    )
