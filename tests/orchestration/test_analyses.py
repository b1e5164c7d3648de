"""Analyses of a strategy: computed once on what was collected, as an asset of its own."""

import logging
import math

import dagster as dg
import pandas as pd
import pytest

from tests.orchestration.hosted import keys_of, spec_of
from tests.support import task_of
from wf_dagster import RollingGen, build_strategy_definitions, load_analyses
from wf_dagster.collect.strategy_collection import LABELS
from wf_dagster.data.labels import forward_return
from wf_dagster.errors import CollectError, SettingsError, TaskError
from wf_dagster.orchestration import TrackingResource, build_rolling_assets
from wf_dagster.tracking import Recorder, find_recorder_of_kind, find_recorders

KEYS = ["2019-01-01", "2019-02-01"]
SIGNAL = {"class": "SigAnaRecord", "module_path": "wf_dagster.records", "kwargs": {}}
PORTFOLIO = {
    "class": "PortAnaRecord",
    "module_path": "wf_dagster.records",
    "kwargs": {"topk": 4, "n_drop": 1},
}

NEXT = f"{__name__}.next_return"


def next_return(prices: pd.DataFrame) -> pd.DataFrame:
    """A second label."""
    return forward_return(prices, horizon=1).rename(columns={"label": "next"})


def template(**dataset) -> dict:
    task = task_of(KEYS[0])
    task["dataset"]["kwargs"]["segments"]["test"] = (KEYS[0], "2019-02-28")
    task["dataset"]["kwargs"].update(dataset)
    task["record"] = task["record"][:1]
    return task


def build(analyses, **options) -> dg.Definitions:
    task = options.pop("template", None) or template()
    generator = RollingGen("month", rtype=RollingGen.ROLL_SD, trunc_days=7)
    assets = build_rolling_assets("demo", task, generator, analyses=analyses, **options)
    return dg.Definitions(
        assets=assets,
        resources={"tracking": TrackingResource()},
        executor=dg.in_process_executor,
    )


def run(instance, definitions, *parts, partition_key=None):
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[dg.AssetKey(["demo", part]) for part in parts],
        instance=instance,
        raise_on_error=False,
        partition_key=partition_key,
    )


def train(instance, definitions) -> None:
    for key in KEYS:
        assert run(instance, definitions, "recorders", partition_key=key).success


def metadata_of(instance) -> dict:
    event = instance.get_latest_materialization_event(dg.AssetKey(["demo", "analyses"]))
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def message_of(result) -> str:
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    return str(failure.event_specific_data.error)


def test_all_rolls_are_analysed_together_and_again_when_they_are_collected_again(instance, caplog):
    definitions = build([SIGNAL, PORTFOLIO])
    train(instance, definitions)
    assert run(instance, definitions, "collected", "analyses").success
    collected = find_recorder_of_kind("demo", "collected")
    pred, label = (collected.load_object(name) for name in ("pred.pkl", "label.pkl"))
    metadata = metadata_of(instance)
    rows = pred.assign(label=label.iloc[:, 0]).dropna().groupby(level="datetime")
    ic = rows.apply(lambda day: day["score"].corr(day["label"]))
    assert metadata["IC"] == pytest.approx(ic.mean(), abs=1e-12)
    assert metadata["records"] == ["SigAnaRecord", "PortAnaRecord"]
    days = pred.index.unique("datetime")
    assert metadata["first_session"] == f"{days[0]:%Y-%m-%d}"
    assert metadata["last_session"] == f"{days[-1]:%Y-%m-%d}"
    for plot in ("ic_plot", "returns_1day"):
        assert metadata[plot].startswith("![")

    recorder = load_analyses("demo")
    assert recorder.id in metadata["mlflow_run"]
    report = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
    assert report.index[0] == days[1]  # one portfolio, from roll to roll
    assert set(days[1:]) <= set(report.index)
    net = report["return"] - report["bench"] - report["cost"]
    name = "1day.excess_return_with_cost.mean"
    assert metadata[name] == pytest.approx(net.mean(), abs=1e-12)
    # a recorder of a kind of its own is no roll
    assert {r.list_tags()["roll"] for r in find_recorders("demo")} == set(KEYS)
    assert all("IC" not in r.list_metrics() for r in find_recorders("demo"))

    assert run(instance, definitions, "analyses").success
    assert "of analyses before" not in caplog.text
    definitions = build([SIGNAL])
    assert run(instance, definitions, "collected", "analyses").success
    assert f"portfolio_analysis of recorder {recorder.id}: of analyses before" in caplog.text
    assert len(find_recorders("demo", tags={"wf_kind": "analyses"}, status=None)) == 1
    metrics = load_analyses("demo").list_metrics()
    assert metrics["IC"] == pytest.approx(ic.mean(), abs=1e-12)
    assert math.isnan(metrics[name])  # which is not computed any more
    assert name not in metadata_of(instance)


