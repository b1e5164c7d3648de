"""Strategies in a ``defs.yaml``: what they are, and what may be chosen for them."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from importlib.metadata import entry_points

import dagster as dg
import pytest
from dagster.components.core.component_tree import ComponentTree

import wf_dagster
from tests.orchestration.component.conftest import TYPE
from tests.orchestration.component.strategies import PARTS, strategy, task
from wf_dagster import (
    Market,
    RollingGen,
    RollingStrategyComponent,
    RollingStrategySpec,
    build_strategy_definitions,
    fingerprint,
)
from wf_dagster.orchestration.component.strategy_model import StrategyModel
from wf_dagster.orchestration.location.code_location import list_strategies

# called project_root before Dagster 1.13
PROJECT_ROOT = "{{ context.project_root if context is defined else project_root }}"
WITH = ("with_checks", "with_schedule", "with_sensors", "with_signals", "with_resource")


def names(prefix: str, *more: str) -> set[str]:
    return {f"{prefix}/{part}" for part in (*PARTS, *more)}


def snapshot(definitions: dg.Definitions) -> set[str]:
    repository = definitions.get_repository_def()
    return {
        *(key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()),
        *(str(key) for key in repository.asset_graph.asset_check_keys),
        *(job.name for job in repository.get_all_jobs()),
        *(schedule.name for schedule in repository.schedule_defs),
        *(sensor.name for sensor in repository.sensor_defs),
        *repository.get_top_level_resources(),
    }


def test_a_component_gives_what_the_call_in_python_does(project):
    project.write_strategies(strategy(cron="0 18 * * *", execution_timezone="America/New_York"))
    spec = RollingStrategySpec(
        name="momentum",
        template=task(),
        generator=RollingGen("month", trunc_days=7),
        market=Market("sample"),
        cron="0 18 * * *",
        execution_timezone="America/New_York",
    )
    loaded, called = project.load(), build_strategy_definitions(spec)
    names_of_ours = {"failed_recorder_sensor": "momentum_failed_recorder_sensor"}
    assert snapshot(loaded) == {names_of_ours.get(name, name) for name in snapshot(called)}
    in_yaml, in_python = (list_strategies(d)["momentum"] for d in (loaded, called))
    assert list(in_yaml.partitions.rolls.keys) == [f"2020-0{month}-01" for month in range(1, 7)]
    assert [fingerprint(roll.task) for roll in in_yaml.partitions.rolls] == [
        fingerprint(roll.task) for roll in in_python.partitions.rolls
    ]
    assert in_yaml.market == in_python.market


def test_dates_are_the_same_however_they_are_written(project):
    file = project.write_strategies(strategy())
    quoted = list_strategies(project.load())["momentum"].partitions.rolls
    file.write_text(file.read_text().replace("'", ""))
    assert "- 2015-01-02" in file.read_text()
    bare = list_strategies(project.load())["momentum"].partitions.rolls
    assert [fingerprint(a.task) for a in bare] == [fingerprint(b.task) for b in quoted]


def test_the_schema_has_all_that_a_specification_has():
    own = {"from_workflow"}
    assert set(StrategyModel.model_fields) - own == {f.name for f in fields(RollingStrategySpec)}
    described = StrategyModel.model_fields["cron"].description
    assert described.startswith("When its schedule ticks: every day, after the close")


def test_several_strategies_of_a_list_share_their_signals(project):
    project.write_strategies(strategy("ridge"), strategy("lasso", signals=None))
    signals = [key for key in project.asset_names() if "signals" in key]
    assert len(signals) == 1
    assert project.asset_names() == {*names("ridge"), *names("lasso"), *signals}


def test_several_documents_and_several_folders(project):
    one = project.write_strategies(strategy("ridge")).read_text()
    two = project.write_strategies(strategy("lasso")).read_text()
    project.write(f"{one}---\n{two}")
    project.write_strategies(strategy("other"), folder="elsewhere")
    assert project.asset_names() == set().union(
        *(names(name, "signals") for name in ("ridge", "lasso", "other"))
    )
    repository = project.load().get_repository_def()
    assert {"ridge_online", "lasso_online", "other_online"} <= set(repository.job_names)


def test_parts_that_are_left_out(project):
    project.write_strategies(
        strategy(),
        **{
            f"with_{part}": False
            for part in ("checks", "schedule", "sensors", "signals", "resource")
        },
    )
    (project.defs / "ours.py").write_text(
        "import dagster as dg\nfrom wf_dagster.orchestration import TrackingResource\n"
        "defs = dg.Definitions(resources={'tracking': TrackingResource()})\n"
    )
    assert project.asset_names() == names("momentum")
    context = ComponentTree.for_test().load_context
    component = RollingStrategyComponent(project.strategies(), **dict.fromkeys(WITH, False))
    definitions = component.build_defs(context)
    left = (definitions.schedules, definitions.sensors, definitions.asset_checks)
    assert [*left, definitions.resources] == [[], [], [], {}]


def test_variables_and_template_variables(project, monkeypatch):
    monkeypatch.setenv("DESK", "research")
    monkeypatch.setenv("MONTHS_OF", "month")
    (project.defs / "momentum").mkdir()
    (project.defs / "momentum" / "own.py").write_text(
        "from datetime import date\nimport dagster as dg\n"
        "from tests.orchestration.component.strategies import task\n"
        "from wf_dagster import RollingGen, RollingStrategySpec\n\n"
        "@dg.template_var\ndef our_task():\n    return task()\n\n"
        "@dg.template_var\ndef sliding():\n    return RollingGen(20, 'sliding', trunc_days=7)\n\n"
        "@dg.template_var\ndef start():\n    return date(2015, 1, 2)\n\n"
        "@dg.template_var\ndef ready():\n"
        "    return RollingStrategySpec(name='ready', template=task(), generator=sliding())\n"
    )
    dated = strategy("dated")
    dated["template"]["dataset"]["kwargs"]["segments"]["train"][0] = "{{ start }}"
    project.write_strategies(
        strategy(
            "by_variable",
            generator={"step": "{{ env.MONTHS_OF }}", "trunc_days": "{{ 6 + 1 }}"},
            group_name="{{ env.DESK }}",
        ),
        strategy("whole", template="{{ our_task }}", generator="{{ sliding }}"),
        dated,
        "{{ ready }}",
        template_vars_module=".own",
    )
    definitions = project.load()
    strategies = list_strategies(definitions)
    assert set(strategies) == {"by_variable", "whole", "dated", "ready"}
    assert strategies["by_variable"].generator.trunc_days == 7
    assert strategies["whole"].generator.step == 20
    first, second = (next(iter(strategies[n].partitions.rolls)) for n in ("by_variable", "dated"))
    assert fingerprint(first.task) == fingerprint(second.task)  # a date that a template gives
    key = dg.AssetKey(["by_variable", "labels"])
    assert definitions.resolve_assets_def(key).get_asset_spec(key).group_name == "research"


def test_texts_that_are_no_templates_stay_texts(project):
    written = strategy(description="1,2")
    written["template"]["dataset"]["kwargs"]["instruments"] = ["000001", "600000"]
    project.write_strategies(written)
    spec = list_strategies(project.load())["momentum"]
    assert spec.template["dataset"]["kwargs"]["instruments"] == ["000001", "600000"]


def test_translation_and_post_processing_are_followed(project):
    project.write_strategies(
        strategy(),
        translation={
            "key": "fund/{{ props.name }}/{{ part }}",
            "tags": {"part": "{{ part }}"},
            "owners": ["team:quant"],
        },
        post_processing={"assets": [{"target": "*", "attributes": {"group_name": "desk"}}]},
    )
    definitions = project.load()
    keys = {key for key in project.asset_names() if "signals" not in key}
    assert keys == names("fund/momentum")
    key = dg.AssetKey(["fund", "momentum", "predictions"])
    asset = definitions.resolve_assets_def(key).get_asset_spec(key)
    assert (asset.group_name, asset.owners) == ("desk", ["team:quant"])
    assert asset.tags["part"] == "predictions"
    assert [dep.asset_key.path for dep in asset.deps] == [["fund", "momentum", "recorders"]]
    checks = definitions.get_repository_def().asset_graph.asset_check_keys
    assert {check.asset_key for check in checks if check.name == "complete"} == {key}


class ByTeam(RollingStrategyComponent):
    """A component of one's own."""

    def get_asset_spec(self, part, roll_props):
        spec = super().get_asset_spec(part, roll_props)
        return spec.replace_attributes(owners=["team:desk"], description=f"our {part}")

    def build_defs(self, context):
        more = dg.Definitions(assets=[dg.AssetSpec("ours")])
        return dg.Definitions.merge(super().build_defs(context), more)


