"""The asset of the prices is the host's, partitioned in whatever way."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas as pd
import pytest

from tests.orchestration.frames.host import KEYS, strategy_assets
from wf_dagster import Market
from wf_dagster.errors import SettingsError
from wf_dagster.orchestration import (
    AssetPrices,
    RollingStrategySpec,
    TrackingResource,
    build_strategy_definitions,
    rolling_asset_specs,
)

PARTS = ("recorders", "predictions", "labels")
KINDS: dict[str, Any] = {
    "days in New York": dg.DailyPartitionsDefinition("2019-01-01", timezone="America/New_York"),
    "hours in Tokyo": dg.HourlyPartitionsDefinition("2019-01-01-00:00", timezone="Asia/Tokyo"),
    "weeks": dg.WeeklyPartitionsDefinition("2019-01-01"),
    "exchanges": dg.StaticPartitionsDefinition(["XNYS", "XLON"]),
    "dynamic": dg.DynamicPartitionsDefinition(name="vendors"),
    "days and exchanges": dg.MultiPartitionsDefinition(
        {
            "day": dg.DailyPartitionsDefinition("2019-01-01", timezone="Europe/London"),
            "exchange": dg.StaticPartitionsDefinition(["XNYS", "XLON"]),
        }
    ),
    "months like the rolls": dg.MonthlyPartitionsDefinition("2019-01-01"),
    "none": None,
}
FIRST = {
    "days in New York": "2019-03-05",
    "hours in Tokyo": "2019-03-05-09:00",
    "weeks": "2019-03-03",
    "exchanges": "XNYS",
    "dynamic": "a vendor",
    "days and exchanges": "2019-03-05|XLON",
    "months like the rolls": "2019-02-01",
    "none": None,
}


def prices_of(kind: str) -> dg.AssetsDefinition:
    @dg.asset(key=["fund", "prices"], partitions_def=KINDS[kind])
    def prices() -> None: ...

    return prices


def definitions(prices: Any, prices_asset: Any = None, **options: Any) -> dg.Definitions:
    strategy = strategy_assets(prices_asset=prices_asset or prices, **options)
    return dg.Definitions([prices, *strategy], resources={"tracking": TrackingResource()})


class Ticks:
    """Dagster's automation, evaluated again and again."""

    def __init__(self, defs: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self.defs, self.instance = defs, instance
        self.cursor: Any = None
        self.now = pd.Timestamp("2026-03-06 12:00", tz="UTC")

    def requested(self) -> dict[str, set[str | None]]:
        self.now += pd.Timedelta(minutes=5)
        result = dg.evaluate_automation_conditions(
            defs=self.defs,
            instance=self.instance,
            evaluation_time=self.now.to_pydatetime(),
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        keys = self.defs.resolve_asset_graph().get_all_asset_keys()
        requests = {key.to_user_string(): result.get_requested_partitions(key) for key in keys}
        return {key: partitions for key, partitions in requests.items() if partitions}


@pytest.mark.parametrize("by", ["definition", "key"])
@pytest.mark.parametrize("kind", KINDS)
def test_new_prices_of_any_kind_ask_for_the_latest_roll(instance, kind, by):
    prices = prices_of(kind)
    given = prices if by == "definition" else "fund/prices"
    defs = definitions(prices, given, automation="declarative")
    if kind == "dynamic":
        instance.add_dynamic_partitions("vendors", [FIRST[kind]])
    ticks = Ticks(defs, instance)
    assert ticks.requested() == {}
    for _ in range(2):  # the second time it is the same partition, restated
        event = dg.AssetMaterialization(["fund", "prices"], partition=FIRST[kind])
        instance.report_runless_asset_event(event)
        assert ticks.requested() == {
            "ridge/predictions": {KEYS[-1]},
            "ridge/labels": {KEYS[-1]},
        }
        assert ticks.requested() == {}


@pytest.mark.parametrize("automation", ["manual", "declarative"])
def test_all_partitioned_assets_depend_on_the_prices_in_every_mode(automation):
    prices = prices_of("days in New York")
    graph = definitions(prices, automation=automation).resolve_asset_graph()
    dg.Definitions.validate_loadable(definitions(prices, automation=automation))
    for part in PARTS:
        node = graph.get(dg.AssetKey(["ridge", part]))
        assert dg.AssetKey(["fund", "prices"]) in node.parent_keys
        assert node.partition_mappings[dg.AssetKey(["fund", "prices"])] == dg.AllPartitionMapping()
    for part in ("collected", "online_models"):
        parents = graph.get(dg.AssetKey(["ridge", part])).parent_keys
        assert dg.AssetKey(["fund", "prices"]) not in parents


def test_without_prices_asset_nothing_is_upstream():
    defs = dg.Definitions(strategy_assets(), resources={"tracking": TrackingResource()})
    assert defs.resolve_asset_graph().get(dg.AssetKey(["ridge", "recorders"])).parent_keys == set()


@pytest.mark.parametrize(
    "given",
    [
        dg.AssetKey(["fund", "prices"]),
        "fund/prices",
        ["fund", "prices"],
        dg.AssetSpec(["fund", "prices"]),
        dg.SourceAsset(["fund", "prices"]),
        dg.AssetSpec(["fund", "prices"], partitions_def=KINDS["exchanges"]),
        prices_of("hours in Tokyo"),
    ],
    ids=lambda given: type(given).__name__,
)
def test_the_prices_are_given_as_a_key_or_a_definition(given):
    strategy = strategy_assets().spec
    spec = RollingStrategySpec(
        name="ridge",
        template=strategy.template,
        generator=strategy.generator,
        prices_asset=given,
    )
    for asset in rolling_asset_specs(spec)[:3]:
        assert dg.AssetKey(["fund", "prices"]) in [dep.asset_key for dep in asset.deps]
    dg.Definitions.validate_loadable(build_strategy_definitions(spec, with_sensors=False))


def test_a_definition_of_several_assets_is_asked_for_one():
    @dg.multi_asset(specs=[dg.AssetSpec("open"), dg.AssetSpec("close")])
    def vendor(): ...

    with pytest.raises(SettingsError, match=r"makes 2 assets \(close, open\): give a key"):
        strategy_assets(prices_asset=vendor)


def test_the_former_spelling_says_the_present_one():
    with pytest.warns(DeprecationWarning, match=r"write prices_asset='fund/prices'"):
        strategy = strategy_assets(prices_key="fund/prices")
    deps = strategy[0].specs_by_key[dg.AssetKey(["ridge", "recorders"])].deps
    assert [dep.asset_key for dep in deps] == [dg.AssetKey(["fund", "prices"])]


def test_a_roll_depends_on_all_days_and_lacks_none(instance):
    graph = definitions(prices_of("days in New York")).resolve_asset_graph()
    result = graph.get_parents_partitions(dg.AssetKey(["ridge", "recorders"]), KEYS[1])
    assert {parent.asset_key for parent in result.parent_partitions} == {
        dg.AssetKey(["fund", "prices"])
    }
    assert not result.required_but_nonexistent_parents_partitions
    days = {parent.partition_key for parent in result.parent_partitions}
    assert {"2019-01-01", "2019-02-15"} <= days


def test_the_asset_that_holds_the_prices_of_the_market_is_upstream_by_itself(instance):
    prices = prices_of("days in New York")
    strategy = strategy_assets(market=Market(AssetPrices(prices)), automation="declarative")
    defs = dg.Definitions([prices, *strategy], resources={"tracking": TrackingResource()})
    parents = defs.resolve_asset_graph().get(dg.AssetKey(["ridge", "recorders"])).parent_keys
    assert parents == {prices.key}
    ticks = Ticks(defs, instance)
    assert ticks.requested() == {}
    instance.report_runless_asset_event(dg.AssetMaterialization(prices.key, partition="2019-03-05"))
    assert ticks.requested() == {"ridge/predictions": {KEYS[-1]}, "ridge/labels": {KEYS[-1]}}