def test_of_several_labels_an_analysis_may_name_each(instance):
    task = template(label=[NEXT, "wf_dagster.data.labels.forward_return"])
    task["model"]["kwargs"]["label_column"] = "next"
    analyses = [{**SIGNAL, "kwargs": {"label_col": position}} for position in (0, 1)]
    definitions = build(analyses, template=task)
    train(instance, definitions)
    assert run(instance, definitions, "collected", "analyses").success
    labels = find_recorder_of_kind("demo", "collected").load_object(LABELS)
    assert list(labels.columns) == ["next", "label"]
    rolls = pd.concat([r.load_object("label.pkl") for r in find_recorders("demo")]).sort_index()
    pd.testing.assert_frame_equal(labels, rolls, check_freq=False)
    pred = load_analyses("demo").load_object("pred.pkl")
    rows = pred.assign(label=labels.iloc[:, 1]).dropna().groupby(level="datetime")
    ic = rows.apply(lambda day: day["score"].corr(day["label"]))
    assert load_analyses("demo").list_metrics()["IC"] == pytest.approx(ic.mean(), abs=1e-12)


def test_an_asset_downstream_is_given_the_recorder(instance):
    received = []

    @dg.asset(ins={"analysed": dg.AssetIn(["demo", "analyses"])}, key=["demo", "report"])
    def report(analysed: Recorder) -> None:
        received.append(analysed.list_metrics())

    definitions = dg.Definitions.merge(build([SIGNAL]), dg.Definitions(assets=[report]))
    train(instance, definitions)
    assert run(instance, definitions, "collected", "analyses", "report").success
    assert received == [load_analyses("demo").list_metrics()]


def test_before_anything_is_collected_the_remedy_is_named(instance):
    definitions = build([SIGNAL])
    result = run(instance, definitions, "analyses")
    assert "materialize its `collected` asset first" in message_of(result)
    train(instance, definitions)
    with pytest.raises(CollectError, match=r"never analysed: give it analyses=\[...\]"):
        load_analyses("demo")


def test_an_analysis_that_fails_leaves_what_was_collected(instance):
    benchmark = {**PORTFOLIO, "kwargs": {"benchmark": "NOBODY"}}
    definitions = build([benchmark])
    train(instance, definitions)
    result = run(instance, definitions, "collected", "analyses")
    assert "benchmark 'NOBODY' is not in" in message_of(result)
    assert find_recorder_of_kind("demo", "collected").status == "FINISHED"
    assert find_recorder_of_kind("demo", "analyses").status == "FAILED"


def test_the_asset_is_there_where_a_strategy_has_analyses():
    with_analyses = build_strategy_definitions(spec_of(analyses=[SIGNAL]))
    without = build_strategy_definitions(spec_of())
    assert keys_of(with_analyses) - keys_of(without) == {"ridge/analyses"}
    node = with_analyses.resolve_asset_graph().get(dg.AssetKey(["ridge", "analyses"]))
    assert node.parent_keys == {dg.AssetKey(["ridge", "collected"])}
    assert node.metadata["wf_dagster/part"] == "analyses"
    # one that fails is no reason to work through a session again
    job = with_analyses.get_repository_def().get_job("ridge_online")
    assert dg.AssetKey(["ridge", "analyses"]) not in job.asset_layer.executable_asset_keys
    assert node.automation_condition.get_label() == "on_new_results"  # in a run of their own
    collected = with_analyses.resolve_asset_graph().get(dg.AssetKey(["ridge", "collected"]))
    assert collected.automation_condition is None
    sensors = {s.name for s in with_analyses.get_repository_def().sensor_defs}
    assert "default_automation_condition_sensor" in sensors
    declarative = build_strategy_definitions(spec_of(analyses=[SIGNAL], automation="declarative"))
    node = declarative.resolve_asset_graph().get(dg.AssetKey(["ridge", "analyses"]))
    assert node.automation_condition.get_label() == "on_new_results"


@pytest.mark.parametrize(
    ("analyses", "named"),
    [
        ([{**SIGNAL, "kwargs": {"quantil": 0.1}}], r"analyses\.0\.kwargs\.quantil.*'quantile'"),
        ([SIGNAL, "wf_dagster.records.PortAna"], r"analyses\.1: .*no 'PortAna'"),
        (["wf_dagster.records.SignalRecord"], r"analyses\.0 .*needs a model or a dataset"),
        ([{"kwargs": {}}], r"analyses\.0\.class is missing"),
    ],
)
def test_what_is_wrong_with_an_analysis_is_said_when_definitions_load(analyses, named):
    with pytest.raises(TaskError, match=named):
        build(analyses)


def test_analyses_are_a_list():
    with pytest.raises(SettingsError, match=r"analyses of strategy 'ridge' is .* give a list"):
        spec_of(analyses=SIGNAL)


def test_a_record_of_each_roll_with_fixed_dates_is_warned_of_when_definitions_load(caplog):
    task = template()
    task["record"].append({**PORTFOLIO, "kwargs": {"start_time": "2019-01-02"}})
    with caplog.at_level(logging.WARNING):
        build([], template=task)
    assert "strategy 'demo': record.1 (PortAnaRecord) fixes its dates" in caplog.text


def test_dates_outside_of_what_was_collected_are_told_of_the_analysis_that_has_them(
    instance, caplog
):
    fixed = {**PORTFOLIO, "kwargs": {**PORTFOLIO["kwargs"], "end_time": "2030-01-01"}}
    definitions = build([SIGNAL, fixed])
    train(instance, definitions)
    with caplog.at_level(logging.WARNING):
        assert run(instance, definitions, "collected", "analyses").success
    assert "analyses.1: its dates, the first to 2030-01-01, reach outside" in caplog.text
