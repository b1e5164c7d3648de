"""A key prefix, however it comes: events, checks, jobs and sensors follow the keys as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import wf_dagster
from tests.online.market import TEST, day, made_prices, use_prices
from tests.orchestration.hosted import Host, checks_of, keys_of, module_of, spec_of
from tests.orchestration.online.life import create_assets, failures, roll_key
from wf_dagster import RollingTranslator, build_strategy_definitions
from wf_dagster.orchestration import (
    TrackingResource,
    build_freshness_sensor,
    build_online_checks,
    build_online_schedule,
    build_signals_asset,
    new_data_sensor,
    online_job,
    roll_due_sensor,
)
from wf_dagster.orchestration.location.code_location import find_strategy

PARTS = ("recorders", "predictions", "labels")
TRANSLATED = {part: f"fund/ridge/{part}" for part in (*PARTS, "collected", "online_models")}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def clock(ready_store: None, tmp_path: Path) -> Path:
    """The session that it is: one of the second roll."""
    file = tmp_path / "clock"
    file.write_text(day(TEST + 9))
    use_prices(tmp_path / "prices.parquet", made_prices(), replay_clock=file)
    return file


def by_argument() -> dg.Definitions:
    """The prefix is an argument."""
    return build_strategy_definitions(spec_of(key_prefix="fund", signals="fund/signals"))


def by_translator() -> dg.Definitions:
    """The keys are another class's."""

    class Fund(RollingTranslator):
        def get_asset_spec(self, part: str, roll_props: Any) -> dg.AssetSpec:
            spec = super().get_asset_spec(part, roll_props)
            return spec.replace_attributes(key=spec.key.with_prefix("fund"))

    return build_strategy_definitions(spec_of(signals="signals"), translator=Fund())


def by_loading() -> dg.Definitions:
    """The assets are given other keys after everything was made of them."""
    ridge = create_assets()
    module = module_of(
        ridge=ridge,
        signals=build_signals_asset([ridge]),
        checks=build_online_checks(ridge),
    )
    return dg.Definitions(
        assets=dg.load_assets_from_modules([module], key_prefix="fund"),
        asset_checks=dg.load_asset_checks_from_modules([module], asset_key_prefix="fund"),
        schedules=[build_online_schedule(ridge, "30 17 * * *", "America/New_York")],
        sensors=[
            new_data_sensor(ridge),
            roll_due_sensor(ridge),
            build_freshness_sensor(ridge, name="ridge_freshness_sensor"),
        ],
        resources={"tracking": TrackingResource()},
    )


WAYS = pytest.mark.parametrize("define", [by_argument, by_translator, by_loading])


@WAYS
def test_a_backfill_and_what_follows_it_are_marked_at_their_keys(define, clock, instance):
    host = Host(define(), instance)
    assert keys_of(host.definitions) == {*TRANSLATED.values(), "fund/signals"}
    first, second = roll_key(0), roll_key(1)
    result = host.backfill([TRANSLATED[part] for part in PARTS], first, second)
    assert result.success, failures(result)
    for part in PARTS:
        assert host.partitions(TRANSLATED[part]) == [first, second]
    predictions, labels = TRANSLATED["predictions"], TRANSLATED["labels"]
    assert set(checks_of(result)) == {
        f"{predictions}: complete",
        f"{predictions}: unique_rows",
        f"{predictions}: usable_scores",
        f"{predictions}: score_drift",
        f"{predictions}: fresh",
        f"{labels}: labels_known",
    }
    job = host.definitions.resolve_implicit_global_asset_job_def()
    whole = [TRANSLATED["collected"], TRANSLATED["online_models"], "fund/signals"]
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey.from_user_string(key) for key in whole],
        instance=instance,
        raise_on_error=False,
    )
    assert result.success, failures(result)
    assert {f"{TRANSLATED['collected']}: rolling_ic", "fund/signals: fresh"} <= set(
        checks_of(result)
    )
    assert host.materialized() == keys_of(host.definitions)  # and nothing elsewhere


