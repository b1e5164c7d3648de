"""Frames of strategies as inputs of a host's assets, beside an IO manager of the host's own."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pytest

from tests.orchestration.frames.host import (
    KEYS,
    RANGE,
    ROLLS,
    HostStorage,
    failure,
    host_definitions,
    keep_rolls,
    run,
    strategy_assets,
)
from wf_dagster.collect import keep
from wf_dagster.frames import load_collected, load_predictions, load_recorders, load_signals
from wf_dagster.online import OnlineToolR
from wf_dagster.online.signal_store import keep_signals
from wf_dagster.orchestration import (
    FramesIOManager,
    RollingStrategySpec,
    RollingTranslator,
    TrackingResource,
    build_strategy_definitions,
    rolling_asset_specs,
)
from wf_dagster.tracking import Recorder

PREDICTIONS = dg.AssetKey(["ridge", "predictions"])


class OtherKeys(RollingTranslator):
    """Calls the predictions what the host calls them."""

    def get_asset_spec(self, part, roll_props):
        spec = super().get_asset_spec(part, roll_props)
        return spec.replace_attributes(key="scores") if part == "predictions" else spec


def received(
    instance: dg.DagsterInstance,
    upstream: Any,
    annotation: Any,
    *,
    partition: str | None = None,
    partitions_def: Any = None,
    strategy: Any = None,
    **options: Any,
) -> Any:
    """What an asset of the host gets from an input of this type."""
    taken = []

    def report(frame: Any) -> None:
        taken.append(frame)

    report.__annotations__["frame"] = annotation
    asset_in = upstream if isinstance(upstream, dg.AssetIn) else dg.AssetIn(upstream)
    asset = dg.asset(ins={"frame": asset_in}, partitions_def=partitions_def, **options)(report)
    storage = HostStorage()
    definitions = strategy or host_definitions(storage=storage)
    definitions = dg.Definitions.merge(definitions, dg.Definitions(assets=[asset]))
    result = run(definitions, instance, ["report"], partition_key=partition)
    assert result.success, failure(result)
    return taken[0]


@pytest.fixture
def preds() -> dict[str, pd.DataFrame]:
    return keep_rolls()


def test_an_input_without_annotation_is_one_pandas_frame_of_all_rolls(instance, preds):
    frame = received(instance, PREDICTIONS, Any)
    pd.testing.assert_frame_equal(frame, pd.concat(preds.values()))


@pytest.mark.parametrize("annotation", [pd.DataFrame, pd.DataFrame | None])
def test_pandas_is_what_an_annotation_of_pandas_gets(instance, preds, annotation):
    assert isinstance(received(instance, PREDICTIONS, annotation), pd.DataFrame)


def test_polars_is_what_an_annotation_of_polars_gets(instance, preds):
    wanted = load_predictions("ridge", engine="polars")
    assert received(instance, PREDICTIONS, pl.DataFrame).equals(wanted)
    lazy = received(instance, PREDICTIONS, pl.LazyFrame)
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(wanted)


def test_a_dict_has_a_frame_a_roll(instance, preds):
    frames = received(instance, PREDICTIONS, dict[str, pd.DataFrame])
    assert list(frames) == KEYS
    for key in KEYS:
        pd.testing.assert_frame_equal(frames[key], preds[key])
    lengths = {
        k: len(f) for k, f in received(instance, PREDICTIONS, dict[str, pl.DataFrame]).items()
    }
    assert lengths == {key: len(pred) for key, pred in preds.items()}


def test_an_asset_of_the_same_partitions_gets_its_roll(instance, preds):
    partitions = strategy_assets().spec.partitions.definition
    frame = received(
        instance, PREDICTIONS, pd.DataFrame, partition=KEYS[2], partitions_def=partitions
    )
    pd.testing.assert_frame_equal(frame, preds[KEYS[2]])
    labels = received(
        instance,
        dg.AssetKey(["ridge", "labels"]),
        pd.DataFrame,
        partition=KEYS[2],
        partitions_def=partitions,
    )
    pd.testing.assert_frame_equal(labels, preds[KEYS[2]].rename(columns=str.upper) / 10)


def test_recorders_and_what_serves_are_inputs_too(instance, preds):
    recorders = load_recorders("ridge")
    partitions = strategy_assets().spec.partitions.definition
    key = dg.AssetKey(["ridge", "recorders"])
    assert {k: r.id for k, r in received(instance, key, dict).items()} == {
        k: r.id for k, r in recorders.items()
    }
    recorder = received(instance, key, Recorder, partition=KEYS[0], partitions_def=partitions)
    assert recorder.id == recorders[KEYS[0]].id
    OnlineToolR("ridge").reset_online_tag(recorders[KEYS[3]])
    online = received(instance, dg.AssetKey(["ridge", "online_models"]), list)
    assert [model.id for model in online] == [recorders[KEYS[3]].id]


def test_what_is_found_does_not_hang_on_keys_or_the_name_of_the_experiment(instance):
    preds = keep_rolls("fund/ridge 2")
    keep("fund/ridge 2", "collected", {"pred.pkl": preds[KEYS[0]], "label.pkl": preds[KEYS[0]]}, {})
    strategy = strategy_assets(
        experiment_name="fund/ridge 2", key_prefix="fund", translator=OtherKeys()
    )
    defs = dg.Definitions(strategy, resources={"tracking": TrackingResource()})
    frame = received(instance, dg.AssetKey("scores"), Any, strategy=defs)
    pd.testing.assert_frame_equal(frame, pd.concat(preds.values()))
    frame = received(instance, dg.AssetKey(["fund", "ridge", "collected"]), Any, strategy=defs)
    pd.testing.assert_frame_equal(frame[["score"]], preds[KEYS[0]])


def test_rolls_that_are_not_finished_are_said_and_left_out_of_all(instance, capfd):
    preds = keep_rolls(keys=KEYS[:3])
    frame = received(instance, PREDICTIONS, pd.DataFrame)
    assert len(frame) == sum(map(len, preds.values()))
    assert "1 of 4 rolls have no finished recorder and are left out, such as 2019-04-01" in (
        capfd.readouterr().err
    )


def test_another_code_location_lists_what_is_upstream_and_gives_the_io_manager(instance, preds):
    keep_signals("signals", preds[KEYS[0]])
    taken = []
    strategy = strategy_assets().spec
    spec = RollingStrategySpec(
        name="ridge", template=strategy.template, generator=strategy.generator
    )

    @dg.asset(ins={"scores": dg.AssetIn(PREDICTIONS, input_manager_key="wf_frames")})
    def report(signals: pd.DataFrame, scores: pl.DataFrame) -> None:
        taken.extend([signals, scores])

    elsewhere = dg.Definitions(
        assets=[
            *rolling_asset_specs(spec),
            dg.AssetSpec("signals").with_io_manager_key("wf_frames"),
            report,
        ],
        resources={"wf_frames": FramesIOManager()},
    )
    result = run(elsewhere, instance, ["report"])
    assert result.success, failure(result)
    pd.testing.assert_frame_equal(taken[0], load_signals())
    assert taken[1].height == sum(map(len, preds.values()))


def test_definitions_load_values_outside_of_runs(instance, preds):
    definitions = host_definitions(storage=HostStorage())
    frame = definitions.load_asset_value(PREDICTIONS, partition_key=KEYS[1], instance=instance)
    pd.testing.assert_frame_equal(frame, preds[KEYS[1]])


def failed(instance: dg.DagsterInstance, upstream: Any, annotation: Any, **options: Any) -> str:
    with pytest.raises(AssertionError) as error:
        received(instance, upstream, annotation, **options)
    return str(error.value)


def test_a_type_that_no_frame_has_is_refused_with_those_that_one_has(instance, preds):
    said = failed(instance, PREDICTIONS, pd.Series)
    assert "input 'frame' (ridge/predictions) is annotated with Series, and is a frame" in said
    assert "annotate it with pandas.DataFrame, polars.DataFrame or polars.LazyFrame" in said
    said = failed(instance, dg.AssetKey(["ridge", "online_models"]), pd.DataFrame)
    assert "is a list of recorders: annotate it with list" in said
    said = failed(instance, dg.AssetKey(["ridge", "recorders"]), pd.DataFrame)
    assert "is a recorder: annotate it with wf_dagster.tracking.Recorder" in said


def test_what_is_not_there_is_named_with_the_remedy(instance):
    assert "materialize the asset of that name" in failed(instance, "signals", pd.DataFrame)
    keep_rolls(keys=KEYS[:1])
    said = failed(instance, dg.AssetKey(["ridge", "collected"]), pd.DataFrame)
    assert "was never collected: materialize its `collected` asset" in said
    partitions = strategy_assets().spec.partitions.definition
    said = failed(instance, PREDICTIONS, Any, partition=KEYS[1], partitions_def=partitions)
    assert "one roll is asked for and has no finished recorder: 2019-02-01" in said


def test_a_value_is_not_swallowed(instance):
    @dg.asset(io_manager_key="wf_frames")
    def lost() -> int:
        return 1

    definitions = dg.Definitions(assets=[lost], resources={"wf_frames": FramesIOManager()})
    said = failure(run(definitions, instance, ["lost"]))
    assert "lost gives a int, and 'wf_frames' stores none" in said


@pytest.mark.slow
def test_rolls_signals_and_a_report_in_one_repository(instance):
    """From training on: the report stands in the run that makes the signals, too."""

    @dg.asset(ins={"ridge": dg.AssetIn(["ridge", "collected"])})
    def report(signals: pl.DataFrame, ridge: pd.DataFrame) -> dict[str, int]:
        return {"signals": signals.height, "collected": len(ridge)}

    storage = HostStorage()
    strategy = strategy_assets()
    spec = RollingStrategySpec(
        signals="signals",
        name="ridge",
        template=strategy.spec.template,
        generator=strategy.spec.generator,
    )
    definitions = dg.Definitions.merge(
        build_strategy_definitions(spec, with_checks=False, executor=dg.in_process_executor),
        dg.Definitions(assets=[report], resources={"io_manager": storage}),
    )
    assert run(definitions, instance, ROLLS, tags=RANGE).success
    result = run(definitions, instance, ["ridge/collected", "signals", "report"])
    assert result.success, failure(result)
    rows = len(load_collected("ridge"))
    assert storage.values == {"report": {"signals": rows, "collected": rows}}