def test_a_component_of_ones_own(project):
    file = project.write_strategies(strategy())
    file.write_text(file.read_text().replace(TYPE, f"{__name__}.ByTeam"))
    specs = {s.key.to_user_string(): s for s in project.load().resolve_all_asset_specs()}
    assert specs["momentum/labels"].description == "our labels"
    assert specs["momentum/labels"].owners == ["team:desk"]
    assert "ours" in specs


def test_all_that_may_be_chosen(project):
    project.write_strategies(
        strategy(
            experiment_name="exp",
            owners=["team:quant"],
            kinds=["scikitlearn"],
            tags={"tier": "gold"},
            key_prefix=["fund", "eu"],
            backfill_policy={"type": "multi_run", "max_partitions_per_run": 3},
            retry_policy={"max_retries": 2, "delay": 1.5, "backoff": "EXPONENTIAL"},
            op_tags={"dagster/priority": "3"},
            pool="gpu",
            max_workers=2,
            task_pool={"name": "rolls"},
        )
    )
    definitions = project.load()
    key = dg.AssetKey(["fund", "eu", "momentum", "recorders"])
    asset = definitions.resolve_assets_def(key)
    assert asset.backfill_policy == dg.BackfillPolicy.multi_run(3)
    assert asset.op.retry_policy == dg.RetryPolicy(2, 1.5, dg.Backoff.EXPONENTIAL)
    assert (asset.op.pool, asset.op.tags["dagster/priority"]) == ("gpu", "3")
    spec = asset.get_asset_spec(key)
    assert spec.tags["tier"] == "gold"
    assert "scikitlearn" in spec.kinds
    strategies = list_strategies(definitions)["momentum"]
    assert (strategies.experiment, strategies.max_workers) == ("exp", 2)
    assert strategies.task_pool.name == "rolls"