@WAYS
def test_schedule_sensors_and_online_runs_follow(define, clock, instance):
    host = Host(define(), instance)
    clock.write_text(day(TEST))
    request = host.tick("ridge_online_schedule", f"{day(TEST)} 17:30")
    assert isinstance(request, dg.RunRequest), request
    result = host.run(request, "ridge_online")
    assert result.success, failures(result)
    # trained by a run that has not selected them: the event is at their key all the same
    assert host.partitions(TRANSLATED["recorders"]) == [roll_key(0)]
    assert host.materialized() == keys_of(host.definitions)
    assert f"{TRANSLATED['online_models']}: one_generation" in checks_of(result)

    clock.write_text(day(TEST + 1))
    (request,) = host.look("ridge_new_data_sensor").run_requests
    assert host.run(request, "ridge_online").success
    assert "is trained" in str(host.look("ridge_roll_due_sensor").skip_reason)
    clock.write_text(day(TEST + 3))
    answer = host.look("ridge_freshness_sensor")
    assert {event.asset_key.to_user_string() for event in answer.asset_events} == {
        TRANSLATED["predictions"],
        "fund/signals",
    }
    assert not any(event.passed for event in answer.asset_events)
    assert find_strategy(host.definitions, "ridge").keys.asset("collected") == (
        dg.AssetKey(["fund", "ridge", "collected"])
    )


def test_checks_that_were_left_behind_are_named_when_definitions_load(clock):
    ridge = create_assets()
    module = module_of(ridge=ridge, signals=build_signals_asset([ridge]))
    definitions = dg.Definitions(
        assets=dg.load_assets_from_modules([module], key_prefix="fund"),
        asset_checks=build_online_checks(ridge),
        jobs=[online_job(ridge)],
        resources={"tracking": TrackingResource()},
    )
    with pytest.raises(dg.DagsterInvalidDefinitionError) as caught:
        dg.Definitions.validate_loadable(definitions)
    assert str(caught.value.__cause__) == (
        "asset ridge/predictions is now called fund/ridge/predictions, and its checks were left "
        "behind: load them with the same prefix (load_asset_checks_from_modules(..., "
        "asset_key_prefix=...)), or give the prefix to build_rolling_assets(..., key_prefix=...) "
        "instead"
    )


def test_a_job_whose_signals_nobody_makes_says_so(clock):
    ridge = create_assets()
    definitions = dg.Definitions(
        assets=[*ridge], jobs=[online_job(ridge)], resources={"tracking": TrackingResource()}
    )
    with pytest.raises(dg.DagsterInvalidDefinitionError) as caught:
        dg.Definitions.validate_loadable(definitions)
    assert str(caught.value.__cause__) == (
        "job ridge_online refreshes signals, which no asset of the code location makes: put it "
        "into the Definitions (signals: build_signals_asset), or leave signals out with signals=()"
    )


def test_attributes_that_are_mapped_leave_keys_and_events_alone(clock, instance):
    definitions = build_strategy_definitions(spec_of(signals="signals")).map_asset_specs(
        func=lambda spec: spec.replace_attributes(
            group_name="research", metadata={"desk": "a"}, tags={}
        )
    )
    host = Host(definitions, instance)
    result = host.backfill(["ridge/recorders", "ridge/predictions"], roll_key(0), roll_key(0))
    assert result.success, failures(result)
    assert host.partitions("ridge/predictions") == [roll_key(0)]
    clock.write_text(day(TEST))
    request = host.tick("ridge_online_schedule", f"{day(TEST)} 17:30")
    assert host.run(request, "ridge_online").success


def test_a_prefix_is_text_or_parts(clock):
    both = (spec_of(key_prefix="fund/eu"), spec_of(key_prefix=["fund", "eu"]))
    for spec in both:
        assert spec.default_key("labels") == dg.AssetKey(["fund", "eu", "ridge", "labels"])
    for prefix, part in (("fund//eu", ""), (["fund/eu"], "fund/eu"), ("a b", "a b"), ([1], 1)):
        with pytest.raises(wf_dagster.SettingsError) as caught:
            spec_of(key_prefix=prefix)
        assert f"key_prefix {prefix!r} has a part {part!r}: use letters" in str(caught.value)
