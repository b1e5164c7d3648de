"""One call for all that Dagster needs of a strategy: its parts, and what merges with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import wf_dagster
from tests.online.market import TEST, day, made_prices, template, use_prices
from tests.orchestration.hosted import Host, checks_of, keys_of, spec_of
from tests.orchestration.online.life import create_assets, failures, roll_key
from wf_dagster import (
    RollingStrategySpec,
    RollingTranslator,
    build_strategy_definitions,
    rolling_asset_specs,
)
from wf_dagster.errors import SettingsError
from wf_dagster.orchestration import (
    TaskPoolResource,
    TrackingResource,
    build_online_checks,
    build_prices_asset,
    build_rolling_assets,
    build_signals_asset,
    failed_recorder_sensor,
    new_data_sensor,
    online_job,
    roll_due_sensor,
)

PARTS = {"recorders", "predictions", "labels", "collected", "online_models"}


@pytest.fixture(autouse=True)
def prices(ready_store: None, tmp_path: Path) -> None:
    """Prices up to the first sessions of the second roll."""
    clock = tmp_path / "clock"
    clock.write_text(day(TEST + 9))
    use_prices(tmp_path / "prices.parquet", made_prices(), replay_clock=clock)


def names_of(definitions: dg.Definitions) -> dict[str, set[str]]:
    """What there is beside the assets."""
    repository = definitions.get_repository_def()
    return {
        "checks": {key.name for key in repository.asset_checks_defs_by_key},
        "jobs": {name for name in repository.job_names if not name.startswith("__")},
        "schedules": {schedule.name for schedule in repository.schedule_defs},
        "sensors": {sensor.name for sensor in repository.sensor_defs},
        "resources": set(repository.get_top_level_resources()),
    }


# the parts


def test_one_call_has_everything_and_each_part_can_be_left_out():
    whole = build_strategy_definitions(spec_of())
    assert keys_of(whole) == {f"ridge/{part}" for part in (*PARTS, "signals")}
    parts = names_of(whole)
    assert parts["checks"] >= {"complete", "labels_known", "rolling_ic", "one_generation", "fresh"}
    assert parts["jobs"] == {"ridge_online"}
    assert parts["schedules"] == {"ridge_online_schedule"}
    assert parts["sensors"] == {
        "ridge_new_data_sensor",
        "ridge_roll_due_sensor",
        "ridge_freshness_sensor",
        "failed_recorder_sensor",
    }
    assert parts["resources"] >= {"tracking"}
    for option, part in (("checks", "checks"), ("schedule", "schedules"), ("sensors", "sensors")):
        rest = names_of(build_strategy_definitions(spec_of(), **{f"with_{option}": False}))
        assert rest == {**parts, part: set()}
    assert keys_of(build_strategy_definitions(spec_of(), with_signals=False)) == {
        f"ridge/{part}" for part in PARTS
    }
    bare = build_strategy_definitions(
        spec_of(), with_schedule=False, with_sensors=False, with_resource=False
    )
    assert bare.resources == {}
    assert bare.schedules == bare.sensors == bare.jobs == []


def test_a_part_that_is_left_out_is_replaced_by_ones_own(tmp_path):
    class Quiet(TrackingResource):
        level: str = "low"

    definitions = dg.Definitions.merge(
        build_strategy_definitions(
            spec_of(tracking_key="mlflow", signals="sent"),
            with_schedule=False,
            with_resource=False,
            executor=dg.in_process_executor,
        ),
        dg.Definitions(
            schedules=[
                dg.ScheduleDefinition(
                    name="mine", job_name="ridge_online", cron_schedule="0 6 * * *"
                )
            ],
            resources={"mlflow": Quiet(level="high")},
        ),
    )
    host = Host(definitions, dg.DagsterInstance.ephemeral())
    assert host.repository.get_job("ridge_online").executor_def == dg.in_process_executor
    result = host.backfill([f"ridge/{part}" for part in ("recorders",)], roll_key(0), roll_key(0))
    assert result.success, failures(result)


def test_a_resource_of_another_kind_under_its_key_says_so():
    definitions = dg.Definitions.merge(
        build_strategy_definitions(spec_of(tracking_key="mlflow"), with_resource=False),
        dg.Definitions(resources={"mlflow": TaskPoolResource()}),
    )
    host = Host(definitions, dg.DagsterInstance.ephemeral())
    result = host.backfill(["ridge/recorders"], roll_key(0), roll_key(0))
    assert failures(result)["ridge_rolls"] == (
        "resource 'mlflow' is a TaskPoolResource: give the definitions "
        "resources={'mlflow': TrackingResource()}, or the strategy another tracking_key"
    )


def test_how_steps_run_reaches_all_of_them():
    retry = dg.RetryPolicy(max_retries=2)
    spec = spec_of(op_tags={"team": "quant"}, pool="mlflow", retry_policy=retry, tags={"desk": "a"})
    graph = build_strategy_definitions(spec).resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.get_all_asset_keys()]
    assert len(nodes) == 6
    for node in nodes:
        assert node.pools == {"mlflow"}
        assert node.assets_def.op.retry_policy == retry
        assert node.assets_def.op.tags["team"] == "quant"
        assert node.tags["desk"] == "a"


def test_declarative_strategies_have_conditions_in_place_of_a_schedule():
    definitions = dg.Definitions.merge(
        build_strategy_definitions(spec_of(automation="declarative", prices_asset="market/daily")),
        dg.Definitions(assets=[build_prices_asset(["market", "daily"])]),
    )
    parts = names_of(definitions)
    assert (parts["jobs"], parts["schedules"]) == (set(), set())
    assert parts["sensors"] == {
        "ridge_freshness_sensor",
        "failed_recorder_sensor",
        "default_automation_condition_sensor",
    }
    graph = definitions.resolve_asset_graph()
    assert (
        dg.AssetKey(["market", "daily"])
        in graph.get(dg.AssetKey(["ridge", "predictions"])).parent_keys
    )
    assert graph.get(dg.AssetKey(["ridge", "signals"])).automation_condition is not None


# several


def test_definitions_of_several_calls_merge():
    one, two = spec_of(), spec_of("lazy", template=template(alpha=1e4))
    definitions = dg.Definitions.merge(
        build_strategy_definitions(one), build_strategy_definitions(two)
    )
    dg.Definitions.validate_loadable(definitions)
    assert keys_of(definitions) == {
        f"{name}/{part}" for name in ("ridge", "lazy") for part in (*PARTS, "signals")
    }
    assert names_of(definitions)["sensors"] >= {
        "failed_recorder_sensor",
        "ridge_freshness_sensor",
        "lazy_freshness_sensor",
    }
    host = Host(definitions, dg.DagsterInstance.ephemeral())
    for name in ("ridge", "lazy"):
        request = host.tick(f"{name}_online_schedule", f"{day(TEST + 9)} 17:30")
        result = host.run(request, f"{name}_online")
        assert result.success, failures(result)
        assert f"{name}/signals: fresh" in checks_of(result)


def test_strategies_of_one_call_share_signals_as_they_say():
    specs = [spec_of(), spec_of("lazy"), spec_of("third", signals="sent/third")]
    definitions = build_strategy_definitions(specs)
    dg.Definitions.validate_loadable(definitions)
    graph = definitions.resolve_asset_graph()
    shared = graph.get(dg.AssetKey("signals"))
    assert shared.parent_keys == {
        dg.AssetKey(["ridge", "collected"]),
        dg.AssetKey(["lazy", "collected"]),
    }
    alone = graph.get(dg.AssetKey(["sent", "third"]))
    assert alone.parent_keys == {dg.AssetKey(["third", "collected"])}
    assert alone.metadata["mlflow_experiment"] == "sent/third"
    repository = definitions.get_repository_def()
    refreshed = {
        name: repository.get_job(f"{name}_online").asset_layer.executable_asset_keys
        for name in ("ridge", "third")
    }
    assert dg.AssetKey("signals") in refreshed["ridge"]
    assert dg.AssetKey("signals") not in refreshed["third"]


def test_equal_resources_and_sensors_are_one_object():
    assert TrackingResource() is TrackingResource()
    assert failed_recorder_sensor() is failed_recorder_sensor()
    assert failed_recorder_sensor(name="other") is not failed_recorder_sensor()
    merged = dg.Definitions.merge(
        dg.Definitions(resources={"tracking": TrackingResource()}),
        dg.Definitions(resources={"tracking": TrackingResource()}),
    )
    assert merged.resources == {"tracking": TrackingResource()}


def test_a_folder_of_definitions_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "host_of_folder"
    (folder / "defs").mkdir(parents=True)
    for name in ("__init__.py", "defs/__init__.py"):
        (folder / name).touch()
    (tmp_path / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "host_of_folder"\n'
    )
    for name in ("momentum", "value"):
        (folder / "defs" / f"{name}.py").write_text(
            "import dagster as dg\n"
            "from tests.orchestration.hosted import spec_of\n"
            "from wf_dagster import build_strategy_definitions\n\n"
            "@dg.definitions\n"
            "def strategy():\n"
            f"    return build_strategy_definitions(spec_of({name!r}))\n"
        )
    monkeypatch.syspath_prepend(str(tmp_path))
    definitions = dg.load_from_defs_folder(path_within_project=tmp_path)
    dg.Definitions.validate_loadable(definitions)
    assert {"momentum/signals", "value/signals"} <= keys_of(definitions)
    for module in [name for name in sys.modules if name.startswith("host_of_folder")]:
        del sys.modules[module]


def test_two_strategies_of_one_name_are_refused():
    with pytest.raises(wf_dagster.SettingsError, match=r"'ridge' is the name of 2 strategies"):
        build_strategy_definitions([spec_of(), spec_of()])
    with pytest.raises(wf_dagster.SettingsError, match=r"no strategy: give a RollingStrategySpec"):
        build_strategy_definitions([])


# how assets look


class ByDesk(RollingTranslator):
    """Other keys, groups, owners, kinds, metadata and one more upstream asset."""

    def get_asset_spec(self, part: str, roll_props: Any) -> dg.AssetSpec:
        spec = super().get_asset_spec(part, roll_props)
        spec = spec.replace_attributes(
            key=["desk", f"{roll_props.name}_{part}"],
            group_name="research",
            owners=["team:desk"],
            metadata={"part": part},
        )
        if part == "predictions":
            spec = spec.replace_attributes(deps=[*spec.deps, dg.AssetDep("universe")])
        return spec


def test_a_translator_decides_how_assets_look():
    definitions = build_strategy_definitions(spec_of(), translator=ByDesk())
    graph = definitions.resolve_asset_graph()
    predictions = graph.get(dg.AssetKey(["desk", "ridge_predictions"]))
    assert predictions.parent_keys == {
        dg.AssetKey(["desk", "ridge_recorders"]),
        dg.AssetKey("universe"),
    }
    assert (predictions.group_name, list(predictions.owners)) == ("research", ["team:desk"])
    assert predictions.metadata["part"] == "predictions"
    assert predictions.metadata["wf_dagster/strategy"] == "ridge"
    assert graph.get(dg.AssetKey(["desk", "ridge_signals_signals"])).parent_keys == {
        dg.AssetKey(["desk", "ridge_collected"])
    }
    checked = {key.asset_key.to_user_string() for key in graph.asset_check_keys}
    assert checked <= keys_of(definitions)
    host = Host(definitions, dg.DagsterInstance.ephemeral())
    request = host.tick("ridge_online_schedule", f"{day(TEST + 9)} 17:30")
    result = host.run(request, "ridge_online")
    assert result.success, failures(result)
    assert host.partitions("desk/ridge_recorders")


def test_specs_are_the_assets_apart_from_their_execution():
    specs = rolling_asset_specs(spec_of(tags={"desk": "a"}), ByDesk())
    graph = build_strategy_definitions(spec_of(tags={"desk": "a"}), translator=ByDesk())
    built = {
        spec.key: spec
        for assets in graph.assets or []
        if isinstance(assets, dg.AssetsDefinition)
        for spec in assets.specs
    }
    assert [spec.key.path[-1] for spec in specs] == [
        f"ridge_{part}"
        for part in ("recorders", "predictions", "labels", "collected", "online_models")
    ]
    for spec in specs:
        made = spec.with_io_manager_key("wf_frames")  # how it is read belongs to the execution
        assert made == built[spec.key]._replace(code_version=spec.code_version)
    # another code location knows them as what is upstream
    dg.Definitions.validate_loadable(dg.Definitions(assets=specs))


# what is refused


def test_signals_of_an_unknown_strategy_are_refused_when_definitions_load():
    definitions = dg.Definitions(
        assets=[*create_assets(), build_signals_asset(["rigde"])],
        resources={"tracking": TrackingResource()},
    )
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"\"rigde\", \"collected\"") as why:
        dg.Definitions.validate_loadable(definitions)
    assert '["ridge", "collected"]' in str(why.value)  # what it may have meant
    known = dg.AssetSpec(["rigde", "collected"])  # of another code location
    elsewhere = dg.Definitions(
        assets=[known, *create_assets(), build_signals_asset(["rigde"])],
        resources={"tracking": TrackingResource()},
    )
    dg.Definitions.validate_loadable(elsewhere)


def test_signals_take_strategies_or_their_names():
    ridge = create_assets(key_prefix="fund", experiment_name="mine")
    for strategies in (ridge, [ridge], "fund/ridge", ["fund/ridge"]):
        asset = build_signals_asset(strategies)
        (spec,) = asset.specs
        assert [dep.asset_key.to_user_string() for dep in spec.deps] == ["fund/ridge/collected"]
    with pytest.raises(wf_dagster.SettingsError, match=r"of 0 strategies and 0 experiments"):
        build_signals_asset([])
    with pytest.raises(wf_dagster.SettingsError, match=r"of 2 strategies and 1 experiments"):
        build_signals_asset(["a", "b"], experiments=["a"])


@pytest.mark.parametrize("name", ["sp500-ridge", "", "a b", "ä", None])
def test_a_strategy_name_that_dagster_would_refuse_says_so(name: Any):
    with pytest.raises(wf_dagster.SettingsError, match=r"strategy name .*use letters, digits"):
        spec_of(name)
    with pytest.raises(wf_dagster.SettingsError, match=r"strategy name .*use letters, digits"):
        build_rolling_assets(name, template(), spec_of().generator)


def test_a_former_spelling_is_taken_and_said():
    with pytest.warns(DeprecationWarning, match=r"prices_key is now called prices_asset"):
        ridge = build_rolling_assets(
            "ridge", template(), spec_of().generator, automation="declarative", prices_key="daily"
        )
    predictions = ridge[0].specs_by_key[dg.AssetKey(["ridge", "predictions"])]
    assert dg.AssetKey("daily") in {dep.asset_key for dep in predictions.deps}


def test_prices_are_named_by_a_key_or_a_definition():
    @dg.multi_asset(specs=[dg.AssetSpec("a"), dg.AssetSpec("b")])
    def both(): ...

    @dg.asset(key=["market", "daily"])
    def daily() -> None: ...

    key = dg.AssetKey(["market", "daily"])
    for prices in (key, "market/daily", ["market", "daily"], daily, dg.AssetSpec(key)):
        assert spec_of(prices_asset=prices).prices == key
    assert spec_of().prices is None
    assert spec_of(automation="declarative").prices == dg.AssetKey("prices")
    with pytest.raises(wf_dagster.SettingsError, match=r"makes 2 assets \(a, b\): give a key"):
        _ = spec_of(prices_asset=both).prices


def test_a_text_where_a_list_belongs_is_refused():
    with pytest.raises(wf_dagster.SettingsError, match=r"owners of strategy 'ridge' is the text"):
        spec_of(owners="team:quant")
    with pytest.raises(wf_dagster.SettingsError, match=r"give a list, \['mlflow'\]"):
        spec_of(kinds="mlflow")


def test_an_argument_of_the_checks_that_is_unknown_is_refused():
    with pytest.raises(wf_dagster.SettingsError, match=r"with_checks has no 'ic_flor': it takes"):
        build_strategy_definitions(spec_of(), with_checks={"ic_flor": -0.1})


def test_arguments_of_the_checks_reach_them():
    blocking = ("unique_rows",)
    definitions = build_strategy_definitions(spec_of(), with_checks={"blocking": blocking})
    specs = {
        spec.name: spec.blocking
        for checks in definitions.asset_checks or []
        for spec in checks.check_specs
    }
    assert [name for name, blocks in specs.items() if blocks] == ["unique_rows"]


def test_signals_that_are_left_out_are_refreshed_where_they_are_named():
    specs = [spec_of(signals="signals"), spec_of("lazy", signals="signals")]
    definitions = dg.Definitions.merge(
        *(build_strategy_definitions(spec, with_signals=False) for spec in specs),
        dg.Definitions(assets=[build_signals_asset(["ridge", "lazy"])]),
    )
    dg.Definitions.validate_loadable(definitions)
    repository = definitions.get_repository_def()
    for name in ("ridge", "lazy"):
        keys = repository.get_job(f"{name}_online").asset_layer.executable_asset_keys
        assert dg.AssetKey("signals") in keys


def test_a_spec_is_a_value():
    spec = spec_of()
    assert isinstance(spec, RollingStrategySpec)
    assert spec.group == spec.experiment == "ridge"
    with pytest.raises(wf_dagster.OnlineError, match=r"automation 'sometimes' is unknown"):
        spec_of(automation="sometimes")


def test_parts_made_by_hand_say_what_they_take():
    strategy = spec_of()
    for build in (new_data_sensor, roll_due_sensor, online_job, build_online_checks):
        with pytest.raises(SettingsError, match=r"RollingStrategySpec: .*build_strategy_definit"):
            build(strategy)
    with pytest.raises(SettingsError, match=r"build_signals_asset is given a int"):
        build_signals_asset([3])
    asset = build_signals_asset([spec_of(key_prefix="fund")])
    assert dg.AssetKey(["fund", strategy.name, "collected"]) in asset.keys_by_input_name.values()