@pytest.mark.parametrize("prices", ["sample", "qlib:30min", "s3://bucket/prices", None])
def test_prices_that_are_no_file_of_the_project(project, prices):
    project.write_strategies(strategy(market={"prices": prices, "calendar": "XNYS"}))
    assert project.strategies()[0].market == Market(prices, "XNYS")


def test_a_price_file_is_looked_for_from_the_project_on(project, monkeypatch, tmp_path_factory):
    project.write_strategies(
        strategy("one", market={"prices": "data/prices.csv"}),
        strategy("two", market={"prices": f"{PROJECT_ROOT}/data/prices.csv"}),
        strategy("three", market={"prices": {"path": "data/prices.csv"}}),
    )
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    file = str(project.root / "data" / "prices.csv")
    assert [s.market for s in project.strategies()][:2] == [Market(file)] * 2
    assert project.strategies()[2].market == Market({"path": file})


def test_the_registry_of_dagster_finds_it_and_imports_nothing_else():
    code = (
        "import sys, dagster\n"
        "from dagster.components.core.package_entry import discover_package_objects\n"
        "print([key.name for key in discover_package_objects(['wf_dagster'])])\n"
        "print([m for m in ('mlflow', 'qlib', 'lightgbm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['RollingStrategyComponent']", "[]"]
    (entry,) = entry_points(group="dagster_dg_cli.registry_modules", name="wf_dagster")
    assert entry.load() is wf_dagster
