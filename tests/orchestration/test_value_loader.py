"""Values of many partitions: what an IO manager is given is what Dagster's own loader gives it."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas as pd
import pytest

from wf_dagster.orchestration import AssetPrices
from wf_dagster.orchestration.host_prices.asset_values import find_marks, open_reader
from wf_dagster.orchestration.host_prices.value_loader import ValueLoader
from wf_dagster.prices.price_spool import Unknown

DAILY = dg.DailyPartitionsDefinition("2024-01-01", end_date="2024-01-04")
STATIC = dg.StaticPartitionsDefinition(["XNYS", "XLON"])
KINDS = {
    "whole": (None, [None]),
    "daily": (DAILY, ["2024-01-01", "2024-01-03"]),
    "static": (STATIC, ["XNYS", "XLON"]),
    "dynamic": (dg.DynamicPartitionsDefinition(name="venues"), ["XNYS"]),
    "multi": (dg.MultiPartitionsDefinition({"day": DAILY, "venue": STATIC}), ["2024-01-02|XLON"]),
}
OPENED: list[str] = []


@dg.resource(config_schema={"bucket": dg.Field(str, default_value="prices")})
def bucket(context) -> Any:
    OPENED.append("open")
    yield context.resource_config["bucket"]
    OPENED.append("closed")


class Witness(dg.IOManager):
    """Gives back all that it is given."""

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        pass

    def load_input(self, context: dg.InputContext) -> dict[str, Any]:
        given = {
            "key": context.asset_key,
            "type": context.dagster_type.typing_type,
            "config": context.resource_config,
            "bucket": context.resources.bucket,
            "instance": context.instance,
            "metadata": dict(context.definition_metadata),
            "partitioned": context.has_asset_partitions,
            "identifier": context.get_asset_identifier(),
            "input": context.has_input_name,
            "logs": context.log is not None,
        }
        output = context.upstream_output
        given["output"] = (output.asset_key, dict(output.definition_metadata))
        if context.has_asset_partitions:
            given["part"] = (context.partition_key, context.asset_partition_key)
            given["parts"] = list(context.asset_partition_keys)
            given["definition"] = context.asset_partitions_def
            for name in ("asset_partition_key_range", "asset_partitions_time_window"):
                try:
                    given[name] = getattr(context, name)
                except Exception as error:  # not every Dagster has it for all partitions
                    given[name] = type(error)
        return given


@dg.io_manager(
    required_resource_keys={"bucket"}, config_schema={"prefix": dg.Field(str, default_value="a/")}
)
def witness(_context) -> Witness:
    return Witness()


def inside_a_step(asset: dg.AssetsDefinition, instance: dg.DagsterInstance, use: Any) -> None:
    """Call something with the context of a step that depends on the asset."""

    @dg.asset(deps=[dg.AssetDep(asset.key, partition_mapping=dg.AllPartitionMapping())])
    def reading(context) -> None:
        use(context)

    resources = {"witness": witness, "bucket": bucket}
    assert dg.materialize(
        [asset, reading], instance=instance, selection=[reading], resources=resources
    ).success


@pytest.fixture
def instance():
    with dg.instance_for_test() as instance:
        yield instance


@pytest.mark.parametrize("kind", KINDS)
def test_an_io_manager_is_given_what_the_loader_of_dagster_gives(instance, kind):
    partitions, parts = KINDS[kind]
    if kind == "dynamic":
        instance.add_dynamic_partitions("venues", parts)

    @dg.asset(
        key=["vendor", "quotes"],
        partitions_def=partitions,
        io_manager_key="witness",
        metadata={"table": "quotes"},
    )
    def quotes() -> None: ...

    def compare(context: dg.AssetExecutionContext) -> None:
        bound = context.job_def.asset_layer.asset_graph.get(quotes.key).assets_def
        definitions = dg.Definitions([bound])
        with definitions.get_asset_value_loader(instance) as loader:
            expected = [
                loader.load_asset_value(quotes.key, python_type=pd.DataFrame, partition_key=part)
                for part in parts
            ]
        OPENED.clear()
        with ValueLoader(context, bound, quotes.key, pd.DataFrame) as values:
            assert OPENED == []
            given = [values.load(part) for part in parts]
            assert OPENED == ["open"]
        assert OPENED == ["open", "closed"]
        assert given == expected
        assert given[0]["config"] == {"prefix": "a/"}
        assert given[0]["bucket"] == "prices"

    inside_a_step(quotes, instance, compare)


def test_values_of_the_io_manager_of_dagster_by_partition(instance):
    @dg.asset(partitions_def=DAILY)
    def quotes(context) -> pd.DataFrame:
        return pd.DataFrame({"datetime": [context.partition_key], "close": [1.0]})

    for part in KINDS["daily"][1]:
        assert dg.materialize([quotes], instance=instance, partition_key=part).success

    def read_all(context: dg.AssetExecutionContext) -> None:
        marks = find_marks(context, quotes.key)
        assert [part for part, mark in marks.items() if mark is Unknown.MARK] == ["2024-01-02"]
        with open_reader(context, AssetPrices(quotes)) as read:
            for part in KINDS["daily"][1]:
                assert read(part)["datetime"].tolist() == [part]

    inside_a_step(quotes, instance, read_all)


def test_without_any_materialization_all_partitions_are_read(instance):
    @dg.asset(partitions_def=STATIC)
    def quotes() -> None: ...

    def look(context: dg.AssetExecutionContext) -> None:
        assert find_marks(context, quotes.key) == {"XNYS": None, "XLON": None}

    inside_a_step(quotes, instance, look)
